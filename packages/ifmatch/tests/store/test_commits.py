"""A method that returns has committed; a COMMIT that fails raises, and nothing is stored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, OperationalError

from ifmatch import unchanged
from ifmatch.store import sqlalchemy as module
from ifmatch.store.sqlalchemy import reading, transact, writing

KEY = ("ada", 1)


def note(title: str = "Tea", n: int = 0) -> dict[str, Any]:
    return {"title": title, "n": n, "ratio": 0.5, "data": None}


WRITES: dict[str, Callable[[Any], Any]] = {
    "create": lambda store: store.create(("ada", 2), note("new")),
    "replace": lambda store: store.replace(KEY, note("new"), unchanged(store.tag(KEY))),
    "patch": lambda store: store.patch(KEY, lambda value: dict(value) | {"title": "new"}),
    "delete": lambda store: store.delete(KEY),
}
EVERYTHING = "SELECT owner, id, title, n, version, incarnation, tag FROM note ORDER BY id"

ON_SQLITE = (
    "CREATE TABLE IF NOT EXISTS nowhere (id INTEGER PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS trap (id REFERENCES nowhere (id) DEFERRABLE INITIALLY DEFERRED)",
    *(
        f"CREATE TRIGGER trap_{verb} AFTER {verb} ON note BEGIN INSERT INTO trap VALUES (1); END"
        for verb in ("INSERT", "UPDATE", "DELETE")
    ),
)
ON_POSTGRESQL = (
    (
        "CREATE OR REPLACE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'not today'; END $$"
    ),
    (
        "CREATE CONSTRAINT TRIGGER trap AFTER INSERT OR UPDATE OR DELETE ON note "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap()"
    ),
)


@contextmanager
def trapped(database: Any) -> Iterator[None]:
    """Every COMMIT of a change fails: a deferred constraint is checked by the COMMIT itself."""
    database.execute(*(ON_SQLITE if database.on_sqlite else ON_POSTGRESQL))
    yield
    verbs = ("INSERT", "UPDATE", "DELETE")
    clear = [f"DROP TRIGGER trap_{verb}" for verb in verbs]
    database.execute(*(clear if database.on_sqlite else ["DROP TRIGGER trap ON note"]))


@pytest.mark.parametrize("how", WRITES)
def test_what_a_method_returned_of_is_there_for_every_other_connection(
    either: Any, how: str
) -> None:
    store = either.store()
    store.create(KEY, note())
    made = WRITES[how](store)
    found = {row[1]: row for row in either.execute(EVERYTHING)}
    if how == "delete":
        assert found == {}
    else:
        assert found[2 if how == "create" else 1][2] == "new"
        assert found[2 if how == "create" else 1][6] == made.etag.opaque


@pytest.mark.parametrize("how", WRITES)
def test_a_commit_that_fails_raises_and_nothing_is_stored(either: Any, how: str) -> None:
    store = either.store()
    store.create(KEY, note())
    before = either.execute(EVERYTHING)
    with trapped(either), pytest.raises(DBAPIError):
        WRITES[how](store)
    assert either.execute(EVERYTHING) == before
    WRITES[how](store)  # and the connection is fit for the next one
    assert either.execute(EVERYTHING) != before


def test_what_happens_before_the_commit_may_still_undo_everything(database: Any) -> None:
    store = database.store()
    before = store.create(KEY, note())

    def fail(_connection: Any) -> None:
        raise ZeroDivisionError

    event.listen(database.engine, "commit", fail)
    with pytest.raises(ZeroDivisionError):
        store.replace(KEY, note("b"))
    event.remove(database.engine, "commit", fail)
    assert store.tag(KEY) == before.etag
    assert store.replace(KEY, note("b")).changed


def test_a_block_that_raises_is_undone_and_holds_up_nobody(database: Any) -> None:
    store = database.store()
    before = store.create(KEY, note())

    def write_and_fail() -> None:
        with writing(database.engine) as connection:
            database.rows().replace(connection, KEY, note("b"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert store.tag(KEY) == before.etag
    assert store.replace(KEY, note("c")).changed


def test_reading_is_of_one_snapshot_and_cannot_write_on_postgresql(database: Any) -> None:
    store, rows = database.store(), database.rows()
    store.create(KEY, note())
    with reading(database.engine) as connection:
        first = rows.read(connection, KEY)
        database.execute("UPDATE note SET title = 'raw'")
        assert rows.read(connection, KEY) == first
        assert rows.tag(connection, KEY) == first.etag
        if not database.on_sqlite:
            with pytest.raises(DBAPIError, match="read-only"):
                connection.execute(text("DELETE FROM note"))
    with writing(database.engine) as connection:  # the same connection again
        rows.replace(connection, KEY, note("b"))


# -- what the database undid ----------------------------------------------------------------------


class Undone(psycopg.errors.DeadlockDetected):
    pass


def test_what_a_deadlock_undid_is_done_again(database: Any) -> None:
    """It is known not to have happened, so nobody needs to hear of it."""
    store = database.store()
    calls = []

    def work(connection: Any) -> int:
        calls.append(1)
        database.rows().replace(connection, KEY, note(n=len(calls)))
        if len(calls) < 3:
            raise OperationalError("UPDATE", {}, Undone())
        return 7

    assert transact(database.engine, work) == 7
    assert len(calls) == 3
    assert store.read(KEY).value["n"] == 3


def test_what_is_undone_again_and_again_is_raised(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSES", (0, 0))
    calls = []

    def work(_connection: Any) -> None:
        calls.append(1)
        raise OperationalError("UPDATE", {}, Undone())

    with pytest.raises(OperationalError):
        transact(database.engine, work)
    assert len(calls) == 3


@pytest.mark.parametrize(
    "error", [psycopg.OperationalError("gone"), psycopg.errors.AdminShutdown()], ids=repr
)
def test_an_outcome_that_is_not_known_is_never_repeated(database: Any, error: Exception) -> None:
    calls = []

    def work(_connection: Any) -> None:
        calls.append(1)
        raise OperationalError("COMMIT", {}, error)

    with pytest.raises(OperationalError):
        transact(database.engine, work)
    assert len(calls) == 1


@pytest.mark.race
def test_a_real_deadlock_of_two_transactions_ends_with_both_done(on_postgresql: Any) -> None:
    store, rows = on_postgresql.store(), on_postgresql.rows()
    for number in (1, 2):
        store.create(("ada", number), note())
    both_hold_one = threading.Barrier(2, timeout=30)

    def add(first: int, second: int) -> None:
        tries = []

        def work(connection: Any) -> None:
            tries.append(1)
            for number in (first, second):
                rows.patch(connection, ("ada", number), lambda row: {"n": row["n"] + 1})
                if len(tries) == 1 and number == first:
                    both_hold_one.wait()

        transact(on_postgresql.engine, work)

    threads = [threading.Thread(target=add, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [store.read(("ada", number)).value["n"] for number in (1, 2)] == [2, 2]
