"""Tasks of one loop: they race as threads do, queue for SQLite's writer, and may be cancelled."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from ifmatch import Conflict, state_tag, unchanged
from ifmatch.store import sqlalchemy_async as module
from ifmatch.store.collections import Scope, tag_on
from ifmatch.store.retry import Budget, edit_async
from ifmatch.store.sqlalchemy_async import AsyncSQLAlchemyStore, reading, transact, writing
from ifmatch.store.triggers import collection_counter
from packages.ifmatch.tests.store.crowd import KEY, note

TASKS = 32
Work = Callable[[AsyncEngine, AsyncSQLAlchemyStore], Awaitable[Any]]


def on_one_loop(database: Any, work: Work, **options: Any) -> Any:
    """What `work` returns on a loop of its own, with an engine that is disposed of there."""

    async def run() -> Any:
        engine = database.awaited(**options)
        try:
            return await work(engine, AsyncSQLAlchemyStore(engine, database.rows()))
        finally:
            await engine.dispose()

    return asyncio.run(run())


async def all_at_once(work: Callable[[int], Awaitable[Any]]) -> list[Any]:
    """What each task's work returned or raised; they start together."""
    barrier = asyncio.Barrier(TASKS)

    async def started(number: int) -> Any:
        await barrier.wait()
        try:
            return await work(number)
        except Conflict as conflict:
            return conflict

    return await asyncio.gather(*map(started, range(TASKS)))


# -- races ----------------------------------------------------------------------------------------


@pytest.mark.race
def test_of_32_tasks_that_name_one_tag_one_wins(database: Any) -> None:
    async def work(_engine: AsyncEngine, store: AsyncSQLAlchemyStore) -> None:
        for _ in range(5):
            now = await store.replace(KEY, note())
            guard = unchanged(now.etag)
            outcomes = await all_at_once(
                lambda n: store.replace(KEY, note(f"task {n}"), guard)  # noqa: B023
            )
            [winner] = [one for one in outcomes if not isinstance(one, Conflict)]
            found = await store.read(KEY)
            assert found is not None
            assert (found.value, found.etag) == (winner.value, winner.etag)
            assert all(one.current == found.etag for one in outcomes if one is not winner)

    on_one_loop(database, work)


@pytest.mark.race
def test_tasks_that_check_and_then_write_all_win_that_race(database: Any) -> None:
    """The twin: there is an await between check and write, so one loop is no protection."""

    async def work(_engine: AsyncEngine, store: AsyncSQLAlchemyStore) -> int:
        tag = (await store.create(KEY, note())).etag
        judged = asyncio.Barrier(TASKS)

        async def naive(number: int) -> Any:
            now = await store.tag(KEY)
            await judged.wait()
            assert now == tag
            return await store.replace(KEY, note(f"task {number}"))

        outcomes = await all_at_once(naive)
        return sum(not isinstance(one, Conflict) for one in outcomes)

    assert on_one_loop(database, work, pool_size=TASKS) == TASKS


@pytest.mark.race
def test_no_edit_of_a_counter_is_lost_among_tasks(database: Any) -> None:
    async def work(_engine: AsyncEngine, store: AsyncSQLAlchemyStore) -> None:
        await store.create(KEY, note())
        patient = Budget(tries=1000, seconds=60)
        add = lambda row: dict(row) | {"n": row["n"] + 1}  # noqa: E731 (what each of them adds)

        async def edits(number: int) -> None:
            for _ in range(3):
                if number % 2:
                    await edit_async(store, KEY, add, patient)
                else:
                    await store.patch(KEY, add)

        await all_at_once(edits)
        found = await store.read(KEY)
        assert found is not None
        assert found.value["n"] == 3 * TASKS

    on_one_loop(database, work)


