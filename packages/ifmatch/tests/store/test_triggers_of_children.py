"""A change of a child is a change of its parent, however it comes about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ifmatch.store.triggers import (
    add_guard,
    create_triggers,
    drop_touch_parent,
    drop_triggers,
    touch_parent,
)

KEY = {"parent_id": "id"}
TABLES = ["child", "parent", "grandparent"]
SCHEMA = [
    "CREATE TABLE grandparent (id integer PRIMARY KEY, name text)",
    (
        "CREATE TABLE parent (id integer PRIMARY KEY, name text, "
        "grandparent_id integer REFERENCES grandparent ON DELETE CASCADE)"
    ),
    (
        "CREATE TABLE child (id integer PRIMARY KEY, code text UNIQUE, name text, seen integer, "
        "parent_id integer REFERENCES parent ON DELETE SET NULL ON UPDATE CASCADE, "
        "grandparent_id integer REFERENCES grandparent ON DELETE CASCADE)"
    ),
    "INSERT INTO grandparent VALUES (1, 'g1'), (2, 'g2')",
    "INSERT INTO parent VALUES (1, 'p1', 1), (2, 'p2', 1), (3, 'p3', 2)",
    (
        "INSERT INTO child VALUES (1, 'one', 'c1', 0, 1, 1), (2, 'two', 'c2', 0, 1, 2), "
        "(3, 'three', 'c3', 0, 2, 2)"
    ),
]


class Family:
    """Three generations, the middle one guarded and touched by its children."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.dialect: str = database.engine.dialect.name
        drop = ["PRAGMA foreign_keys=OFF"] if database.on_sqlite else []
        cascade = "" if database.on_sqlite else " CASCADE"
        database.execute(
            *drop,
            *(f"DROP TABLE IF EXISTS {table}{cascade}" for table in TABLES),
            *SCHEMA,
            *add_guard(self.dialect, "parent"),
            *create_triggers(self.dialect, "parent", ["id", "name", "grandparent_id"]),
            *self.touches(),
        )

    def touches(self) -> list[str]:
        return touch_parent(
            self.dialect,
            "child",
            "parent",
            key=KEY,
            columns=["name"],
            identity=["id"],
            unique=[["code"]],
        )

    def execute(self, *statements: str) -> list[Any]:
        on = ["PRAGMA foreign_keys=ON"] if self.database.on_sqlite else []
        found: list[Any] = self.database.execute(*on, *statements)
        return found

    def versions(self) -> dict[int, int]:
        return dict(self.execute("SELECT id, version FROM parent"))

    def touched(self, *statements: str) -> set[int]:
        """The parents that are there and have a greater version than before."""
        before = self.versions()
        self.execute(*statements)
        after = self.versions()
        assert all(after[each] >= before.get(each, 0) for each in after)
        return {each for each in after if after[each] > before.get(each, 0)}


@pytest.fixture
def family(database: Any) -> Iterator[Family]:
    made = Family(database)
    yield made
    dialect = made.dialect
    made.execute(
        *drop_touch_parent(dialect, "child", "parent", KEY),
        *drop_triggers(dialect, "parent"),
        *(f"DROP TABLE {table}" for table in TABLES),
    )


BY_SQL = {
    "insert": (["INSERT INTO child VALUES (4, 'four', 'c4', 0, 2, 1)"], {2}),
    "insert of many": (
        ["INSERT INTO child VALUES (4, 'four', 'c4', 0, 2, 1), (5, 'five', 'c5', 0, 3, 1)"],
        {2, 3},
    ),
    "insert without a parent": (["INSERT INTO child VALUES (4, 'four', 'c4', 0, NULL, 1)"], set()),
    "update of content": (["UPDATE child SET name = 'x' WHERE id = 1"], {1}),
    "back-fill of all rows": (["UPDATE child SET name = name || '!'"], {1, 2}),
    "two that exchange their content": (
        ["UPDATE child SET name = CASE id WHEN 1 THEN 'c2' ELSE 'c1' END WHERE parent_id = 1"],
        {1},
    ),
    "update of what is no content": (["UPDATE child SET seen = seen + 1"], set()),
    "delete": (["DELETE FROM child WHERE id = 3"], {2}),
    "move": (["UPDATE child SET parent_id = 2 WHERE id = 1"], {1, 2}),
    "move to none": (["UPDATE child SET parent_id = NULL WHERE id = 1"], {1}),
    "another key of the child": (["UPDATE child SET id = 9 WHERE id = 1"], {1}),
    "delete and insert elsewhere": (
        [
            "DELETE FROM child WHERE id = 1",
            "INSERT INTO child VALUES (1, 'one', 'c1', 0, 3, 1)",
        ],
        {1, 3},
    ),
    "upsert": (
        [
            (
                "INSERT INTO child VALUES (1, 'one', 'x', 0, 1, 1) "
                "ON CONFLICT (id) DO UPDATE SET name = excluded.name"
            )
        ],
        {1},
    ),
    "delete of a grandparent cascades to the children": (
        ["UPDATE parent SET grandparent_id = 1", "DELETE FROM grandparent WHERE id = 2"],
        {1, 2, 3},  # all by the first statement; the next test looks at the second alone
    ),
    "another key of the parent cascades": (["UPDATE parent SET id = 7 WHERE id = 1"], {7}),
}


