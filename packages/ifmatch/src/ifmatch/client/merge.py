"""Three-way merge of JSON: what I made of a document and what others made of it, from one base.

When an edit meets a 412 there are three documents: the one that was read (base), the one that was
about to be written (mine), and the one that is there now (theirs). `merge` makes one of them.

- What only one side changed is taken from that side; what both changed alike is taken once.
- What both changed differently is a `Clash`, with its path and the three values. No edit is dropped
  without one. What stands in the merged document there is theirs, or mine where they removed it.
- Objects are merged member by member.
- Arrays whose members are objects with an identity (a member `id` or `key`, each value once) are
  merged member by member, wherever those stand. Whoever moved members gives the order; if both did,
  that is a clash of the order. What either side added stays behind what it was put behind; where
  both added something, that of the side which gives the order comes first, theirs if nobody moved.
- Other arrays are merged as sequences: changes that touch nowhere are both made; where they meet,
  the whole array is one clash.

Where members only mean something together, name the place as `whole`: it is taken from one side, or
is one clash. `whole=("/rules/*",)`: each rule of a list as one side wrote it.

Equal means equal as canonical JSON: 1, 1.0 and true are three values. Below a hundred levels a
value is compared as a whole.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

from ifmatch.core.canonical import canonical

IDENTITIES = ("id", "key")
"""The members by which the objects of an array are known, in the order in which they are tried."""

_WHOLE_BELOW = 100
_SAFE_INTEGER = 2**53 - 1  # what JavaScript can tell apart

Path = tuple[str, ...]
Side = Literal["base", "mine", "theirs"]


class Absent(Enum):
    """In place of a value that is not there."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Clash:
    """A place that both sides changed, each in its own way.

    `path` names members of objects, and members of arrays as `id=7`. The values are ABSENT where
    there is none. With `order` the clash is of the order of an array, and the values are lists of
    what its members are known by.
    """

    path: Path
    base: Any
    mine: Any
    theirs: Any
    order: bool = False

    @property
    def pointer(self) -> str:
        """The path as a JSON Pointer is written (RFC 6901): `/rules/id=7/percent`."""
        return pointer(self.path)


