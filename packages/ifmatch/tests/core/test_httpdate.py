"""HTTP dates: IMF-fixdate is read and written; what does not fit is ignored, never an error."""

from __future__ import annotations

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
    ],
)
def test_an_imf_fixdate_is_its_second(text: str, seconds: int) -> None:
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
    ],
)
def test_what_is_no_http_date_is_none(text: str) -> None:
    assert parse_http_date(text) is None


@given(st.integers(-62_135_596_800, LAST))
def test_what_is_printed_is_read_as_the_same_second(seconds: int) -> None:
    assert parse_http_date(format_http_date(seconds)) == seconds


@given(st.text() | st.text("SunNov0123456789:, GMT", min_size=29, max_size=29))
def test_no_text_raises(text: str) -> None:
    assert parse_http_date(text) is None or "GMT" in text


def test_the_one_form_that_may_be_sent_is_written() -> None:
    assert format_http_date(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT"
