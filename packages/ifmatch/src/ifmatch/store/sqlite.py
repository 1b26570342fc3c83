"""Guarded rows in SQLite, through the standard library's driver alone.

How a guarded write runs is told in `steps`. Its transaction begins IMMEDIATE, so that a writer
waits at the start and not, in vain, at the end; threads of one process queue for it in memory.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import Any, TypeVar

from ifmatch.core.decide import Validators
from ifmatch.core.etag import ETag
from ifmatch.core.guard import UNCONDITIONAL, Guard
from ifmatch.core.representation import Representation
from ifmatch.store.collections import Counters, on
from ifmatch.store.contents import Contents
from ifmatch.store.contract import EVERYTHING, ScopeValues
from ifmatch.store.statements import Statements
from ifmatch.store.steps import (
    Change,
    Delete,
    Find,
    FindTag,
    GuardedRows,
    Insert,
    KeepTag,
    Key,
    Plan,
    Row,
    Step,
    Update,
    drive,
)

T = TypeVar("T")
_BUSY_SECONDS = 30
_MOST_KNOWN = 10_000


def connect(path: str | PathLike[str], *, synchronous: str = "FULL") -> sqlite3.Connection:
    """A connection fit for guarded writes: write-ahead logging, foreign keys, a busy time-out."""
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    log_ahead(connection)
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


def log_ahead(connection: Any) -> None:
    """Switch to write-ahead logging, by a connection of sqlite3 or one that is used like it.

    Where several processes open a new file at once, SQLite refuses the switch to some of them
    without a wait, whatever the busy time-out says. It is tried again for as long as that one is.
    """
    end = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


class SQLiteStore:
    """The rows of one table as a store of the contract: each call is one committed transaction.

    `path` is the database's file. `columns` are the content columns of the resource and its key's;
    nothing else of the table is read or written, but those of `guard`, which watches them, as
    `ifmatch.store.triggers.guard_columns` makes them. `json` names those that hold JSON as text.
    `rows` says what the key is and what is served. `scopes` are the columns of each scope that has
    a `collection_counter`. Keys are sequences, one member for each column of the key; values are
    dicts of the content columns. Safe for any number of threads, each with a connection of its own,
    and of processes.
    """

    shares_edits = True  # see `ifmatch.store.combining`

    def __init__(
        self,
        path: str | PathLike[str],
        table: str,
        columns: Sequence[str],
        rows: GuardedRows,
        *,
        json: Iterable[str] = (),
        scopes: Iterable[Sequence[str]] = (),
        guard: str = "",
        synchronous: str = "FULL",
    ) -> None:
        self._path = path
        self._synchronous = synchronous
        self._rows = rows
        self._sql = Statements(table, tuple(columns), rows, "?", frozenset(json), guard)
        self._counters = Counters("sqlite", table, scopes, guard=guard)
        self._contents = Contents([name for name in columns if name not in rows.key])
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._turn = threading.Lock()
        self._known: dict[Key, tuple[list[int], Validators]] = {}

    # -- the contract ----------------------------------------------------------------------

    def tag(self, key: Key) -> ETag | None:
        found = self.validators(key)
        return None if found is None else found.etag

    def validators(self, key: Key) -> Validators | None:
        """The current tag as `tag` gives it, and until when it holds if nobody writes.

        Asked again for a row, the database is only asked whether that is still the one: a 304 then
        costs about what the look-up of one column does.
        """
        try:
            state, known = self._known[key]
            cursor = self._local.cursor
        except (KeyError, AttributeError, TypeError):  # not seen, another thread, a list
            return self._look_up(key)
        # The key as it is given, not as it was seen: 1, 1.0 and true are one key to a dict only.
        if cursor.execute(self._sql.is_still, (*key, *state)).fetchone() is not None:
            return known
        return self._look_up(key)

    def read(self, key: Key) -> Representation[Row] | None:
        found = drive(self._rows.read(key), self._do)
        return None if found is None else self._contents.shown(found)

    def replace(self, key: Key, value: Row, guard: Guard = UNCONDITIONAL) -> Representation[Row]:
        return self._write(lambda: self._rows.replace(key, value, guard))

    def patch(self, key: Key, change: Change, guard: Guard = UNCONDITIONAL) -> Representation[Row]:
        on_row = self._contents.on_row(change)
        return self._write(lambda: self._rows.patch(key, on_row, guard))

    def delete(self, key: Key, guard: Guard = UNCONDITIONAL) -> None:
        self._write(lambda: self._rows.delete(key, guard))

    def create(self, key: Key, value: Row) -> Representation[Row]:
        return self._write(lambda: self._rows.create(key, value))

    def collection_tag(self, scope: ScopeValues = EVERYTHING, *, query: Any = None) -> ETag:
        """As the contract has it; in a transaction of `connection` it is of that one's snapshot."""
        plan = self._counters.tag(scope, query=query, epoch=self._rows.epoch)
        return drive(plan, on(self.connection))

    # -- connections -----------------------------------------------------------------------

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection, for statements beside the store's own."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = connect(self._path, synchronous=self._synchronous)
            self._local.connection = found
            self._local.cursor = found.cursor()
            self._opened.append(found)
        return found

    def close(self) -> None:
        """Close the connections of all threads; nobody may be using the store any more."""
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()
        self._known = {}

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection in a transaction that has committed when the block is left."""
        with self._turn:
            connection = self.connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _write(self, plan: Callable[[], Plan[Representation[Row]]]) -> Representation[Row]:
        with self.writing():
            made = drive(plan(), self._do)
        return self._contents.shown(made)

    def _look_up(self, key: Key) -> Validators | None:
        if self._rows.moments is not None:
            return drive(self._rows.validators(key), self._do)
        row = self.connection.execute(self._sql.select_fresh_tag, key).fetchone()
        if row is None:
            return None
        tag, *state = row
        if tag is None:
            return drive(self._rows.validators_made(key), self._do)
        found = self._rows.of_fresh(tag)
        # A tag is kept for the state that it was stored for, and only for one that is committed:
        # after a rollback the same version may come again, of another state.
        if not self.connection.in_transaction:
            self._keep(key, state, found)
        return found

    def _keep(self, key: Key, state: list[int], found: Validators) -> None:
        if len(self._known) >= _MOST_KNOWN:
            self._known = {}
        if isinstance(key, tuple):
            self._known[key] = state, found

    def _do(self, step: Step) -> Any:
        sql, connection = self._sql, self.connection
        if isinstance(step, Find) and step.lock:  # one writer has the whole file
            step = Find(step.key)
        done = connection.execute(*sql.of(step))
        match step:
            case Find():
                return sql.row(done.fetchone())
            case FindTag():
                return sql.tag_row(done.fetchone())
            case KeepTag() | Delete():
                return bool(done.rowcount)
            case Insert() | Update():
                # RETURNING shows the row from before AFTER triggers, so it is found again.
                return self._do(Find(sql.key_of(step))) if done.rowcount else None
