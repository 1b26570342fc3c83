"""Where settings come from: flags, the environment, files that hold secrets, a file of settings.

A flag comes before the environment, the environment before the file of `--config`, that before the
default. A name that begins like one of ours and is in no table is a mistake that would otherwise be
found much later, so it is refused, with the name that was probably meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from chassis.setting import FILE_SUFFIX, Setting, SettingsError

DEFAULT = "default"
"""The source of a value that nobody gave."""

_LONGEST_FILE = 65_536


@dataclass(frozen=True)
class Found:
    """The value of a setting and where it comes from: the words that its giver would use.

    `file` is the one that it was read from, where it was.
    """

    setting: Setting[Any]
    value: Any
    source: str
    file: Path | None = None


@dataclass(frozen=True)
class Reading:
    """Every setting in the order of the tables, and what cannot be used, with its remedy."""

    found: tuple[Found, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class _Text:
    """What was given for a setting, before it is understood."""

    text: str
    called: str
    file: Path | None = None


def read(
    rows: Sequence[Setting[Any]],
    environment: Mapping[str, str],
    flags: Mapping[str, object],
    *,
    prefixes: Iterable[str],
    others: Iterable[str] = (),
) -> Reading:
    """Read all of them. A fault does not keep the rest from being read: it has its default then.

    Unknown variables are those with one of the `prefixes` that are neither in the rows nor among
    the `others`. The flag `config` names a file of settings.
    """
    known = {name for row in rows for name in row.variables}
    faults: list[str] = []
    filed: dict[str, str] = {}
    config = flags.get("config")
    if config is not None:
        try:
            filed = dict(_lines(Path(str(config))))
        except SettingsError as error:
            faults.append(str(error))
        faults += _unknown(filed, known, [""], others, f"--config {config}: ")
    faults += _unknown(environment, known, prefixes, others, "")
    found = []
    for row in rows:
        try:
            found.append(_read(row, environment, flags, filed, str(config)))
        except SettingsError as error:
            faults.append(str(error))
            found.append(Found(row, row.default, DEFAULT))
    return Reading(tuple(found), tuple(faults))


def _read(
    row: Setting[Any],
    environment: Mapping[str, str],
    flags: Mapping[str, object],
    filed: Mapping[str, str],
    config: str,
) -> Found:
    given = _flag(row, flags) or _variable(row, environment, "")
    given = given or _variable(row, filed, f"--config {config}: ")
    if given is None:
        return Found(row, row.default, DEFAULT)
    return Found(row, row.read(given.text, given.called), given.called, given.file)


def _flag(row: Setting[Any], flags: Mapping[str, object]) -> _Text | None:
    flag = flags.get(row.field) if row.flag else None
    return None if flag is None else _Text(str(flag), row.flag or "")


def _variable(row: Setting[Any], variables: Mapping[str, str], before: str) -> _Text | None:
    """Of a variable or, for a secret, the file that another one names. Empty ones are absent."""
    direct = variables.get(row.variable)
    name = row.variable + FILE_SUFFIX
    path = variables.get(name) if row.secret else None
    if direct and path:
        raise SettingsError(f"{before}{row.variable} and {name} are both given. Give one of them.")
    if path:
        text = _content(Path(path), f"{before}{name}").strip()
        if not text:
            raise SettingsError(f"{before}{name}: {path} is empty. Write the secret into it.")
        return _Text(text, before + name, Path(path))
    return _Text(direct, before + row.variable) if direct else None


def _content(path: Path, called: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_FILE + 1)
    except OSError as error:
        raise SettingsError(
            f"{called}: {path} cannot be read: {error.strerror}. "
            "Name a file that this user may read."
        ) from error
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise SettingsError(f"{called}: {path} is no text. Write it in UTF-8.") from None
    if len(content) > _LONGEST_FILE:
        raise SettingsError(f"{called}: {path} is too long. Give one of at most 64 KiB.")
    return text


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """The settings of a file: NAME=value, as systemd and containers read it."""
    called = f"--config {path}"
    for number, whole in enumerate(_content(path, "--config").splitlines(), 1):
        line = whole.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip().isidentifier():
            raise SettingsError(
                f"{called}: line {number} is no setting. Write NAME=value, or # before a comment."
            )
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        yield name.strip(), value


def _unknown(
    given: Mapping[str, str],
    known: Iterable[str],
    prefixes: Iterable[str],
    others: Iterable[str],
    before: str,
) -> Iterator[str]:
    names = {*known, *others}
    for name in sorted(given):
        if not given[name] or name in names or not name.startswith(tuple(prefixes)):
            continue
        base = name.removesuffix(FILE_SUFFIX)  # only secrets are read from files
        near = [base] if base in names else get_close_matches(name, names, 1)
        meant = f" Did you mean {near[0]}?" if near else ""
        yield (
            f"{before}{name[:80]} is no setting.{meant} "
            "Correct it or remove it; 'check-config' lists all that there are."
        )
