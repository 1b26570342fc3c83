"""Guarded rows in PostgreSQL, through psycopg, sync and async.

How a guarded write runs is told in `steps`. Connections come from the caller, most often from a
pool: `PostgresStore(pool.connection, ...)`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import cached_property
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, Connection

from ifmatch.core.decide import Validators
from ifmatch.core.etag import ETag
from ifmatch.core.guard import UNCONDITIONAL, Guard
from ifmatch.core.representation import Representation
from ifmatch.store.collections import Counters, on, on_async
from ifmatch.store.contents import Contents
from ifmatch.store.contract import EVERYTHING, ScopeValues
from ifmatch.store.statements import Statements
from ifmatch.store.steps import (
    Change,
    Delete,
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
    drive_async,
)

T = TypeVar("T")
Connect = Callable[[], AbstractContextManager[Connection[Any]]]
ConnectAsync = Callable[[], AbstractAsyncContextManager[AsyncConnection[Any]]]

UNDONE = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
"""What the database raises when it undid a transaction in favour of another one."""

PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Seconds, at most, between the tries of a transaction that was undone."""


class _Table:
    """What the sync and the async store share: the statements, and what comes of them."""

    def __init__(
        self,
        table: str,
        columns: Sequence[str],
        rows: GuardedRows,
        *,
        json: Iterable[str] = (),
        scopes: Iterable[Sequence[str]] = (),
        guard: str = "",
    ) -> None:
        self.rows = rows
        self.sql = Statements(table, tuple(columns), rows, "%s", frozenset(json), guard)
        self.counters = Counters("postgresql", table, scopes, guard=guard)
        self.contents = Contents([name for name in columns if name not in rows.key])

    def statement(self, step: Step) -> tuple[bytes, list[Any]]:
        text, parameters = self.sql.of(step)
        if isinstance(step, Insert | Update):
            text += self.sql.returning
        return text.encode(), parameters

    @cached_property
    def select_fresh_tag(self) -> bytes:
        return self.sql.select_fresh_tag.encode()

    def of_fresh(self, found: Sequence[str] | None) -> Validators | None:
        return None if found is None else self.rows.of_fresh(found[0])

    def came_of(self, step: Step, done: Any, found: Any) -> Any:
        if isinstance(step, KeepTag | Delete):
            return bool(done.rowcount)
        return self.sql.tag_row(found) if isinstance(step, FindTag) else self.sql.row(found)


def _sends_row(step: Step) -> bool:
    return not isinstance(step, KeepTag | Delete)


class PostgresStore:
    """The rows of one table as a store of the contract: each call is one committed transaction.

    `connections()` gives a connection in a context that commits at its end, as
    `psycopg_pool.ConnectionPool.connection` does. The others are those of
    `ifmatch.store.sqlite.SQLiteStore`.
    """

    shares_edits = True  # see `ifmatch.store.combining`

    def __init__(
        self,
        connections: Connect,
        table: str,
        columns: Sequence[str],
        rows: GuardedRows,
        *,
        json: Iterable[str] = (),
        scopes: Iterable[Sequence[str]] = (),
        guard: str = "",
    ) -> None:
        self._connections = connections
        self._table = _Table(table, columns, rows, json=json, scopes=scopes, guard=guard)

    def tag(self, key: Key) -> ETag | None:
        found = self.validators(key)
        return None if found is None else found.etag

    def validators(self, key: Key) -> Validators | None:
        """The current tag as `tag` gives it, and until when it holds if nobody writes."""
        if self._table.rows.moments is not None:
            return self._read(self._table.rows.validators(key))
        with self._connections() as connection:
            found = connection.execute(self._table.select_fresh_tag, key).fetchone()
            if found is None or found[0] is not None:
                return self._table.of_fresh(found)
            plan = self._table.rows.validators_made(key)
            return drive(plan, lambda step: self._do(connection, step))

    def read(self, key: Key) -> Representation[Row] | None:
        found = self._read(self._table.rows.read(key))
        return None if found is None else self._table.contents.shown(found)

    def replace(self, key: Key, value: Row, guard: Guard = UNCONDITIONAL) -> Representation[Row]:
        return self._write(lambda: self._table.rows.replace(key, value, guard))

    def patch(self, key: Key, change: Change, guard: Guard = UNCONDITIONAL) -> Representation[Row]:
        on_row = self._table.contents.on_row(change)
        return self._write(lambda: self._table.rows.patch(key, on_row, guard))

    def delete(self, key: Key, guard: Guard = UNCONDITIONAL) -> None:
        self._write(lambda: self._table.rows.delete(key, guard))

    def create(self, key: Key, value: Row) -> Representation[Row]:
        return self._write(lambda: self._table.rows.create(key, value))

    def collection_tag(self, scope: ScopeValues = EVERYTHING, *, query: Any = None) -> ETag:
        plan = self._table.counters.tag(scope, query=query, epoch=self._table.rows.epoch)
        with self._connections() as connection:
            return drive(plan, on(connection, "%s"))

    def _read(self, plan: Plan[T]) -> T:
        with self._connections() as connection:
            return drive(plan, lambda step: self._do(connection, step))

    def _write(self, plan: Callable[[], Plan[Representation[Row]]]) -> Representation[Row]:
        """Run it in a transaction, and again where the database undid that for another one."""
        for pause in PAUSES:
            try:
                return self._table.contents.shown(self._read(plan()))
            except UNDONE:
                time.sleep(random.uniform(0, pause))  # noqa: S311 (no secret: it keeps two apart)
        return self._table.contents.shown(self._read(plan()))

    def _do(self, connection: Connection[Any], step: Step) -> Any:
        done = connection.execute(*self._table.statement(step))
        return self._table.came_of(step, done, done.fetchone() if _sends_row(step) else None)


