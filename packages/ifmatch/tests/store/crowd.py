"""Sixteen threads at once, and the store that loses what they write."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ifmatch import Conflict, ETag, Missing, Validators
from ifmatch.core.guard import UNCONDITIONAL, Guard, enforce

KEY = ("ada", 1)
THREADS = 16


class Crowd:
    """Threads that stay for a whole test, so that a store that keeps a connection for each may."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS)

    def __call__(self, work: Callable[[int], Any]) -> list[Any]:
        """What each thread's work returned or raised; they start together."""
        barrier = threading.Barrier(THREADS, timeout=60)

        def started(number: int) -> Any:
            barrier.wait()
            try:
                return work(number)
            except (Conflict, Missing) as error:
                return error

        return list(self._pool.map(started, range(THREADS)))

    def close(self) -> None:
        self._pool.shutdown()


def winners(outcomes: list[Any]) -> list[int]:
    """The threads whose work returned."""
    return [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, Exception)]


def note(title: str = "Tea", n: int = 0) -> dict[str, Any]:
    """A value, whole."""
    return {"title": title, "n": n, "ratio": 0.5, "data": None}


def sized(small: int, full: int) -> pytest.MarkDecorator:
    """The number of rounds: few where a run has to be quick."""
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
