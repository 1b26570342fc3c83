"""Guarded rows in SQLite and PostgreSQL, through SQLAlchemy Core (sync).

How a guarded write runs, in one transaction:

1. read the row by its key, one indexed look-up;
2. judge the guard on its tag;
3. `UPDATE ... WHERE key AND version AND incarnation`, the tag of the new state in the same
   statement;
4. no row updated: somebody came between 1 and 3. Start again at 1, where the guard is judged on
   what that somebody wrote: that is a `Conflict`, or, without a condition, a second try on the
   newer state, this time under the row's lock.

So the verdict is always of the state that is replaced, on either database. On SQLite the
transaction begins IMMEDIATE, so that a writer waits at the start and not, in vain, at the end.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import (
    Column,
    Connection,
    Dialect,
    Engine,
    Table,
    Text,
    TypeDecorator,
    and_,
    delete,
    event,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from ifmatch.core.canonical import canonical
from ifmatch.core.decide import Validators
from ifmatch.core.errors import Conflict, Missing
from ifmatch.core.etag import ETag
from ifmatch.core.guard import CREATE_ONLY, UNCONDITIONAL, Guard
from ifmatch.core.representation import Representation
from ifmatch.core.tags import state_digest
from ifmatch.core.verdict import Verdict
from ifmatch.store.triggers import GUARD_COLUMNS

T = TypeVar("T")
Row = Mapping[str, Any]
Change = Callable[[Row], Row]

_WRITES = "ifmatch_writes"
_BUSY_MILLISECONDS = 30_000
_writer_locks: WeakKeyDictionary[Engine, threading.Lock] = WeakKeyDictionary()


class CanonicalJSON(TypeDecorator[Any]):
    """A JSON value kept as its canonical text, so that both databases give back the same value."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else canonical(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def configure(engine: Engine, *, synchronous: str = "FULL") -> Engine:
    """Make an engine fit for guarded writes; returns it.

    SQLite gets write-ahead logging, foreign keys, a busy time-out, and transactions that begin as
    `reading` and `writing` ask for. PostgreSQL needs nothing.
    """
    if engine.dialect.name != "sqlite":
        return engine

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin by itself
        for pragma in (
            f"busy_timeout={_BUSY_MILLISECONDS}",
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection on which every read is of one snapshot."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that commits at the end of the block, and raises if it cannot.

    Answer after the block, never within it: what is not committed did not happen. PostgreSQL may
    undo a transaction because of another one; `transact` runs it again.
    """
    with _turn(engine), engine.connect() as connection:
        connection.execution_options(**{_WRITES: True})
        with connection.begin():
            yield connection


def transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    """What `work` returns, when its transaction has committed.

    Where the database undid the transaction in favour of another one (a deadlock, a serialization
    failure), nothing of it happened, and `work` is called again: it must have no other effects.
    Every other failure is raised. That of a COMMIT may leave open whether it happened.
    """
    for pause in _PAUSES:
        try:
            with writing(engine) as connection:
                return work(connection)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _UNDONE:
                raise
        time.sleep(random.uniform(0, pause))  # noqa: S311 (no secret: it keeps two apart)
    with writing(engine) as connection:
        return work(connection)


_UNDONE = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def _turn(engine: Engine) -> AbstractContextManager[Any]:
    """SQLite has one writer. Threads of this process queue for it instead of polling the file."""
    if engine.dialect.name != "sqlite":
        return nullcontext()
    return _writer_locks.setdefault(engine, threading.Lock())


@dataclass(frozen=True)
class GuardedTable:
    """A table whose rows are read with their tag and written under a guard.

    It has the columns of `ifmatch.store.triggers.guard_columns` and a unique key over `key`.
    Methods work in the transaction of the connection that they are given.

    `represent` makes of a row the JSON value that is served; its canonical form is the body.
    `epoch` names everything but the row that the body depends on (the release of `represent`);
    when it changes, stored tags are void. `strong` makes the tag a strong one: right only where
    those very bytes are sent. `stamps` gives columns that every real change sets, such as the
    time; they do not count as a change themselves, and a new row may bring its own.
    `already_applied` lets a replacement pass whose If-Match fails, where there is nothing to change
    (RFC 9110 section 13.1.1).
    """

    table: Table
    key: tuple[Column[Any], ...]
    represent: Callable[[Row], Any]
    epoch: str = "1"
    strong: bool = False
    already_applied: bool = False
    stamps: Callable[[], Row] = field(default=dict)

    # -- reading ---------------------------------------------------------------------------

    @property
    def tag_columns(self) -> tuple[Column[Any], ...]:
        """The columns that `tag_of` needs: no content among them."""
        columns = self.table.c
        return (*self.key, columns.version, columns.incarnation, columns.tag, columns.tag_stamp)

    def tag(self, connection: Connection, key: Sequence[Any]) -> ETag | None:
        """The current tag from one indexed look-up; None where there is no row.

        The body is built only where the stored tag is stale.
        """
        query = select(*self.tag_columns).where(self._at(key))
        row = connection.execute(query).one_or_none()
        return None if row is None else self.tag_of(connection, row._asdict())

    def tag_of(self, connection: Connection, row: Row) -> ETag:
        """The tag of a row of which `tag_columns` were selected."""
        if row["tag"] is not None and row["tag_stamp"] == self._stamp(row):
            return self._etag(row["tag"])
        full = self._select(connection, [row[column.name] for column in self.key])
        if full is None:  # gone since; whoever asks next will see it
            return self._etag(state_digest(canonical(None)))
        return self._represent(full).etag

    def read(self, connection: Connection, key: Sequence[Any]) -> Representation[Row] | None:
        """The row with its body and tag, from one statement; None where there is none."""
        row = self._select(connection, key)
        return None if row is None else self.of(row)

    def of(self, row: Row) -> Representation[Row]:
        """The representation of a row of which all columns were selected."""
        if row["tag"] is not None and row["tag_stamp"] == self._stamp(row):
            body = canonical(self.represent(row))
            return Representation(row, body, self._etag(row["tag"]))
        return self._represent(row)

    # -- writing ---------------------------------------------------------------------------

    def replace(
        self,
        connection: Connection,
        key: Sequence[Any],
        values: Row,
        guard: Guard = UNCONDITIONAL,
    ) -> Representation[Row]:
        """Set content columns to `values`, inserting the row where the guard allows that."""
        return self.write(connection, key, lambda _: values, guard, insert=values)

    def create(
        self, connection: Connection, key: Sequence[Any], values: Row
    ) -> Representation[Row]:
        """Insert a row; Conflict where its key is taken."""
        return self.write(connection, key, lambda _: values, CREATE_ONLY, insert=values)

    def patch(
        self,
        connection: Connection,
        key: Sequence[Any],
        change: Change,
        guard: Guard = UNCONDITIONAL,
    ) -> Representation[Row]:
        """Set the content columns that `change` gives for the current row.

        Raises Missing where there is none. `change` may be called again on a newer row.
        """
        return self.write(connection, key, change, _InPart(guard))

    def delete(
        self, connection: Connection, key: Sequence[Any], guard: Guard = UNCONDITIONAL
    ) -> Representation[Row]:
        """Delete the row and return what it was; raises Conflict or Missing."""
        for attempt in range(_TRIES):
            row = self._select(connection, key, lock=attempt > 0)
            if row is None:
                raise Missing(tuple(key))
            current = self.of(row)
            verdict = guard.judge(current.validators)
            if not verdict.proceeds:
                raise Conflict(current.etag, verdict)
            if connection.execute(delete(self.table).where(self._still(row))).rowcount:
                return current
        raise _storm(key)

    def write(
        self,
        connection: Connection,
        key: Sequence[Any],
        change: Change,
        guard: Guard = UNCONDITIONAL,
        *,
        insert: Row | None = None,
    ) -> Representation[Row]:
        """Set what `change` gives for the row that is there, or insert `insert` where none is.

        What `replace`, `create` and `patch` are made of, for a caller who wants to see the row
        that is replaced. Without `insert` an absent row is Missing.
        """
        for attempt in range(_TRIES):
            row = self._select(connection, key, lock=attempt > 0)
            if row is None:
                if insert is None:
                    raise Missing(tuple(key))
                done = self._insert(connection, key, insert, guard)
            else:
                done = self._update(connection, row, change, guard)
            if done is not None:
                return done
        raise _storm(key)

    def _update(
        self, connection: Connection, row: Row, change: Change, guard: Guard
    ) -> Representation[Row] | None:
        """The new state; or the old one, unchanged; or None when the row is no longer `row`."""
        current = self.of(row)
        verdict = guard.judge(current.validators)
        excused = self.already_applied and verdict.excused_when_applied
        if not verdict.proceeds and not excused:
            raise Conflict(current.etag, verdict)
        changes = {
            name: value for name, value in change(row).items() if not _same(row[name], value)
        }
        if not changes:
            return Representation(current.value, current.body, current.etag, changed=False)
        if not verdict.proceeds:
            raise Conflict(current.etag, verdict)
        changes |= self.stamps()
        changes["version"] = row["version"] + 1
        return self._execute(connection, update(self.table).where(self._still(row)), row, changes)

    def _insert(
        self, connection: Connection, key: Sequence[Any], values: Row, guard: Guard
    ) -> Representation[Row] | None:
        verdict = guard.judge(None)
        if not verdict.proceeds:
            raise Conflict(None, verdict)
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        # The unique key decides between two creators; the loser meets the winner's row next.
        statement = dialect.insert(self.table).on_conflict_do_nothing(
            index_elements=[column.name for column in self.key]
        )
        keyed = {column.name: part for column, part in zip(self.key, key, strict=True)}
        fresh = keyed | dict(self.stamps()) | dict(values) | {"version": 1}
        return self._execute(connection, statement, None, fresh)

    def _execute(
        self, connection: Connection, statement: Any, before: Row | None, values: dict[str, Any]
    ) -> Representation[Row] | None:
        """Write, and take value, body and tag from the row as the database holds it now."""
        key = [(values if before is None else before)[column.name] for column in self.key]
        if before is not None:
            after = dict(before) | values
            values = values | self._tag_values(after, canonical(self.represent(after)))
        row = self._written(connection, statement.values(**values), key)
        if row is None:
            return None
        body = canonical(self.represent(row))
        tag = self._tag_values(row, body)
        if row["tag"] != tag["tag"] or row["tag_stamp"] != tag["tag_stamp"]:
            # An insert learns its incarnation only now; an update whose values the database
            # rounded or padded gets the tag of what it really holds.
            connection.execute(update(self.table).where(self._still(row)).values(**tag))
        return Representation(row, body, self._etag(tag["tag"]))

    def _written(self, connection: Connection, statement: Any, key: Sequence[Any]) -> Row | None:
        """The row after an insert or update; None where that touched no row."""
        if connection.dialect.name == "sqlite":
            # Its RETURNING shows 1 where the column holds 1.0, and the row from before triggers.
            return self._select(connection, key) if connection.execute(statement).rowcount else None
        found = connection.execute(statement.returning(self.table)).one_or_none()
        return None if found is None else found._asdict()

    # -- pieces ----------------------------------------------------------------------------

    def _select(
        self, connection: Connection, key: Sequence[Any], *, lock: bool = False
    ) -> Row | None:
        query = select(self.table).where(self._at(key))
        if lock:
            query = query.with_for_update()
        row = connection.execute(query).one_or_none()
        return None if row is None else row._asdict()

    def _at(self, key: Sequence[Any]) -> Any:
        return and_(*(column == part for column, part in zip(self.key, key, strict=True)))

    def _still(self, row: Row) -> Any:
        """The row as it was read: same key, same version, same incarnation."""
        columns = self.table.c
        return and_(
            self._at([row[column.name] for column in self.key]),
            columns.version == row["version"],
            columns.incarnation == row["incarnation"],
        )

    def _represent(self, row: Row) -> Representation[Row]:
        body = canonical(self.represent(row))
        return Representation(row, body, self._etag(state_digest(body)))

    def _etag(self, opaque: str) -> ETag:
        return ETag(opaque, weak=not self.strong)

    def _stamp(self, row: Row) -> str:
        return f"{row['version']}.{row['incarnation']}.{self.epoch}"

    def _tag_values(self, row: Row, body: bytes) -> dict[str, str]:
        return {"tag": state_digest(body), "tag_stamp": self._stamp(row)}


# The first try takes no lock, which is enough when nobody else writes. Under the row's lock nobody
# comes between, and the second try is the last: unless the row is gone when it is locked, and there
# again when it is inserted. Each further try takes another writer who did both since.
_TRIES = 100


def _storm(key: Sequence[Any]) -> RuntimeError:
    return RuntimeError(
        f"The row {tuple(key)!r} was created and deleted again and again while it was written. "
        "Nothing was changed; try again."
    )


def _same(before: Any, after: Any) -> bool:
    """Whether two column values are one JSON value: unlike in Python, 1, 1.0 and true differ."""
    if isinstance(before, (dict, list, float)) or isinstance(after, (dict, list, float)):
        return canonical(before) == canonical(after)  # also tells 0.0 from -0.0
    return type(before) is type(after) and bool(before == after)


@dataclass(frozen=True, slots=True)
class _InPart:
    """Judges as `guard` does, for a write that is no replacement: it is never excused."""

    guard: Guard

    def judge(self, current: Validators | None) -> Verdict:
        return replace(self.guard.judge(current), whole=False)


class SQLAlchemyStore:
    """A `GuardedTable` as a store of the contract: each call is one committed transaction.

    Keys are tuples, one member for each column of the key; values are dicts of the content
    columns.
    """

    def __init__(self, engine: Engine, rows: GuardedTable) -> None:
        self._engine = engine
        self._rows = rows
        keys = {column.name for column in rows.key}
        self._content = [
            column.name
            for column in rows.table.columns
            if column.name not in GUARD_COLUMNS and column.name not in keys
        ]

    def tag(self, key: Sequence[Any]) -> ETag | None:
        with reading(self._engine) as connection:
            return self._rows.tag(connection, key)

    def read(self, key: Sequence[Any]) -> Representation[Row] | None:
        with reading(self._engine) as connection:
            found = self._rows.read(connection, key)
        return None if found is None else self._value(found)

    def replace(
        self, key: Sequence[Any], value: Row, guard: Guard = UNCONDITIONAL
    ) -> Representation[Row]:
        return self._value(
            transact(self._engine, lambda on: self._rows.replace(on, key, value, guard))
        )

    def patch(
        self, key: Sequence[Any], change: Change, guard: Guard = UNCONDITIONAL
    ) -> Representation[Row]:
        def of_row(row: Row) -> Row:
            return change(self._content_of(row))

        return self._value(
            transact(self._engine, lambda on: self._rows.patch(on, key, of_row, guard))
        )

    def delete(self, key: Sequence[Any], guard: Guard = UNCONDITIONAL) -> None:
        transact(self._engine, lambda on: self._rows.delete(on, key, guard))

    def create(self, key: Sequence[Any], value: Row) -> Representation[Row]:
        return self._value(transact(self._engine, lambda on: self._rows.create(on, key, value)))

    def _content_of(self, row: Row) -> dict[str, Any]:
        return {name: row[name] for name in self._content}

    def _value(self, made: Representation[Row]) -> Representation[Row]:
        return Representation(self._content_of(made.value), made.body, made.etag, made.changed)