@dataclass(frozen=True, slots=True)
class Merge:
    """What came of it: the document, what is to be decided, and who changed what.

    `mine` and `theirs` are the paths at which that side alone made a change, which is in `merged`.
    """

    merged: Any
    clashes: tuple[Clash, ...]
    mine: tuple[Path, ...]
    theirs: tuple[Path, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is left to be decided."""
        return not self.clashes


Choose = Callable[[Clash], Side | None]


def undecided(_clash: Clash) -> None:
    """Leaves every clash open."""


def merge(
    base: Any,
    mine: Any,
    theirs: Any,
    *,
    choose: Choose = undecided,
    identities: Sequence[str] = IDENTITIES,
    whole: Sequence[str] = (),
) -> Merge:
    """What comes of two sets of changes to one document.

    `choose` decides clashes: it returns the side whose value is taken, or None to leave one open.
    `whole` has JSON Pointers of values that are never mixed, with `*` for any one member. The
    arguments are not changed; the result shares parts with them. Raises NotCanonical for what JSON
    cannot say.

    >>> merge({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 3}).merged
    {'a': 2, 'b': 3}
    >>> both = merge({"a": 1}, {"a": 2}, {"a": 3})
    >>> [(clash.pointer, clash.mine, clash.theirs) for clash in both.clashes]
    [('/a', 2, 3)]
    >>> merge({"a": 1}, {"a": 2}, {"a": 3}, choose=lambda clash: "mine").merged
    {'a': 2}
    >>> merge({"a": {"b": 1}}, {"a": {"b": 2}}, {"a": {"b": 1, "c": 1}}, whole=["/*"]).clean
    False
    """
    for document in (base, mine, theirs):
        canonical(document)
    patterns = tuple(tuple(one.split("/")[1:]) for one in whole)
    merging = _Merging(choose, tuple(identities), patterns)
    merged = merging.value((), base, mine, theirs)
    return Merge(merged, tuple(merging.clashes), tuple(merging.mine), tuple(merging.theirs))


def pointer(path: Iterable[str]) -> str:
    """A path as a JSON Pointer is written.

    >>> pointer(("a/b", "id=7")), pointer(())
    ('/a~1b/id=7', '')
    """
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


@dataclass
class _Merging:
    """One merge: what is decided by whom, and what was found on the way."""

    choose: Choose
    identities: tuple[str, ...]
    whole: tuple[Path, ...] = ()
    clashes: list[Clash] = field(default_factory=list)
    mine: list[Path] = field(default_factory=list)
    theirs: list[Path] = field(default_factory=list)

    def value(self, path: Path, base: Any, mine: Any, theirs: Any) -> Any:
        """The value at a path, or ABSENT."""
        three = (base, mine, theirs)
        if len(path) < _WHOLE_BELOW and not self.is_whole(path):
            if all(isinstance(one, Mapping) for one in three):
                return self.members(path, base, mine, theirs)
            if all(isinstance(one, list | tuple) for one in three):
                return self.array(path, base, mine, theirs)
        if _same(mine, theirs):
            return theirs
        if _same(base, theirs):
            self.mine.append(path)
            return mine
        if _same(base, mine):
            self.theirs.append(path)
            return theirs
        return self.clash(Clash(path, base, mine, theirs))

    def is_whole(self, path: Path) -> bool:
        """Whether what is at a path is taken as one value."""
        parts = [pointer((part,))[1:] for part in path] if self.whole else []
        return any(
            len(pattern) == len(path)
            and all(asked in ("*", part) for asked, part in zip(pattern, parts, strict=True))
            for pattern in self.whole
        )

    def clash(self, clash: Clash) -> Any:
        """What stands there: what was chosen, or, undecided, what is there now."""
        side = self.choose(clash)
        if side is not None:
            return {"base": clash.base, "mine": clash.mine, "theirs": clash.theirs}[side]
        self.clashes.append(clash)
        return clash.mine if clash.theirs is ABSENT else clash.theirs

    def members(
        self,
        path: Path,
        base: Mapping[str, Any],
        mine: Mapping[str, Any],
        theirs: Mapping[str, Any],
    ) -> dict[str, Any]:
        """An object: theirs and what I added, each member merged."""
        merged = {}
        for name in dict.fromkeys([*theirs, *mine, *base]):
            three = (one.get(name, ABSENT) for one in (base, mine, theirs))
            made = self.value((*path, name), *three)
            if made is not ABSENT:
                merged[name] = made
        return merged

    # -- arrays ----------------------------------------------------------------------------

    def array(
        self, path: Path, base: Sequence[Any], mine: Sequence[Any], theirs: Sequence[Any]
    ) -> Any:
        for name in self.identities:
            known = [_by_identity(one, name) for one in (base, mine, theirs)]
            if all(one is not None for one in known) and any(known):
                return self.known_members(path, name, *(one or {} for one in known))
        return self.sequence(path, base, mine, theirs)

    def known_members(
        self,
        path: Path,
        name: str,
        base: Mapping[str, Any],
        mine: Mapping[str, Any],
        theirs: Mapping[str, Any],
    ) -> list[Any]:
        """An array of objects that are known by `name`, each merged, in the order of the two."""
        merged = {}
        for identity in dict.fromkeys([*theirs, *mine, *base]):
            three = (one.get(identity, ABSENT) for one in (base, mine, theirs))
            made = self.value((*path, f"{name}={identity}"), *three)
            if made is not ABSENT:
                merged[identity] = made
        order = self.order(path, list(base), list(mine), list(theirs), merged)
        return [merged[identity] for identity in order]

    def order(
        self,
        path: Path,
        base: list[str],
        mine: list[str],
        theirs: list[str],
        kept: Mapping[str, Any],
    ) -> list[str]:
        """In which order the members stand that are kept."""
        common = {*mine} & {*theirs} & {*kept}
        old = common & {*base}

        def moved(side: list[str]) -> bool:
            return _only(side, old) != _only(base, old)

        sides = [theirs, mine]
        if _only(mine, common) != _only(theirs, common):
            if moved(mine) == moved(theirs):
                clash = Clash(path, _only(base, kept), _only(mine, kept), _only(theirs, kept), True)
                sides.insert(0, self.clash(clash))
            elif moved(mine):
                sides = [mine, theirs]
                self.mine.append(path)
            else:
                self.theirs.append(path)
        woven = _only(sides[0], kept)
        for side in sides[1:]:
            woven = _woven(woven, _only(side, kept), base)
        return woven

    def sequence(
        self, path: Path, base: Sequence[Any], mine: Sequence[Any], theirs: Sequence[Any]
    ) -> Any:
        """An array whose members nobody knows apart: changes that do not meet are both made."""
        texts = [[canonical(member) for member in one] for one in (base, mine, theirs)]
        merged: list[Any] = []
        by: set[str] = set()
        for olds, mines, others in _chunks(*texts):
            old, own, other = texts[0][olds], texts[1][mines], texts[2][others]
            if own in (old, other):
                by |= {"theirs"} if own != other else set()
                merged += theirs[others]
            elif other == old:
                by.add("mine")
                merged += mine[mines]
            else:
                return self.clash(Clash(path, base, mine, theirs))
        self.mine += [path] if "mine" in by else []
        self.theirs += [path] if "theirs" in by else []
        return merged


def _same(one: Any, other: Any) -> bool:
    if one is ABSENT or other is ABSENT:
        return one is other
    return canonical(one) == canonical(other)


def _by_identity(array: Sequence[Any], name: str) -> dict[str, Any] | None:
    """The members by what they are known by; None where that does not tell them apart."""
    found = {}
    for member in array:
        identity = _identity(member.get(name)) if isinstance(member, Mapping) else None
        if identity is None or identity in found:
            return None
        found[identity] = member
    return found


def _identity(value: Any) -> str | None:
    """A string or a whole number as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if value != value // 1 or abs(value) > _SAFE_INTEGER:
        return None
    return str(int(value))


def _only(order: Iterable[str], among: Iterable[str]) -> list[str]:
    wanted = {*among}
    return [identity for identity in order if identity in wanted]


def _woven(first: list[str], second: list[str], base: Iterable[str]) -> list[str]:
    """The first order, and what only the second has, each behind what it stands behind there.

    Where both put something in one place, that of the first comes first.
    """
    added = {*first} - {*second} - {*base}
    standing = {*first}
    behind: dict[str | None, list[str]] = {}
    place: str | None = None  # what a member of the second order stands behind
    for identity in second:
        if identity in standing:
            place = identity
        else:
            behind.setdefault(place, []).append(identity)
    woven: list[str] = []
    waiting = behind.get(None, [])
    for identity in first:
        if identity not in added:
            woven += waiting
            waiting = []
        woven.append(identity)
        waiting = waiting + behind.get(identity, [])
    return woven + waiting


# -- sequences ------------------------------------------------------------------------------------

Chunk = tuple[slice, slice, slice]


def _chunks(base: list[bytes], mine: list[bytes], theirs: list[bytes]) -> list[Chunk]:
    """The three cut in pieces: at each member of the base that both sides still have."""
    in_mine, in_theirs = _matches(base, mine), _matches(base, theirs)
    chunks: list[Chunk] = []
    at = (0, 0, 0)
    for number in range(len(base)):
        if number in in_mine and number in in_theirs:
            here = (number, in_mine[number], in_theirs[number])
            chunks.append(_between(at, here))
            at = (here[0] + 1, here[1] + 1, here[2] + 1)
            chunks.append(_between(here, at))
    chunks.append(_between(at, (len(base), len(mine), len(theirs))))
    return chunks


def _between(start: tuple[int, int, int], end: tuple[int, int, int]) -> Chunk:
    return (slice(start[0], end[0]), slice(start[1], end[1]), slice(start[2], end[2]))


def _matches(base: list[bytes], other: list[bytes]) -> dict[int, int]:
    """Which member of the base is which of the other one, both in rising order.

    The longest rising row of members that stand once in each (Bram Cohen's patience diff), and
    from each of them on, and from both ends, as far as the two agree. Fewer matches than there
    could be make larger pieces, and so more clashes, never a wrong merge. Takes n log n.
    """
    once = _once(base), _once(other)
    anchors = _rising([(at, once[1][text]) for text, at in once[0].items() if text in once[1]])
    matches: dict[int, int] = {}
    low = (0, 0)
    for high in [*anchors, (len(base), len(other))]:
        _agree(base, other, low, high, matches)
        if high != (len(base), len(other)):
            matches[high[0]] = high[1]
        low = (high[0] + 1, high[1] + 1)
    return matches


def _agree(
    base: list[bytes],
    other: list[bytes],
    low: tuple[int, int],
    high: tuple[int, int],
    matches: dict[int, int],
) -> None:
    """Match what agrees from both ends of a gap."""
    (one, two), (one_end, two_end) = low, high
    while one < one_end and two < two_end and base[one] == other[two]:
        matches[one] = two
        one, two = one + 1, two + 1
    while one < one_end and two < two_end and base[one_end - 1] == other[two_end - 1]:
        one_end, two_end = one_end - 1, two_end - 1
        matches[one_end] = two_end


def _once(texts: list[bytes]) -> dict[bytes, int]:
    counts = Counter(texts)
    return {text: at for at, text in enumerate(texts) if counts[text] == 1}


def _rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest row of pairs that rises in both; the pairs rise in their first number."""
    tails: list[int] = []  # the smallest second number that ends a row of each length
    ends: list[int] = []  # which pair that is
    before: list[int] = []
    for number, (_, second) in enumerate(pairs):
        length = bisect_left(tails, second)
        before.append(ends[length - 1] if length else -1)
        tails[length : length + 1] = [second]
        ends[length : length + 1] = [number]
    row: list[tuple[int, int]] = []
    number = ends[-1] if ends else -1
    while number >= 0:
        row.append(pairs[number])
        number = before[number]
    return row[::-1]
