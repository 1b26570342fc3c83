"""A database that an older release set up works with this one, is upgraded, and is left clean.

`FIRST` are the statements of the first release, as they stand in databases. Those of the second,
with touches and counters, are made by name: their triggers had another name and the same text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations

import ifmatch.store.alembic  # noqa: F401 (gives op its operations)
from ifmatch import Conflict, state_tag, unchanged
from ifmatch.store.collections import Scope, tag_on
from ifmatch.store.sqlalchemy import reading
from ifmatch.store.triggers import (
    collection_counter,
    create_triggers,
    drop_collection_counter,
    drop_shared_tables,
    drop_touch_parent,
    drop_triggers,
    remove_guard,
    touch_parent,
)
from packages.ifmatch.tests.store.catalog import catalog, triggers

KEY = ("ada", 1)
CONTENT = ["owner", "id", "title", "n", "ratio", "data"]
FIRST = {
    "sqlite": [
        """
        CREATE TRIGGER "{table}_version" AFTER UPDATE OF {columns} ON "{table}"
        FOR EACH ROW WHEN NEW.version <= OLD.version
        BEGIN UPDATE "{table}" SET version = OLD.version + 1 WHERE rowid = NEW.rowid; END
        """,
        """
        CREATE TRIGGER "{table}_copy" AFTER INSERT ON "{table}"
        FOR EACH ROW WHEN NEW.tag IS NOT NULL
        BEGIN
            UPDATE "{table}" SET tag = NULL, tag_stamp = NULL, incarnation = (abs(random() / 2))
             WHERE rowid = NEW.rowid;
        END
        """,
    ],
    "postgresql": [
        """
        CREATE FUNCTION "{table}_version"() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.version := OLD.version + 1; RETURN NEW; END $$
        """,
        """
        CREATE TRIGGER "{table}_version" BEFORE UPDATE OF {columns} ON "{table}"
        FOR EACH ROW WHEN (NEW.version <= OLD.version) EXECUTE FUNCTION "{table}_version"()
        """,
        """
        CREATE FUNCTION "{table}_copy"() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.tag := NULL; NEW.tag_stamp := NULL;
            NEW.incarnation := ((random() * 4611686018427387904)::bigint);
            RETURN NEW;
        END $$
        """,
        """
        CREATE TRIGGER "{table}_copy" BEFORE INSERT ON "{table}"
        FOR EACH ROW EXECUTE FUNCTION "{table}_copy"()
        """,
    ],
}
LONG = "notes_of_a_table_whose_name_is_so_long_that_a_suffix_is_cut"  # 59 bytes


def note(title: str = "Tea", n: int = 0) -> dict[str, Any]:
    return {"title": title, "n": n, "ratio": 0.5, "data": None}


def first(dialect: str, table: str = "note", columns: list[str] = CONTENT) -> list[str]:
    """What the first release executed."""
    listed = ", ".join(f'"{column}"' for column in columns)
    return [one.format(table=table, columns=listed) for one in FIRST[dialect]]


def second(statements: list[str], table: str, kind: str, *parts: str) -> list[str]:
    """What the second release executed: a drop was none of it, and `_` stood in the names."""
    new, old = (between.join([table, kind, *parts]) for between in (".", "_"))
    made = [one for one in statements if not one.startswith("DROP")]
    made = [one.replace(f'"{new}.', f'"{old}_').replace(f'"{new}"', f'"{old}"') for one in made]
    assert any(f'"{old}_insert"' in one for one in made)
    return made


@pytest.fixture
def older(database: Any) -> Iterator[Any]:
    """The table of notes as the first release made it, with a row that it wrote."""
    dialect = database.engine.dialect.name
    database.execute(*drop_triggers(dialect, "note"), *first(dialect))
    database.store().create(KEY, note())
    yield database
    database.execute(*drop_triggers(dialect, "note"))


def by_function(database: Any) -> None:
    database.execute(*create_triggers(database.engine.dialect.name, "note", CONTENT))


def by_alembic(database: Any) -> None:
    with database.engine.begin() as connection:
        op: Any = Operations(MigrationContext.configure(connection))
        op.create_guard("note", columns=CONTENT)


UPGRADES = {"by the function": by_function, "by the operation": by_alembic}


def version(database: Any) -> int:
    found: int = database.execute("SELECT version FROM note")[0][0]
    return found


def assert_seen_once(database: Any) -> None:
    """Plain SQL is another tag and one version more, and the old tag is refused."""
    store = database.store()
    for n in range(3):
        opened, before = store.read(KEY), version(database)
        database.execute(f"UPDATE note SET title = 'raw', n = {opened.value['n'] + 1 + n}")
        assert version(database) == before + 1
        assert store.tag(KEY) == state_tag(note("raw", opened.value["n"] + 1 + n)) != opened.etag
        with pytest.raises(Conflict):
            store.replace(KEY, note("ours"), unchanged(opened.etag))
        store.patch(KEY, lambda _: {"title": "ours"}, unchanged(store.tag(KEY)))
        assert version(database) == before + 2


def test_this_release_works_with_the_triggers_of_the_first(older: Any) -> None:
    assert_seen_once(older)


@pytest.mark.parametrize("how", UPGRADES)
def test_one_call_brings_the_triggers_of_this_release(older: Any, how: str) -> None:
    assert_seen_once(older)
    row = older.execute("SELECT * FROM note")
    UPGRADES[how](older)
    assert older.execute("SELECT * FROM note") == row, "what is stored stays, tags too"
    upgraded = catalog(older)
    dialect = older.engine.dialect.name
    older.execute(*drop_triggers(dialect, "note"), *create_triggers(dialect, "note", CONTENT))
    assert catalog(older) == upgraded, "no trigger of the old release stands beside"
    assert_seen_once(older)


def test_the_old_trigger_of_sqlite_could_lower_a_version_and_the_new_cannot(
    on_sqlite: Any,
) -> None:
    """Why to upgrade: where a touch comes between a row and its own trigger."""
    between = (
        "CREATE TRIGGER meanwhile AFTER UPDATE OF title ON note "
        "BEGIN UPDATE note SET version = version + 5; END"
    )
    raised = []
    for made in (first("sqlite"), create_triggers("sqlite", "note", CONTENT)):
        # SQLite runs the trigger that was made last first.
        on_sqlite.execute(*drop_triggers("sqlite", "note"), *made, between)
        on_sqlite.execute("DELETE FROM note")
        on_sqlite.store().create(KEY, note())
        before = version(on_sqlite)
        on_sqlite.execute("UPDATE note SET title = 'raw'", "DROP TRIGGER meanwhile")
        raised.append(version(on_sqlite) - before)
    assert raised == [1, 6]


def test_names_of_any_length_are_replaced_on_sqlite(on_sqlite: Any) -> None:
    """It cuts nothing off, and the first release made what this one would shorten."""
    test_long_names_that_were_cut_are_replaced(on_sqlite, LONG + " and on and on")


@pytest.mark.parametrize("table", [LONG, LONG[:-1] + "ä"])
def test_long_names_that_were_cut_are_replaced(database: Any, table: str) -> None:
    """PostgreSQL cut them where they are dropped as it did where they were made."""
    dialect = database.engine.dialect.name
    columns = "version integer NOT NULL DEFAULT 1, incarnation bigint, tag text, tag_stamp text"
    database.execute(f'CREATE TABLE "{table}" (id integer PRIMARY KEY, {columns})')
    bare = catalog(database)
    database.execute(*first(dialect, table, ["id"]))
    for _ in range(2):
        database.execute(*create_triggers(dialect, table, ["id"]))
        assert len([one for one in triggers(database) if table in repr(one)]) == 2
    database.execute(f'INSERT INTO "{table}" (id) VALUES (1)', f'UPDATE "{table}" SET id = 2')
    assert database.execute(f'SELECT version FROM "{table}"') == [(2,)]
    database.execute(*drop_triggers(dialect, table))
    assert catalog(database) == bare
    database.execute(f'DROP TABLE "{table}"')


# -- touches and counters -------------------------------------------------------------------------


class Relations:
    """Notes with comments that touch them, and a counter of all notes."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.dialect: str = database.engine.dialect.name
        database.execute(
            *drop_shared_tables(),
            "CREATE TABLE comment (id integer PRIMARY KEY, note_id integer, words text)",
        )

    def touch(self) -> list[str]:
        key = {"note_id": "id"}
        return touch_parent(
            self.dialect, "comment", "note", key=key, columns=["words"], identity=["id"]
        )

    def counter(self) -> list[str]:
        return collection_counter(self.dialect, "note", scope=[], identity=["owner", "id"])

    def drop(self) -> list[str]:
        return [
            *drop_collection_counter(self.dialect, "note", []),
            *drop_touch_parent(self.dialect, "comment", "note", ["note_id"]),
        ]

    def make_as_before(self) -> None:
        self.database.execute(
            *second(self.touch(), "comment", "touch", "note", "note_id"),
            *second(self.counter(), "note", "counter"),
        )

    def counted(self) -> int:
        return int(self.database.execute("SELECT version FROM ifmatch_scope")[0][0])

    def tag(self) -> Any:
        with reading(self.database.engine) as connection:
            return tag_on(connection, Scope("note"))


