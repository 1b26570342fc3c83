"""What differs between two states of a resource, and whether two changes are in each other's way.

A document is compared member by member. Variants are compared by their names, since each stands
for itself; rules, a fallthrough, tags and the value of a variant are one thing each: half of
somebody's rule and half of somebody else's would be a rule that nobody wrote.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

Document = dict[str, Any]
Path = tuple[str, ...]

READ_ONLY = frozenset({"created", "updated", "revision"})
BY_NAME = frozenset({"variants"})


class Absent(Enum):
    """Stands where a document has nothing."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


class Keep(Enum):
    """Whose value stays where two changes clash."""

    MINE = "mine"
    THEIRS = "theirs"


@dataclass(frozen=True, slots=True)
class Change:
    """One value before and after; ABSENT where there is none."""

    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Clash:
    """One value as both read it, as I want it, and as they made it."""

    base: Any
    mine: Any
    theirs: Any


@dataclass(frozen=True, slots=True)
class Rebased:
    """My change, made anew on the state that theirs left."""

    document: Document
    mine: dict[Path, Change]
    theirs: dict[Path, Change]
    clashes: dict[Path, Clash]


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: 1, 1.0 and true are three different values.

    >>> same({"a": 1, "b": 2}, {"b": 2, "a": 1}), same(1, True), same(1, 1.0)
    (True, False, False)
    """
    if one is ABSENT or other is ABSENT:
        return one is other
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[Path, Change]:
    """What was changed, by path; members that the server sets are left out.

    >>> changes({"tags": [], "revision": 1}, {"tags": ["ui"], "revision": 2})
    {('tags',): Change(before=[], after=['ui'])}
    """
    old, new = _parts(before), _parts(after)
    return {
        path: Change(old.get(path, ABSENT), new.get(path, ABSENT))
        for path in sorted(old | new)
        if not same(old.get(path, ABSENT), new.get(path, ABSENT))
    }


def clashes(mine: Mapping[Path, Change], theirs: Mapping[Path, Change]) -> dict[Path, Clash]:
    """Where both changed the same thing, and not to the same value.

    >>> clashes({("tags",): Change([], ["a"])}, {("tags",): Change([], ["b"])})
    {('tags',): Clash(base=[], mine=['a'], theirs=['b'])}
    """
    return {
        path: Clash(change.before, change.after, theirs[path].after)
        for path, change in mine.items()
        if path in theirs and not same(change.after, theirs[path].after)
    }


def apply(document: Mapping[str, Any], made: Mapping[Path, Change]) -> Document:
    """The document after those changes; it is not changed itself."""
    result = dict(document)
    for path, change in made.items():
        _put(result, path, change.after)
    return result


def rebase(
    base: Mapping[str, Any],
    wanted: Mapping[str, Any],
    fresh: Mapping[str, Any],
    keep: Keep | None = None,
) -> Rebased:
    """My change from `base` to `wanted`, made anew on `fresh`.

    Where both changed the same thing, `keep` says whose value the document gets; without it the
    document gets mine, and is to be shown, not written.
    """
    mine, theirs = changes(base, wanted), changes(base, fresh)
    found = clashes(mine, theirs)
    left_out = found if keep is Keep.THEIRS else {}
    made = {path: change for path, change in mine.items() if path not in left_out}
    return Rebased(apply(fresh, made), mine, theirs, found)


def _parts(document: Mapping[str, Any]) -> dict[Path, Any]:
    parts: dict[Path, Any] = {}
    for member, value in document.items():
        if member in BY_NAME and isinstance(value, dict):
            parts |= {(member, name): one for name, one in value.items()}
        elif member not in READ_ONLY:
            parts[member,] = value
    return parts


def _put(document: Document, path: Path, value: Any) -> None:
    member, *rest = path
    if rest:
        held = document.get(member)
        document[member] = dict(held) if isinstance(held, dict) else {}
        _put(document[member], tuple(rest), value)
    elif value is ABSENT:
        document.pop(member, None)
    else:
        document[member] = value
