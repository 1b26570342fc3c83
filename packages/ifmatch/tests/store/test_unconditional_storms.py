"""Writes without a condition are never refused, and readers among them see whole states."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from ifmatch import Missing
from ifmatch.core.tags import state_digest
from packages.ifmatch.tests.store.crowd import KEY, THREADS, Crowd, note, sized, winners

pytestmark = pytest.mark.race


@sized(5, 60)
def test_an_unconditional_change_is_never_refused_and_never_lost(
    shelf: Any, crowd: Crowd, rounds: int
) -> None:
    store = shelf.store
    store.create(KEY, note())

    def work(_number: int) -> None:
        for _ in range(rounds):
            store.patch(KEY, lambda value: dict(value) | {"n": value["n"] + 1})

    assert len(winners(crowd(work))) == THREADS
    assert store.read(KEY).value["n"] == THREADS * rounds


@sized(5, 60)
def test_unconditional_replacements_are_never_refused_while_others_delete(
    shelf: Any, crowd: Crowd, rounds: int
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

    assert len(winners(crowd(work))) == THREADS


def test_readers_among_writers_never_see_a_body_under_another_tag(shelf: Any, crowd: Crowd) -> None:
    store = shelf.store
    store.create(KEY, note())

    def work(number: int) -> None:
        for n in range(15):
            if number < 4:
                store.replace(KEY, note(f"thread {number}", n))
            else:
                found = store.read(KEY)
                assert found.etag.opaque == state_digest(found.body)

    assert len(winners(crowd(work))) == THREADS
