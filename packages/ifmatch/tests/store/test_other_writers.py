"""Writers that only one database has, and those that no trigger sees.

Where each trap of databases is tested:

| trap | test |
|---|---|
| RETURNING of SQLite shows the row from before triggers | `test_triggers_beside_the_orm`: the ORM writes the same object again and again |
| `version_id_col` alone does not see plain SQL or bulk updates | there: without triggers the ORM overwrites; a bulk update raises the version |
| a child's flush makes a loaded parent stale | there: a parent is read again |
| `StaleDataError`: first roll back | there: plain SQL between read and flush |
| a deferred transaction fails with SQLITE_BUSY_SNAPSHOT | there: a deferred transaction that read |
| SQLite refuses a random default in ALTER | there, and `test_alembic`: each row has an incarnation of its own |
| ADD COLUMN with a default fires no trigger | `test_epochs`: a column with a default; `test_migrations`: a later migration |
| a key that changes, a back-fill | `test_triggers_beside_the_orm`: another key; a back-fill |
| INSERT OR REPLACE, delete + insert, upsert, copies | `test_plain_sql`; of children and scopes `test_triggers_of_children`, `test_collections` |
| cascades, SET NULL, moves | `test_triggers_of_children` |
| a collection's tag that is linear | `test_collections`: it costs the same |
| TRUNCATE, COPY, MERGE, partitions, `recursive_triggers`, a rowid that is not there, an incarnation that the ORM does not know, triggers that are off | here |
"""  # noqa: E501 (a table)

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Integer, MetaData, Table, Text, insert, select, update
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.orm.exc import StaleDataError

import ifmatch.store.alembic  # noqa: F401 (gives op its operations)
from ifmatch import Conflict, state_tag, unchanged
from ifmatch.core.tags import state_digest
from ifmatch.store.collections import Scope, tag_on
from ifmatch.store.epochs import raise_epoch, renew_rows
from ifmatch.store.sqlalchemy import reading
from ifmatch.store.triggers import (
    add_guard,
    collection_counter,
    create_triggers,
    drop_collection_counter,
    drop_shared_tables,
    drop_touch_parent,
    drop_triggers,
    guard_columns,
    touch_parent,
)

KEY = ("ada", 1)


def note(title: str = "Tea", n: int = 0) -> dict[str, Any]:
    return {"title": title, "n": n, "ratio": 0.5, "data": None}


