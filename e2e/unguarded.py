"""quartet with a guard taken out, to show that the race tests would see it.

TAKEN_OUT names what is missing, with commas between:

- `guard`: conditions are judged when a request comes in, and not again in the step that writes,
  as the usual check-then-write does;
- `count`: what was seen when a request came in is deleted by its key, and nobody asks how many
  rows that were;
- `sameness`: a write of what is there already counts as a change;
- `commit`: a COMMIT that fails is passed over;
- `durability`: the answer is sent before the COMMIT;
- `repeat`: what a deadlock undid is not done again.

This is the only module of these tests that imports our packages: there is no other way to break
them.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy import delete as deletion
from sqlalchemy.exc import SQLAlchemyError

import chassis.database as chassis  # noqa: TID251 (what the docstring says, here and below)
from chassis.declarations import Declarations  # noqa: TID251
from ifmatch.core.guard import UNCONDITIONAL  # noqa: TID251
from ifmatch.core.representation import Representation  # noqa: TID251
from ifmatch.store import sqlalchemy as store  # noqa: TID251
from ifmatch.store import steps  # noqa: TID251
from quartet.cli import main  # noqa: TID251

LATE_SECONDS = 0.5

guarded_write = store.GuardedTable.write
guarded_delete = store.GuardedTable.delete
early_tag = store.GuardedTable.tag
writing = store.writing


def without_guard() -> None:
    """Every condition holds where the store judges it, and that on a list is not judged again."""

    def write(
        rows: store.GuardedTable,
        connection: Connection,
        key: Any,
        change: Any,
        _guard: Any = None,
        **more: Any,
    ) -> Any:
        return guarded_write(rows, connection, key, change, UNCONDITIONAL, **more)

    def delete(
        rows: store.GuardedTable, connection: Connection, key: Any, _guard: Any = None
    ) -> Any:
        return guarded_delete(rows, connection, key, UNCONDITIONAL)

    store.GuardedTable.write = write  # type: ignore[assignment,method-assign]
    store.GuardedTable.delete = delete  # type: ignore[assignment,method-assign]
    Declarations.judging = lambda *_: None  # type: ignore[method-assign]


def without_count() -> None:
    """A row is deleted by whoever saw it, however many have deleted it since."""
    seen: dict[Any, Representation[steps.Row]] = {}

    def tag(rows: store.GuardedTable, connection: Connection, key: Any) -> Any:
        found = rows.read(connection, key)
        if found is not None:
            seen[rows.table.name, tuple(key)] = found
        return early_tag(rows, connection, key)

    def delete(
        rows: store.GuardedTable, connection: Connection, key: Any, _guard: Any = None
    ) -> Representation[steps.Row]:
        connection.execute(deletion(rows.table).where(rows._at(key)))
        return seen[rows.table.name, tuple(key)]

    store.GuardedTable.tag = tag  # type: ignore[assignment,method-assign]
    store.GuardedTable.delete = delete  # type: ignore[assignment,method-assign]


def without_sameness() -> None:
    """No two values are the same."""
    steps._same = lambda before, after: False


def without_commit() -> None:
    """Nobody learns that a COMMIT failed."""

    def passed_over(transaction: AbstractContextManager[Any]) -> None:
        with suppress(SQLAlchemyError):
            transaction.__exit__(None, None, None)

    ending_with(passed_over)


def without_durability() -> None:
    """The COMMIT comes a little after the answer."""

    def later(transaction: AbstractContextManager[Any]) -> None:
        threading.Timer(LATE_SECONDS, transaction.__exit__, (None, None, None)).start()

    ending_with(later)


def without_repeat() -> None:
    """A deadlock is an error as any other."""
    store._UNDONE = frozenset()


def ending_with(end: Callable[[AbstractContextManager[Any]], None]) -> None:
    """Make `end` of what happens at the end of a transaction in which nothing was raised.

    Only in threads that answer requests: the main thread starts the server.
    """

    @contextmanager
    def ending(engine: Engine) -> Iterator[Connection]:
        if threading.current_thread() is threading.main_thread():
            with writing(engine) as connection:
                yield connection
            return
        transaction = writing(engine)
        connection = transaction.__enter__()
        try:
            yield connection
        except BaseException:
            transaction.__exit__(*sys.exc_info())
            raise
        end(transaction)

    store.writing = chassis.writing = ending  # type: ignore[attr-defined]


PARTS = {
    "guard": without_guard,
    "count": without_count,
    "sameness": without_sameness,
    "commit": without_commit,
    "durability": without_durability,
    "repeat": without_repeat,
}
for part in os.environ["TAKEN_OUT"].split(","):
    PARTS[part]()

if __name__ == "__main__":
    main()
