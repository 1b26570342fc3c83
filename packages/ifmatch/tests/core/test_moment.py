"""Facts of the moment: until when they hold, and what a cache is told of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifmatch import IfMatchError, Validators
from ifmatch.core.errors import NaiveInstant
from ifmatch.core.moment import Moment, cache_control, earliest, seconds_left

DUE = datetime(2026, 3, 1, 12, tzinfo=UTC)
INSTANTS = st.integers(6 * 10**8, 4 * 10**9).map(lambda at: datetime.fromtimestamp(at + 0.25, UTC))


class CentralEurope(tzinfo):
    """An hour off in winter and two in summer, as far as the autumn of 2026 needs it."""

    def utcoffset(self, when: datetime | None) -> timedelta:
        assert when is not None
        back = datetime(2026, 10, 25, 3, tzinfo=UTC).replace(tzinfo=None)
        wall = when.replace(tzinfo=None)
        summer = wall < back and not (wall >= back - timedelta(hours=1) and when.fold)
        return timedelta(hours=2 if summer else 1)

    def tzname(self, when: datetime | None) -> str:
        return "CET"

    def dst(self, when: datetime | None) -> timedelta:
        return self.utcoffset(when) - timedelta(hours=1)


def test_the_seconds_left_are_whole_and_rounded_down() -> None:
    for before, seconds in [(0, 0), (0.999, 0), (1, 1), (1.999, 1), (59.5, 59), (-5, 0)]:
        assert seconds_left(DUE, DUE - timedelta(seconds=before)) == seconds
    assert seconds_left(None, DUE) is None
    assert Moment({}, DUE).seconds_left(DUE - timedelta(minutes=1)) == 60


def test_an_hour_that_a_time_zone_has_twice_is_two_hours() -> None:
    """The arithmetic of Python within one zone would say one."""
    zone = CentralEurope()
    now, until = datetime(2026, 10, 25, 2, 30, tzinfo=zone), datetime(2026, 10, 25, 3, tzinfo=zone)
    assert (until - now) == timedelta(minutes=30)
    assert seconds_left(until, now) == 90 * 60
    assert Moment({}, until).until == datetime(2026, 10, 25, 2, tzinfo=UTC)
    assert seconds_left(now.replace(fold=1), now) == 60 * 60


@pytest.mark.parametrize(
    "act",
    [
        lambda naive: Moment({}, naive),
        lambda naive: seconds_left(DUE, naive),
        lambda naive: seconds_left(naive, DUE),
        lambda naive: earliest(DUE, naive),
        lambda naive: cache_control(naive, DUE, 60),
    ],
)
def test_an_instant_without_a_time_zone_is_refused_and_the_error_says_what_to_do(act: Any) -> None:
    with pytest.raises(NaiveInstant, match=r"datetime\.now\(UTC\)") as caught:
        act(DUE.replace(tzinfo=None))
    assert isinstance(caught.value, IfMatchError)


@given(now=INSTANTS, until=st.none() | INSTANTS, max_age=st.integers(1, 10**6))
def test_what_a_cache_is_told_never_outlasts_the_facts_nor_the_declaration(
    now: datetime, until: datetime | None, max_age: int
) -> None:
    said = cache_control(until, now, max_age)
    if said == "private, no-cache":
        assert until is not None
        assert until - now < timedelta(seconds=1)
        return
    private, fresh, must = said.split(", ")
    seconds = int(fresh.removeprefix("max-age="))
    assert (private, must) == ("private", "must-revalidate")
    assert 1 <= seconds <= max_age
    if until is not None:
        assert now + timedelta(seconds=seconds) <= until
        assert seconds == max_age or now + timedelta(seconds=seconds + 1) > until
    else:
        assert seconds == max_age


@given(st.lists(st.none() | INSTANTS))
def test_several_answers_hold_until_the_first_of_them_changes(ends: list[datetime | None]) -> None:
    told = [end for end in ends if end is not None]
    assert earliest(*ends) == (min(told) if told else None)
    east = timezone(timedelta(hours=9))
    assert earliest(*(end and end.astimezone(east) for end in ends)) == earliest(*ends)


FACTS = st.dictionaries(st.text(max_size=3), st.booleans() | st.integers() | st.none(), max_size=3)


@given(a=FACTS, b=FACTS)
def test_two_tags_of_one_state_are_equal_where_the_facts_are(a: Any, b: Any) -> None:
    same = [*map(repr, sorted(a.items()))] == [*map(repr, sorted(b.items()))]
    assert (Moment(a).digest_of("0" * 16) == Moment(b).digest_of("0" * 16)) == same


def test_the_instant_decides_no_verdict_but_tells_validators_apart() -> None:
    assert Validators(until=DUE) != Validators()
    assert Validators().until is None


@given(a=FACTS, state=st.text(max_size=3), other=st.text(max_size=3))
def test_two_states_with_the_same_facts_have_two_tags(a: Any, state: str, other: str) -> None:
    assert (Moment(a).digest_of(state) == Moment(a).digest_of(other)) == (state == other)


def test_in_the_last_second_nothing_is_kept() -> None:
    for left in (-1, 0, 0.5, 0.999):
        said = cache_control(DUE, DUE - timedelta(seconds=left), 60, public=True)
        assert said == "no-cache"
