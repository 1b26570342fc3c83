"""Where a tag is taken from the shortest way, it is the one that reading the whole row gives."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ifmatch.core.tags import state_tag
from ifmatch.store import sqlite
from ifmatch.store.sqlite import SQLiteStore, connect
from ifmatch.store.steps import GuardedRows
from ifmatch.store.triggers import add_guard, create_triggers
from packages.ifmatch.tests.store.conftest import django_store, note, represent

from packages.ifmatch.tests.store.conftest import CONTENT  # isort: skip

KEY = ("ada", 1)
EPOCHS = ["1", "it's", "100%", "%s", 'a "b" :c ?', "é.1"]


def statements_of(database: Any, call: Any) -> int:
    with database.before_statement(0, lambda: None) as seen:
        call()
    return len([one for one in seen if not one.startswith("BEGIN")])


@pytest.mark.parametrize("epoch", EPOCHS)
def test_any_epoch_is_written_in_sql_as_it_is_in_the_stamp(database: Any, epoch: str) -> None:
    store = database.store(epoch=epoch)
    made = store.create(KEY, note())
    assert statements_of(database, lambda: store.tag(KEY)) == 1
    assert store.tag(KEY) == made.etag
    other = database.store(epoch=f"{epoch}.2")
    assert statements_of(database, lambda: other.tag(KEY)) == 2, "that is stale there"
    assert other.tag(KEY) == made.etag


@pytest.mark.parametrize("epoch", EPOCHS)
def test_any_epoch_is_written_by_the_drivers_alone_too(database: Any, epoch: str) -> None:
    from ifmatch.store.postgres import PostgresStore

    built: list[Any] = []

    def represented(row: Any) -> Any:
        built.append(row)
        return represent(row)

    rows = GuardedRows(("owner", "id"), represented, epoch=epoch)
    if database.on_sqlite:
        store: Any = SQLiteStore(database.address, "note", CONTENT, rows, json=["data"])
    else:
        import psycopg

        store = PostgresStore(
            lambda: psycopg.connect(database.address), "note", CONTENT, rows, json=["data"]
        )
    made = store.create(KEY, note())
    built.clear()
    assert store.tag(KEY) == made.etag
    assert not built, "it was taken for stale"
    database.execute("UPDATE note SET title = 'foreign'")
    assert store.tag(KEY) == state_tag(note("foreign"))
    if database.on_sqlite:
        store.close()


@pytest.mark.parametrize("epoch", EPOCHS)
def test_any_epoch_is_written_by_django_too(django_alias: str, epoch: str) -> None:
    store = django_store(django_alias, strong=False, epoch=epoch)
    made = store.create(KEY, note())
    from django.db import connections

    seen: list[str] = []

    def look(run: Any, sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return run(sql, *rest)

    with connections[django_alias].execute_wrapper(look):
        assert store.tag(KEY) == made.etag
    assert len([one for one in seen if "FROM" in one]) == 1


# -- what a SQLite store remembers ----------------------------------------------------------------


@pytest.fixture
def things(tmp_path: Path) -> Iterator[SQLiteStore]:
    """A table whose key is text, so that 1 and 1.0 are two of its keys."""
    with closing(connect(tmp_path / "things.db")) as made:
        made.execute("CREATE TABLE thing (id TEXT PRIMARY KEY, title TEXT)")
        for one in [*add_guard("sqlite", "thing"), *create_triggers("sqlite", "thing", ["title"])]:
            made.execute(one)
    rows = GuardedRows(("id",), lambda row: {"title": row["title"]})
    with closing(SQLiteStore(tmp_path / "things.db", "thing", ["id", "title"], rows)) as store:
        yield store


def test_a_tag_that_is_known_is_asked_for_without_reading_a_column(things: SQLiteStore) -> None:
    made = things.create(("a",), {"title": "Tea"})
    things.tag(("a",))
    seen: list[str] = []
    things.connection.set_trace_callback(seen.append)
    assert things.tag(("a",)) == made.etag
    [statement] = seen
    assert statement.startswith("SELECT 1 FROM")


def test_a_tag_that_is_known_is_not_sent_once_somebody_wrote(things: SQLiteStore) -> None:
    key = ("a",)
    things.create(key, {"title": "Tea"})
    for number, how in enumerate(
        [
            "UPDATE thing SET title = '{}'",
            "INSERT OR REPLACE INTO thing (id, title) VALUES ('a', '{}')",
            "DELETE FROM thing; INSERT INTO thing (id, title) VALUES ('a', '{}')",
        ]
    ):
        things.tag(key)
        things.connection.executescript(how.format(number))
        for _ in range(2):
            assert things.tag(key) == state_tag({"title": str(number)})
    things.connection.execute("DELETE FROM thing")
    assert things.tag(key) is None


def test_what_was_rolled_back_is_not_known(things: SQLiteStore) -> None:
    """The version comes again, of another state: it must not pass for the one that never was."""
    key = ("a",)
    things.create(key, {"title": "Tea"})
    write = (
        "UPDATE thing SET title = ?, version = 2, tag = ?, tag_stamp = '2.' || incarnation || '.1'"
    )
    lost, kept = state_tag({"title": "lost"}), state_tag({"title": "kept"})
    things.connection.execute("BEGIN IMMEDIATE")
    things.connection.execute(write, ["lost", lost.opaque])
    assert things.tag(key) == lost
    things.connection.execute("ROLLBACK")
    things.connection.execute(write, ["kept", kept.opaque])
    assert things.tag(key) == kept


def test_keys_that_are_equal_in_python_alone_are_kept_apart(things: SQLiteStore) -> None:
    things.create(("1",), {"title": "one"})
    things.create(("1.0",), {"title": "one and nothing"})
    for _ in range(2):
        assert things.tag((1,)) == state_tag({"title": "one"})
        assert things.tag((1.0,)) == state_tag({"title": "one and nothing"})
        assert things.tag((True,)) == state_tag({"title": "one"})


def test_a_key_may_be_a_list(things: SQLiteStore) -> None:
    made = things.create(["a"], {"title": "Tea"})
    assert things.tag(["a"]) == things.tag(["a"]) == made.etag


def test_each_thread_asks_by_a_connection_of_its_own(things: SQLiteStore) -> None:
    made = things.create(("a",), {"title": "Tea"})
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: things.tag(("a",)), range(40))) == {made.etag}


def test_who_asked_holds_nobody_up(things: SQLiteStore, tmp_path: Path) -> None:
    """No reader is left behind that would keep the log from being truncated."""
    things.create(("a",), {"title": "Tea"})
    for _ in range(3):
        assert things.tag(("a",)) is not None
    with closing(sqlite3.connect(tmp_path / "things.db", timeout=0)) as other:
        other.execute("UPDATE thing SET title = 'foreign'")
        other.commit()
        [busy, *_] = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert not busy


def test_only_so_many_tags_are_known(things: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_MOST_KNOWN", 3)
    for number in range(10):
        made = things.create((str(number),), {"title": str(number)})
        assert things.tag((str(number),)) == made.etag
    assert len(things._known) <= 3
