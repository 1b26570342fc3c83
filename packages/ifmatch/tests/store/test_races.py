"""Races: of any number of writers that name one tag one wins, and no update is lost.

Each race has its twin: the same, with a store that judges before its transaction and not in it.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ifmatch import Conflict, ETag, Missing, Validators
from ifmatch.core.guard import UNCONDITIONAL, Guard, enforce

pytestmark = pytest.mark.race

KEY = ("ada", 1)
THREADS = 16


def note(title: str = "Tea", n: int = 0) -> dict[str, Any]:
    return {"title": title, "n": n, "ratio": 0.5, "data": None}


def sized(small: int, full: int) -> pytest.MarkDecorator:
    marks = (pytest.mark.full, pytest.mark.timeout(600))
    return pytest.mark.parametrize(
        "rounds", [pytest.param(small, id="few"), pytest.param(full, id="full", marks=marks)]
    )


class CheckThenWrite:
    """A store as it is usually built: it looks, it judges, and then it writes.

    All of a round have judged before one of them writes, which is as well an order as any.
    """

    def __init__(self, store: Any) -> None:
        self.store = store
        self.judged = threading.Barrier(THREADS, timeout=60)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def judge(self, key: Any, guard: Guard) -> None:
        tag: ETag | None = self.store.tag(key)
        try:
            enforce(guard, None if tag is None else Validators(tag))
        finally:
            self.judged.wait()

    def replace(self, key: Any, value: Any, guard: Guard = UNCONDITIONAL) -> Any:
        self.judge(key, guard)
        return self.store.replace(key, value)

    def patch(self, key: Any, change: Any, guard: Guard = UNCONDITIONAL) -> Any:
        self.judge(key, guard)
        return self.store.patch(key, change)


def all_at_once(work: Callable[[int], Any]) -> list[Any]:
    """What each thread's work returned or raised; they start together."""
    barrier = threading.Barrier(THREADS, timeout=60)

    def started(number: int) -> Any:
        barrier.wait()
        try:
            return work(number)
        except (Conflict, Missing) as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(started, range(THREADS)))


def winners(outcomes: list[Any]) -> list[int]:
    return [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, Exception)]


def titled(number: int) -> Any:
    return lambda value: dict(value) | {"title": f"thread {number}"}


@pytest.mark.parametrize("method", ["replace", "patch"])
@sized(5, 60)
def test_of_writers_that_name_one_tag_one_wins(shelf: Any, method: str, rounds: int) -> None:
    store = shelf.store
    store.create(KEY, note())
    for _ in range(rounds):
        guard = shelf.unchanged(store.tag(KEY))
        ways = {
            "replace": lambda number: store.replace(KEY, note(f"thread {number}"), guard),  # noqa: B023
            "patch": lambda number: store.patch(KEY, titled(number), guard),  # noqa: B023
        }
        outcomes = all_at_once(ways[method])
        [winner] = winners(outcomes)
        now = store.read(KEY)
        assert now.value["title"] == f"thread {winner}"
        assert now.etag == outcomes[winner].etag
        losers = [outcome for n, outcome in enumerate(outcomes) if n != winner]
        assert all(isinstance(loser, Conflict) and loser.current == now.etag for loser in losers)
        store.replace(KEY, note())


@pytest.mark.parametrize("method", ["replace", "patch"])
def test_with_check_then_write_several_win_that_race(shelf: Any, method: str) -> None:
    naive = CheckThenWrite(shelf.store)
    guard = shelf.unchanged(shelf.store.create(KEY, note()).etag)
    ways = {
        "replace": lambda number: naive.replace(KEY, note(f"thread {number}"), guard),
        "patch": lambda number: naive.patch(KEY, titled(number), guard),
    }
    assert len(winners(all_at_once(ways[method]))) == THREADS


