"""HTTP dates: RFC 9110 section 5.6.7.

    HTTP-date    = IMF-fixdate / obs-date
    IMF-fixdate  = day-name "," SP date1 SP time-of-day SP GMT     ; Sun, 06 Nov 1994 08:49:37 GMT

Times are whole seconds since 1970-01-01T00:00:00Z. A date that does not fit is None, never an
error: the fields that carry one are ignored when it is invalid (13.1.3, 13.1.4).
"""

from __future__ import annotations

import calendar
import re
import time

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IMF_FIXDATE = re.compile(
    rf"(?:{'|'.join(_DAYS)}), ([0-9]{{2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}})"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)


def parse_http_date(text: str) -> int | None:
    """Seconds since the epoch, or None when `text` is not an HTTP date.

    >>> parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT")
    784111777
    """
    match = _IMF_FIXDATE.fullmatch(text)
    if match is None:
        return None
    day, year, hour, minute, second = (int(match[group]) for group in (1, 3, 4, 5, 6))
    month = _MONTHS.index(match[2]) + 1
    if year == 0 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    if hour > 23 or minute > 59 or second > 60:  # 60 is a leap second, which the grammar allows
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
