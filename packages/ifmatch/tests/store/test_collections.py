"""A collection's tag is another one whenever a row of its scope changes, and costs one look-up."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import insert, text, update

from ifmatch import Conflict, ETag, unchanged
from ifmatch.store.collections import FindCounter, Scope, collection_tag, on, statement, tag_on
from ifmatch.store.epochs import raise_epoch
from ifmatch.store.sqlalchemy import reading, transact
from ifmatch.store.steps import drive
from ifmatch.store.triggers import (
    EPOCH_TABLE,
    SCOPE_TABLE,
    collection_counter,
    drop_collection_counter,
)

ADA, BOB = Scope("note", {"owner": "ada"}), Scope("note", {"owner": "bob"})
ALL = Scope("note")
NO_COUNTERS = [f"DROP TABLE IF EXISTS {table}" for table in (SCOPE_TABLE, EPOCH_TABLE)]


class Counted:
    """The table of notes, with a counter for each owner and one for all."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.dialect: str = database.engine.dialect.name
        database.execute(
            *NO_COUNTERS,
            "INSERT INTO note (owner, id, title, n) "
            "VALUES ('ada', 1, 'a', 0), ('ada', 2, 'b', 0), ('bob', 1, 'c', 0)",
            *self.counters(),
        )

    def counters(self) -> list[str]:
        identity = ["owner", "id"]
        return [
            one
            for scope in (["owner"], [])
            for one in collection_counter(self.dialect, "note", scope=scope, identity=identity)
        ]

    def drop(self) -> None:
        for scope in (["owner"], []):
            self.database.execute(*drop_collection_counter(self.dialect, "note", scope))

    def tag(self, scope: Scope, **more: Any) -> ETag:
        with reading(self.database.engine) as connection:
            return tag_on(connection, scope, **more)

    def moved(self, *statements: str) -> set[str]:
        """The scopes whose tag changed by what plain SQL did."""
        scopes = {"ada": ADA, "bob": BOB, "all": ALL, "eve": Scope("note", {"owner": "eve"})}
        before = {name: self.tag(scope) for name, scope in scopes.items()}
        self.database.execute(*statements)
        return {name for name, scope in scopes.items() if self.tag(scope) != before[name]}


@pytest.fixture
def counted(database: Any) -> Iterator[Counted]:
    made = Counted(database)
    yield made
    made.drop()
    database.execute(*NO_COUNTERS)


@pytest.fixture
def counted_on_postgresql(on_postgresql: Any) -> Iterator[Counted]:
    made = Counted(on_postgresql)
    yield made
    made.drop()
    on_postgresql.execute(*NO_COUNTERS)


ADAS = "owner = 'ada' AND id = 1"
BY_SQL = {
    "insert": (["INSERT INTO note (owner, id, title, n) VALUES ('ada', 9, 'x', 0)"], {"ada"}),
    "the first of a scope": (
        ["INSERT INTO note (owner, id, title, n) VALUES ('eve', 1, 'x', 0)"],
        {"eve"},
    ),
    "update": ([f"UPDATE note SET title = 'x' WHERE {ADAS}"], {"ada"}),
    "update with the version": (
        [f"UPDATE note SET title = 'x', version = version + 1 WHERE {ADAS}"],
        {"ada"},
    ),
    "two that exchange their content": (
        ["UPDATE note SET title = CASE id WHEN 1 THEN 'b' ELSE 'a' END WHERE owner = 'ada'"],
        {"ada"},
    ),
    "back-fill of all rows": (["UPDATE note SET n = n + 1"], {"ada", "bob"}),
    "delete": ([f"DELETE FROM note WHERE {ADAS}"], {"ada"}),
    "delete of all": (["DELETE FROM note"], {"ada", "bob"}),
    "delete and insert of the same": (
        [
            f"DELETE FROM note WHERE {ADAS}",
            "INSERT INTO note (owner, id, title, n) VALUES ('ada', 1, 'a', 0)",
        ],
        {"ada"},
    ),
    "move": ([f"UPDATE note SET owner = 'bob', id = 7 WHERE {ADAS}"], {"ada", "bob"}),
    "move to a new scope": ([f"UPDATE note SET owner = 'eve' WHERE {ADAS}"], {"ada", "eve"}),
    "another key": ([f"UPDATE note SET id = 7 WHERE {ADAS}"], {"ada"}),
    "upsert": (
        [
            (
                "INSERT INTO note (owner, id, title, n) VALUES ('ada', 1, 'x', 0) "
                "ON CONFLICT (owner, id) DO UPDATE SET title = excluded.title"
            )
        ],
        {"ada"},
    ),
    "a touch": ([f"UPDATE note SET version = version + 1 WHERE {ADAS}"], {"ada"}),
}


