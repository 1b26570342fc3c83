"""Edits that are made anew until they fit: nothing is lost, and the budget is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from ifmatch import Conflict, Missing, Representation, Verdict
from ifmatch.core.guard import UNCONDITIONAL, Guard
from ifmatch.core.verdict import Outcome
from ifmatch.store.memory import MemoryStore
from ifmatch.store.retry import Budget, Crowds, edit, edit_async

KEY = ("ada", 1)
LONG = Budget(brief=0)
"""For a change that may take long: it is never made under a lock."""
REFUSED = Conflict(None, Verdict(Outcome.PRECONDITION_FAILED))


def more(value: Any) -> Any:
    return dict(value) | {"n": value["n"] + 1}


class Refuses(MemoryStore[Any]):
    """A store that refuses so many guarded writes, as if somebody else were always quicker."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.create(KEY, {"n": 0})
        self.times = times
        self.guards: list[Guard] = []

    def patch(
        self, key: Any, change: Callable[[Any], Any], guard: Guard = UNCONDITIONAL
    ) -> Representation[Any]:
        self.guards.append(guard)
        if self.times and guard is not UNCONDITIONAL:
            self.times -= 1
            raise REFUSED
        return super().patch(key, change, guard)


def awaited(times: int) -> Any:
    """The same store, its calls awaited."""
    store = Refuses(times)

    class Awaited:
        async def read(self, key: Any) -> Any:
            return store.read(key)

        async def patch(self, key: Any, change: Any, guard: Guard = UNCONDITIONAL) -> Any:
            return store.patch(key, change, guard)

    return Awaited()


def test_an_edit_that_nobody_disturbs_is_one_try_and_no_wait() -> None:
    waited: list[float] = []
    done = edit(Refuses(0), KEY, more, sleep=waited.append)
    assert (done.tries, done.representation.value, waited) == (1, {"n": 1}, [])


def test_an_edit_is_made_anew_on_the_newer_state() -> None:
    """The change sees each state once, and the last one is what it is made on."""
    store = MemoryStore[Any]()
    store.create(KEY, {"n": 0})
    seen: list[int] = []

    def meanwhile(value: Any) -> Any:
        seen.append(value["n"])
        if len(seen) < 3:
            store.patch(KEY, lambda now: {"n": now["n"] + 10})
        return more(value)

    done = edit(store, KEY, meanwhile, LONG, sleep=lambda _: None)
    assert (seen, done.tries, done.representation.value) == ([0, 10, 20], 3, {"n": 21})


def test_waits_are_random_within_spans_that_double_up_to_the_cap() -> None:
    longest = list(Budget(tries=9).waits(dice=max))
    assert longest == [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.05, 0.05]
    assert list(Budget(tries=4).waits(dice=min)) == [0, 0, 0]
    waits = list(Budget(tries=200, seconds=60).waits())
    assert all(0 <= wait <= 0.05 for wait in waits)
    assert len(set(waits)) > 190


def test_of_so_many_tries_none_is_left_in_the_end() -> None:
    waited: list[float] = []
    with pytest.raises(Conflict):
        edit(Refuses(5), KEY, more, Budget(tries=5, brief=0), sleep=waited.append)
    assert len(waited) == 4
    done = edit(Refuses(4), KEY, more, Budget(tries=5, brief=0), sleep=waited.append)
    assert done.tries == 5


def test_no_try_is_begun_after_the_time_is_over() -> None:
    seconds = count()
    waits = Budget(tries=100, seconds=5).waits(clock=lambda: float(next(seconds)), dice=min)
    assert len(list(waits)) == 5


def test_after_a_conflict_a_brief_change_is_made_where_nobody_comes_between() -> None:
    """Without a wait, and without another conflict: the second try is the last."""
    store, waited = Refuses(9), list[float]()
    done = edit(store, KEY, more, sleep=waited.append, crowds=Crowds())
    assert (done.tries, done.representation.value, waited) == (2, {"n": 1}, [])
    assert store.guards[-1] is UNCONDITIONAL


