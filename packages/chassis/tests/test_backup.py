"""Backups: of one moment while others write, put back whole or not at all, never by a liar."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from chassis import backup, restore
from chassis.archive import ArchiveRefused
from chassis.backup import BackupFailed
from chassis.database import Database, DataInUse, SchemaUnknown
from chassis.installation import Installation, find_product
from chassis.keys import Role
from chassis.product import Product
from chassis.settings import Settings

SAMPLE = Path(__file__).parent / "sample"


@pytest.fixture
def products() -> list[Product]:
    return [find_product("notebook:PRODUCT")]


@pytest.fixture
def given(settings: Settings) -> Settings:
    """The secret is that of the data folder, so that a backup has to bring it."""
    return replace(settings, secret=None)


@contextmanager
def opened(products: list[Product], settings: Settings) -> Iterator[Installation]:
    installation = Installation.open(products, settings)
    try:
        yield installation
    finally:
        installation.close()


def take(installation: Installation, path: Path) -> None:
    backup.take(installation.databases, installation.keys._secret, path)


def note(installation: Installation, words: str) -> None:
    with installation.databases["notebook"].writing() as connection:
        connection.execute(text("INSERT INTO note VALUES (:text)"), {"text": words})


def notes(installation: Installation) -> list[str]:
    with installation.databases["notebook"].reading() as connection:
        return list(connection.execute(text("SELECT text FROM note ORDER BY text")).scalars())


def test_what_was_there_is_there_again(
    given: Settings, products: list[Product], tmp_path: Path
) -> None:
    """Keys, notes and the secret; on a machine that has nothing."""
    with opened(products, given) as installation:
        _, token = installation.keys.create("Ada", Role.ADMIN)
        note(installation, "kept \\N\t\n“as it is”")
        take(installation, tmp_path / "backup")
        note(installation, "later")
    elsewhere = replace(given, data=tmp_path / "elsewhere")
    restore.put_back(tmp_path / "backup", products, elsewhere, force=given.on_postgresql)
    with opened(products, elsewhere) as installation:
        assert notes(installation) == ["kept \\N\t\n“as it is”"]
        found = installation.keys.authenticate(token)
        assert found is not None
        assert found.owner == "Ada"
        assert installation.not_ready() == {}
        note(installation, "and it goes on")


def test_a_backup_is_for_its_owner_alone_and_overwrites_nothing(
    given: Settings, products: list[Product], tmp_path: Path
) -> None:
    path = tmp_path / "backup"
    with opened(products, given) as installation:
        take(installation, path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        before = path.read_bytes()
        with pytest.raises(ArchiveRefused, match="there already"):
            take(installation, path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_data_is_replaced_only_when_that_was_said(
    given: Settings, products: list[Product], tmp_path: Path
) -> None:
    with opened(products, given) as installation:
        note(installation, "before")
        take(installation, tmp_path / "backup")
        note(installation, "after")
    with pytest.raises(ArchiveRefused, match="add --force"):
        restore.put_back(tmp_path / "backup", products, given)
    with opened(products, given) as installation:
        assert notes(installation) == ["after", "before"]
    restore.put_back(tmp_path / "backup", products, given, force=True)
    with opened(products, given) as installation:
        assert notes(installation) == ["before"]


def test_what_was_taken_back_since_stays_taken_back(
    given: Settings, products: list[Product], tmp_path: Path
) -> None:
    """A key that leaked was revoked, and somebody signed out. A restore may not undo that."""
    with opened(products, given) as installation:
        installation.keys.create("Ada", Role.ADMIN)
        leaked, token = installation.keys.create("Eve", Role.WRITE)
        session = installation.sessions.begin(leaked.id)
        link = installation.sessions.create_link(leaked.id)
        take(installation, tmp_path / "backup")
        installation.keys.revoke(leaked.id)
    restore.put_back(tmp_path / "backup", products, given, force=True)
    with opened(products, given) as installation:
        assert installation.keys.authenticate(token) is None
        assert installation.sessions.principal(session) is None
        assert installation.sessions.use_link(link) is None


def test_the_product_hears_of_a_restore(
    given: Settings, products: list[Product], tmp_path: Path
) -> None:
    def restored(connection: Any) -> None:
        connection.execute(text("INSERT INTO note VALUES ('restored')"))

    with opened(products, given) as installation:
        take(installation, tmp_path / "backup")
    told = [replace(products[0], restored=restored)]
    restore.put_back(tmp_path / "backup", told, given, force=True)
    with opened(products, given) as installation:
        assert notes(installation) == ["restored"]


# -- one moment --------------------------------------------------------------------------------


def _numbers(installation: Installation) -> tuple[int, int]:
    """The highest number in the database of keys, and in that of the product."""
    with installation.databases["quartet"].reading() as connection:
        found = connection.execute(text("SELECT value FROM deployment WHERE name = 'number'"))
        first = int(found.scalar() or 0)
    written = [int(one) for one in notes(installation)]
    assert sorted(written) == list(range(1, len(written) + 1))
    return first, len(written)


def _count_on(installation: Installation, stop: threading.Event, acknowledged: list[int]) -> None:
    """Write each number to the one database and then to the other."""
    keys, product = installation.databases["quartet"], installation.databases["notebook"]
    with keys.writing() as connection:
        connection.execute(text("INSERT INTO deployment VALUES ('number', '0')"))
    number = 0
    while not stop.is_set():
        number += 1
        with keys.writing() as connection:
            connection.execute(
                text("UPDATE deployment SET value = :n WHERE name = 'number'"), {"n": str(number)}
            )
        with product.writing() as connection:
            connection.execute(text("INSERT INTO note VALUES (:n)"), {"n": str(number)})
        acknowledged.append(number)


def _backed_up_while_counting(
    products: list[Product], settings: Settings, path: Path
) -> tuple[int, tuple[int, int]]:
    """What was acknowledged before the backup began, and the numbers that are in it."""
    stop, acknowledged = threading.Event(), [0]
    with opened(products, settings) as installation:
        writer = threading.Thread(target=_count_on, args=(installation, stop, acknowledged))
        writer.start()
        try:
            while acknowledged[-1] < 20:
                assert writer.is_alive()
            before = acknowledged[-1]
            take(installation, path)
        finally:
            stop.set()
            writer.join()
    restore.put_back(path, products, settings, force=True)
    with opened(products, settings) as installation:
        return before, _numbers(installation)


@pytest.mark.race
def test_a_backup_while_others_write_is_of_one_moment(
    given: Settings, products: list[Product], tmp_path: Path
) -> None:
    before, (first, second) = _backed_up_while_counting(products, given, tmp_path / "backup")
    assert first - second in (0, 1)
    assert second >= before


@pytest.mark.race
def test_twin_without_one_moment_the_databases_disagree(
    products: list[Product], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One snapshot after the other: the second has what the first knows nothing of."""

    @contextmanager
    def one_by_one(paths: dict[str, str]) -> Iterator[dict[str, sqlite3.Connection]]:
        with ExitStack() as stack:
            snapshots = {}
            for name, path in paths.items():
                made = stack.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
                made.execute("BEGIN")
                made.execute("SELECT count(*) FROM sqlite_master").fetchone()
                snapshots[name] = made
                threading.Event().wait(0.3)
            yield snapshots

    monkeypatch.setattr(backup, "_one_moment", one_by_one)
    settings = Settings(data=tmp_path / "data")
    _, (first, second) = _backed_up_while_counting(products, settings, tmp_path / "backup")
    assert second > first