@pytest.mark.parametrize("how", BY_SQL)
def test_each_scope_that_a_statement_touches_has_another_tag_and_no_other(
    counted: Counted, how: str
) -> None:
    statements, scopes = BY_SQL[how]
    assert counted.moved(*statements) == scopes | {"all"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE note SET tag = NULL, tag_stamp = NULL",
        "UPDATE note SET title = 'x' WHERE owner = 'nobody'",
        "INSERT INTO note (owner, id, title, n) VALUES ('ada', 1, 'x', 0) ON CONFLICT DO NOTHING",
        "DELETE FROM note WHERE owner = 'nobody'",
    ],
)
def test_what_changes_no_content_leaves_the_tags(counted: Counted, statement: str) -> None:
    assert counted.moved(statement) == set()


@pytest.mark.parametrize("how", ["INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE"])
def test_what_sqlite_replaces_keeps_the_counters_growing(on_sqlite: Any, how: str) -> None:
    """The conflict clause of a statement takes the place of those in the triggers it fires."""
    counted = Counted(on_sqlite)
    row = "INTO note (owner, id, title, n) VALUES ('ada', {}, 'x', 0)"
    versions = f"SELECT name, scope, version, incarnation FROM {SCOPE_TABLE}"
    before = {tuple(row[:2]): row[2:] for row in on_sqlite.execute(versions)}
    assert counted.moved(f"{how} {row.format(3)}") == {"ada", "all"}
    if "REPLACE" in how:
        assert counted.moved(f"{how} {row.format(1)}") == {"ada", "all"}
    after = {tuple(row[:2]): row[2:] for row in on_sqlite.execute(versions)}
    assert all(after[each][0] >= before[each][0] for each in before)
    assert {each: row[1] for each, row in after.items()} == {
        each: row[1] for each, row in before.items()
    }


def test_a_row_that_sqlite_replaces_leaves_its_former_scope(on_sqlite: Any) -> None:
    """It is found by its other unique key; REPLACE fires no trigger of deletes."""
    on_sqlite.execute("CREATE UNIQUE INDEX by_title ON note (title)")
    on_sqlite.execute(
        "INSERT INTO note (owner, id, title, n) VALUES ('ada', 1, 'a', 0), ('eve', 1, 'e', 0)",
        *collection_counter(
            "sqlite", "note", scope=["owner"], identity=["owner", "id"], unique=[["title"]]
        ),
    )
    counted = Counted.__new__(Counted)
    counted.database = on_sqlite
    replace = "REPLACE INTO note (owner, id, title, n) VALUES ('bob', 1, 'a', 0)"
    assert counted.moved(replace) == {"ada", "bob"}
    assert counted.moved("UPDATE OR REPLACE note SET title = 'e' WHERE owner = 'bob'") == {
        "bob",
        "eve",
    }


def test_truncate_raises_every_scope(counted_on_postgresql: Counted) -> None:
    moved = counted_on_postgresql.moved("TRUNCATE note")
    assert moved == {"ada", "bob", "all"}