class AsyncPostgresStore:
    """The same where calls are awaited; `connections()` gives an async context."""

    shares_edits = True  # see `ifmatch.store.combining`

    def __init__(
        self,
        connections: ConnectAsync,
        table: str,
        columns: Sequence[str],
        rows: GuardedRows,
        *,
        json: Iterable[str] = (),
        scopes: Iterable[Sequence[str]] = (),
        guard: str = "",
    ) -> None:
        self._connections = connections
        self._table = _Table(table, columns, rows, json=json, scopes=scopes, guard=guard)

    async def tag(self, key: Key) -> ETag | None:
        found = await self.validators(key)
        return None if found is None else found.etag

    async def validators(self, key: Key) -> Validators | None:
        """The current tag as `tag` gives it, and until when it holds if nobody writes."""
        if self._table.rows.moments is not None:
            return await self._read(self._table.rows.validators(key))
        async with self._connections() as connection:
            done = await connection.execute(self._table.select_fresh_tag, key)
            found = await done.fetchone()
            if found is None or found[0] is not None:
                return self._table.of_fresh(found)

            def do(step: Step) -> Awaitable[Any]:
                return self._do(connection, step)

            return await drive_async(self._table.rows.validators_made(key), do)

    async def read(self, key: Key) -> Representation[Row] | None:
        found = await self._read(self._table.rows.read(key))
        return None if found is None else self._table.contents.shown(found)

    async def replace(
        self, key: Key, value: Row, guard: Guard = UNCONDITIONAL
    ) -> Representation[Row]:
        return await self._write(lambda: self._table.rows.replace(key, value, guard))

    async def patch(
        self, key: Key, change: Change, guard: Guard = UNCONDITIONAL
    ) -> Representation[Row]:
        on_row = self._table.contents.on_row(change)
        return await self._write(lambda: self._table.rows.patch(key, on_row, guard))

    async def delete(self, key: Key, guard: Guard = UNCONDITIONAL) -> None:
        await self._write(lambda: self._table.rows.delete(key, guard))

    async def create(self, key: Key, value: Row) -> Representation[Row]:
        return await self._write(lambda: self._table.rows.create(key, value))

    async def collection_tag(self, scope: ScopeValues = EVERYTHING, *, query: Any = None) -> ETag:
        plan = self._table.counters.tag(scope, query=query, epoch=self._table.rows.epoch)
        async with self._connections() as connection:
            return await drive_async(plan, on_async(connection))

    async def _read(self, plan: Plan[T]) -> T:
        async with self._connections() as connection:

            def do(step: Step) -> Awaitable[Any]:
                return self._do(connection, step)

            return await drive_async(plan, do)

    async def _write(self, plan: Callable[[], Plan[Representation[Row]]]) -> Representation[Row]:
        for pause in PAUSES:
            try:
                return self._table.contents.shown(await self._read(plan()))
            except UNDONE:
                await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 (as above)
        return self._table.contents.shown(await self._read(plan()))

    async def _do(self, connection: AsyncConnection[Any], step: Step) -> Any:
        done = await connection.execute(*self._table.statement(step))
        found = await done.fetchone() if _sends_row(step) else None
        return self._table.came_of(step, done, found)