@pytest.mark.parametrize("how", BY_SQL)
def test_a_change_of_a_child_raises_the_version_of_its_parent(family: Family, how: str) -> None:
    statements, touched = BY_SQL[how]
    assert family.touched(*statements) == touched


def test_a_cascade_from_a_grandparent_touches_the_parents_that_stay(family: Family) -> None:
    family.execute("UPDATE parent SET grandparent_id = 1")
    assert family.touched("DELETE FROM grandparent WHERE id = 2") == {1, 2}
    assert family.execute("SELECT id FROM child") == [(1,)]


def test_a_cascade_that_takes_parent_and_children_harms_nothing(family: Family) -> None:
    assert family.touched("DELETE FROM grandparent WHERE id = 1") == set()
    assert family.execute("SELECT id FROM parent") == [(3,)]


def test_set_null_leaves_a_child_without_a_parent_which_is_seen_when_it_moves(
    family: Family,
) -> None:
    assert family.touched("DELETE FROM parent WHERE id = 1") == set()
    assert family.execute("SELECT id FROM child WHERE parent_id IS NULL ORDER BY id") == [
        (1,),
        (2,),
    ]
    assert family.touched("UPDATE child SET parent_id = 3 WHERE id = 1") == {3}


@pytest.mark.parametrize(
    ("statement", "touched"),
    [
        ("INSERT OR REPLACE INTO child VALUES (1, 'one', 'c1', 0, 3, 1)", {1, 3}),
        ("INSERT OR REPLACE INTO child VALUES (4, 'one', 'c1', 0, 3, 1)", {1, 3}),
        ("REPLACE INTO child VALUES (1, 'one', 'x', 0, 1, 1)", {1}),
        ("REPLACE INTO child VALUES (3, 'one', 'x', 0, 3, 1)", {1, 2, 3}),
        ("REPLACE INTO child VALUES (1, 'one', 'x', 0, NULL, 1)", {1}),
        ("UPDATE OR REPLACE child SET code = 'three' WHERE id = 1", {2}),  # the code is no content
    ],
)
def test_what_sqlite_replaces_touches_the_former_parent_too(
    on_sqlite: Any, statement: str, touched: set[int]
) -> None:
    """REPLACE deletes without firing the trigger of deletes."""
    assert Family(on_sqlite).touched(statement) == touched


def test_replacing_a_grandparent_deletes_its_children_by_cascade(on_sqlite: Any) -> None:
    family = Family(on_sqlite)
    family.execute("UPDATE parent SET grandparent_id = 1")
    assert family.touched("REPLACE INTO grandparent VALUES (2, 'new')") == {1, 2}


def test_truncate_touches_each_parent_that_had_children(on_postgresql: Any) -> None:
    family = Family(on_postgresql)
    assert family.touched("TRUNCATE child") == {1, 2}
    assert family.touched("TRUNCATE child") == set()
    family.execute("INSERT INTO child VALUES (1, 'one', 'c1', 0, 1, 1)")
    assert family.touched("TRUNCATE parent CASCADE") == set()
    assert family.execute("SELECT count(*) FROM parent") == [(0,)]


def test_a_statement_that_writes_parent_and_child_does_not_fight(on_postgresql: Any) -> None:
    family = Family(on_postgresql)
    assert family.touched(
        "WITH child_too AS (INSERT INTO child VALUES (4, 'four', 'c4', 0, 1, 1)) "
        "UPDATE parent SET name = 'x', version = version + 1 WHERE id = 1"
    ) == {1}