def test_after_truncate_the_same_key_does_not_pass_for_the_old_row(
    counted_on_postgresql: Counted,
) -> None:
    """Its version starts again; its incarnation is random."""
    database = counted_on_postgresql.database
    store = database.store()
    key = ("ada", 1)
    value = {"title": "Tea", "n": 0, "ratio": 0.5, "data": None}
    old = store.replace(key, value)
    identity = "SELECT incarnation FROM note WHERE owner = 'ada' AND id = 1"
    seen = set()
    insert_it = "INSERT INTO note (owner, id, title, n) VALUES ('ada', 1, 'Rum', 0)"
    for _ in range(5):
        seen |= {tuple(row) for row in database.execute(identity)}
        assert counted_on_postgresql.moved("TRUNCATE note", insert_it) >= {"ada", "all"}
        with pytest.raises(Conflict):
            store.replace(key, value, unchanged(old.etag))
    assert len(seen) == 5


def test_bulk_writes_of_sqlalchemy_are_seen(counted: Counted) -> None:
    """They go around `version_id_col` and the events of the ORM."""
    table = counted.database.table
    engine = counted.database.engine
    for write in (
        insert(table).values(owner="ada", id=8, title="x", n=0),
        update(table).where(table.c.owner == "ada").values(title="y"),
    ):
        before, bob = counted.tag(ADA), counted.tag(BOB)
        transact(engine, partial(_executed, write))
        assert counted.tag(ADA) != before
        assert counted.tag(BOB) == bob


def _executed(write: Any, connection: Any) -> None:
    connection.execute(write)


def test_writes_of_a_store_are_seen_and_reads_are_none(counted: Counted) -> None:
    store = counted.database.store()
    before = counted.tag(ADA)
    store.read(("ada", 1))
    store.tag(("ada", 1))
    assert counted.tag(ADA) == before
    seen = {before}
    store.create(("ada", 5), {"title": "Tea", "n": 0, "ratio": 0.5, "data": None})
    seen.add(counted.tag(ADA))
    store.patch(("ada", 5), lambda _: {"title": "Rum"})
    seen.add(counted.tag(ADA))
    store.delete(("ada", 5))
    seen.add(counted.tag(ADA))
    assert len(seen) == 4


