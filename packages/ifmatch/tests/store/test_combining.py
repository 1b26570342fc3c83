"""Edits that wait for one row in one process share a transaction, and nothing else."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
import pytest

from ifmatch import Missing, Representation
from ifmatch.core.errors import NotCanonical
from ifmatch.core.tags import state_tag
from ifmatch.store.combining import AsyncLines, Lines, row_of, was_refused
from ifmatch.store.retry import Crowds, edit

KEY = ("ada", 1)
WAITING = 5


def more(value: Any) -> Any:
    return {"n": value["n"] + 1}


class Held:
    """A row behind a gate, as if another process had it locked; counts its transactions."""

    shares_edits = True

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.value: dict[str, Any] | None = {"n": 0}
        self.transactions = 0
        self.at_commit: Callable[[], None] = lambda: None

    def patch(self, key: Any, change: Any) -> Representation[Any]:
        assert self.gate.wait(30)
        if self.value is None:
            raise Missing(key)
        made = {**self.value, **change(dict(self.value))}
        if not isinstance(made["n"], int):
            raise sqlite3.IntegrityError("NOT NULL constraint failed")
        self.transactions += 1
        self.at_commit()
        self.value = made
        return Representation(made, b"", state_tag(made))


class Awaited(Held):
    async def patch(self, key: Any, change: Any) -> Representation[Any]:  # type: ignore[override]
        await asyncio.to_thread(self.gate.wait, 30)
        return super().patch(key, change)


def all_in_line(lines: Lines | AsyncLines, number: int) -> bool:
    return sum(map(len, lines._lines.values())) == number


def outcome(future: Future[Any]) -> Any:
    """What it returned or raised."""
    error = future.exception(30)
    return future.result() if error is None else error


def in_threads(store: Any, changes: list[Any], key: Any = KEY) -> list[Any]:
    """What came of changes that all waited before the gate was opened."""
    lines = Lines()
    with ThreadPoolExecutor(len(changes)) as pool:
        running = []
        for number, change in enumerate(changes, 1):
            running.append(pool.submit(lines.patch, store, key, change))
            while not all_in_line(lines, number):
                time.sleep(0.001)
        store.gate.set()
        found = [outcome(one) for one in running]
    assert lines._lines == {}, "nobody is left behind"
    return found


def in_tasks(store: Any, changes: list[Any]) -> list[Any]:
    async def run() -> list[Any]:
        lines = AsyncLines()
        tasks = [asyncio.ensure_future(lines.patch(store, KEY, one)) for one in changes]
        await asyncio.sleep(0)  # each has come to the line
        assert all_in_line(lines, len(changes))
        store.gate.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
        assert lines._lines == {}
        return list(found)

    return asyncio.run(run())


Run = Callable[[Any, list[Any]], list[Any]]


@pytest.fixture(params=["threads", "tasks"])
def run(request: pytest.FixtureRequest) -> Run:
    return in_threads if request.param == "threads" else in_tasks


@pytest.fixture
def store(run: Run) -> Held:
    return Held() if run is in_threads else Awaited()


def test_all_who_wait_are_carried_by_one_transaction(run: Run, store: Held) -> None:
    made = run(store, [more] * WAITING)
    assert [one.value for one in made] == [{"n": WAITING}] * WAITING
    assert store.transactions == 1


def test_where_a_store_does_not_share_each_has_its_own(run: Run, store: Held) -> None:
    store.shares_edits = False
    store.gate.set()
    lines: Any = Lines() if run is in_threads else AsyncLines()
    for number in range(WAITING):
        made = lines.patch(store, KEY, more)
        made = made if run is in_threads else asyncio.run(made)
        assert made.value == {"n": number + 1}
    assert store.transactions == WAITING


def test_a_change_that_raises_fails_alone_and_leaves_nothing_behind(run: Run, store: Held) -> None:
    def spoils(value: Any) -> Any:
        value["n"] = 1_000
        raise ZeroDivisionError

    *others, last = run(store, [more, more, more, more, spoils])
    assert isinstance(last, ZeroDivisionError)
    assert [one.value for one in others] == [{"n": 4}] * 4
    assert store.transactions == 1


def test_what_the_database_refuses_fails_alone(run: Run, store: Held) -> None:
    found = run(store, [more, lambda _: {"n": None}, more])
    assert isinstance(found[1], sqlite3.IntegrityError)
    assert store.value == {"n": 2}
    assert [type(one) for one in found] == [
        Representation,
        sqlite3.IntegrityError,
        Representation,
    ]


@pytest.mark.parametrize("wrong", [None, 7, [("n", 1)]])
def test_a_change_that_gives_no_columns_fails_alone(run: Run, store: Held, wrong: Any) -> None:
    first, second = run(store, [lambda _: wrong, more])
    assert isinstance(first, TypeError)
    assert second.value == {"n": 1}


def test_where_nobody_knows_whether_it_was_done_all_are_told_and_nothing_is_repeated(
    run: Run, store: Held
) -> None:
    """A COMMIT whose answer is lost: done again, it would count twice."""

    def lost() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    store.at_commit = lost
    found = run(store, [more] * WAITING)
    assert all(isinstance(one, sqlite3.OperationalError) for one in found)
    assert store.transactions == 1


def test_of_a_row_that_is_not_there_everybody_is_told(run: Run, store: Held) -> None:
    store.value = None
    assert all(isinstance(one, Missing) for one in run(store, [more] * WAITING))


def test_no_transaction_carries_more_than_so_many(
    run: Run, store: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ifmatch.store.combining.MOST", 2)
    made = run(store, [more] * WAITING)
    assert sorted(one.value["n"] for one in made) == [2, 2, 4, 4, 5]
    assert store.transactions == 3


# -- threads --------------------------------------------------------------------------------------


def test_each_change_is_called_by_its_own_thread() -> None:
    """So that a lock that it holds, or what it keeps for its thread, is its own."""
    called: list[int] = []
    mine = threading.local()

    def noted(value: Any) -> Any:
        called.append(threading.get_ident())
        mine.n = getattr(mine, "n", 0) + 1
        return {"n": value["n"] + mine.n}

    made = in_threads(Held(), [noted] * WAITING)
    assert len(set(called)) == WAITING
    assert {one.value["n"] for one in made} == {WAITING}


def test_a_thread_that_is_stopped_in_its_change_takes_nobody_along() -> None:
    def stopped(_value: Any) -> Any:
        raise SystemExit

    store = Held()
    first, second, third = in_threads(store, [more, stopped, more])
    assert isinstance(second, SystemExit)
    assert (first.value, third.value) == ({"n": 2}, {"n": 2})


def test_a_leader_that_is_stopped_tells_those_who_wait_and_the_next_leads() -> None:
    store = Held()

    def stopped(_value: Any) -> Any:
        store.gate.clear()
        threading.Timer(0.05, store.gate.set).start()
        raise SystemExit

    first, second = in_threads(store, [stopped, more])
    assert isinstance(first, SystemExit)
    assert isinstance(second, RuntimeError), "whether it was done is not known"
    assert Lines().patch(store, KEY, more).value["n"] in (1, 2)


def test_rows_are_told_apart_by_store_key_and_type() -> None:
    one, other = Held(), Held()
    keys = [(1,), (True,), (1.0,), ("1",), (1, 1), 1, "1"]
    rows = [row_of(store, key) for store in (one, other) for key in keys]
    assert len({repr(row) for row in rows}) == len({*rows}) == 14
    assert row_of(one, [1]) == row_of(one, (1,))
    assert row_of(one, ([1],)) is None
    assert row_of(object(), (1,)) is None


# -- tasks ----------------------------------------------------------------------------------------


def test_a_task_that_is_cancelled_while_it_waits_is_not_done() -> None:
    store = Awaited()

    async def run() -> Any:
        lines = AsyncLines()
        tasks = [asyncio.ensure_future(lines.patch(store, KEY, more)) for _ in range(WAITING)]
        await asyncio.sleep(0.01)
        tasks[0].cancel()  # the first, which has begun the line
        tasks[2].cancel()
        await asyncio.sleep(0)
        store.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(run())
    assert [isinstance(one, asyncio.CancelledError) for one in found] == [
        *(True, False, True, False, False)
    ]
    assert store.value == {"n": 3}


def test_each_change_is_made_in_its_own_context() -> None:
    who = ContextVar("who", default="nobody")

    async def as_somebody(lines: AsyncLines, store: Any, name: str) -> Any:
        who.set(name)
        return await lines.patch(store, KEY, lambda _: {name: who.get()})

    async def run() -> Any:
        store, lines = Awaited(), AsyncLines()
        tasks = [asyncio.ensure_future(as_somebody(lines, store, name)) for name in "abc"]
        await asyncio.sleep(0.01)
        store.gate.set()
        await asyncio.gather(*tasks)
        return store.value

    assert asyncio.run(run()) == {"n": 0, "a": "a", "b": "b", "c": "c"}


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (sqlite3.IntegrityError(), True),
        (psycopg.errors.UniqueViolation(), True),
        (psycopg.errors.NumericValueOutOfRange(), True),
        (psycopg.errors.UndefinedColumn(), True),
        (NotCanonical("no"), True),
        (KeyError("colour"), True),
        (sqlite3.OperationalError(), False),
        (psycopg.OperationalError(), False),
        (psycopg.errors.AdminShutdown(), False),
        (psycopg.InterfaceError(), False),
        (OSError(), False),
        (TimeoutError(), False),
        (RuntimeError(), False),
        (KeyboardInterrupt(), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_a_refusal_is_an_error_that_proves_that_nothing_was_written(
    error: BaseException, refused: bool
) -> None:
    assert was_refused(error) is refused


def test_the_errors_of_sqlalchemy_are_told_apart_too() -> None:
    from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

    cause = Exception("why")
    assert was_refused(IntegrityError("INSERT", (), cause))
    assert was_refused(StatementError("a value that has no type", "INSERT", (), cause))
    assert not was_refused(OperationalError("COMMIT", (), cause))


# -- real rows ------------------------------------------------------------------------------------


@contextmanager
def locked(database: Any) -> Iterator[Callable[[], None]]:
    """The row is another connection's until the function is called that the block gets."""
    if database.on_sqlite:
        with closing(sqlite3.connect(database.address, isolation_level=None)) as sqlite:
            sqlite.execute("BEGIN IMMEDIATE")
            yield lambda: sqlite.execute("COMMIT").close()
        return
    with psycopg.connect(database.address) as other:
        other.execute("SELECT 1 FROM note WHERE owner = 'ada' AND id = 1 FOR UPDATE")
        yield other.commit


@pytest.mark.parametrize("shared", [True, False])
def test_edits_that_wait_for_a_real_row_raise_its_version_once(
    database: Any, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without sharing, each by itself: no count is lost either way."""
    store, lines, crowds = database.store(), Lines(), Crowds()
    store.shares_edits = shared
    monkeypatch.setattr("ifmatch.store.retry._lines", lines)
    store.create(KEY, {"title": "Tea", "n": 0, "ratio": 0.5, "data": None})
    crowds.saw((id(store), repr(KEY)), time.monotonic())
    with ThreadPoolExecutor(WAITING) as pool, locked(database) as release:
        jobs = [pool.submit(edit, store, KEY, more, crowds=crowds) for _ in range(WAITING)]
        while shared and not all_in_line(lines, WAITING):
            time.sleep(0.001)
        release()
        made = [job.result(30).representation.value["n"] for job in jobs]
    [[version, n]] = database.execute("SELECT version, n FROM note")
    assert n == WAITING
    assert version == (2 if shared else WAITING + 1)
    assert sorted(made) == ([WAITING] * WAITING if shared else [1, 2, 3, 4, 5])
