"""The precondition fields of one request, read once: RFC 9110 section 13.1.

`Conditions` says what the client asked; it decides nothing. A field that does not fit its grammar
is kept as the error, because what follows from it depends on the method (see `decide`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ifmatch.core.errors import MalformedField
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
}


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the precondition fields of one request say; None where a field was not sent.

    Dates are seconds since the epoch; an invalid date is as if absent (13.1.3, 13.1.4).
    """

    if_match: TagList | MalformedField | None = None
    if_none_match: TagList | MalformedField | None = None
    if_modified_since: int | None = None
    if_unmodified_since: int | None = None

    @classmethod
    def from_raw(cls, fields: Iterable[tuple[bytes, bytes]]) -> Conditions:
        """Read them from field lines as ASGI gives them: lower-case names, octets."""
        lines: dict[str, list[str]] | None = None
        for name, value in fields:
            if name in _FIELDS:
                if lines is None:
                    lines = {}
                lines.setdefault(_FIELDS[name], []).append(value.decode("latin-1"))
        return NO_CONDITIONS if lines is None else cls._from_lines(lines)

    @classmethod
    def from_fields(cls, fields: Iterable[tuple[str, str]]) -> Conditions:
        """Read them from (name, value) pairs, names in any case, repeated names included.

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
        return cls._from_lines(lines) if lines else NO_CONDITIONS

    @classmethod
    def _from_lines(cls, lines: dict[str, list[str]]) -> Conditions:
        return cls(
            _tags("If-Match", lines),
            _tags("If-None-Match", lines),
            _date("If-Modified-Since", lines),
            _date("If-Unmodified-Since", lines),
        )


NO_CONDITIONS = Conditions()


def _tags(field: str, lines: dict[str, list[str]]) -> TagList | MalformedField | None:
    if field not in lines:
        return None
    try:
        return parse_tag_list(field, lines[field])
    except MalformedField as error:
        return error.with_traceback(None)  # it is a value from here on, and keeps no frames alive


def _date(field: str, lines: dict[str, list[str]]) -> int | None:
    # Two dates are not one date: the field is invalid, and so ignored.
    values = lines.get(field, ())
    return parse_http_date(values[0].strip(" \t")) if len(values) == 1 else None
