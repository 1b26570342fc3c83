"""Guarded rows in SQLite and PostgreSQL, through SQLAlchemy Core.

How a guarded write runs is told in `steps`. On SQLite its transaction begins IMMEDIATE, so that a
writer waits at the start and not, in vain, at the end.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Dialect,
    Engine,
    Executable,
    Select,
    Table,
    Text,
    TypeDecorator,
    and_,
    bindparam,
    delete,
    event,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import Update as Altering

from ifmatch.core.canonical import canonical
from ifmatch.core.decide import Validators
from ifmatch.core.etag import ETag
from ifmatch.core.guard import CREATE_ONLY, UNCONDITIONAL, Guard
from ifmatch.core.representation import Representation
from ifmatch.store.collections import Counters, on_sqlalchemy
from ifmatch.store.contents import Contents
from ifmatch.store.contract import EVERYTHING, ScopeValues
from ifmatch.store.guards import MEMBERS, columns_of_guards, guard_column, refuse_columns
from ifmatch.store.moments import Moments
from ifmatch.store.sqlite import log_ahead
from ifmatch.store.statements import quoted
from ifmatch.store.steps import (
    GUARD_COLUMNS,
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
Insertion = sqlite.Insert | postgresql.Insert

WRITES = {"ifmatch_writes": True}
"""Options of a connection whose transactions write: SQLite's begin IMMEDIATE."""