@pytest.mark.race
def test_loops_in_several_threads_lose_nothing_to_each_other(database: Any) -> None:
    """An engine without a pool may serve them all."""
    engine = database.awaited(poolclass=NullPool)
    store = AsyncSQLAlchemyStore(engine, database.rows())
    asyncio.run(store.create(KEY, note()))
    together = threading.Barrier(4, timeout=30)

    async def adds() -> None:
        for _ in range(3):
            await store.patch(KEY, lambda row: dict(row) | {"n": row["n"] + 1})

    async def crowded() -> None:
        together.wait()
        await asyncio.gather(*(adds() for _ in range(3)))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(asyncio.run, crowded()) for _ in range(4)]:
            done.result()
    assert database.store().read(KEY).value["n"] == 36
    asyncio.run(engine.dispose())


# -- the queue of writers -------------------------------------------------------------------------


def test_tasks_that_wait_for_sqlite_s_writer_hold_no_connection(on_sqlite: Any) -> None:
    """So a pool of two serves any number of them, and readers beside."""

    async def work(engine: AsyncEngine, store: AsyncSQLAlchemyStore) -> None:
        await store.create(KEY, note())
        async with writing(engine):
            waiting = [asyncio.create_task(store.create(("ada", n), note())) for n in range(2, 30)]
            for _ in range(5):
                assert await store.tag(KEY) is not None
            assert engine.pool.checkedout() == 1  # type: ignore[attr-defined]
            assert not any(task.done() for task in waiting)
        await asyncio.gather(*waiting)

    on_one_loop(on_sqlite, work, pool_size=2, max_overflow=0, pool_timeout=10)


def test_a_task_that_is_cancelled_in_the_queue_lets_the_next_one_pass(on_sqlite: Any) -> None:
    async def work(engine: AsyncEngine, store: AsyncSQLAlchemyStore) -> None:
        async with writing(engine):
            first, second, third = (
                asyncio.create_task(store.create(("ada", n), note())) for n in range(3)
            )
            await asyncio.sleep(0)
            second.cancel()
        await asyncio.gather(first, third)
        with pytest.raises(asyncio.CancelledError):
            await second
        assert await store.tag(("ada", 1)) is None

    on_one_loop(on_sqlite, work)


