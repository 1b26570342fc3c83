"""No acknowledged edit is lost to another.

The race has its twin: the same, with a store that judges before its transaction and not in it.
"""

from __future__ import annotations

import random
import time
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


@sized(4, 30)
def test_no_edit_of_a_counter_is_lost_to_another(shelf: Any, crowd: Crowd, rounds: int) -> None:
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

    tries = sum(crowd(work))
    print(f"{THREADS * rounds} edits, {tries} tries")
    assert store.read(KEY).value["n"] == THREADS * rounds


def test_with_check_then_write_edits_of_a_counter_are_lost(shelf: Any, crowd: Crowd) -> None:
    naive = CheckThenWrite(shelf.store)
    shelf.store.create(KEY, note())

    def work(_number: int) -> None:
        now = naive.read(KEY)
        wish = {"n": now.value["n"] + 1}
        naive.patch(KEY, lambda value: dict(value) | wish, shelf.unchanged(now.etag))

    acknowledged = len(winners(crowd(work)))
    assert shelf.store.read(KEY).value["n"] < acknowledged