def test_a_damaged_file_is_not_backed_up_as_if_it_were_whole(
    products: list[Product], tmp_path: Path
) -> None:
    settings = Settings(data=tmp_path / "data")
    with opened(products, settings) as installation:
        for number in range(200):
            note(installation, f"{number} " * 100)
    with (settings.data / "notebook.db").open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 8192)
    databases = {name: Database.open(settings, name) for name in ("quartet", "notebook")}
    with pytest.raises(BackupFailed, match="is damaged"):
        backup.take(databases, b"s" * 32, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    for database in databases.values():
        database.close()


# -- nobody else ---------------------------------------------------------------------------------


@pytest.mark.parametrize("serving", [True, False])
def test_data_that_somebody_has_open_is_not_replaced(
    serving: bool, products: list[Product], tmp_path: Path
) -> None:
    """What a command writes meanwhile would go to a file that is nowhere any more."""
    settings = Settings(data=tmp_path / "data")
    installation = Installation.open(products, settings, serving=serving)
    take(installation, tmp_path / "backup")
    with pytest.raises(DataInUse, match="Next: stop the server"):
        restore.put_back(tmp_path / "backup", products, settings, force=True)
    installation.close()
    restore.put_back(tmp_path / "backup", products, settings, force=True)


# -- cut off ---------------------------------------------------------------------------------------

CUT = """
import os, shutil, signal, sys
from pathlib import Path
from chassis import archive, restore
from chassis.installation import Installation, find_product
from chassis.settings import Settings
from sqlalchemy import text

folder, guarded = Path(sys.argv[1]), sys.argv[2] == "guarded"
products = [find_product("notebook:PRODUCT")]

def count_down(function):
    def step(*args, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **options)
    return step

def seen(settings):
    if not guarded:
        restore.use = lambda *_, **__: None
    installation = Installation.open(products, settings)
    with installation.databases["notebook"].reading() as c:
        second = c.execute(text("SELECT text FROM note")).scalar_one()
    with installation.databases["quartet"].reading() as c:
        first = c.execute(text("SELECT value FROM deployment WHERE name = 'number'")).scalar_one()
    installation.close()
    return f"{first}-{second}"

for number in range(1, 100):
    settings = Settings(data=folder / str(number))
    shutil.copytree(folder / "data", settings.data)
    left = number
    child = os.fork()
    if child == 0:
        archive.sync_folder = count_down(archive.sync_folder)
        Path.replace = count_down(Path.replace)
        Path.rename = count_down(Path.rename)
        restore.put_back(folder / "backup", products, settings, force=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    child = os.fork()
    if child == 0:
        left = -1
        try:
            said = seen(settings)
        except BaseException as error:
            said = type(error).__name__
        print("finished" if status == 0 else "cut", said, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    if status == 0:
        break
"""


def _cut_off_everywhere(products: list[Product], folder: Path, how: str) -> list[str]:
    """What is there after a kill -9 at each step of a restore, and then after a whole one."""
    settings = Settings(data=folder / "data")
    for number in ("1", "2"):
        with opened(products, settings) as installation:
            for name, statement in (
                ("quartet", "DELETE FROM deployment WHERE name = 'number'"),
                ("notebook", "DELETE FROM note"),
                ("quartet", f"INSERT INTO deployment VALUES ('number', '{number}')"),
                ("notebook", f"INSERT INTO note VALUES ('{number}')"),
            ):
                with installation.databases[name].writing() as connection:
                    connection.execute(text(statement))
            if number == "1":
                take(installation, folder / "backup")
    done = subprocess.run(
        [sys.executable, "-c", CUT, str(folder), how],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join([str(SAMPLE), *sys.path])},
        check=True,
        timeout=100,
    )
    return done.stdout.splitlines()