def test_a_writer_waits_at_the_start_for_another_process(on_sqlite: Any) -> None:
    """A transaction that began with a read could not write after a foreign commit, ever."""

    async def work(engine: AsyncEngine, store: AsyncSQLAlchemyStore) -> None:
        began = asyncio.Event()
        await store.create(KEY, note())

        def look(_on: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if statement == "BEGIN IMMEDIATE":
                began.set()

        event.listen(engine.sync_engine, "before_cursor_execute", look)
        with on_sqlite.engine.connect() as foreign:
            foreign.execution_options(ifmatch_writes=True)
            foreign.execute(text("UPDATE note SET n = 7"))
            adding = asyncio.create_task(
                store.patch(KEY, lambda row: dict(row) | {"n": row["n"] + 1})
            )
            await began.wait()
            foreign.commit()
        assert (await adding).value["n"] == 8

    on_one_loop(on_sqlite, work)


# -- cancellation ---------------------------------------------------------------------------------


class Cancelled:
    """Awaits something; its task is cancelled where it is suspended for the nth time."""

    def __init__(self, awaited: Awaitable[Any], *numbers: int) -> None:
        self.awaited = awaited
        self.numbers = numbers
        self.suspended = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        running = self.awaited.__await__()
        try:
            waits_for = next(running)
            while True:
                self.suspended += 1
                task = asyncio.current_task()
                if task is not None and self.suspended in self.numbers:
                    task.cancel()
                try:
                    sent = yield waits_for
                except BaseException as error:
                    waits_for = running.throw(error)
                else:
                    waits_for = running.send(sent)
        except StopIteration as done:
            return done.value


async def cancelled(awaited: Awaitable[Any], *numbers: int) -> tuple[asyncio.Task[Any], bool]:
    """The task that was cancelled there, with all that its traceback holds; whether it was."""
    waits = Cancelled(awaited, *numbers)

    async def run() -> Any:
        return await waits

    task = asyncio.create_task(run())
    await asyncio.wait([task])
    return task, task.cancelled()


async def at_each_suspension(
    write: Callable[[], Coroutine[Any, Any, Any]], after: Callable[[], Awaitable[None]], more: int
) -> int:
    """How many there are; `after` runs while the cancelled task is still there."""
    for number in range(1, 200):
        task, was = await cancelled(write(), *range(number, number + more))
        await after()
        if not was:
            assert task.result() is not None
            return number - 1
    raise AssertionError("a write has fewer suspensions")


@pytest.mark.parametrize("pooled", ["open connections", "new connections"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_write_that_is_cancelled_anywhere_is_undone_and_locks_nothing(
    database: Any, pooled: str, times: int
) -> None:
    """Only where it was cancelled in its COMMIT it may have written, and then all of it."""

    async def work(engine: AsyncEngine, store: AsyncSQLAlchemyStore) -> None:
        await store.create(KEY, note())
        seen = []

        async def after() -> None:
            database.execute("UPDATE note SET data = NULL WHERE id = 1", wait=5)
            found = await store.read(KEY)
            assert found is not None
            assert found.value in (note(), note("new", 1))
            seen.append(found.value["n"])
            assert await store.tag(KEY) == found.etag == state_tag(found.value)
            assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
            async with asyncio.timeout(20):
                await store.replace(KEY, note())
            if pooled == "new connections":
                await engine.dispose()

        suspensions = await at_each_suspension(
            lambda: store.replace(KEY, note("new", 1)), after, times
        )
        assert suspensions > 3
        assert seen[0] == 0
        assert seen[-1] == 1

    on_one_loop(database, work)


def locked_out(database: Any) -> bool:
    """Whether somebody else cannot write the row now."""
    try:
        database.execute("UPDATE note SET n = 7", wait=0.02)
    except (sqlite3.OperationalError, psycopg.errors.LockNotAvailable):
        return True
    return False


def test_a_connection_of_sqlite_that_is_closed_without_a_rollback_keeps_the_lock(
    on_sqlite: Any,
) -> None:
    """The twin of the above: why `configure` makes an engine roll back what was cancelled."""

    async def work(engine: AsyncEngine, store: AsyncSQLAlchemyStore) -> int:
        await store.create(KEY, note())
        event.remove(engine.sync_engine, "invalidate", module._undo)
        locked = 0
        for number in range(1, 20):
            task, _ = await cancelled(store.replace(KEY, note("new", number)), number)
            locked += locked_out(on_sqlite)
            del task
        return locked

    assert on_one_loop(on_sqlite, work) > 0


def test_a_transaction_outside_a_block_stays_open_when_its_task_is_cancelled(
    database: Any,
) -> None:
    """The other twin: nobody undoes it, and nobody else can write."""

    async def work(engine: AsyncEngine, store: AsyncSQLAlchemyStore) -> None:
        await store.create(KEY, note())
        connection, written = await engine.connect(), asyncio.Event()

        async def naive() -> None:
            await connection.begin()
            await connection.run_sync(database.rows().replace, KEY, note("new"))
            written.set()
            await asyncio.sleep(60)
            await connection.commit()

        task = asyncio.create_task(naive())
        await written.wait()
        task.cancel()
        await asyncio.wait([task])
        still = locked_out(database)
        await connection.close()
        assert still
        assert not locked_out(database)

    on_one_loop(database, work)


def test_a_block_whose_task_is_cancelled_is_undone(database: Any) -> None:
    async def work(engine: AsyncEngine, store: AsyncSQLAlchemyStore) -> None:
        before = await store.create(KEY, note())
        written = asyncio.Event()

        async def write_and_wait() -> None:
            async with writing(engine) as connection:
                await connection.run_sync(database.rows().replace, KEY, note("new"))
                written.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(write_and_wait())
        await written.wait()
        assert locked_out(database)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert not locked_out(database)
        now = await store.tag(KEY)
        assert now == state_tag(note(n=7)) != before.etag

    on_one_loop(database, work)


def test_a_write_that_ran_out_of_time_is_undone_and_the_next_one_is_done(database: Any) -> None:
    """It waited for its turn on SQLite, for the row on PostgreSQL."""

    async def work(engine: AsyncEngine, store: AsyncSQLAlchemyStore) -> None:
        await store.create(KEY, note())
        async with writing(engine) as connection:
            await connection.run_sync(database.rows().replace, KEY, note("held"))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await store.replace(KEY, note("late"))
        assert (await store.read(KEY)).value["title"] == "held"  # type: ignore[union-attr]
        assert (await store.replace(KEY, note("next"))).changed

    on_one_loop(database, work)


# -- transactions ---------------------------------------------------------------------------------


def test_reading_is_of_one_snapshot(database: Any) -> None:
    rows = database.rows()

    async def work(engine: AsyncEngine, store: AsyncSQLAlchemyStore) -> None:
        await store.create(KEY, note())
        async with reading(engine) as connection:
            first = await connection.run_sync(rows.read, KEY)
            database.execute("UPDATE note SET title = 'raw'")
            assert await connection.run_sync(rows.read, KEY) == first
            assert await connection.run_sync(rows.tag, KEY) == first.etag
            if not database.on_sqlite:
                with pytest.raises(DBAPIError, match="read-only"):
                    await connection.execute(text("DELETE FROM note"))
        async with writing(engine) as connection:  # the same connection again
            await connection.run_sync(rows.replace, KEY, note("b"))

    on_one_loop(database, work, pool_size=1, max_overflow=0)


def test_a_collection_s_tag_is_read_in_the_snapshot_of_its_rows(on_sqlite: Any) -> None:
    counters = collection_counter("sqlite", "note", scope=[], identity=["owner", "id"])
    on_sqlite.execute(*counters)

    async def work(engine: AsyncEngine, store: AsyncSQLAlchemyStore) -> None:
        await store.create(KEY, note())

        async def tag() -> Any:
            async with reading(engine) as connection:
                return await connection.run_sync(tag_on, Scope("note"), query={"page": 1})

        before = await tag()
        assert await tag() == before
        await store.replace(KEY, note("b"))
        assert await tag() != before

    on_one_loop(on_sqlite, work)


@pytest.mark.race
def test_a_real_deadlock_of_two_tasks_ends_with_both_done(on_postgresql: Any) -> None:
    rows = on_postgresql.rows()

    async def work(engine: AsyncEngine, store: AsyncSQLAlchemyStore) -> None:
        for number in (1, 2):
            await store.create(("ada", number), note())
        both_hold_one = asyncio.Barrier(2)
        tries = []

        async def add(first: int, second: int) -> None:
            mine = []

            async def change(connection: Any) -> None:
                mine.append(1)
                tries.append(1)
                for number in (first, second):
                    add_one = lambda row: {"n": row["n"] + 1}  # noqa: E731 (a change)
                    await connection.run_sync(rows.patch, ("ada", number), add_one)
                    if len(mine) == 1 and number == first:
                        await both_hold_one.wait()

            await transact(engine, change)

        await asyncio.gather(add(1, 2), add(2, 1))
        assert len(tries) > 2
        for number in (1, 2):
            found = await store.read(("ada", number))
            assert found is not None
            assert found.value["n"] == 2

    on_one_loop(on_postgresql, work)


class Undone(psycopg.errors.DeadlockDetected):
    pass


@pytest.mark.parametrize(
    ("error", "calls"), [(Undone(), 3), (psycopg.OperationalError("gone"), 1)], ids=repr
)
def test_only_what_is_known_not_to_have_happened_is_done_again(
    database: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, calls: int
) -> None:
    monkeypatch.setattr(module, "PAUSES", (0, 0))
    seen = []

    async def fail(_connection: Any) -> None:
        seen.append(1)
        raise OperationalError("COMMIT", {}, error)

    async def work(engine: AsyncEngine, _store: AsyncSQLAlchemyStore) -> None:
        with suppress(OperationalError):
            await transact(engine, fail)

    on_one_loop(database, work)
    assert len(seen) == calls
