"""Paired rounds: how long something takes as a ratio to something else, in one run.

Two statements take turns: what slows the machine slows both. Each round gives one ratio, and the
figure is their median. Its interval covers the true median with 95 % or more; it comes from order
statistics, which assume nothing of the distribution. A third series pairs the peer with itself: if
that does not read 0.97 to 1.03, the run is void, and it is tried again a few times. Whether to try
again depends on the peer alone, never on the figure.

What is counted is the processor time of this thread, not the time on the wall: where other
programs want the same cores, the time spent waiting for a turn is theirs.
"""

from __future__ import annotations

import gc
import statistics
import time
import timeit
from dataclasses import dataclass
from math import comb

ROUNDS = 25
ROUND_SECONDS = 0.02
TRIES = 4
AA_LOW, AA_HIGH = 0.97, 1.03


class Work:
    """A statement to be timed, with the names it uses.

    Some copies stand in the body of the loop, so that the loop itself weighs nothing beside a
    call of some nanoseconds. A statement is timed as it stands, with no function around it.
    """

    copies = 10
    round_seconds = ROUND_SECONDS

    def __init__(self, statement: str, **names: object) -> None:
        body = "\n".join([statement] * self.copies)
        self._timer = timeit.Timer(body, timer=time.thread_time, globals=names)

    def seconds(self, loops: int) -> float:
        """Seconds of processor time for one statement, over that many loops without collection."""
        return self._timer.timeit(loops) / (loops * self.copies)

    def loops(self) -> int:
        """How many loops fill a round."""
        loops = 1
        while (took := self.seconds(loops) * loops * self.copies) < self.round_seconds / 4:
            loops *= 4
        return max(1, round(loops * self.round_seconds / took))


class LongWork(Work):
    """A statement beside which a loop weighs nothing: it stands there once."""

    copies = 1


@dataclass(frozen=True)
class Line:
    """One figure: the median, its interval, the limit if it has one, and the peer against itself.

    `unit` is "x", a ratio to a peer, or "ms" of processor time.
    """

    name: str
    unit: str
    value: float
    low: float
    high: float
    limit: float | None
    itself: float
    nanoseconds: float
    tries: int = 1

    @property
    def void(self) -> bool:
        """Whether the peer beside itself was no peer of itself."""
        return not AA_LOW <= self.itself <= AA_HIGH

    @property
    def holds(self) -> bool:
        """Whether the lower end of the interval is within the limit."""
        return self.limit is None or self.low <= self.limit

    @property
    def verdict(self) -> str:
        if self.void:
            return "void"
        if self.limit is None:
            return "-"
        return "holds" if self.holds else "MISSED"


def compare(
    name: str, ours: Work, peer: Work, limit: float | None = None, rounds: int = ROUNDS
) -> Line:
    """How long `ours` takes, as a ratio to `peer`."""
    ours_loops, peer_loops = ours.loops(), peer.loops()
    line = None
    for attempt in range(1, TRIES + 1):
        ratios, itself, times = [], [], []
        gc.collect()
        for number in range(rounds):
            # Who goes first changes, so that neither profits from the other's caches.
            order = ("ours", "peer", "again") if number % 2 else ("again", "peer", "ours")
            took = {
                who: ours.seconds(ours_loops) if who == "ours" else peer.seconds(peer_loops)
                for who in order
            }
            ratios.append(took["ours"] / took["peer"])
            itself.append(took["again"] / took["peer"])
            times.append(took["ours"])
        line = judged(name, "x", ratios, itself, times, limit, attempt)
        if not line.void:
            break
    assert line is not None
    return line


def measure(name: str, work: Work, limit: float | None = None, rounds: int = ROUNDS) -> Line:
    """How many milliseconds `work` takes; each round also takes it beside itself."""
    loops = work.loops()
    line = None
    for attempt in range(1, TRIES + 1):
        gc.collect()
        pairs = [(work.seconds(loops), work.seconds(loops)) for _ in range(rounds)]
        times = [first for first, _ in pairs]
        itself = [again / first for first, again in pairs]
        values = [first * 1e3 for first in times]
        line = judged(name, "ms", values, itself, times, limit, attempt)
        if not line.void:
            break
    assert line is not None
    return line


def judged(
    name: str,
    unit: str,
    values: list[float],
    itself: list[float],
    times: list[float],
    limit: float | None,
    tries: int = 1,
) -> Line:
    """The line that these rounds make."""
    low, high = interval(values)
    value, aa = statistics.median(values), statistics.median(itself)
    return Line(name, unit, value, low, high, limit, aa, statistics.median(times) * 1e9, tries)


def interval(values: list[float]) -> tuple[float, float]:
    """A confidence interval of the median, 95 % or more, from order statistics.

    The true median lies below the smallest of n values with probability 2^-n, below the second
    smallest with that of at most one head in n tosses, and so on; at both ends as many are cut off
    as leave 95 %. Fewer than six values cannot give that much, and nothing is cut off.
    """
    ordered, count = sorted(values), len(values)
    cut, tail = 0, 0.5**count  # the tail: at most `cut` heads in `count` tosses
    while 2 * (wider := tail + comb(count, cut + 1) * 0.5**count) <= 0.05:
        cut, tail = cut + 1, wider
    return ordered[cut], ordered[count - 1 - cut]


def table(lines: list[Line]) -> str:
    """The lines, one below the other."""
    width = max([len("line"), *(len(line.name) for line in lines)])
    head = f"{'line':<{width}}  {'figure':>10}  {'interval':<18}  limit  A/A    one call      holds"
    rows = [head, "-" * len(head)]
    for line in lines:
        figure = f"{line.value:.3f} {line.unit}"
        bounds = f"[{line.low:.3f}, {line.high:.3f}]"
        limit = "-" if line.limit is None else f"{line.limit:g}"
        again = "" if line.tries == 1 else f" (try {line.tries})"
        rows.append(
            f"{line.name:<{width}}  {figure:>10}  {bounds:<18}  {limit:<5}  {line.itself:.3f}"
            f"  {line.nanoseconds:>10,.0f} ns  {line.verdict}{again}"
        )
    return "\n".join(rows)