class Watched:
    """Notes with everything: their own guard, comments that touch them, and a counter."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.dialect: str = database.engine.dialect.name
        self.execute = database.execute
        self.store = database.store()
        key = {"owner": "owner", "note_id": "id"}
        self.execute(
            *drop_shared_tables(),
            "CREATE TABLE comment (id integer PRIMARY KEY, owner text, note_id integer, words text"
            + ("" if database.on_sqlite else ", FOREIGN KEY (owner, note_id) REFERENCES note")
            + ")",
            *touch_parent(
                self.dialect, "comment", "note", key=key, columns=["words"], identity=["id"]
            ),
            *collection_counter(self.dialect, "note", scope=[], identity=["owner", "id"]),
        )
        self.store.create(KEY, note())
        self.store.create(("bob", 2), note("Rum"))
        self.execute("INSERT INTO comment VALUES (1, 'ada', 1, 'Nice')")

    def drop(self) -> None:
        self.execute(
            *drop_touch_parent(self.dialect, "comment", "note", ["owner", "note_id"]),
            *drop_collection_counter(self.dialect, "note", []),
            "DROP TABLE comment",
            *drop_shared_tables(),
        )

    def list_tag(self) -> Any:
        with reading(self.database.engine) as connection:
            return tag_on(connection, Scope("note"))

    def states(self) -> dict[str, Any]:
        found = self.execute("SELECT owner, version, incarnation FROM note")
        return {row[0]: row[1:] for row in found}

    def changed(self, *statements: str) -> set[str]:
        """Whose version or incarnation is another one; "list" where its tag is."""
        before, tag = self.states(), self.list_tag()
        self.execute(*statements)
        after = self.states()
        seen = {key for key in before | after if before.get(key) != after.get(key)}
        return seen | ({"list"} if self.list_tag() != tag else set())

    def assert_right(self) -> None:
        """What is served has the tag of what is served."""
        found = self.store.read(KEY)
        assert found.etag.opaque == state_digest(found.body)
        assert self.store.tag(KEY) == found.etag


@pytest.fixture
def watched(on_postgresql: Any) -> Iterator[Watched]:
    made = Watched(on_postgresql)
    yield made
    made.drop()


# -- PostgreSQL -----------------------------------------------------------------------------------


def test_rows_and_children_that_are_copied_in_are_seen(watched: Watched) -> None:
    before, tag = watched.states(), watched.list_tag()
    with psycopg.connect(watched.database.address) as connection, connection.cursor() as cursor:
        columns = "owner, id, title, n, version, incarnation, tag, tag_stamp"
        with cursor.copy(f"COPY note ({columns}) FROM STDIN") as copy:
            copy.write_row(("eve", 3, "Gin", 0, 1, 7, "stale", "1.7.1"))
        with cursor.copy("COPY comment FROM STDIN") as copy:
            copy.write_row((2, "bob", 2, "Cold"))
    after = watched.states()
    assert after["bob"][0] == before["bob"][0] + 1
    assert after["ada"] == before["ada"]
    assert watched.list_tag() != tag
    assert watched.execute("SELECT incarnation = 7, tag FROM note WHERE id = 3") == [(False, None)]
    assert watched.store.tag(("eve", 3)) == state_tag(note("Gin"))


MERGE = """
    MERGE INTO note USING (VALUES ('ada', 1, 'raw'), ('bob', 2, ''), ('eve', 3, 'Gin'))
        AS new (owner, id, title) ON note.owner = new.owner AND note.id = new.id
     WHEN MATCHED AND new.title = '' THEN DELETE
     WHEN MATCHED THEN UPDATE SET title = new.title
     WHEN NOT MATCHED THEN INSERT (owner, id, title, n) VALUES (owner, id, title, 0)
"""


def test_what_is_merged_is_seen_however_each_row_goes(watched: Watched) -> None:
    opened = watched.store.read(KEY)
    assert watched.changed(MERGE) == {"ada", "bob", "eve", "list"}
    with pytest.raises(Conflict):
        watched.store.replace(KEY, note("ours"), unchanged(opened.etag))
    watched.assert_right()


def test_children_that_are_merged_touch_their_parents(watched: Watched) -> None:
    assert watched.changed(
        "MERGE INTO comment USING (VALUES (1, 'x'), (2, 'y')) AS new (id, words) "
        "ON comment.id = new.id "
        "WHEN MATCHED THEN UPDATE SET words = new.words "
        "WHEN NOT MATCHED THEN INSERT VALUES (new.id, 'bob', 2, new.words)"
    ) == {"ada", "bob", "list"}


def test_truncate_that_cascades_is_seen_by_the_list_and_by_who_comes_back(
    watched: Watched,
) -> None:
    opened = watched.store.read(KEY)
    assert watched.changed("TRUNCATE comment") == {"ada", "list"}
    assert watched.changed("TRUNCATE note CASCADE") == {"ada", "bob", "list"}
    assert watched.store.tag(KEY) is None
    watched.execute("INSERT INTO note (owner, id, title, n) VALUES ('ada', 1, 'raw', 0)")
    with pytest.raises(Conflict):
        watched.store.replace(KEY, note("ours"), unchanged(opened.etag))


OFF = {
    "a replica's session": "SET session_replication_role = replica",
    "triggers that were disabled": "ALTER TABLE note DISABLE TRIGGER USER",
}


@pytest.mark.parametrize("how", OFF)
def test_with_triggers_off_nothing_is_seen_until_the_rows_are_touched(
    watched: Watched, how: str
) -> None:
    """What no trigger can see, and the remedy that the reference gives."""
    opened = watched.store.replace(KEY, note("Milk"))  # so that a tag is stored
    assert watched.changed(OFF[how], "UPDATE note SET title = 'raw'") == set()
    assert watched.store.tag(KEY) == opened.etag, "served under the old tag: wrong"
    watched.execute("ALTER TABLE note ENABLE TRIGGER USER")
    assert watched.changed(*renew_rows("postgresql", "note")) == {"ada", "bob", "list"}
    watched.assert_right()
    with pytest.raises(Conflict):
        watched.store.replace(KEY, note("ours"), unchanged(opened.etag))


def test_after_a_restore_no_tag_is_given_out_a_second_time(watched: Watched) -> None:
    """A tag of a version alone would be; and so would the counter's."""
    watched.execute("CREATE TABLE backup AS SELECT * FROM note")
    watched.execute("CREATE TABLE counters AS SELECT * FROM ifmatch_scope")

    def tags(title: str) -> set[Any]:
        watched.execute(f"UPDATE note SET title = '{title}'")
        return {*watched.states().values(), watched.list_tag()}

    def restore() -> None:
        watched.execute(
            "SET session_replication_role = replica",
            "DELETE FROM note",
            "INSERT INTO note SELECT * FROM backup",
            "DELETE FROM ifmatch_scope",
            "INSERT INTO ifmatch_scope SELECT * FROM counters",
        )

    given = tags("before")
    restore()
    assert tags("after") == given, "the twin: other content under the same tags"
    restore()
    watched.execute(*renew_rows("postgresql", "note"))
    assert not tags("after") & given
    watched.execute("DROP TABLE backup", "DROP TABLE counters")