def test_what_is_rolled_back_is_not_counted(counted: Counted) -> None:
    before = counted.tag(ADA)

    def fail(connection: Any) -> None:
        connection.execute(text("UPDATE note SET title = 'x'"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        transact(counted.database.engine, fail)
    assert counted.tag(ADA) == before


def test_the_query_the_epoch_and_the_epoch_in_the_database_are_in_the_tag(
    counted: Counted,
) -> None:
    tags = {counted.tag(ADA, query=query) for query in (None, {}, {"q": "1"}, {"q": 1}, ["q", 1])}
    assert len(tags) == 5
    assert counted.tag(ADA, query={"a": 1, "b": 2}) == counted.tag(ADA, query={"b": 2, "a": 1})
    assert counted.tag(ADA, epoch="2") != counted.tag(ADA)
    before = counted.tag(ADA)
    counted.database.execute(*raise_epoch(counted.dialect, "other"))
    assert counted.tag(ADA) == before
    counted.database.execute(*raise_epoch(counted.dialect, "note"))
    assert counted.tag(ADA) != before


def test_scopes_that_look_alike_are_kept_apart_and_written_alike(database: Any) -> None:
    """What the triggers write and what Python writes is one text, in either database."""
    dialect = database.engine.dialect.name
    values = ["", "a", "1:a", "-", "é", "日本", "a'b", 'a"b', "%s", "x:y"]
    database.execute(
        *NO_COUNTERS,
        *collection_counter(dialect, "note", scope=["owner", "id"], identity=["owner", "id"]),
    )
    rows = [{"owner": value, "id": n, "title": "t", "n": 0} for value in values for n in (1, -12)]
    transact(database.engine, lambda on: on.execute(insert(database.table), rows))
    found = {row[0] for row in database.execute(f"SELECT scope FROM {SCOPE_TABLE}")}
    expected = {Scope("note", {"owner": row["owner"], "id": row["id"]}).text for row in rows}
    assert found == expected
    assert len(expected) == len(rows)
    database.execute(*drop_collection_counter(dialect, "note", ["owner", "id"]), *NO_COUNTERS)


@pytest.mark.parametrize("value", [True, 1.5, b"x"])
def test_a_value_that_databases_write_differently_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="as text"):
        _ = Scope("note", {"owner": value}).text


def test_a_counter_that_is_made_again_never_repeats_a_tag(counted: Counted) -> None:
    seen = set()
    for _ in range(3):
        seen.add(counted.tag(ADA))
        counted.drop()
        counted.database.execute(*counted.counters())
    assert len(seen) == 3


def test_both_drivers_alone_give_the_tag_that_sqlalchemy_gives(counted: Counted) -> None:
    plan = collection_tag(ADA, query={"page": 2})
    if counted.database.on_sqlite:
        with closing(sqlite3.connect(counted.database.address)) as connection:
            alone = drive(plan, on(connection))
    else:
        with psycopg.connect(counted.database.address) as connection:
            alone = drive(plan, on(connection, "%s"))
    assert alone == counted.tag(ADA, query={"page": 2})
    assert alone.weak


def test_it_costs_the_same_with_a_thousand_and_a_hundred_thousand_rows(counted: Counted) -> None:
    """Counted, not timed: what SQLite's machine does, and the rows that PostgreSQL's plan reads."""
    first = _work(counted, 1_000)
    tag = counted.tag(ADA)
    assert _work(counted, 100_000) == first
    assert counted.tag(ADA) != tag
    (rows,) = counted.database.execute("SELECT count(*) FROM note")[0]
    assert rows > 100_000


def _work(counted: Counted, rows: int) -> int:
    numbers = f"SELECT i FROM generate_series(10, {rows + 10}) AS i"
    if counted.database.on_sqlite:
        numbers = (
            "WITH RECURSIVE some(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM some "
            f"WHERE i < {rows + 10}) SELECT i FROM some"
        )
    counted.database.execute(
        "DELETE FROM note WHERE id >= 10",
        f"INSERT INTO note (owner, id, title, n) SELECT 'ada', i, 't', 0 FROM ({numbers}) AS made",
    )
    look_up, parameters = statement(FindCounter(ADA), "?" if counted.database.on_sqlite else "%s")
    if counted.database.on_sqlite:
        with closing(sqlite3.connect(counted.database.address)) as sqlite:
            done: list[int] = []
            sqlite.execute(look_up, parameters).fetchall()
            sqlite.set_progress_handler(lambda: done.append(1), 1)
            sqlite.execute(look_up, parameters).fetchall()
            return len(done)
    with psycopg.connect(counted.database.address) as postgresql:
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {look_up}".encode()
        (plan,) = postgresql.execute(explain, parameters).fetchone() or (None,)
    assert "note" not in json.dumps([node.get("Relation Name") for node in _nodes(plan[0]["Plan"])])
    return sum(node["Actual Rows"] * node["Actual Loops"] for node in _nodes(plan[0]["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from _nodes(below)


@pytest.mark.race
def test_writers_of_one_scope_are_all_counted(counted: Counted) -> None:
    """They wait for each other at the counter's row, new scopes included."""
    writers, writes = 4, 5
    engine = counted.database.engine

    def write(writer: int) -> None:
        for number in range(writes):
            row = {"owner": "eve", "id": writer * 100 + number, "title": "x", "n": 0}
            transact(engine, partial(_executed, insert(counted.database.table).values(**row)))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = f"SELECT version FROM {SCOPE_TABLE} WHERE scope = '3:eve'"
    assert counted.database.execute(versions) == [(writers * writes,)]