@sized(5, 60)
def test_of_creators_one_creates(shelf: Any, rounds: int) -> None:
    for number in range(rounds):
        key = ("ada", number)
        outcomes = all_at_once(lambda n: shelf.store.create(key, note(f"thread {n}")))  # noqa: B023
        [winner] = winners(outcomes)
        assert shelf.store.read(key).value["title"] == f"thread {winner}"
        assert shelf.store.tag(key) == outcomes[winner].etag


@sized(5, 60)
def test_a_delete_and_edits_under_one_tag_have_one_winner(shelf: Any, rounds: int) -> None:
    store = shelf.store
    for _ in range(rounds):
        guard = shelf.unchanged(store.create(KEY, note()).etag)

        def work(number: int) -> Any:
            if number % 2:
                return store.replace(KEY, note(f"thread {number}"), guard)  # noqa: B023
            return store.delete(KEY, guard)  # noqa: B023

        [winner] = winners(all_at_once(work))
        now = store.read(KEY)
        if winner % 2:
            assert now.value["title"] == f"thread {winner}"
            store.delete(KEY)
        else:
            assert now is None


@sized(4, 30)
def test_no_edit_of_a_counter_is_lost_to_another(shelf: Any, rounds: int) -> None:
    """Read, add one, write under the tag, again on a conflict: lost updates 0."""
    store = shelf.store
    store.create(KEY, note())

    def work(_number: int) -> int:
        tries = 0
        for _ in range(rounds):
            pause = 0.001
            while True:
                tries += 1
                now = store.read(KEY)
                wish = {"n": now.value["n"] + 1}
                try:
                    store.patch(KEY, lambda value: dict(value) | wish, shelf.unchanged(now.etag))  # noqa: B023
                    break
                except Conflict:  # full jitter, so that not all come again at once
                    time.sleep(random.uniform(0, pause))
                    pause = min(pause * 2, 0.05)
        return tries

    tries = sum(all_at_once(work))
    print(f"{THREADS * rounds} edits, {tries} tries")
    assert store.read(KEY).value["n"] == THREADS * rounds


def test_with_check_then_write_edits_of_a_counter_are_lost(shelf: Any) -> None:
    naive = CheckThenWrite(shelf.store)
    shelf.store.create(KEY, note())

    def work(_number: int) -> None:
        now = naive.read(KEY)
        wish = {"n": now.value["n"] + 1}
        naive.patch(KEY, lambda value: dict(value) | wish, shelf.unchanged(now.etag))

    acknowledged = len(winners(all_at_once(work)))
    assert shelf.store.read(KEY).value["n"] < acknowledged


@sized(5, 60)
def test_an_unconditional_change_is_never_refused_and_never_lost(shelf: Any, rounds: int) -> None:
    store = shelf.store
    store.create(KEY, note())

    def work(_number: int) -> None:
        for _ in range(rounds):
            store.patch(KEY, lambda value: dict(value) | {"n": value["n"] + 1})

    assert len(winners(all_at_once(work))) == THREADS
    assert store.read(KEY).value["n"] == THREADS * rounds


@sized(5, 60)
def test_unconditional_replacements_are_never_refused_while_others_delete(
    shelf: Any, rounds: int
) -> None:
    """Creating and deleting in a storm: each call is done, or says truly why not."""
    store = shelf.store

    def work(number: int) -> None:
        for n in range(rounds):
            if number % 2:
                assert store.replace(KEY, note(f"thread {number}", n)).value["n"] == n
            else:
                with contextlib.suppress(Missing):
                    store.delete(KEY)

    assert len(winners(all_at_once(work))) == THREADS


def test_readers_among_writers_never_see_a_body_under_another_tag(shelf: Any) -> None:
    from ifmatch.core.tags import state_digest

    store = shelf.store
    store.create(KEY, note())

    def work(number: int) -> None:
        for n in range(15):
            if number < 4:
                store.replace(KEY, note(f"thread {number}", n))
            else:
                found = store.read(KEY)
                assert found.etag.opaque == state_digest(found.body)

    assert len(winners(all_at_once(work))) == THREADS
