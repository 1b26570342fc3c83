"""The file of a backup: a zip whose manifest says what is in it, with the SHA-256 of each member.

Nothing of it is believed before it was checked: names are not paths, links and members that nobody
announced are refused, and no member is read further than the manifest says.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from chassis.settings import OperatorError

FORMAT = "quartet-backup"
VERSION = 1
MANIFEST = "manifest.json"

_LONGEST_MANIFEST = 1_000_000
_MOST_MEMBERS = 10_000
_CHUNK = 1 << 20
_NAME = re.compile(r"[a-z0-9_]{1,80}(\.[a-z0-9_]{1,80}){1,3}")


class ArchiveRefused(OperatorError):
    """The file is no backup that can be restored here; the message says why, and what to do."""


@dataclass(frozen=True)
class Rows:
    """A table of PostgreSQL: its columns, and the member that holds its rows as COPY wrote them."""

    table: str
    columns: list[str]
    member: str


@dataclass(frozen=True)
class Contents:
    """One database of a backup: the migration it was at, and on PostgreSQL its tables."""

    revision: str
    tables: list[Rows]


@dataclass(frozen=True)
class Member:
    """What a member of the archive has to be."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup holds. `engine` is sqlite or postgresql, `made` its moment (RFC 3339)."""

    engine: str
    made: str
    databases: Mapping[str, Contents]
    members: Mapping[str, Member]

    def write(self) -> bytes:
        """The JSON that `read` reads."""
        return json.dumps({"format": FORMAT, "version": VERSION} | asdict(self), indent=1).encode()

    @classmethod
    def read(cls, content: bytes) -> Manifest:
        """Raises ArchiveRefused for what no release of ours wrote."""
        try:
            found = json.loads(content)
            if found.pop("format") != FORMAT:
                raise ValueError("another format")
            version = found.pop("version")
            if version != VERSION:
                raise ArchiveRefused(
                    f"It is a backup in version {version!r} of the format, and this release reads "
                    f"{VERSION}. Next: restore it with the release that made it, or a newer one."
                )
            return cls._checked(found)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ArchiveRefused(f"Its manifest is damaged ({error!r}). {_NEXT}") from error

    @classmethod
    def _checked(cls, found: dict[str, Any]) -> Manifest:
        databases = {
            name: Contents(one["revision"], [Rows(**rows) for rows in one["tables"]])
            for name, one in found["databases"].items()
        }
        members = {name: Member(**one) for name, one in found["members"].items()}
        for name, member in members.items():
            if not _NAME.fullmatch(name) or int(member.size) < 0:
                raise ValueError(f"the member {name[:60]!r}")
        return cls(str(found["engine"]), str(found["made"]), databases, members)


_NEXT = "Next: use another backup; this one is not whole, or not ours."


class Writer:
    """Adds members to a new archive."""

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._zip = opened
        self._members: dict[str, Member] = {}

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """A member of those bytes."""
        size, digest = 0, sha256()
        with self._zip.open(name, "w", force_zip64=True) as member:
            for chunk in chunks:
                member.write(chunk)
                size += len(chunk)
                digest.update(chunk)
        self._members[name] = Member(size, digest.hexdigest())

    def finish(self, engine: str, made: str, databases: Mapping[str, Contents]) -> Manifest:
        """Add the manifest, as the last member; returns it."""
        manifest = Manifest(engine, made, databases, self._members)
        self._zip.writestr(MANIFEST, manifest.write())
        return manifest


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A new archive with mode 0600, which is at `path` whole when the block is left, or not at all.

    Raises ArchiveRefused where something is at `path` already.
    """
    if path.exists():
        raise ArchiveRefused(f"{path} is there already. Next: name another file, or remove it.")
    number, aside = tempfile.mkstemp(prefix=".backup-", dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(number, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as opened:
                yield Writer(opened)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)  # unlike a rename it overwrites nothing
        sync_folder(path.parent)
    except FileExistsError:
        raise ArchiveRefused(f"{path} is there by now. Next: name another file.") from None
    finally:
        Path(aside).unlink()


class Archive:
    """A backup that is read. Open it with `reading`."""

    def __init__(self, path: Path, opened: zipfile.ZipFile) -> None:
        self._path = path
        self._zip = opened
        self.manifest = self._read_manifest()

    def extract(self, folder: Path) -> None:
        """Write every member into the folder, checked. Raises ArchiveRefused.

        What is written may not be used unless this returned.
        """
        self._check_members()
        needed = sum(member.size for member in self.manifest.members.values())
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise ArchiveRefused(
                f"It holds {needed} bytes, and {free} are free at {folder}. Next: make room there."
            )
        for name, member in self.manifest.members.items():
            with open(folder / name, "xb", opener=_for_us_alone) as file:
                for chunk in self._read(name, member):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())

    def _read_manifest(self) -> Manifest:
        infos = self._zip.infolist()
        found = [info for info in infos if info.filename == MANIFEST]
        if len(found) != 1 or found[0].file_size > _LONGEST_MANIFEST or len(infos) > _MOST_MEMBERS:
            raise ArchiveRefused(f"{self._path} has no manifest of a backup. {_NEXT}")
        _check_kind(found[0])
        with self._zip.open(found[0]) as member:
            return Manifest.read(member.read(_LONGEST_MANIFEST + 1))

    def _check_members(self) -> None:
        infos = [info for info in self._zip.infolist() if info.filename != MANIFEST]
        names = [info.filename for info in infos]
        announced = self.manifest.members
        if len(names) != len(set(names)) or set(names) != set(announced):
            raise ArchiveRefused(f"{self._path} has other members than it announces. {_NEXT}")
        for info in infos:
            _check_kind(info)
            if info.file_size != announced[info.filename].size:
                raise ArchiveRefused(f"{info.filename} has another size than announced. {_NEXT}")

    def _read(self, name: str, expected: Member) -> Iterator[bytes]:
        size, digest = 0, sha256()
        with self._zip.open(name) as member:
            while chunk := member.read(_CHUNK):
                size += len(chunk)
                if size > expected.size:
                    break
                digest.update(chunk)
                yield chunk
        if size != expected.size or digest.hexdigest() != expected.sha256:
            raise ArchiveRefused(f"{name} is damaged: its checksum is another. {_NEXT}")


@contextmanager
def reading(path: Path) -> Iterator[Archive]:
    """The archive at `path`. Raises ArchiveRefused for what is none, within the block as well."""
    try:
        with zipfile.ZipFile(path) as opened:
            yield Archive(path, opened)
    except OSError as error:
        if error.filename != str(path):
            raise
        raise ArchiveRefused(f"{path}: {error.strerror}. Next: name a backup.") from error
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        EOFError,
        NotImplementedError,
        zlib.error,
    ) as error:
        raise ArchiveRefused(f"{path} is no backup, or a damaged one: {error}. {_NEXT}") from error


def _check_kind(info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    plain = kind in (0, stat.S_IFREG) and not info.is_dir() and not info.flag_bits & 1
    if not plain or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArchiveRefused(f"{info.filename[:60]!r} is no plain file. {_NEXT}")


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def sync_folder(folder: Path) -> None:
    """Return when the names in the folder are on the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
