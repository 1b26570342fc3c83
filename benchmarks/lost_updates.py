"""Writers in four processes on rows of one table, and a fifth process that writes plain SQL beside.

Every write puts a word into its row that was never there before, and notes the word that it
replaced: a store's writer the one that it read under the tag it names, plain SQL what its own
statement kept of it. `ifmatch.testing.history` then tells whether an acknowledged write is
missing from what led to the word that is there in the end.

The naive variant does what is usually done, through the same store: it looks, it judges, and then
it writes.
"""

from __future__ import annotations

import argparse
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.crew import Crew, together
from benchmarks.tables import (
    DRIVERS,
    Key,
    Place,
    Rows,
    create,
    first_word,
    opened,
    places,
    raw,
    words,
)
from ifmatch import Conflict, Validators, unchanged
from ifmatch.core.guard import UNCONDITIONAL, Guard, enforce
from ifmatch.core.representation import Representation
from ifmatch.store.retry import Budget, edit
from ifmatch.testing.history import Outcome, Read, Report, Write, check

Event = Write | Read

PROCESSES = 4
ENDLESS = Budget(tries=1_000_000, seconds=600.0)
RAW_PAUSE = 0.01
"""Seconds, on average, between two statements of plain SQL."""


@dataclass(frozen=True)
class Cell:
    """One size: how many rows, how many writers, and how many writes they are to get through."""

    place: Place
    rows: int
    writers: int
    writes: int = 2_000
    kind: str = ""
    naive: bool = False

    @property
    def name(self) -> str:
        kind = self.kind or DRIVERS[self.place.dialect]
        naive = ", check then write" if self.naive else ""
        return f"{self.place.dialect} ({kind}), {self.rows:,} rows, {self.writers} writers{naive}"


@dataclass(frozen=True)
class Lost:
    """What came of a cell: its report, tries for each success, and writes by plain SQL."""

    cell: Cell
    report: Report
    tries: float
    raw: int
    per_second: float

    def __str__(self) -> str:
        return (
            f"{self.cell.name}: {len(self.report.lost):,} lost of {self.report.acknowledged:,} "
            f"acknowledged, {self.raw:,} of them by plain SQL; {self.tries:.2f} tries a success, "
            f"{self.per_second:,.0f} a second"
        )


class CheckThenWrite:
    """A store as it is usually built: it looks, it judges, and then it writes."""

    def __init__(self, store: Rows) -> None:
        self.store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def replace(self, key: Any, value: Any, guard: Guard = UNCONDITIONAL) -> Any:
        tag = self.store.tag(key)
        enforce(guard, None if tag is None else Validators(tag))
        return self.store.replace(key, value)


