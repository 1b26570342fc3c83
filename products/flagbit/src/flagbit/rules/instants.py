"""Instants: RFC 3339 section 5.6, read into something that compares.

    date-time     = full-date "T" full-time
    full-date     = 4DIGIT "-" 2DIGIT "-" 2DIGIT
    full-time     = partial-time time-offset
    partial-time  = 2DIGIT ":" 2DIGIT ":" 2DIGIT [ "." 1*DIGIT ]
    time-offset   = "Z" / ( "+" / "-" ) 2DIGIT ":" 2DIGIT

`datetime.fromisoformat` is not used: it takes week dates and times without an offset, and it
drops digits after the sixth.
"""

from __future__ import annotations

import re
from datetime import date

Instant = tuple[int, int, str]
"""The minute in UTC, the second within it, the fraction without trailing zeros.

Offsets are whole minutes, so seconds need no arithmetic and a leap second keeps its place
between :59 and the next minute. Fractions compare as text: ".45" is before ".5".
"""

_DATE_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]"
    r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_DAYS_IN_400_YEARS = 146_097
_LAST_MINUTE_OF_A_DAY = 24 * 60 - 1


def instant(text: str) -> Instant | None:
    """The instant that `text` names, or None if it is not RFC 3339.

    >>> instant("2026-03-01T00:30:00+01:00") == instant("2026-02-28T23:30:00.0Z")
    True
    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    fraction, sign, offset_hour, offset_minute = match.groups()[6:]
    offset = int(offset_hour or 0) * 60 + int(offset_minute or 0)
    if hour > 23 or minute > 59 or int(offset_hour or 0) > 23 or int(offset_minute or 0) > 59:
        return None
    days = _day_number(year, month, day)
    if days is None:
        return None
    utc = (days * 24 + hour) * 60 + minute - (-offset if sign == "-" else offset)
    # Section 5.7: the 61st second exists only as a leap second. Which days have one is
    # announced half a year ahead; we ask only that it closes a day in UTC.
    if second > 60 or (second == 60 and utc % (24 * 60) != _LAST_MINUTE_OF_A_DAY):
        return None
    return utc, second, (fraction or "").rstrip("0")


def _day_number(year: int, month: int, day: int) -> int | None:
    """Days since the start of the calendar; None for a day that does not exist."""
    try:
        if year == 0:  # RFC 3339 has it, `date` has not; the calendar repeats after 400 years
            return date(400, month, day).toordinal() - _DAYS_IN_400_YEARS
        return date(year, month, day).toordinal()
    except ValueError:
        return None
