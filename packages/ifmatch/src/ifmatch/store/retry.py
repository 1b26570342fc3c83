"""Edits by background jobs: read, change, write under that tag, and once more on a conflict.

A person who meets a conflict decides; a job just makes its change anew, on the newer state. How it
does that depends on how long making the change takes:

- **A brief change** is made anew under the row's lock, within the store's own transaction: nobody
  comes between, so the second try is the last. While a row is fought over, edits of it begin so,
  since a first try without the lock would be lost work, and those of one process share a
  transaction (`ifmatch.store.combining`).
- **A long change**, one that asks other systems, never holds a lock. Between tries it waits a
  random time of a growing span (full jitter): a crowd that tries again at once meets itself again,
  and on a hot row that costs most of the throughput.

A job whose change is always brief may as well call `patch` without a guard: it locks the row and
changes the newest state. It never shares a transaction.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ifmatch.core.errors import Conflict, Missing
from ifmatch.core.guard import Guard, unchanged
from ifmatch.core.representation import Representation
from ifmatch.store.combining import AsyncLines, Lines
from ifmatch.store.contract import AsyncStore, Store
from ifmatch.store.steps import drive, drive_async

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Budget:
    """How often and how long an edit is tried, and the spans that it waits in between.

    `seconds` is for all tries together; `first` and `cap` are the spans of the first wait and of
    the longest, in seconds; each is twice the one before. A change is brief that takes less than
    `brief` seconds: after a conflict it is made under the row's lock. With 0 none is.
    """

    tries: int = 20
    seconds: float = 10.0
    first: float = 0.001
    cap: float = 0.05
    brief: float = 0.005

    def waits(
        self,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[float, float], float] = random.uniform,
    ) -> Iterator[float]:
        """How long to wait before each further try; ends when the budget is spent.

        >>> [round(wait, 3) for wait in Budget(tries=4).waits(dice=max)]
        [0.001, 0.002, 0.004]
        """
        end, span = clock() + self.seconds, self.first
        for _ in range(self.tries - 1):
            wait = dice(0.0, min(span, self.cap))
            if clock() + wait > end:
                return
            yield wait
            span *= 2


PATIENT = Budget()
"""Twenty tries within ten seconds."""


@dataclass(frozen=True, slots=True)
class Edited(Generic[V]):
    """The state that an edit made, and how many tries it took."""

    representation: Representation[V]
    tries: int


class Crowds:
    """Which rows were fought over within the last second, by what this process saw.

    A hint and no guard: an edit is right whatever is in here. Safe for threads.
    """

    seconds = 1.0
    most = 1_000

    def __init__(self) -> None:
        self._until: dict[object, float] = {}

    def saw(self, row: object, now: float) -> None:
        """Somebody was overtaken at `row`."""
        if len(self._until) >= self.most:
            self._until.clear()
        self._until[row] = now + self.seconds

    def left(self, row: object) -> None:
        """Begin at `row` without its lock again."""
        self._until.pop(row, None)

    def at(self, row: object, now: float) -> bool:
        """Whether somebody was overtaken there lately."""
        return now < self._until.get(row, now)


_crowds = Crowds()
_lines, _async_lines = Lines(), AsyncLines()


# What an edit asks of a store; drivers send what came of it, a Conflict as a value.


@dataclass(frozen=True, slots=True)
class _Read:
    pass


@dataclass(frozen=True, slots=True)
class _Patch:
    change: Callable[[Any], Any]
    guard: Guard


@dataclass(frozen=True, slots=True)
class _PatchTogether:
    change: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Wait:
    seconds: float


_Step = _Read | _Patch | _PatchTogether | _Wait
_Plan = Generator[_Step, Any, Edited[V]]


class _Timed(Generic[V]):
    """A change, and how long it took when it was made last."""

    def __init__(self, change: Callable[[V], V], clock: Callable[[], float]) -> None:
        self._change = change
        self._clock = clock
        self.took = 0.0

    def __call__(self, value: V) -> V:
        began = self._clock()
        try:
            return self._change(value)
        finally:
            self.took = self._clock() - began


def _plan(
    store: object,
    key: object,
    change: Callable[[V], V],
    budget: Budget,
    crowds: Crowds,
    clock: Callable[[], float],
) -> _Plan[V]:
    row = (id(store), repr(key))
    timed, waits, tries = _Timed(change, clock), budget.waits(clock), 1
    locked = budget.brief > 0 and crowds.at(row, clock())
    while not locked:
        made = yield from _once(key, timed)
        if not isinstance(made, Conflict):
            return Edited(made, tries)
        wait = next(waits, None)
        if wait is None:
            raise made
        tries += 1
        locked = timed.took < budget.brief
        if locked:
            crowds.saw(row, clock())
        else:
            yield _Wait(wait)
    made = yield _PatchTogether(timed)
    if timed.took >= budget.brief:
        crowds.left(row)
    return Edited(made, tries)


def _once(key: object, change: Callable[[V], V]) -> Generator[_Step, Any, Any]:
    """Read, change, and write under the tag that was read."""
    found = yield _Read()
    if found is None:
        raise Missing(key)
    value, tag = change(found.value), found.etag
    # No `replace`: a store told `already_applied` would excuse one where two add the same.
    return (yield _Patch(lambda _: value, unchanged(tag)))


def edit(
    store: Store[K, V],
    key: K,
    change: Callable[[V], V],
    budget: Budget = PATIENT,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    crowds: Crowds = _crowds,
) -> Edited[V]:
    """Store what `change` makes of the current value, on whatever state that is in the end.

    `change` is called once for each try and must have no other effects; within the store's
    transaction only where it is brief. Raises Missing where there is nothing, and the last Conflict
    when the budget is spent.
    """

    def do(step: _Step) -> Any:
        if isinstance(step, _Wait):
            return sleep(step.seconds)
        if isinstance(step, _Read):
            return store.read(key)
        if isinstance(step, _PatchTogether):
            return _lines.patch(store, key, step.change)
        try:
            return store.patch(key, step.change, step.guard)
        except Conflict as conflict:
            return conflict

    return drive(_plan(store, key, change, budget, crowds, clock), do)


async def edit_async(
    store: AsyncStore[K, V],
    key: K,
    change: Callable[[V], V],
    budget: Budget = PATIENT,
    *,
    clock: Callable[[], float] = time.monotonic,
    crowds: Crowds = _crowds,
) -> Edited[V]:
    """The same where calls are awaited."""

    async def do(step: _Step) -> Any:
        if isinstance(step, _Wait):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, _Read):
            return await store.read(key)
        if isinstance(step, _PatchTogether):
            return await _async_lines.patch(store, key, step.change)
        try:
            return await store.patch(key, step.change, step.guard)
        except Conflict as conflict:
            return conflict

    return await drive_async(_plan(store, key, change, budget, crowds, clock), do)
