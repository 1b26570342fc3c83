"""Instants are RFC 3339 and nothing else, and compare as time passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagbit.rules.instants import Instant, instant

OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m)))
DATETIMES = st.datetimes(
    datetime.fromisoformat("0002-01-01"), datetime.fromisoformat("9998-01-01"), timezones=OFFSETS
)


def read(text: str) -> Instant:
    found = instant(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T09:00:00Z",
        "2026-03-01t09:00:00z",
        "2026-03-01T09:00:00.123456789012345Z",
        "2026-03-01T09:00:00-00:00",
        "2024-02-29T00:00:00+23:59",
        "0000-02-29T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "1990-12-31T15:59:60-08:00",
    ],
)
def test_what_the_grammar_allows_is_read(text: str) -> None:
    assert instant(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-03-01",
        "2026-03-01T09:00:00",
        "2026-03-01 09:00:00Z",
        "2026-03-01T09:00Z",
        "2026-03-01T09:00:00.Z",
        "2026-03-01T09:00:00,5Z",
        "2026-03-01T09:00:00+0100",
        "2026-03-01T09:00:00+24:00",
        "2026-03-01T09:00:00+01:60",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T23:60:00Z",
        "2026-03-01T23:59:61Z",
        "2026-03-01T12:00:60Z",
        "2026-W09-7T00:00:00Z",
        "+2026-03-01T00:00:00Z",
        "2026-03-01T09:00:00Z\n",
        "٢026-03-01T09:00:00Z",
    ],
)
def test_anything_else_is_no_instant(text: str) -> None:
    assert instant(text) is None


def test_the_published_examples_of_one_instant_are_one() -> None:
    """RFC 3339 section 5.8 says so of these."""
    assert instant("1996-12-19T16:39:57-08:00") == instant("1996-12-20T00:39:57Z")
    assert instant("1990-12-31T23:59:60Z") == instant("1990-12-31T15:59:60-08:00")


def test_a_leap_second_lies_between_its_neighbours() -> None:
    rising = [
        read("1990-12-31T23:59:59.999Z"),
        read("1990-12-31T23:59:60Z"),
        read("1990-12-31T23:59:60.9Z"),
        read("1991-01-01T00:00:00Z"),
    ]
    assert rising == sorted(rising)
    assert len(set(rising)) == 4


def test_the_year_0_comes_before_the_year_1() -> None:
    assert read("0001-01-01T00:00:00Z")[0] - read("0000-12-31T23:59:59Z")[0] == 1


def test_digits_beyond_microseconds_count() -> None:
    early, late = "2026-03-01T00:00:00.0000000001Z", "2026-03-01T00:00:00.00000001Z"
    assert read(early) < read(late)


@given(DATETIMES, DATETIMES)
def test_order_is_the_order_of_datetime(one: datetime, two: datetime) -> None:
    first, second = read(one.isoformat()), read(two.isoformat())
    assert (first < second) == (one.astimezone(UTC) < two.astimezone(UTC))
    assert (first == second) == (one.astimezone(UTC) == two.astimezone(UTC))


@given(st.text())
def test_no_text_raises(text: str) -> None:
    instant(text)


def test_a_million_digits_are_read_at_once() -> None:
    assert instant("2026-03-01T00:00:00." + "1" * 1_000_000 + "Z") is not None
    assert instant("2026-03-01T00:00:00." + "1" * 1_000_000) is None