def test_an_epoch_that_is_raised_counts_at_the_next_read_of_a_list(watched: Watched) -> None:
    """Nothing is kept in memory, and no row is written."""
    seen, states = {watched.list_tag()}, watched.states()
    for _ in range(3):
        watched.execute(*raise_epoch("postgresql", "note"))
        seen.add(watched.list_tag())
    assert len(seen) == 4
    assert watched.states() == states


def test_a_partitioned_table_is_guarded_as_a_whole(on_postgresql: Any) -> None:
    on_postgresql.execute(
        "CREATE TABLE event (id integer, place text, name text, PRIMARY KEY (id, place)) "
        "PARTITION BY LIST (place)",
        "CREATE TABLE event_a PARTITION OF event FOR VALUES IN ('a')",
        *drop_shared_tables(),
        *add_guard("postgresql", "event"),
        *create_triggers("postgresql", "event", ["id", "place", "name"]),
        *collection_counter("postgresql", "event", scope=[], identity=["id", "place"]),
        "CREATE TABLE event_b PARTITION OF event FOR VALUES IN ('b')",
        "INSERT INTO event (id, place, name) VALUES (1, 'a', 'x'), (2, 'b', 'y')",
    )
    found = "SELECT id, version FROM event ORDER BY id"

    def counted() -> int:
        return int(on_postgresql.execute("SELECT version FROM ifmatch_scope")[0][0])

    before = counted()
    on_postgresql.execute("UPDATE event SET name = 'z' WHERE id = 1")
    assert on_postgresql.execute(found) == [(1, 2), (2, 1)]
    assert counted() == before + 1
    incarnation = on_postgresql.execute("SELECT incarnation FROM event WHERE id = 1")
    on_postgresql.execute("UPDATE event SET place = 'b' WHERE id = 1")  # to the other partition
    assert on_postgresql.execute(found) == [(1, 3), (2, 1)]
    assert on_postgresql.execute("SELECT incarnation FROM event WHERE id = 1") != incarnation
    before = counted()
    on_postgresql.execute("UPDATE event_b SET name = 'w' WHERE id = 2")  # by the partition's name
    assert on_postgresql.execute(found) == [(1, 3), (2, 2)], "the row's guard sees it"
    assert counted() == before, "the counter does not: the reference says so"
    on_postgresql.execute(
        *drop_collection_counter("postgresql", "event", []),
        "DROP TABLE event",
        *drop_triggers("postgresql", "event"),
        *drop_shared_tables(),
    )


def test_a_write_through_a_view_is_a_write_of_its_table(database: Any) -> None:
    store = database.store()
    opened = store.create(KEY, note())
    instead = (
        "CREATE TRIGGER shown INSTEAD OF UPDATE ON titles "
        "BEGIN UPDATE note SET title = NEW.title WHERE id = NEW.id; END"
    )
    # A simple view of PostgreSQL is written as its table.
    make = [instead] if database.on_sqlite else []
    database.execute("CREATE VIEW titles AS SELECT id, title FROM note", *make)
    database.execute("UPDATE titles SET title = 'raw'", "DROP VIEW titles")
    assert store.tag(KEY) == state_tag(note("raw")) != opened.etag


