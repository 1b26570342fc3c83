"""HTTP dates: three forms are read, one is written; what fits none is ignored, never an error."""

from __future__ import annotations

import calendar
import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifmatch.core.httpdate import format_http_date, parse_http_date

LAST = 253_402_300_799  # Fri, 31 Dec 9999 23:59:59 GMT


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
        ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LAST),
        ("Mon, 01 Jan 0001 00:00:00 GMT", -62_135_596_800),
        # The grammar allows a leap second; it is the same instant as the second that follows.
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
        # The name of the day is redundant; a wrong one does not change the instant.
        ("Mon, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        # The two obsolete forms.
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
        ("Wednesday, 01-Jan-20 00:00:00 GMT", 1_577_836_800),
        ("Sun Nov  6 08:49:37 1994", 784_111_777),
        ("Wed Nov 16 08:49:37 1994", 784_975_777),
        ("Tue Feb 29 12:00:00 2000", 951_825_600),
    ],
)
def test_a_date_in_each_of_the_three_forms_is_its_second(text: str, seconds: int) -> None:
    assert parse_http_date(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "784111777",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Mon, 29 Feb 1900 12:00:00 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06 Nov 94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06-nov-94 08:49:37 GMT",
        "Sunday, 31-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov 06 08:49:37 1994 GMT",
        "Sun Nov  0 08:49:37 1994",
        "Sun Nov 31 08:49:37 1994",
        "Sunday Nov  6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 24:49:37 1994",
    ],
)
def test_what_is_no_http_date_is_none(text: str) -> None:
    assert parse_http_date(text) is None


@given(st.integers(-62_135_596_800, LAST))
def test_what_is_printed_is_read_as_the_same_second(seconds: int) -> None:
    assert parse_http_date(format_http_date(seconds)) == seconds


@given(st.text() | st.text("SunNov0123456789:, GMT", min_size=29, max_size=29))
def test_no_text_raises(text: str) -> None:
    parse_http_date(text)


@given(st.integers(0, LAST))
def test_the_obsolete_forms_say_the_same_second(seconds: int) -> None:
    at = time.gmtime(seconds)
    assert parse_http_date(time.asctime(at)) == seconds
    rfc850 = time.strftime("%A, %d-%b-%y %H:%M:%S GMT", at)
    if at.tm_year % 100:  # a century's first year has the digits of the next one's, too
        assert parse_http_date(rfc850, now=seconds) == seconds


@pytest.mark.parametrize(
    ("text", "now", "read"),
    [
        # 50 years ahead is still ahead; a second more is the century before (5.6.7).
        ("Wednesday, 25-Nov-76 12:00:00 GMT", (2026, 11, 25, 12, 0, 0), 2076),
        ("Wednesday, 25-Nov-76 12:00:01 GMT", (2026, 11, 25, 12, 0, 0), 1976),
        ("Friday, 31-Dec-99 23:59:59 GMT", (2026, 11, 25, 12, 0, 0), 1999),
        ("Saturday, 01-Jan-00 00:00:00 GMT", (2026, 11, 25, 12, 0, 0), 2000),
        ("Friday, 31-Dec-99 23:59:59 GMT", (2049, 12, 31, 23, 59, 59), 2099),
        ("Sunday, 06-Nov-94 08:49:37 GMT", (1994, 11, 6, 8, 49, 37), 1994),
        ("Tuesday, 29-Feb-00 12:00:00 GMT", (2026, 1, 1, 0, 0, 0), 2000),
        ("Thursday, 06-Nov-94 08:49:37 GMT", (2150, 1, 1, 0, 0, 0), 2194),
    ],
)
def test_a_year_of_two_digits_is_the_nearest_that_is_not_50_years_ahead(
    text: str, now: tuple[int, ...], read: int
) -> None:
    found = parse_http_date(text, now=calendar.timegm(now))
    assert found is not None
    assert time.gmtime(found).tm_year == read


def test_without_an_instant_the_clock_says_which_century_it_is() -> None:
    now = time.gmtime()
    text = time.strftime("%A, %d-%b-%y %H:%M:%S GMT", now)
    assert parse_http_date(text) == calendar.timegm(now)


def test_the_one_form_that_may_be_sent_is_written() -> None:
    assert format_http_date(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_each_day_and_month_is_written_by_its_name() -> None:
    """As the standard library's mail writes them, which is the same form (5.6.7)."""
    for day in range(0, 366 * 86_400, 86_400):
        assert format_http_date(day) == formatdate(day, usegmt=True)
