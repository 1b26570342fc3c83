"""How many writes of one row succeed in a second, by how many writers and in which way.

The ways to add one to a number that everybody wants:

    tagged   read it, write it under the tag that was read, again after a wait on a conflict: what
             clients do over HTTP, and jobs whose change takes long
    edit     the same by `store.retry.edit`, which after a conflict makes a brief change under the
             row's lock
    patch    the store's `patch` without a condition, which changes the newest state
    atomic   UPDATE tally SET n = n + 1, a statement and a transaction, in a table without guard
    guarded  the same statement on the guarded row, whose triggers see it
    append   INSERT INTO event, a row for each: what is to be known is counted when it is asked for
    pooled   that of `atomic` in a transaction as a PostgreSQL store has it: BEGIN, UPDATE, COMMIT

`measure` gives the figures of one way; `curve` sets the others beside `atomic`, in turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from benchmarks.crew import Crew, together
from benchmarks.tables import DRIVERS, Kept, Place, Rows, create, opened, places
from ifmatch import Conflict, unchanged
from ifmatch.store.retry import Budget, edit
from ifmatch.store.sqlite import connect

PROCESSES = 4
ROW = (1,)
ENDLESS = Budget(tries=1_000_000, seconds=600.0)
"""Never gives up, and waits as `store.retry.PATIENT` does."""

WAYS = ("tagged", "edit", "patch", "append")
"""Those of the curve, beside `atomic`."""

STATEMENTS = {
    "atomic": "UPDATE tally SET n = n + 1 WHERE id = 1",
    "guarded": "UPDATE item SET n = n + 1 WHERE id = 1",
    "append": "INSERT INTO event (item) VALUES (1)",
}

Once = Callable[[], int]
"""Adds one, and says how many tries that took."""


@dataclass(frozen=True)
class Goodput:
    """Successes a second of all writers together, and tries for each success.

    `fair` is what the median writer got of an equal share: near 0 where a few take it all.
    """

    way: str
    writers: int
    per_second: float
    tries: float
    fair: float


def measure(
    kind: str, place: Place, writers: int, *, way: str = "edit", seconds: float = 2.0, crew: Crew
) -> Goodput:
    """The figures of `writers` on one row, in the processes of the crew.

    `kind` is a store of `benchmarks.tables`. The tables must be there; no update is lost, or this
    raises AssertionError.
    """
    before = _count(place, way)
    shares = [writers // crew.size + (n < writers % crew.size) for n in range(crew.size)]
    done = crew.run([(_write, kind, place, way, share, seconds) for share in shares])
    each = [writer for process, _ in done for writer in process]
    successes, tries = (sum(numbers) for numbers in zip(*each, strict=True))
    assert _count(place, way) - before == successes, "an update was lost"
    per_writer = [count for count, _ in each]
    return Goodput(
        way,
        writers,
        successes / statistics.fmean(took for process, took in done if process),
        tries / successes,
        statistics.median(per_writer) * writers / successes,
    )


def _count(place: Place, way: str) -> int:
    counts = {
        "atomic": "SELECT n FROM tally WHERE id = 1",
        "pooled": "SELECT n FROM tally WHERE id = 1",
        "append": "SELECT count(*) FROM event WHERE item = 1",
    }
    [[count]] = place.execute(counts.get(way, "SELECT n FROM item WHERE id = 1"))
    return int(count)


def _write(
    meet: Callable[[], None], kind: str, place: Place, way: str, writers: int, seconds: float
) -> tuple[list[tuple[int, int]], float]:
    """Successes and tries of each writer of a process, and how long they were at it."""
    if not writers:
        meet()
        return [], 0.0
    with _way(kind, place, way) as adder:
        begun: list[float] = []
        ended: list[float] = []

        def write(_number: int) -> tuple[int, int]:
            once = adder()
            begun.append(time.monotonic())
            end = begun[-1] + seconds
            successes = tries = 0
            while time.monotonic() < end:
                tries += once()
                successes += 1
            ended.append(time.monotonic())
            return successes, tries

        done = together(writers, meet, write)
        return done, statistics.fmean(ended) - statistics.fmean(begun)


@contextmanager
def _way(kind: str, place: Place, way: str) -> Iterator[Callable[[], Once]]:
    """A function that makes, for its thread, the function that adds one."""
    if way in STATEMENTS:
        with _statement(place, STATEMENTS[way]) as adder:
            yield adder
        return
    if way == "pooled":
        with closing(Kept(place.address)) as kept:
            yield lambda: _pooled(kept)
        return
    with opened(kind, place) as store:
        ways = {"tagged": _tagged, "edit": _edit, "patch": _patch}
        yield lambda: ways[way](store)


def _one_more(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**value, "n": value["n"] + 1}


def _tagged(store: Rows) -> Once:
    store.tag(ROW)  # so that this thread is connected

    def once() -> int:
        for tries, wait in enumerate(ENDLESS.waits(), 1):
            found = store.read(ROW)
            assert found is not None
            try:
                store.replace(ROW, _one_more(found.value), unchanged(found.etag))
            except Conflict:
                time.sleep(wait)
            else:
                return tries
        raise TimeoutError("an edit was refused for ten minutes")

    return once


def _edit(store: Rows) -> Once:
    store.tag(ROW)
    return lambda: edit(store, ROW, _one_more, ENDLESS).tries


def _patch(store: Rows) -> Once:
    store.tag(ROW)

    def once() -> int:
        store.patch(ROW, _one_more)
        return 1

    return once


def _pooled(kept: Kept) -> Once:
    kept.thread()  # so that it is connected

    def once() -> int:
        with kept.connection() as connection:
            connection.execute("UPDATE tally SET n = n + 1 WHERE id = 1")
        return 1

    return once


@contextmanager
def _statement(place: Place, statement: str) -> Iterator[Callable[[], Once]]:
    opened_here: list[Any] = []

    def adder() -> Once:
        if place.dialect == "sqlite":
            on: Any = connect(place.address, synchronous=place.synchronous)
        else:
            on = psycopg.connect(place.address, autocommit=True)
        opened_here.append(on)

        def once() -> int:
            on.execute(statement)
            return 1

        return once

    try:
        yield adder
    finally:
        for connection in opened_here:
            connection.close()


# -- the curve ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """What so many writers reach in one way, beside `atomic` in the same rounds."""

    dialect: str
    way: str
    writers: int
    relative: float
    tries: float
    per_second: float
    fair: float


def curve(
    place: Place,
    counts: Sequence[int] = (1, 2, 4, 8, 16, 32, 64),
    ways: Sequence[str] = WAYS,
    *,
    rounds: int = 5,
    seconds: float = 1.0,
    crew: Crew,
) -> Iterator[Point]:
    """For each number of writers, the medians of `rounds` in which all ways take turns.

    Goodput is on the wall, of all processes and the database together: keep the machine quiet.
    """
    create(place, 1)
    kind = DRIVERS[place.dialect]
    for writers in counts:
        taken: dict[str, list[tuple[float, Goodput]]] = {way: [] for way in ("atomic", *ways)}
        for number in range(rounds):
            order = ("atomic", *ways) if number % 2 else (*reversed(ways), "atomic")
            seen = {
                way: measure(kind, place, writers, way=way, seconds=seconds, crew=crew)
                for way in order
            }
            for way, found in seen.items():
                taken[way].append((found.per_second / seen["atomic"].per_second, found))
        for way, pairs in taken.items():
            yield Point(
                place.dialect,
                way,
                writers,
                statistics.median(relative for relative, _ in pairs),
                statistics.median(each.tries for _, each in pairs),
                statistics.median(each.per_second for _, each in pairs),
                statistics.median(each.fair for _, each in pairs),
            )


def main(arguments: list[str]) -> int:
    """`dev.py bench goodput`: the curve on both databases."""
    parser = argparse.ArgumentParser(prog="dev.py bench goodput", description=__doc__)
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--rounds", type=int, default=5, help="5 if not said")
    parser.add_argument("--seconds", type=float, default=1.0, help="a round; 1 if not said")
    parser.add_argument("--forgetful", action="store_true", help="commits need not reach the disk")
    options = parser.parse_args(arguments)
    with places(durable=not options.forgetful) as (*both, _), Crew(PROCESSES) as crew:
        for place in both:
            print(f"\n{place.dialect}\n\n| writers | atomic, a second | {' | '.join(WAYS)} |")
            print("|---" * (len(WAYS) + 2) + "|")
            shares = ""
            for writers in options.writers:
                points = [
                    *curve(
                        place, [writers], rounds=options.rounds, seconds=options.seconds, crew=crew
                    )
                ]
                cells = [f"{point.relative:.2f}; {point.tries:.2f} tries" for point in points[1:]]
                first = f"{points[0].per_second:,.0f}"
                print(f"| {writers} | {first} | {' | '.join(cells)} |", flush=True)
                shares = ", ".join(f"{point.way} {point.fair:.2f}" for point in points)
            print(f"\nWhat the median writer got of an equal share, at the last: {shares}.")
    return 0
