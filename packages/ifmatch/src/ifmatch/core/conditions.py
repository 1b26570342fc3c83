"""The precondition fields of one request, as they came: RFC 9110 sections 13.1 and 14.2.

`Conditions` says what the client asked; it decides nothing. Lists of entity tags are kept as text
and parsed where they are judged: what is equal to the current tag as it stands needs no parser. A
field that does not fit its grammar is the error itself, because what follows from it depends on
the method (see `decide`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from operator import itemgetter
from typing import Final

from ifmatch.core.errors import MalformedField
from ifmatch.core.etag import ETag
from ifmatch.core.fieldlist import TagList, parse_tag_list
from ifmatch.core.httpdate import parse_http_date


class Comparison(Enum):
    """How If-Match compares entity tags.

    STRICT is RFC 9110 section 13.1.1: strong comparison, under which a weak tag never matches.

    STATE compares opaque parts, whether weak or not. It is for tags that this origin makes from
    the state of the resource, under one rule: the tag covers at least everything that the write
    replaces. It is a deviation, owned in docs/deviations.md.
    """

    STRICT = "strict"
    STATE = "state"


_FIELDS = {
    b"if-match": "If-Match",
    b"if-none-match": "If-None-Match",
    b"if-modified-since": "If-Modified-Since",
    b"if-unmodified-since": "If-Unmodified-Since",
    b"if-range": "If-Range",
    b"range": "Range",
}


@dataclass(slots=True, unsafe_hash=True)  # Final: a frozen class costs four times as much to make
class Conditions:
    """What the precondition fields of one request say; None where a field was not sent.

    `match`, `none_match` and `range` are field values as they came, several lines joined by a
    comma (5.3). Dates are seconds since the epoch; an invalid date is as if absent (13.1.3,
    13.1.4). `if_range` is a tag, a date, or the error where it is neither.
    """

    match: Final[str | None]
    none_match: Final[str | None]
    if_modified_since: Final[int | None]
    if_unmodified_since: Final[int | None]
    range: Final[str | None]
    if_range: Final[ETag | int | MalformedField | None]
    first_none_match: Final[str | None]
    """`none_match` where it is the first that 13.2.2 has to judge, else None."""

    def __init__(
        self,
        match: str | None = None,
        none_match: str | None = None,
        if_modified_since: int | None = None,
        if_unmodified_since: int | None = None,
        range: str | None = None,  # noqa: A002 - the field's name
        if_range: ETag | int | MalformedField | None = None,
    ) -> None:
        self.match = match
        self.none_match = none_match
        self.if_modified_since = if_modified_since
        self.if_unmodified_since = if_unmodified_since
        self.range = range
        self.if_range = if_range
        first = match is None and if_unmodified_since is None
        self.first_none_match = none_match if first else None

    @classmethod
    def from_raw(
        cls, fields: Iterable[tuple[bytes, bytes]], now: float | None = None
    ) -> Conditions:
        """Read them from field lines as ASGI gives them: lower-case names, octets.

        `now`, in seconds since the epoch, is what a date with a year of two digits is read from;
        without it, the clock.
        """
        sent = [line for line in fields if line[0] in _FIELDS]
        if not sent:
            return NO_CONDITIONS
        if len(sent) == 1 and sent[0][0] == b"if-none-match":  # nearly all of them
            return cls(None, sent[0][1].decode("latin-1"))
        # Joined first and decoded then: thousands of lines cost no more than one long line.
        lines: dict[bytes, list[bytes]] = {}
        for name in set(map(_name_of, sent)):
            lines[name] = [value for each, value in sent if each == name]
        joined = {_FIELDS[name]: b", ".join(lines[name]).decode("latin-1") for name in lines}
        return cls._from_values(joined, now)

    @classmethod
    def from_fields(cls, fields: Iterable[tuple[str, str]], now: float | None = None) -> Conditions:
        """Read them from (name, value) pairs, names in any case, repeated names included.

        `now` as in `from_raw`.

        >>> Conditions.from_fields([("If-Match", '"a"'), ("if-match", '"b"')]).if_match
        TagList(members=('"a"', '"b"'))
        """
        lines: dict[str, list[str]] = {}
        for name, value in fields:
            # A character beyond latin-1 stays what it is, and so spoils its field: written as "?"
            # it would have become a part of some other tag.
            field = _FIELDS.get(name.lower().encode("latin-1", "replace"))
            if field is not None:
                lines.setdefault(field, []).append(value)
        if not lines:
            return NO_CONDITIONS
        return cls._from_values({name: ", ".join(lines[name]) for name in lines}, now)

    @classmethod
    def _from_values(cls, sent: dict[str, str], now: float | None) -> Conditions:
        # Joined by a comma, two dates are not one date, and so are ignored as 13.1.3 wants it.
        return cls(
            sent.get("If-Match"),
            sent.get("If-None-Match"),
            _date(sent.get("If-Modified-Since"), now),
            _date(sent.get("If-Unmodified-Since"), now),
            sent.get("Range"),
            _if_range(sent.get("If-Range"), now),
        )

    @property
    def if_match(self) -> TagList | MalformedField | None:
        """The members of If-Match, or the error; parsed at each call."""
        return None if self.match is None else read_tags("If-Match", self.match)

    @property
    def if_none_match(self) -> TagList | MalformedField | None:
        """The members of If-None-Match, or the error; parsed at each call."""
        return None if self.none_match is None else read_tags("If-None-Match", self.none_match)


NO_CONDITIONS = Conditions()
_name_of = itemgetter(0)


def read_tags(field: str, value: str) -> TagList | MalformedField:
    """The members of If-Match or If-None-Match, or the error, raised nowhere."""
    try:
        return parse_tag_list(field, value)
    except MalformedField as error:
        return error.with_traceback(None)  # it is a value from here on, and keeps no frames alive


def _date(value: str | None, now: float | None) -> int | None:
    return None if value is None else parse_http_date(value.strip(" \t"), now)


def _if_range(value: str | None, now: float | None) -> ETag | int | MalformedField | None:
    """13.1.5: a quotation mark among the first three characters tells a tag from a date."""
    if value is None:
        return None
    value = value.strip(" \t")
    if '"' in value[:3]:
        try:
            return ETag.parse(value)
        except MalformedField:
            return _no_if_range(value)
    date = parse_http_date(value, now)
    return _no_if_range(value) if date is None else date


def _no_if_range(value: str) -> MalformedField:
    return MalformedField("If-Range", value, 0, "it is neither one entity tag nor an HTTP date")
