"""Of any number of writers that name one tag one wins, and the others know.

The race has its twin: the same, with a store that judges before its transaction and not in it.
"""

from __future__ import annotations

from typing import Any

import pytest

from ifmatch import Conflict
from packages.ifmatch.tests.store.crowd import (
    KEY,
    THREADS,
    CheckThenWrite,
    Crowd,
    note,
    sized,
    winners,
)

pytestmark = pytest.mark.race


def titled(number: int) -> Any:
    return lambda value: dict(value) | {"title": f"thread {number}"}


@pytest.mark.parametrize("method", ["replace", "patch"])
@sized(5, 60)
def test_of_writers_that_name_one_tag_one_wins(
    shelf: Any, crowd: Crowd, method: str, rounds: int
) -> None:
    store = shelf.store
    store.create(KEY, note())
    for _ in range(rounds):
        guard = shelf.unchanged(store.tag(KEY))
        ways = {
            "replace": lambda number: store.replace(KEY, note(f"thread {number}"), guard),  # noqa: B023
            "patch": lambda number: store.patch(KEY, titled(number), guard),  # noqa: B023
        }
        outcomes = crowd(ways[method])
        [winner] = winners(outcomes)
        now = store.read(KEY)
        assert now.value["title"] == f"thread {winner}"
        assert now.etag == outcomes[winner].etag
        losers = [outcome for n, outcome in enumerate(outcomes) if n != winner]
        assert all(isinstance(loser, Conflict) and loser.current == now.etag for loser in losers)
        store.replace(KEY, note())


@pytest.mark.parametrize("method", ["replace", "patch"])
def test_with_check_then_write_several_win_that_race(shelf: Any, crowd: Crowd, method: str) -> None:
    naive = CheckThenWrite(shelf.store)
    guard = shelf.unchanged(shelf.store.create(KEY, note()).etag)
    ways = {
        "replace": lambda number: naive.replace(KEY, note(f"thread {number}"), guard),
        "patch": lambda number: naive.patch(KEY, titled(number), guard),
    }
    assert len(winners(crowd(ways[method]))) == THREADS


@sized(5, 60)
def test_of_creators_one_creates(shelf: Any, crowd: Crowd, rounds: int) -> None:
    for number in range(rounds):
        key = ("ada", number)
        outcomes = crowd(lambda n: shelf.store.create(key, note(f"thread {n}")))  # noqa: B023
        [winner] = winners(outcomes)
        assert shelf.store.read(key).value["title"] == f"thread {winner}"
        assert shelf.store.tag(key) == outcomes[winner].etag


@sized(5, 60)
def test_a_delete_and_edits_under_one_tag_have_one_winner(
    shelf: Any, crowd: Crowd, rounds: int
) -> None:
    store = shelf.store
    for _ in range(rounds):
        guard = shelf.unchanged(store.create(KEY, note()).etag)

        def work(number: int) -> Any:
            if number % 2:
                return store.replace(KEY, note(f"thread {number}"), guard)  # noqa: B023
            return store.delete(KEY, guard)  # noqa: B023

        [winner] = winners(crowd(work))
        now = store.read(KEY)
        if winner % 2:
            assert now.value["title"] == f"thread {winner}"
            store.delete(KEY)
        else:
            assert now is None