def run(cell: Cell, crew: Crew) -> Lost:
    """Let the writers of a cell write, in a crew of five, on a table that is made anew."""
    create(cell.place, cell.rows)
    shares = [cell.writers // PROCESSES + (n < cell.writers % PROCESSES) for n in range(PROCESSES)]
    jobs = [(_edit, cell, process, share) for process, share in enumerate(shares)]
    began = time.monotonic()
    *edited, by_sql = crew.run([*jobs, (_write_sql, cell)])
    events = [event for process in edited for event in process]
    tried = [event for event in events if isinstance(event, Write)]
    answers = [event for event in events if isinstance(event, Read)]
    won = sum(write.outcome is Outcome.ACKNOWLEDGED for write in tried)
    start = {row: first_word(row) for row in range(1, cell.rows + 1)}
    return Lost(
        cell,
        check(tried + by_sql, answers, start=start, final=words(cell.place)),
        tries=len(tried) / max(won, 1),
        raw=len(by_sql),
        per_second=won / (time.monotonic() - began),
    )


# -- in the processes -----------------------------------------------------------------------------


def _edit(meet: Callable[[], None], cell: Cell, process: int, writers: int) -> list[Event]:
    """What the writers of one process wrote through the store, each its share; and its answers."""
    with opened(cell.kind or DRIVERS[cell.place.dialect], cell.place) as store:
        on = CheckThenWrite(store) if cell.naive else store
        quota = -(-cell.writes // cell.writers)

        def write(number: int) -> list[Event]:
            store.tag((1,))  # so that this thread is connected
            who = f"writer {process}.{number}"
            return [one for n in range(quota) for one in _edited(on, who, n, cell)]

        done = together(writers, meet, write)
    meet()
    return [one for writer in done for one in writer]


def _edited(store: Rows, who: str, number: int, cell: Cell) -> list[Event]:
    """The tries of one edit, all refused but the last, and the state that it was answered with.

    Three of four edits are those of `store.retry`, which may take the row's lock, and share a
    transaction with others: their answer may be a state that one of those made of theirs. The
    naive variant has none of these: it would not be naive then.
    """
    row = random.randrange(cell.rows) + 1
    tries: list[Write] = []

    def change(value: Any) -> Any:
        word = f"{who}, edit {number}, try {len(tries) + 1}"
        tries.append(Write(row, value["word"], word, Outcome.REFUSED, who))
        return {**value, "word": word}

    edited = _by_tag if cell.naive or number % 4 == 0 else _by_retry
    answer = edited(store, (row,), change).value["word"]
    last = tries[-1]
    if edited is _by_tag and answer != last.made:
        raise AssertionError(f"{last.made!r} was answered with {answer!r}")
    tries[-1] = replace(last, outcome=Outcome.ACKNOWLEDGED)
    return [*tries, Read(row, answer, who)]


def _by_retry(store: Rows, key: Key, change: Callable[[Any], Any]) -> Representation[Any]:
    return edit(store, key, change, ENDLESS).representation


def _by_tag(store: Rows, key: Key, change: Callable[[Any], Any]) -> Representation[Any]:
    """As clients do: read, write under the tag, and after a conflict wait and do it again."""
    for wait in ENDLESS.waits():
        found = store.read(key)
        assert found is not None
        try:
            return store.replace(key, change(found.value), unchanged(found.etag))
        except Conflict:
            time.sleep(wait)
    raise TimeoutError("an edit was refused for ten minutes")


def _write_sql(meet: Callable[[], None], cell: Cell) -> list[Write]:
    """What plain SQL wrote until the others were done."""
    over = threading.Event()
    with raw(cell.place) as connection:
        mark = {"sqlite": "?", "postgresql": "%s"}[cell.place.dialect]
        done: list[Write] = []
        meet()
        threading.Thread(target=_tell, args=(meet, over)).start()
        for number in itertools.count():
            row, word = random.randrange(cell.rows) + 1, f"plain SQL {number}"
            before = _replace(connection, mark, row, word)
            done.append(Write(row, before, word, Outcome.ACKNOWLEDGED, "plain SQL"))
            if over.wait(random.uniform(0, 2 * RAW_PAUSE)):
                break
    return done


def _tell(meet: Callable[[], None], over: threading.Event) -> None:
    try:
        meet()
    finally:
        over.set()


def _replace(connection: Any, mark: str, row: int, word: str) -> str:
    """One statement, which keeps what it replaced.

    Not `RETURNING old.word`: where the row has a BEFORE trigger, as here, PostgreSQL 18.4 returns
    what was there before it waited for another writer, and not what it replaced.
    """
    statement = f"UPDATE item SET before = word, word = {mark} WHERE id = {mark} RETURNING before"
    [before] = connection.execute(statement, [word, row]).fetchone()
    return str(before)


# -- all sizes ------------------------------------------------------------------------------------

ROWS = (1, 64, 10_000)
WRITERS = (16, 32)


def cells(places: Sequence[Place], writes: int) -> Iterator[Cell]:
    """Each size on each database, and the naive variant beside it where all want one row."""
    for place in places:
        for rows, writers in itertools.product(ROWS, WRITERS):
            yield Cell(place, rows, writers, writes)
        for writers in WRITERS:
            yield Cell(place, 1, writers, writes, naive=True)


def main(arguments: list[str]) -> int:
    """`dev.py bench lost-updates`: 1 where an update was lost, or none where some should be."""
    parser = argparse.ArgumentParser(prog="dev.py bench lost-updates", description=__doc__)
    parser.add_argument("--writes", type=int, default=10_000, help="a cell; 10,000 if not said")
    options = parser.parse_args(arguments)
    right = True
    with places() as (sqlite, postgresql, _), Crew(PROCESSES + 1) as crew:
        for cell in cells([sqlite, postgresql], options.writes):
            found = run(cell, crew)
            print(found, flush=True)
            if found.report.sound == cell.naive:
                right = False
                print(found.report)
    return 0 if right else 1
