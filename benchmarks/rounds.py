"""Paired rounds: how long something takes as a ratio to something else, in one run.

Two callables take turns, so that whatever slows the machine slows both. Each round gives one ratio;
the figure is the median of the ratios with an interval that covers the true median with 95 % or
more, from order statistics, which assume nothing of the distribution. A third series pairs the peer
with itself: if that does not read 0.97 to 1.03, the run is void.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import comb

Work = Callable[[], object]

ROUNDS = 25
ROUND_SECONDS = 0.02
AA_LOW, AA_HIGH = 0.97, 1.03


@dataclass(frozen=True)
class Line:
    """One figure: the median ratio, its interval, the limit, and the peer against itself."""

    name: str
    ratio: float
    low: float
    high: float
    limit: float
    itself: float
    nanoseconds: float

    @property
    def void(self) -> bool:
        return not AA_LOW <= self.itself <= AA_HIGH

    @property
    def holds(self) -> bool:
        return self.low <= self.limit

    def __str__(self) -> str:
        verdict = "void" if self.void else "holds" if self.holds else "MISSED"
        figures = f"{self.ratio:7.3f}  [{self.low:.3f}, {self.high:.3f}]  limit {self.limit:<5g}"
        rest = f"A/A {self.itself:.3f}  {self.nanoseconds:12,.0f} ns  {verdict}"
        return f"{self.name:<58} {figures} {rest}"


def compare(name: str, ours: Work, peer: Work, limit: float, rounds: int = ROUNDS) -> Line:
    """How long `ours` takes, as a ratio to `peer`."""
    ours_loops, peer_loops = _loops(ours), _loops(peer)
    ratios, itself, times = [], [], []
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            # Who goes first changes, so that neither profits from the other's caches.
            order = ("ours", "peer", "again") if number % 2 else ("again", "peer", "ours")
            took = {}
            for who in order:
                work, loops = (ours, ours_loops) if who == "ours" else (peer, peer_loops)
                took[who] = _time(work, loops)
            ratios.append(took["ours"] / took["peer"])
            itself.append(took["again"] / took["peer"])
            times.append(took["ours"])
    finally:
        gc.enable()
    low, high = interval(ratios)
    return Line(
        name,
        statistics.median(ratios),
        low,
        high,
        limit,
        statistics.median(itself),
        statistics.median(times) * 1e9,
    )


def interval(values: list[float]) -> tuple[float, float]:
    """A confidence interval of the median, 95 % or more, from order statistics."""
    ordered, count = sorted(values), len(values)
    cut, tail = 0, 0.5**count
    while cut + 1 < count // 2 and 2 * (tail + comb(count, cut + 1) * 0.5**count) <= 0.05:
        cut += 1
        tail += comb(count, cut) * 0.5**count
    return ordered[cut], ordered[count - 1 - cut]


def _loops(work: Work) -> int:
    loops = 1
    while (took := _time(work, loops) * loops) < ROUND_SECONDS / 4:
        loops *= 4
    return max(1, round(loops * ROUND_SECONDS / took))


def _time(work: Work, loops: int) -> float:
    """Seconds for one call."""
    turns = range(loops)
    start = time.perf_counter()
    for _ in turns:
        work()
    return (time.perf_counter() - start) / loops