@pytest.mark.race
def test_a_restore_that_is_killed_leaves_the_old_data_or_the_new(
    products: list[Product], tmp_path: Path
) -> None:
    found = _cut_off_everywhere(products, tmp_path, "guarded")
    assert found[-1] == "finished 1-1"
    assert set(found[:-1]) == {"cut 2-2", "cut 1-1"}
    assert len(found) > 8


@pytest.mark.race
def test_twin_who_does_not_finish_a_restore_sees_a_mixture(
    products: list[Product], tmp_path: Path
) -> None:
    found = _cut_off_everywhere(products, tmp_path, "unguarded")
    assert not set(found) <= {"cut 2-2", "cut 1-1", "finished 1-1"}


def test_a_restore_into_postgresql_that_fails_changes_nothing(
    products: list[Product], tmp_path: Path, postgres_dsn: str
) -> None:
    """Its connection is cut when all rows are there, before the commit."""

    def cut(connection: Any) -> None:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    settings = Settings.load({"DATABASE_URL": postgres_dsn}, {"data": str(tmp_path / "data")})
    with opened(products, settings) as installation:
        note(installation, "before")
        take(installation, tmp_path / "backup")
        note(installation, "after")
    dying = [replace(products[0], restored=cut)]
    with pytest.raises(Exception, match="terminat"):
        restore.put_back(tmp_path / "backup", dying, settings, force=True)
    with opened(products, settings) as installation:
        assert notes(installation) == ["after", "before"]


# -- archives that lie -----------------------------------------------------------------------------

Change = Callable[[dict[str, Any], list[tuple[zipfile.ZipInfo, bytes]]], None]


def _info(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name)


def _announced(manifest: dict[str, Any], name: str, content: bytes) -> None:
    manifest["members"][name] = {"size": len(content), "sha256": sha256(content).hexdigest()}