@pytest.mark.parametrize("kind", ["STORED", "VIRTUAL"])
def test_a_generated_column_of_a_child_changes_with_its_base(database: Any, kind: str) -> None:
    """Name the base: no trigger of PostgreSQL reads a virtual column, and none of SQLite fires."""
    if kind == "VIRTUAL" and not database.on_sqlite:
        (version,) = database.execute("SHOW server_version_num")[0]
        if int(version) < 180000:
            pytest.skip("virtual columns came with PostgreSQL 18")
    dialect = database.engine.dialect.name
    generated = f"gross integer GENERATED ALWAYS AS (net * 2) {kind}"
    key = {"note_id": "id"}
    database.execute(
        f"CREATE TABLE item (id integer PRIMARY KEY, note_id integer, net integer, {generated})",
        *touch_parent(dialect, "item", "note", key=key, columns=["net"], identity=["id"]),
        "INSERT INTO note (owner, id, title, n) VALUES ('ada', 1, 'Tea', 0)",
        "INSERT INTO item (id, note_id, net) VALUES (1, 1, 1)",
        "UPDATE item SET net = 2",
    )
    assert database.execute("SELECT version FROM note") == [(3,)]
    drop = drop_touch_parent(dialect, "item", "note", ["note_id"])
    database.execute(*drop, "DROP TABLE item")


# -- SQLite ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("recursive", ["OFF", "ON"])
def test_triggers_may_be_recursive(on_sqlite: Any, recursive: str) -> None:
    """Then REPLACE fires the triggers of deletes, too, and nothing runs without end."""
    watched = Watched(on_sqlite)
    on = f"PRAGMA recursive_triggers = {recursive}"
    replace = "REPLACE INTO note (owner, id, title, n) VALUES ('ada', 1, 'raw', 0)"
    steps = {
        "UPDATE note SET title = 'raw' WHERE id = 1": {"ada", "list"},
        replace: {"ada", "list"},
        "UPDATE OR REPLACE note SET n = n + 1 WHERE id = 1": {"ada", "list"},
        "UPDATE comment SET words = 'Cold'": {"ada", "list"},
        "REPLACE INTO comment VALUES (1, 'bob', 2, 'Cold')": {"ada", "bob", "list"},
        "DELETE FROM comment": {"bob", "list"},
        "DELETE FROM note WHERE id = 2": {"bob", "list"},
    }
    for statement, expected in steps.items():
        assert watched.changed(on, statement) == expected
        watched.assert_right()


def test_a_table_without_rowid_refuses_writes_unless_its_key_is_named(on_sqlite: Any) -> None:
    """No write goes unseen: by hand it is an error at the first one."""
    on_sqlite.execute(
        "CREATE TABLE place (country text, town text, name text, PRIMARY KEY (country, town)) "
        "WITHOUT ROWID",
        "INSERT INTO place VALUES ('de', 'a', 'x'), ('de', 'b', 'y')",
        *add_guard("sqlite", "place"),
        *create_triggers("sqlite", "place", ["name"]),
    )
    with pytest.raises(sqlite3.OperationalError, match="rowid"):
        on_sqlite.execute("UPDATE place SET name = 'z'")
    on_sqlite.execute(
        *create_triggers("sqlite", "place", ["name"], identity=["country", "town"]),
        "UPDATE place SET name = 'z' WHERE town = 'a'",
    )
    found = "SELECT town, version FROM place"
    assert dict(on_sqlite.execute(found)) == {"a": 2, "b": 1}