SNAPSHOT: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""Options of a connection to PostgreSQL on which every read is of one snapshot."""

PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Seconds, at most, between the tries of a transaction that was undone."""

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
            f"synchronous={synchronous}",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
        log_ahead(connection)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("ifmatch_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection on which every read is of one snapshot."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(**SNAPSHOT)
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that commits at the end of the block, and raises if it cannot.

    Answer after the block, never within it: what is not committed did not happen. PostgreSQL may
    undo a transaction because of another one; `transact` runs it again.
    """
    with _turn(engine), engine.connect() as connection:
        connection.execution_options(**WRITES)
        with connection.begin():
            yield connection


def transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    """What `work` returns, when its transaction has committed.

    Where the database undid the transaction in favour of another one (a deadlock, a serialization
    failure), nothing of it happened, and `work` is called again: it must have no other effects.
    Every other failure is raised. That of a COMMIT may leave open whether it happened.
    """
    for pause in PAUSES:
        try:
            with writing(engine) as connection:
                return work(connection)
        except DBAPIError as error:
            if not was_undone(error):
                raise
        time.sleep(random.uniform(0, pause))  # noqa: S311 (no secret: it keeps two apart)
    with writing(engine) as connection:
        return work(connection)


def was_undone(error: DBAPIError) -> bool:
    """Whether the database undid the transaction in favour of another one: nothing happened."""
    return getattr(error.orig, "sqlstate", None) in _UNDONE


_UNDONE = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected


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

    `columns` are the content columns that the resource is made of, where that is not all of them:
    `represent` sees no others but the key's, so that it shows nothing that the guard's triggers do
    not watch. `guard` names the guard that watches them; see `ifmatch.store.guards`.

    `represent`, `epoch`, `strong`, `already_applied`, `stamps` and `moments` are those of
    `ifmatch.store.steps.GuardedRows`.
    `scopes` are the columns of each scope that has a `collection_counter`, in its order.
    """

    table: Table
    key: tuple[Column[Any], ...]
    represent: Callable[[Row], Any]
    epoch: str = "1"
    strong: bool = False
    already_applied: bool = False
    stamps: Callable[[], Row] = field(default=dict)
    moments: Moments | None = None
    columns: tuple[Column[Any], ...] | None = None
    guard: str = ""
    scopes: Sequence[Sequence[str]] = field(default=(), hash=False)

    def __post_init__(self) -> None:
        seen = (*self.contents.names, *(column.name for column in self.key))
        refuse_columns(seen, self.moments.columns if self.moments else ())

    @cached_property
    def rows(self) -> GuardedRows:
        """What is decided of the rows, apart from how SQLAlchemy does it."""
        return GuardedRows(
            tuple(column.name for column in self.key),
            self.represent,
            self.epoch,
            self.strong,
            self.already_applied,
            self.stamps,
            self.moments,
        )

    @property
    def tag_columns(self) -> tuple[ColumnElement[Any], ...]:
        """The columns that `tag_of` needs: of the content only what `moments` needs."""
        return tuple(map(self._column, self.rows.tag_columns))

    @cached_property
    def contents(self) -> Contents:
        """What a store shows of a row: the columns of neither the key nor any guard."""
        names = [column.name for column in self.columns or self.table.columns]
        hidden = columns_of_guards(names) | {column.name for column in self.key}
        return Contents([name for name in names if name not in hidden])

    @cached_property
    def _selected(self) -> tuple[Any, ...]:
        if self.columns is None and not self.guard:
            return (self.table,)
        names = (*(column.name for column in self.key), *self.contents.names, *MEMBERS)
        return tuple(self._column(name) for name in dict.fromkeys(names))

    def _column(self, name: str) -> ColumnElement[Any]:
        """A column of a row: those of a named guard go there by their short names."""
        column = self.table.c[self._name(name)]
        return column if column.name == name else column.label(name)

    def _name(self, name: str) -> str:
        return guard_column(self.guard, name) if name in GUARD_COLUMNS else name

    # -- reading ---------------------------------------------------------------------------

    def tag(self, connection: Connection, key: Key) -> ETag | None:
        """The current tag from one indexed look-up; None where there is no row.

        The body is built only where the stored tag is stale.
        """
        found = self.validators(connection, key)
        return None if found is None else found.etag

    def tag_of(self, connection: Connection, row: Row) -> ETag:
        """The tag of a row of which `tag_columns` were selected."""
        return self._drive(connection, self.rows.tag_of(row))

    def validators(self, connection: Connection, key: Key) -> Validators | None:
        """The current tag as `tag` gives it, and until when it holds if nobody writes."""
        if self.rows.moments is None:
            found = connection.execute(self._select_fresh_tag, self._bound(key)).one_or_none()
            if found is None:
                return None
            if found[0] is not None:
                return self.rows.of_fresh(found[0])
            return self._drive(connection, self.rows.validators_made(key))
        return self._drive(connection, self.rows.validators(key))

    def validators_of(self, connection: Connection, row: Row) -> Validators:
        """The same for a row of which `tag_columns` were selected."""
        return self._drive(connection, self.rows.validators_of(row))

    def read(self, connection: Connection, key: Key) -> Representation[Row] | None:
        """The row with its body and tag, from one statement; None where there is none."""
        return self._drive(connection, self.rows.read(key))

    def of(self, row: Row) -> Representation[Row]:
        """The representation of a row of which all columns were selected."""
        return self.rows.of(row)

    def collection_tag(
        self, connection: Connection, scope: ScopeValues = EVERYTHING, *, query: Any = None
    ) -> ETag:
        """The tag of all rows within a scope, from one look-up that reads none of them.

        Where `connection` is `reading`, it is of the snapshot that the rows are read in.
        """
        plan = self._counters_in(connection).tag(scope, query=query, epoch=self.epoch)
        return drive(plan, on_sqlalchemy(connection))

    def _counters_in(self, connection: Connection) -> Counters:
        made = self._counters.get(connection.engine)
        if made is None:
            name, schema = self.table.name, self.table.schema
            dialect = connection.dialect.name
            made = Counters(dialect, name, self.scopes, schema=schema, guard=self.guard)
            self._counters[connection.engine] = made
        return made

    @cached_property
    def _counters(self) -> WeakKeyDictionary[Engine, Counters]:
        return WeakKeyDictionary()

    # -- writing ---------------------------------------------------------------------------

    def replace(
        self, connection: Connection, key: Key, values: Row, guard: Guard = UNCONDITIONAL
    ) -> Representation[Row]:
        """Set content columns to `values`, inserting the row where the guard allows that."""
        return self.write(connection, key, lambda _: values, guard, insert=values)

    def create(self, connection: Connection, key: Key, values: Row) -> Representation[Row]:
        """Insert a row; Conflict where its key is taken."""
        return self.write(connection, key, lambda _: values, CREATE_ONLY, insert=values)

    def patch(
        self, connection: Connection, key: Key, change: Change, guard: Guard = UNCONDITIONAL
    ) -> Representation[Row]:
        """Set the content columns that `change` gives for the current row.

        Raises Missing where there is none. `change` may be called again on a newer row.
        """
        return self._drive(connection, self.rows.patch(key, change, guard))

    def delete(
        self, connection: Connection, key: Key, guard: Guard = UNCONDITIONAL
    ) -> Representation[Row]:
        """Delete the row and return what it was; raises Conflict or Missing."""
        return self._drive(connection, self.rows.delete(key, guard))

    def write(
        self,
        connection: Connection,
        key: Key,
        change: Change,
        guard: Guard = UNCONDITIONAL,
        *,
        insert: Row | None = None,
    ) -> Representation[Row]:
        """Set what `change` gives for the row that is there, or insert `insert` where none is.

        What `replace`, `create` and `patch` are made of, for a caller who wants to see the row
        that is replaced. Without `insert` an absent row is Missing.
        """
        return self._drive(connection, self.rows.write(key, change, guard, insert=insert))

    # -- the steps -------------------------------------------------------------------------

    def _drive(self, connection: Connection, plan: Plan[T]) -> T:
        return drive(plan, lambda step: self._do(connection, step))

    def _do(self, connection: Connection, step: Step) -> Any:
        if isinstance(step, Find | FindTag):
            return self.came_of(
                step, connection.execute(self._look_up(step), self._bound(step.key))
            )
        done = connection.execute(self.statement(step, connection.dialect.name))
        if isinstance(step, Insert | Update) and connection.dialect.name == "sqlite":
            # Its RETURNING shows 1 where the column holds 1.0, and the row from before triggers.
            written = Find(self.key_of(step))
            return self._do(connection, written) if done.rowcount else None
        return self.came_of(step, done)

    def statement(self, step: Step, dialect: str) -> Executable:
        """What does a step. On SQLite the row that was written is to be found again."""
        returning = () if dialect == "sqlite" else self._selected
        match step:
            case Find() | FindTag():
                return self._look_up(step).params(self._bound(step.key))
            case Insert():
                insert = (sqlite if dialect == "sqlite" else postgresql).insert(self.table)
                once = insert.on_conflict_do_nothing(index_elements=list(self.rows.key))
                made: Insertion = once.values(self._named(step.values))
                return made.returning(*returning) if returning else made
            case Update():
                change = self._update(step)
                return change.returning(*returning) if returning else change
            case KeepTag():
                return self._update(step)
            case Delete():
                return delete(self.table).where(self._still(step.row))

    def _look_up(self, step: Find | FindTag) -> Select[Any]:
        """The statement of a look-up, made once: making it costs more than executing it."""
        if isinstance(step, FindTag):
            return self._select_tag
        return self._select_locked if step.lock else self._select

    @cached_property
    def _select(self) -> Select[Any]:
        return select(*self._selected).where(self._at(self._marks))

    @cached_property
    def _select_locked(self) -> Select[Any]:
        return self._select.with_for_update()

    @cached_property
    def _select_tag(self) -> Select[Any]:
        return select(*self.tag_columns).where(self._at(self._marks))

    @cached_property
    def _select_fresh_tag(self) -> Select[Any]:
        tag = self.rows.fresh_tag(lambda name: quoted(self._name(name)))
        return (
            select(literal_column(tag, Text())).select_from(self.table).where(self._at(self._marks))
        )

    @property
    def _marks(self) -> list[BindParameter[Any]]:
        return [bindparam(f"key_{at}", type_=one.type) for at, one in enumerate(self.key)]

    @cached_property
    def _mark_names(self) -> list[str]:
        return [one.key for one in self._marks]

    def _bound(self, key: Key) -> dict[str, Any]:
        return dict(zip(self._mark_names, key, strict=True))

    def came_of(self, step: Step, done: CursorResult[Any]) -> Any:
        """What a plan is sent for a step whose statement was executed."""
        if isinstance(step, KeepTag | Delete):
            return bool(done.rowcount)
        row = done.one_or_none()
        return None if row is None else dict(zip(done.keys(), row, strict=True))

    def key_of(self, step: Insert | Update) -> Key:
        """The key of the row that a step writes."""
        row = step.values if isinstance(step, Insert) else step.row
        return [row[name] for name in self.rows.key]

    def _update(self, step: Update | KeepTag) -> Altering:
        return update(self.table).where(self._still(step.row)).values(self._named(step.values))

    def _named(self, values: Row) -> dict[str, Any]:
        return {self._name(name): value for name, value in values.items()}

    def _at(self, key: Key) -> Any:
        return and_(*(column == part for column, part in zip(self.key, key, strict=True)))

    def _still(self, row: Row) -> Any:
        """The row as it was found: same key, same version, same incarnation."""
        version, incarnation = (
            self.table.c[self._name(name)] for name in ("version", "incarnation")
        )
        return and_(
            self._at([row[name] for name in self.rows.key]),
            version == row["version"],
            incarnation == row["incarnation"],
        )


class SQLAlchemyStore:
    """A `GuardedTable` as a store of the contract: each call is one committed transaction.

    Keys are tuples, one member for each column of the key; values are dicts of the content
    columns.
    """

    shares_edits = True  # see `ifmatch.store.combining`

    def __init__(self, engine: Engine, rows: GuardedTable) -> None:
        self._engine = engine
        self._rows = rows
        self._contents = rows.contents

    def tag(self, key: Sequence[Any]) -> ETag | None:
        with reading(self._engine) as connection:
            return self._rows.tag(connection, key)

    def validators(self, key: Sequence[Any]) -> Validators | None:
        """The current tag as `tag` gives it, and until when it holds if nobody writes."""
        with reading(self._engine) as connection:
            return self._rows.validators(connection, key)

    def read(self, key: Sequence[Any]) -> Representation[Row] | None:
        with reading(self._engine) as connection:
            found = self._rows.read(connection, key)
        return None if found is None else self._contents.shown(found)

    def replace(
        self, key: Sequence[Any], value: Row, guard: Guard = UNCONDITIONAL
    ) -> Representation[Row]:
        return self._write(lambda on: self._rows.replace(on, key, value, guard))

    def patch(
        self, key: Sequence[Any], change: Change, guard: Guard = UNCONDITIONAL
    ) -> Representation[Row]:
        on_row = self._contents.on_row(change)
        return self._write(lambda on: self._rows.patch(on, key, on_row, guard))

    def delete(self, key: Sequence[Any], guard: Guard = UNCONDITIONAL) -> None:
        self._write(lambda on: self._rows.delete(on, key, guard))

    def create(self, key: Sequence[Any], value: Row) -> Representation[Row]:
        return self._write(lambda on: self._rows.create(on, key, value))

    def collection_tag(self, scope: ScopeValues = EVERYTHING, *, query: Any = None) -> ETag:
        with reading(self._engine) as connection:
            return self._rows.collection_tag(connection, scope, query=query)

    def _write(self, work: Callable[[Connection], Representation[Row]]) -> Representation[Row]:
        return self._contents.shown(transact(self._engine, work))