@pytest.fixture
def relations(database: Any) -> Iterator[Relations]:
    made = Relations(database)
    yield made
    dropped = [one for one in made.drop() if not one.startswith("DELETE")]
    database.execute(*dropped, "DROP TABLE comment", *drop_shared_tables())


def test_older_touches_and_counters_are_replaced_and_nothing_is_raised_twice(
    relations: Relations,
) -> None:
    database = relations.database
    relations.make_as_before()
    database.store().create(KEY, note())
    database.execute("INSERT INTO comment VALUES (1, 1, 'Nice')")
    old, tag, before = version(database), relations.tag(), triggers(database)
    for _ in range(2):
        database.execute(*relations.touch(), *relations.counter())
        assert len(triggers(database)) == len(before)
        assert version(database) == old
    assert relations.tag() != tag, "a counter that begins anew never repeats a tag"
    counted = relations.counted()
    database.execute("UPDATE comment SET words = 'Cold'")
    assert (version(database), relations.counted()) == (old + 1, counted + 1)


@pytest.mark.parametrize("release", ["first", "second", "this"])
def test_an_uninstall_leaves_nothing_but_the_rows(relations: Relations, release: str) -> None:
    database, dialect = relations.database, relations.dialect
    database.execute(*drop_triggers(dialect, "note"), *remove_guard("note"))
    bare = catalog(database)
    with database.engine.begin() as connection:
        op: Any = Operations(MigrationContext.configure(connection))
        op.create_guard("note", columns=CONTENT)
    if release == "first":
        database.execute(*drop_triggers(dialect, "note"), *first(dialect))
    elif release == "second":
        relations.make_as_before()
    else:
        database.execute(*relations.touch(), *relations.counter())
    database.execute(
        "INSERT INTO note (owner, id, title, n) VALUES ('ada', 1, 'a', 1), ('bob', 2, 'b', 2)",
        "INSERT INTO comment VALUES (1, 1, 'Nice')",
        "UPDATE note SET title = 'c' WHERE id = 2",
    )
    if release != "first":
        database.execute(*relations.drop())
    database.execute(*drop_shared_tables())
    with database.engine.begin() as connection:
        Operations(MigrationContext.configure(connection)).drop_guard("note")  # type: ignore[attr-defined]
    assert catalog(database) == bare
    rows = "SELECT owner, id, title, n FROM note ORDER BY id"
    assert database.execute(rows) == [("ada", 1, "a", 1), ("bob", 2, "c", 2)]
    assert database.execute("SELECT * FROM comment") == [(1, 1, "Nice")]
    database.execute("UPDATE note SET title = 'd'", "DELETE FROM comment", "DELETE FROM note")
