"""HTTP dates: RFC 9110 section 5.6.7.

    HTTP-date    = IMF-fixdate / obs-date
    IMF-fixdate  = day-name "," SP date1 SP time-of-day SP GMT     ; Sun, 06 Nov 1994 08:49:37 GMT
    date1        = day SP month SP year
    obs-date     = rfc850-date / asctime-date
    rfc850-date  = day-name-l "," SP date2 SP time-of-day SP GMT   ; Sunday, 06-Nov-94 08:49:37 GMT
    date2        = day "-" month "-" 2DIGIT
    asctime-date = day-name SP date3 SP time-of-day SP year        ; Sun Nov  6 08:49:37 1994
    date3        = month SP ( 2DIGIT / ( SP 1DIGIT ))

All three are read, the first alone is written. Times are whole seconds since 1970-01-01T00:00:00Z.
A date that does not fit is None, never an error: the fields that carry one are ignored when it is
invalid (13.1.3, 13.1.4). The name of the day is redundant, so a wrong one changes nothing.
"""

from __future__ import annotations

import calendar
import re
import time

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_DAY_NAME, _DAY_NAME_L = f"(?:{'|'.join(_DAYS)})", f"(?:{'|'.join(_LONG_DAYS)})"
_DAY, _MONTH, _YEAR = "(?P<day>[0-9]{2})", f"(?P<month>{'|'.join(_MONTHS)})", "(?P<year>[0-9]{4})"
_TIME_OF_DAY = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"

_FORMS = (
    re.compile(rf"{_DAY_NAME}, {_DAY} {_MONTH} {_YEAR} {_TIME_OF_DAY} GMT"),
    re.compile(rf"{_DAY_NAME_L}, {_DAY}-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME_OF_DAY} GMT"),
    re.compile(rf"{_DAY_NAME} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME_OF_DAY} {_YEAR}"),
)
_LONGEST = len("Wednesday, 06-Nov-94 08:49:37 GMT")


def parse_http_date(text: str, now: float | None = None) -> int | None:
    """Seconds since the epoch, or None when `text` is not an HTTP date.

    `now` is the instant, in seconds since the epoch, that a year of two digits is read from;
    without it the clock is asked, and only for such a year.

    >>> parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT")
    784111777
    >>> parse_http_date("Sun Nov  6 08:49:37 1994")
    784111777
    """
    if len(text) > _LONGEST:
        return None
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is not None:
            return _seconds(match, now)
    return None


def _seconds(match: re.Match[str], now: float | None) -> int | None:
    day, hour, minute, second = map(int, match.group("day", "hour", "minute", "second"))
    month = _MONTHS.index(match["month"]) + 1
    if hour > 23 or minute > 59 or second > 60:  # 60 is a leap second, which the grammar allows
        return None
    if len(match["year"]) == 4:
        return _instant(int(match["year"]), month, day, hour, minute, second)
    year = _century_of(match["year"], (month, day, hour, minute, second), now)
    return _instant(year, month, day, hour, minute, second)


def _century_of(two_digits: str, rest: tuple[int, ...], now: float | None) -> int:
    """This century's such year; the last one's where that is more than 50 years ahead (5.6.7)."""
    today = time.gmtime(now)  # without an instant, of the clock
    year = today.tm_year - today.tm_year % 100 + int(two_digits)
    return year - 100 if (year, *rest) > (today.tm_year + 50, *today[1:6]) else year


def _instant(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int | None:
    if year == 0 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    return calendar.timegm((year, month, day, hour, minute, second))


def format_http_date(seconds: int) -> str:
    """An IMF-fixdate, the only form that may be sent.

    >>> format_http_date(784111777)
    'Sun, 06 Nov 1994 08:49:37 GMT'
    """
    at = time.gmtime(seconds)
    return (
        f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04}"
        f" {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"
    )
