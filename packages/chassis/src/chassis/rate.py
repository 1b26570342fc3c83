"""Token buckets: how often something may be done, by name, in memory and bounded in number.

A bucket holds up to `burst` and is filled at `rate` a second.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST_BUCKETS = 20_000
"""About 4 MB. Beyond, the bucket that rested longest is forgotten."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a second, and how many at once. A rate of 0 is no limit.

    >>> Rate.read("50:200")
    Rate(rate=50.0, burst=200)
    """

    rate: float
    burst: int

    @classmethod
    def read(cls, text: str) -> Rate:
        """Of `rate` or `rate:burst`; raises ValueError with what was expected."""
        said = "requests a second, or those and how many at once, such as 50 or 50:200; 0 for none"
        rate, separator, burst = text.partition(":")
        try:
            found = float(rate)
            most = int(burst) if separator else max(1, math.ceil(found * 4))
        except (ValueError, OverflowError):
            raise ValueError(said) from None
        if not (0 <= found <= 1_000_000 and 1 <= most <= 10_000_000):
            raise ValueError(said)
        return cls(found, most)

    def __str__(self) -> str:
        return f"{self.rate:g}:{self.burst}"

    def share(self, workers: int) -> Rate:
        """What one of several processes may let through."""
        return Rate(self.rate / workers, max(1, self.burst // workers))


UNLIMITED = Rate(0, 1)


class Buckets:
    """A bucket for each name that asks; from any thread."""

    def __init__(
        self,
        rate: Rate,
        *,
        most: int = MOST_BUCKETS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str) -> float:
        """Take one request out of a bucket; returns 0, or the seconds until there is one."""
        if self._rate.rate == 0:
            return 0.0
        with self._lock:
            now, held = self._held(name)
            enough = held >= 1
            self._buckets[name] = (held - 1 if enough else held, now)
            self._buckets.move_to_end(name)  # who is refused and goes on is not forgotten, either
            while len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        return 0.0 if enough else (1 - held) / self._rate.rate

    def wait(self, name: str) -> float:
        """The same without taking anything."""
        if self._rate.rate == 0:
            return 0.0
        with self._lock:
            _, held = self._held(name)
        return 0.0 if held >= 1 else (1 - held) / self._rate.rate

    def _held(self, name: str) -> tuple[float, float]:
        now = self._clock()
        held, since = self._buckets.get(name, (float(self._rate.burst), now))
        return now, min(self._rate.burst, held + (now - since) * self._rate.rate)
