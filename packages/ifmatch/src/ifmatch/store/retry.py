"""Edits by background jobs: read, change, write under that tag, and once more on a conflict.

A person who meets a conflict decides; a job just makes its change anew, on the newer state. Between
tries it waits a random time of a growing span (full jitter): a crowd that tries again at once meets
itself again, and on a hot row that costs most of the throughput.

A `patch` without a guard needs none of this: it locks the row and changes the newest state. Edit by
tag where making the change takes long, or asks other systems, so that no lock should be held.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from ifmatch.core.errors import Conflict, Missing
from ifmatch.core.guard import unchanged
from ifmatch.core.representation import Representation
from ifmatch.store.contract import AsyncStore, Store

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Budget:
    """How often and how long an edit is tried, and the spans that it waits in between.

    `seconds` is for all tries together; `first` and `cap` are the spans of the first wait and of
    the longest, in seconds; each is twice the one before.
    """

    tries: int = 20
    seconds: float = 10.0
    first: float = 0.001
    cap: float = 0.05

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


def edit(
    store: Store[K, V],
    key: K,
    change: Callable[[V], V],
    budget: Budget = PATIENT,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Edited[V]:
    """Store what `change` makes of the current value, on whatever state that is in the end.

    `change` is called once for each try and must have no other effects. Raises Missing where there
    is nothing, and the last Conflict when the budget is spent.
    """
    waits, tries = budget.waits(), 1
    while True:
        found = store.read(key)
        if found is None:
            raise Missing(key)
        try:
            made = store.replace(key, change(found.value), unchanged(found.etag))
        except Conflict:
            wait = next(waits, None)
            if wait is None:
                raise
        else:
            return Edited(made, tries)
        sleep(wait)
        tries += 1


async def edit_async(
    store: AsyncStore[K, V], key: K, change: Callable[[V], V], budget: Budget = PATIENT
) -> Edited[V]:
    """The same where calls are awaited."""
    waits, tries = budget.waits(), 1
    while True:
        found = await store.read(key)
        if found is None:
            raise Missing(key)
        try:
            made = await store.replace(key, change(found.value), unchanged(found.etag))
        except Conflict:
            wait = next(waits, None)
            if wait is None:
                raise
        else:
            return Edited(made, tries)
        await asyncio.sleep(wait)
        tries += 1