def test_a_long_change_is_never_made_under_a_lock() -> None:
    store, now = Refuses(9), count(step=0.006)  # each look at the clock is six milliseconds on
    done = edit(
        store,
        KEY,
        more,
        sleep=lambda _: None,
        clock=lambda: next(now),
        crowds=Crowds(),
    )
    assert done.tries == 10
    assert UNCONDITIONAL not in store.guards


def test_where_a_row_is_fought_over_an_edit_begins_where_nobody_comes_between() -> None:
    store, crowds, now = Refuses(9), Crowds(), [0.0]

    def tried() -> tuple[int, bool]:
        done = edit(store, KEY, more, clock=lambda: now[0], crowds=crowds)
        return done.tries, store.guards[-1] is UNCONDITIONAL

    assert tried() == (2, True)
    assert tried() == (1, True)
    store.times = 0
    now[0] += Crowds.seconds
    assert tried() == (1, False)


def test_a_change_that_turned_out_long_under_the_lock_is_made_there_once() -> None:
    store, crowds, now = Refuses(1), Crowds(), [0.0]

    def slow(value: Any) -> Any:
        now[0] += 0.1
        return more(value)

    told: dict[str, Any] = {"clock": lambda: now[0], "crowds": crowds}
    edit(store, KEY, more, **told)
    edit(store, KEY, slow, **told)
    assert store.guards[-1] is UNCONDITIONAL
    edit(store, KEY, slow, **told)
    assert store.guards[-1] is not UNCONDITIONAL


def test_only_so_many_crowds_are_remembered() -> None:
    crowds = Crowds()
    for row in range(3 * Crowds.most):
        crowds.saw(row, 0.0)
    assert sum(crowds.at(row, 0.5) for row in range(3 * Crowds.most)) <= Crowds.most


def test_an_edit_is_not_excused_where_another_one_has_made_the_same() -> None:
    """Two that count one up from 0 are two, in a store told `already_applied`, too."""
    store = MemoryStore[Any](already_applied=True)
    store.create(KEY, {"n": 0})
    seen: list[int] = []

    def meanwhile(value: Any) -> Any:
        seen.append(value["n"])
        if len(seen) == 1:
            store.patch(KEY, more)
        return more(value)

    assert edit(store, KEY, meanwhile, crowds=Crowds()).representation.value == {"n": 2}
    assert seen == [0, 1]


def test_what_is_not_there_is_not_edited() -> None:
    with pytest.raises(Missing):
        edit(MemoryStore[Any](), KEY, more)


def test_an_error_of_the_change_is_the_caller_s() -> None:
    with pytest.raises(KeyError):
        edit(Refuses(0), KEY, lambda value: value["nothing"])


def test_an_awaited_edit_does_the_same() -> None:
    done = asyncio.run(edit_async(awaited(2), KEY, more, LONG))
    assert (done.tries, done.representation.value) == (3, {"n": 1})
    done = asyncio.run(edit_async(awaited(2), KEY, more))
    assert (done.tries, done.representation.value) == (2, {"n": 1})
    with pytest.raises(Conflict):
        asyncio.run(edit_async(awaited(9), KEY, more, Budget(tries=3, brief=0)))
    with pytest.raises(Missing):
        asyncio.run(edit_async(awaited(0), ("ada", 2), more))


@pytest.mark.race
def test_eight_jobs_that_count_one_row_up_lose_no_count(shelf: Any) -> None:
    shelf.store.create(KEY, {"title": "Tea", "n": 0, "ratio": 0.5, "data": None})

    def job(_: int) -> int:
        patient = Budget(tries=1000, seconds=60)
        return sum(edit(shelf.store, KEY, more, patient).tries > 0 for _ in range(5))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(job, range(8))) == 40
    assert shelf.found(KEY).value["n"] == 40