def test_the_operation_looks_for_the_key_of_a_table_without_rowid(on_sqlite: Any) -> None:
    on_sqlite.execute(
        "CREATE TABLE place (country text, town text, name text, PRIMARY KEY (country, town)) "
        "WITHOUT ROWID",
        "INSERT INTO place VALUES ('de', 'a', 'x'), ('de', 'b', 'y')",
    )
    with on_sqlite.engine.begin() as connection:
        op: Any = Operations(MigrationContext.configure(connection))
        op.create_guard("place", columns=["country", "town", "name"])
    on_sqlite.execute(
        "UPDATE place SET name = 'z' WHERE town = 'a'",
        "INSERT INTO place (country, town) VALUES ('de', 'c')",
    )
    found = on_sqlite.execute("SELECT town, version, incarnation IS NULL FROM place")
    assert found == [("a", 2, 0), ("b", 1, 0), ("c", 1, 0)]


# -- the ORM on a table that was guarded later ----------------------------------------------------


class Later:
    """A mapped table that was there before its guard."""

    def __init__(self, database: Any) -> None:
        self.engine, self.execute = database.engine, database.execute
        self.dialect: str = database.engine.dialect.name
        self.execute(
            "CREATE TABLE later (id integer PRIMARY KEY, name text)",
            "INSERT INTO later VALUES (1, 'old')",
            *add_guard(self.dialect, "later"),
            *create_triggers(self.dialect, "later", ["id", "name"]),
        )

        class Base(DeclarativeBase):
            pass

        class Mapped(Base):
            __tablename__ = "later"
            id = Column(Integer, primary_key=True)
            name = Column(Text)
            version, incarnation, tag, tag_stamp = guard_columns(self.dialect, added=True)
            __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

        self.Mapped: Any = Mapped

    def stored(self, key: int) -> Any:
        return self.execute(f"SELECT version, incarnation FROM later WHERE id = {key}")[0]


@pytest.fixture
def later(database: Any) -> Iterator[Later]:
    made = Later(database)
    yield made
    made.execute("DROP TABLE later", *drop_triggers(made.dialect, "later"))


def test_an_object_that_the_orm_inserted_knows_its_incarnation(later: Later) -> None:
    """Without being read again, and it can be written at once."""
    with Session(later.engine, expire_on_commit=False) as session:
        one, two = (later.Mapped(id=key, name="new") for key in (2, 3))
        session.add_all([one, two])
        session.commit()
        for each in (one, two):
            assert (each.version, each.incarnation) == tuple(later.stored(each.id))
        assert None not in {one.incarnation, two.incarnation}
        assert one.incarnation != two.incarnation
        one.name = "newer"
        session.commit()
        assert (one.version, one.incarnation) == tuple(later.stored(2))
        later.execute("UPDATE later SET name = 'raw' WHERE id = 2")
        one.name = "ours"
        with pytest.raises(StaleDataError):
            session.commit()
        session.rollback()


def test_rows_that_are_inserted_in_bulk_have_each_their_incarnation(later: Later) -> None:
    with Session(later.engine) as session:
        rows = [{"id": key, "name": "x"} for key in range(2, 6)]
        made = session.scalars(insert(later.Mapped).returning(later.Mapped), rows).all()
        known = {each.id: each.incarnation for each in made}
        table = later.Mapped.__table__
        copied = select(table.c.id + 10, table.c.name)
        session.execute(insert(table).from_select(["id", "name"], copied))
        session.execute(update(later.Mapped).where(later.Mapped.id == 2).values(name="y"))
        session.commit()
    found = later.execute("SELECT id, incarnation FROM later")
    assert len({incarnation for _, incarnation in found}) == len(found) == 10
    assert None not in dict(found).values()
    assert known.items() <= dict(found).items()
    assert later.stored(2)[0] == 2


def test_what_plain_sql_inserts_is_given_its_incarnation_by_the_trigger(later: Later) -> None:
    later.execute("INSERT INTO later (id, name) VALUES (2, 'raw')")
    assert None not in later.stored(2)


def test_a_described_guard_says_what_the_migration_made(on_sqlite: Any) -> None:
    """The default is SQLAlchemy's own: a table that it creates so has none."""
    table = Table("made", MetaData(), *guard_columns("sqlite", added=True))
    with on_sqlite.engine.begin() as connection:
        table.create(connection)
    with closing(sqlite3.connect(on_sqlite.address)) as connection:
        columns = connection.execute("PRAGMA table_info(made)").fetchall()
    assert {row[1]: row[4] for row in columns}["incarnation"] is None