def _path(manifest: dict[str, Any], members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
    _announced(manifest, "../evil.db", b"x")
    members.append((_info("../evil.db"), b"x"))


def _absolute(manifest: dict[str, Any], members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
    _announced(manifest, "/tmp/evil.db", b"x")
    members.append((_info("/tmp/evil.db"), b"x"))


def _link(_manifest: dict[str, Any], members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
    info, content = members[0]
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    members[0] = (info, content)


def _unannounced(_manifest: dict[str, Any], members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
    members.append((_info("more.db"), b"x"))


def _one_too_many(manifest: dict[str, Any], members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
    _announced(manifest, "more.db", b"x")
    members.append((_info("more.db"), b"x"))


def _missing(_manifest: dict[str, Any], members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
    members.pop()


def _larger(_manifest: dict[str, Any], members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
    info, content = members[0]
    members[0] = (info, content + b"\0" * 100_000)


def _other_bytes(_manifest: dict[str, Any], members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
    info, content = members[-1]
    members[-1] = (info, bytes([content[0] ^ 1]) + content[1:])


def _no_database(manifest: dict[str, Any], members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
    info, _ = members[-1]
    _announced(manifest, info.filename, b"no database")
    members[-1] = (info, b"no database")


def _no_secret(manifest: dict[str, Any], members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
    members[:] = [one for one in members if one[0].filename != "secret.key"]
    del manifest["members"]["secret.key"]


def _newer_format(manifest: dict[str, Any], _members: object) -> None:
    manifest["version"] = 2


def _newer_data(manifest: dict[str, Any], _members: object) -> None:
    manifest["databases"]["notebook"]["revision"] = "9999"


def _other_engine(manifest: dict[str, Any], _members: object) -> None:
    manifest["engine"] = "postgresql"


def _other_program(manifest: dict[str, Any], _members: object) -> None:
    manifest["databases"]["cronping"] = manifest["databases"]["notebook"]


LIES: list[Change] = [
    *(_path, _absolute, _link, _unannounced, _one_too_many, _missing, _larger, _other_bytes),
    *(_no_database, _no_secret, _newer_format, _newer_data, _other_engine, _other_program),
]


def _forge(honest: Path, forged: Path, change: Change) -> None:
    with zipfile.ZipFile(honest) as source:
        manifest = json.loads(source.read("manifest.json"))
        members = [
            (_info(one.filename), source.read(one))
            for one in source.infolist()
            if one.filename != "manifest.json"
        ]
    change(manifest, members)
    with zipfile.ZipFile(forged, "w") as target:
        for info, content in members:
            target.writestr(info, content)
        target.writestr("manifest.json", json.dumps(manifest))


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("honest")
    with opened([find_product("notebook:PRODUCT")], Settings(data=folder / "data")) as made:
        note(made, "honest")
        take(made, folder / "backup")
        note(made, "mine")
    return folder / "backup"


@pytest.mark.parametrize("change", LIES, ids=lambda one: str(one.__name__))
def test_an_archive_that_lies_is_refused_before_anything_is_touched(
    change: Change, honest: Path, products: list[Product], tmp_path: Path
) -> None:
    settings = Settings(data=tmp_path / "deep" / "data")
    shutil.copytree(honest.parent / "data", settings.data)
    _forge(honest, tmp_path / "forged", change)
    before = sorted(one for one in tmp_path.rglob("*"))
    with pytest.raises((ArchiveRefused, SchemaUnknown)) as caught:
        restore.put_back(tmp_path / "forged", products, settings, force=True)
    assert str(caught.value).endswith(".")
    assert [one for one in sorted(tmp_path.rglob("*")) if one not in before] == []
    with opened(products, settings) as installation:
        assert notes(installation) == ["honest", "mine"]


def test_an_archive_that_is_left_as_it_is_is_restored(
    honest: Path, products: list[Product], tmp_path: Path
) -> None:
    """Else the refusals above might be of the forging itself."""
    settings = Settings(data=tmp_path / "data")
    _forge(honest, tmp_path / "forged", lambda *_: None)
    restore.put_back(tmp_path / "forged", products, settings)
    with opened(products, settings) as installation:
        assert notes(installation) == ["honest"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 1000, None])
def test_what_is_no_archive_is_refused(
    content: bytes | None, products: list[Product], tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "backup").write_bytes(content)
    with pytest.raises(ArchiveRefused, match="Next: "):
        restore.put_back(tmp_path / "backup", products, Settings(data=tmp_path / "data"))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_half_an_archive_is_refused(
    share: float, honest: Path, products: list[Product], tmp_path: Path
) -> None:
    whole = honest.read_bytes()
    (tmp_path / "backup").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ArchiveRefused, match="Next: "):
        restore.put_back(tmp_path / "backup", products, Settings(data=tmp_path / "data"))
