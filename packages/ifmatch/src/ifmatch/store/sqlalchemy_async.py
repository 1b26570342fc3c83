"""Guarded rows through SQLAlchemy where calls are awaited: `sqlalchemy.ext.asyncio`.

Rows are read and written by the methods of `ifmatch.store.sqlalchemy.GuardedTable`; a connection
lends itself to them by `run_sync`, which awaits what they ask of the database:

    async with writing(engine) as connection:
        await connection.run_sync(rows.patch, key, change, guard)

What is here is what has to be awaited around that: transactions, the turn of a writer, pauses. A
task that is cancelled, wherever it waits, undoes its transaction and holds up nobody.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ifmatch.core.decide import Validators
from ifmatch.core.etag import ETag
from ifmatch.core.guard import UNCONDITIONAL, Guard
from ifmatch.core.representation import Representation
from ifmatch.store import sqlalchemy as sync
from ifmatch.store.contract import EVERYTHING, ScopeValues
from ifmatch.store.sqlalchemy import PAUSES, SNAPSHOT, WRITES, GuardedTable, was_undone
from ifmatch.store.steps import Change, Row

T = TypeVar("T")

# A lock belongs to a loop; engines without a pool may serve several.
_turns: WeakKeyDictionary[Engine, dict[asyncio.AbstractEventLoop, asyncio.Lock]]
_turns = WeakKeyDictionary()


def configure(engine: AsyncEngine, *, synchronous: str = "FULL") -> AsyncEngine:
    """Make an engine fit for guarded writes; returns it. See `ifmatch.store.sqlalchemy`."""
    sync.configure(engine.sync_engine, synchronous=synchronous)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "invalidate", _undo)
    return engine


def _undo(connection: Any, _record: Any, _error: Any) -> None:
    """Roll back what a cancelled task leaves, before its connection is closed.

    Closing alone does not: SQLite keeps a connection, and its lock on the file, for as long as
    there is an unfinished statement, and the traceback of the cancellation holds one.
    """
    with suppress(asyncio.CancelledError, sqlite3.Error):  # cancelled twice: closed all the same
        connection.rollback()


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection on which every read is of one snapshot."""
    async with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execution_options(**SNAPSHOT)
        async with connection.begin():
            yield connection


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction that commits at the end of the block, and raises if it cannot.

    Answer after the block, never within it. A task that is cancelled in the block has undone it;
    one that is cancelled while it commits may have written, as with any COMMIT that fails.
    """
    async with _turn(engine), engine.connect() as connection:
        await connection.execution_options(**WRITES)
        async with connection.begin():
            yield connection


async def transact(engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """What `work` returns, when its transaction has committed.

    Where the database undid the transaction in favour of another one, `work` is called again: it
    must have no other effects. Every other failure is raised.
    """
    for pause in PAUSES:
        try:
            async with writing(engine) as connection:
                return await work(connection)
        except DBAPIError as error:
            if not was_undone(error):
                raise
        await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 (no secret: it keeps two apart)
    async with writing(engine) as connection:
        return await work(connection)


def _turn(engine: AsyncEngine) -> AbstractAsyncContextManager[Any]:
    """SQLite has one writer. Tasks queue for it, and take no connection before it is their turn."""
    if engine.dialect.name != "sqlite":
        return nullcontext()
    turns, loop = _turns.setdefault(engine.sync_engine, {}), asyncio.get_running_loop()
    if loop not in turns:
        for ended in [one for one in list(turns) if one.is_closed()]:
            turns.pop(ended, None)
    return turns.setdefault(loop, asyncio.Lock())


class AsyncSQLAlchemyStore:
    """A `GuardedTable` as an `AsyncStore`: each call is one committed transaction.

    Keys are tuples, one member for each column of the key; values are dicts of the content
    columns. As its engine, it belongs to one event loop, and serves any number of its tasks.
    """

    shares_edits = True  # see `ifmatch.store.combining`

    def __init__(self, engine: AsyncEngine, rows: GuardedTable) -> None:
        self._engine = engine
        self._rows = rows
        self._contents = rows.contents

    async def tag(self, key: Sequence[Any]) -> ETag | None:
        async with reading(self._engine) as connection:
            return await connection.run_sync(self._rows.tag, key)

    async def validators(self, key: Sequence[Any]) -> Validators | None:
        """The current tag as `tag` gives it, and until when it holds if nobody writes."""
        async with reading(self._engine) as connection:
            return await connection.run_sync(self._rows.validators, key)

    async def read(self, key: Sequence[Any]) -> Representation[Row] | None:
        async with reading(self._engine) as connection:
            found = await connection.run_sync(self._rows.read, key)
        return None if found is None else self._contents.shown(found)

    async def replace(
        self, key: Sequence[Any], value: Row, guard: Guard = UNCONDITIONAL
    ) -> Representation[Row]:
        return await self._write(self._rows.replace, key, value, guard)

    async def patch(
        self, key: Sequence[Any], change: Change, guard: Guard = UNCONDITIONAL
    ) -> Representation[Row]:
        return await self._write(self._rows.patch, key, self._contents.on_row(change), guard)

    async def delete(self, key: Sequence[Any], guard: Guard = UNCONDITIONAL) -> None:
        await self._write(self._rows.delete, key, guard)

    async def create(self, key: Sequence[Any], value: Row) -> Representation[Row]:
        return await self._write(self._rows.create, key, value)

    async def collection_tag(self, scope: ScopeValues = EVERYTHING, *, query: Any = None) -> ETag:
        async with reading(self._engine) as connection:
            return await connection.run_sync(self._rows.collection_tag, scope, query=query)

    async def _write(
        self, method: Callable[..., Representation[Row]], *arguments: Any
    ) -> Representation[Row]:
        made = await transact(self._engine, lambda on: on.run_sync(method, *arguments))
        return self._contents.shown(made)