def test_a_writer_that_raises_the_version_itself_and_writes_children_wins(family: Family) -> None:
    """And one that sets it back does not: the version only grows."""
    family.execute("UPDATE child SET name = 'x'", "UPDATE child SET name = 'y'")
    before = family.versions()[1]
    family.execute(
        f"UPDATE parent SET name = 'x', version = {before + 1} WHERE id = 1",
        "UPDATE child SET name = 'z' WHERE id = 1",
    )
    assert family.versions()[1] == before + 2
    family.execute(
        "UPDATE child SET name = 'y' WHERE id = 1",
        "UPDATE parent SET name = 'y', version = 1 WHERE id = 1",
    )
    assert family.versions()[1] > before + 2


def test_many_children_of_one_statement_touch_a_parent_once_on_postgresql(
    on_postgresql: Any,
) -> None:
    """A row that one transaction writes n times costs n^2 there."""
    family = Family(on_postgresql)
    before = family.versions()[1]
    family.execute(
        "INSERT INTO child SELECT n, n::text, 'c', 0, 1, 1 FROM generate_series(10, 5009) AS n",
    )
    assert family.versions()[1] == before + 1


def test_a_touch_names_the_version_to_be_handed_on(family: Family) -> None:
    dialect = family.dialect
    key = {"grandparent_id": "id"}
    family.execute(
        "ALTER TABLE grandparent ADD COLUMN version integer NOT NULL DEFAULT 1",
        *touch_parent(
            dialect, "parent", "grandparent", key=key, columns=["name", "version"], identity=["id"]
        ),
    )
    versions = "SELECT version FROM grandparent ORDER BY id"
    assert family.execute(versions) == [(1,), (1,)]
    family.execute("UPDATE child SET name = 'x' WHERE id = 1")
    (first,), (second,) = family.execute(versions)
    assert first > 1
    assert second == 1
    family.execute(*drop_touch_parent(dialect, "parent", "grandparent", key))


def test_a_table_may_touch_itself_one_step_and_not_without_end(database: Any) -> None:
    dialect = database.engine.dialect.name
    touch: dict[str, Any] = {"key": {"parent_id": "id"}, "identity": ["id"]}
    with pytest.raises(ValueError, match="leave 'version' out"):
        touch_parent(dialect, "node", "node", columns=["version"], **touch)
    database.execute(
        "DROP TABLE IF EXISTS node",
        "CREATE TABLE node (id integer PRIMARY KEY, parent_id integer, name text)",
        *add_guard(dialect, "node"),
        *create_triggers(dialect, "node", ["id", "parent_id", "name"]),
        *touch_parent(dialect, "node", "node", columns=["name"], **touch),
        "INSERT INTO node (id, parent_id) VALUES (1, 3), (2, 1), (3, 2)",  # even a circle
    )
    before = dict(database.execute("SELECT id, version FROM node"))
    database.execute("UPDATE node SET name = 'x' WHERE id = 2")
    after = dict(database.execute("SELECT id, version FROM node"))
    assert {each for each in after if after[each] > before[each]} == {1, 2}
    database.execute("DROP TABLE node", *drop_touch_parent(dialect, "node", "node", ["parent_id"]))


def test_touches_can_be_dropped_and_made_again(family: Family) -> None:
    family.execute(*drop_touch_parent(family.dialect, "child", "parent", KEY))
    assert family.touched("UPDATE child SET name = 'x'") == set()
    family.execute(*family.touches())
    assert family.touched("UPDATE child SET name = 'y'") == {1, 2}


def test_long_and_odd_names_are_kept_apart(database: Any) -> None:
    """PostgreSQL cuts names after 63 bytes; two of them must not become one."""
    dialect = database.engine.dialect.name
    child, parent = 'the "many" small things of ' + "x" * 30, "things" * 9
    names = ['"' + name.replace('"', '""') + '"' for name in (child, parent)]
    keys = [{"first": "id"}, {"second": "id"}]
    database.execute(
        *(f"DROP TABLE IF EXISTS {name}" for name in names),
        f"CREATE TABLE {names[0]} (id integer PRIMARY KEY, first integer, second integer)",
        f"CREATE TABLE {names[1]} (id integer PRIMARY KEY, version integer NOT NULL DEFAULT 1)",
        *(
            one
            for key in keys
            for one in touch_parent(dialect, child, parent, key=key, columns=[], identity=["id"])
        ),
        f"INSERT INTO {names[1]} (id) VALUES (1), (2), (3)",
        f"INSERT INTO {names[0]} VALUES (1, 1, 2)",
    )
    assert database.execute(f"SELECT version FROM {names[1]} ORDER BY id") == [(2,), (2,), (1,)]
    database.execute(
        *(one for key in keys for one in drop_touch_parent(dialect, child, parent, key)),
        *(f"DROP TABLE {name}" for name in names),
    )
