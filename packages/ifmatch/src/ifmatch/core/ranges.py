"""What of a representation is sent: step 5 of 13.2.2, and RFC 9110 section 14.

    ranges-specifier = range-unit "=" range-set
    range-set        = 1#range-spec
    range-spec       = int-range / suffix-range / other-range
    int-range        = first-pos "-" [ last-pos ]
    suffix-range     = "-" suffix-length

`bytes` is the one unit that is understood here, and it has no other-range (14.1.2).

The Range field is optional to honour, and what looks wrong is answered with the whole:

    another method than GET, another unit, a value that is invalid       the whole (14.2)
    nothing to cut from, more than MAX_RANGES ranges                     the whole (14.2)
    If-Range that is malformed, weak, a weak date, of another state      the whole (13.1.5)
    no range that the representation reaches, after an If-Range          the whole (13.2.2 step 5)
    no range that the representation reaches                             416 (15.5.17)
    else                                                                 206 (15.3.7)

Ranges that overlap, touch, or lie closer than the head of a part costs are joined (15.3.7.2), in
the place of the first of them. What is left of a hostile set is so never more than the whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from ifmatch.core.conditions import Conditions
from ifmatch.core.decide import Validators
from ifmatch.core.etag import ETag
from ifmatch.core.verdict import Outcome

MAX_RANGES = 100
"""Ranges that one request may ask for; of more, the field is ignored (14.2)."""

PART_OVERHEAD = 80
"""Bytes that a part of multipart/byteranges costs beside its content (15.3.7.2)."""

_DIGITS = 600
"""Digits that are converted; of more, Python may refuse (its lowest limit is 640)."""

_SPEC = r"(?:[0-9]++-[0-9]*+|-[0-9]++)"
# Possessive quantifiers keep a hostile value linear: nothing is ever tried a second way.
_BYTES = re.compile(
    rf"bytes=[ \t,]*+({_SPEC}[ \t]*+(?:,[ \t,]*+{_SPEC}[ \t]*+)*+(?:,[ \t,]*+)?+)",
    re.IGNORECASE | re.ASCII,
)
_EACH_SPEC = re.compile(r"([0-9]*+)-([0-9]*+)")


class ByteRange(NamedTuple):
    """Offsets of the first and the last byte, both included, as Content-Range names them."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    def content_range(self, complete_length: int) -> str:
        """The Content-Range of a part (14.4).

        >>> ByteRange(0, 499).content_range(1234)
        'bytes 0-499/1234'
        """
        return f"bytes {self.first}-{self.last}/{complete_length}"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is sent: the whole, some ranges of it, or none.

    `outcome` is PROCEED, PARTIAL_CONTENT with `ranges`, or RANGE_NOT_SATISFIABLE. `length` is that
    of the whole representation, in bytes; `why` says in a few words what decided, and `clause`
    where it is written.
    """

    outcome: Outcome
    length: int
    clause: str
    why: str
    ranges: tuple[ByteRange, ...] = ()


Specs = Sequence[tuple[int | None, int | None]]
"""Range-specs: (first, last), (first, None) to the end, or (None, length) of a suffix."""


def parse_bytes_range(value: str) -> Specs | None:
    """The range-specs of a Range field in bytes; None where it is invalid or of another unit.

    Numbers of any length are read; beyond 600 digits they are all the same. Time is linear. Of more
    than MAX_RANGES, which are ignored, only so many are read that this can be seen.

    >>> parse_bytes_range("bytes=0-499, 500-, -200")
    ((0, 499), (500, None), (None, 200))
    """
    match = _BYTES.fullmatch(value.strip(" \t"))
    if match is None:
        return None
    specs = []
    for each in islice(_EACH_SPEC.finditer(match[1]), MAX_RANGES + 1):
        first_pos, last_pos = each.groups()
        first, last = _number(first_pos), _number(last_pos)
        if first is not None and last is not None and _before(last_pos, first_pos):
            return None  # 14.1.1: one that runs backwards makes all of them invalid
        specs.append((first, last))
    return tuple(specs)


def _number(digits: str) -> int | None:
    """14.1.2: large numerals are to be expected, and must not overflow anything."""
    if not digits:
        return None
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= _DIGITS else 10**_DIGITS


def _before(one: str, other: str) -> bool:
    """Whether one numeral is less than another, however long they are."""
    one, other = one.lstrip("0"), other.lstrip("0")
    return (len(one), one) < (len(other), other)


def select(
    method: str, conditions: Conditions, current: Validators | None, length: int
) -> Selection:
    """What of a representation of `length` bytes to send, once its preconditions hold.

    Ask it where the answer would be 200 and the resource supports byte ranges; where it does not,
    Range and If-Range are ignored (14.2, 13.1.5). Raises nothing.

    >>> asked = Conditions(range="bytes=-500")
    >>> select("GET", asked, None, 10_000).ranges
    (ByteRange(first=9500, last=9999),)
    """
    specs = None if conditions.range is None else parse_bytes_range(conditions.range)
    ignored = _why_ignored(method, conditions, current, specs, length)
    if specs is None or ignored is not None:
        section, why = ignored or _INVALID
        return Selection(Outcome.PROCEED, length, f"RFC 9110 section {section}", why)
    ranges = _resolve(specs, length)
    if not ranges and conditions.if_range is not None:
        clause = "RFC 9110 section 13.2.2"
        return Selection(Outcome.PROCEED, length, clause, "what does not apply is ignored")
    if not ranges:
        outcome, clause = Outcome.RANGE_NOT_SATISFIABLE, "RFC 9110 section 15.5.17"
        return Selection(outcome, length, clause, "no range begins within the representation")
    joined = tuple(_join(ranges))
    why = "one range is sent" if len(joined) == 1 else f"{len(joined)} ranges are sent"
    outcome, clause = Outcome.PARTIAL_CONTENT, "RFC 9110 section 15.3.7"
    return Selection(outcome, length, clause, why, joined)


_INVALID = ("14.2", "Range is invalid, or of a unit that is not understood")


def _why_ignored(
    method: str,
    conditions: Conditions,
    current: Validators | None,
    specs: Specs | None,
    length: int,
) -> tuple[str, str] | None:
    """The section and the reason for which the whole is sent; None where Range counts."""
    reasons: tuple[tuple[bool, tuple[str, str]], ...] = (
        (conditions.range is None, ("14.2", "no Range was sent")),
        (method != "GET", ("14.2", f"Range means nothing to {method}")),
        (specs is None, _INVALID),
        (length == 0, ("14.2", "there is nothing to cut from")),
        (
            specs is not None and len(specs) > MAX_RANGES,
            ("14.2", f"more than {MAX_RANGES} ranges are asked for"),
        ),
        (
            conditions.if_range is not None and not holds_if_range(conditions, current),
            ("13.1.5", "If-Range names another state, or not by a strong validator"),
        ),
    )
    return next((reason for holds, reason in reasons if holds), None)


def holds_if_range(conditions: Conditions, current: Validators | None) -> bool:
    """Whether If-Range names the current state by a strong validator, and exactly (13.1.5)."""
    asked = conditions.if_range
    if current is None:
        return False
    if isinstance(asked, ETag):
        return current.etag is not None and asked.strongly_matches(current.etag)
    if isinstance(asked, int):
        return current.last_modified_is_strong and asked == current.last_modified
    return False


def _resolve(specs: Specs, length: int) -> list[ByteRange]:
    """The ranges that the representation reaches, in the order in which they were asked for."""
    found = []
    for first, last in specs:
        if first is None:  # the last so many bytes, all where it has fewer
            suffix = min(last or 0, length)
            if suffix:
                found.append(ByteRange(length - suffix, length - 1))
        elif first < length:
            found.append(ByteRange(first, length - 1 if last is None else min(last, length - 1)))
    return found


def _join(ranges: Sequence[ByteRange]) -> list[ByteRange]:
    """Join what overlaps, touches or nearly touches; each stands where its first member stood."""
    groups: list[tuple[int, ByteRange]] = []  # (the place of its first member, the range)
    for place, each in sorted(enumerate(ranges), key=lambda placed: placed[1]):
        if groups and each.first - groups[-1][1].last - 1 < PART_OVERHEAD:
            first_place, before = groups[-1]
            joined = ByteRange(before.first, max(before.last, each.last))
            groups[-1] = (min(first_place, place), joined)
        else:
            groups.append((place, each))
    return [each for _, each in sorted(groups)]
