"""Every writer is seen: plain SQL changes the tag, too, and what was stored of it is void."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ifmatch import Conflict, Missing, state_tag, unchanged
from ifmatch.core.tags import state_digest
from ifmatch.store.triggers import create_triggers, drop_triggers

KEY = ("ada", 1)


def note(title: str = "Tea", n: int = 0) -> dict[str, Any]:
    return {"title": title, "n": n, "ratio": 0.5, "data": None}


COPY = "owner, id, title, n, ratio, data, version, incarnation, tag, tag_stamp"
BY_SQL = {
    "update": ["UPDATE note SET title = 'raw'"],
    "update of all columns": [
        (
            "UPDATE note SET owner = owner, id = id, title = 'raw', n = n, ratio = ratio, "
            "version = version, incarnation = incarnation, tag = tag, tag_stamp = tag_stamp"
        )
    ],
    "update that sets the version back": ["UPDATE note SET title = 'raw', version = 1"],
    "update that raises the version": ["UPDATE note SET title = 'raw', version = version + 1"],
    "delete and insert": [
        "DELETE FROM note",
        "INSERT INTO note (owner, id, title, n) VALUES ('ada', 1, 'raw', 0)",
    ],
    "upsert": [
        (
            "INSERT INTO note (owner, id, title, n) VALUES ('ada', 1, 'raw', 0) "
            "ON CONFLICT (owner, id) DO UPDATE SET title = excluded.title"
        )
    ],
    "restore of an edited copy": [
        "CREATE TEMPORARY TABLE copy AS SELECT * FROM note",
        "UPDATE copy SET title = 'raw'",
        "DELETE FROM note",
        f"INSERT INTO note ({COPY}) SELECT {COPY} FROM copy",
    ],
    "rename there and back": [
        "UPDATE note SET id = 2",
        "UPDATE note SET title = 'raw'",
        "UPDATE note SET id = 1",
    ],
}
ON_SQLITE = {
    "insert or replace": [
        "INSERT OR REPLACE INTO note (owner, id, title, n) VALUES ('ada', 1, 'raw', 0)"
    ],
    "insert or replace of the whole row": [
        (
            f"INSERT OR REPLACE INTO note ({COPY}) SELECT owner, id, 'raw', n, ratio, data, "
            "version, incarnation, tag, tag_stamp FROM note"
        )
    ],
    "update or replace": ["UPDATE OR REPLACE note SET title = 'raw'"],
}


@pytest.mark.parametrize("how", BY_SQL)
def test_what_plain_sql_changed_has_another_tag_and_the_old_one_is_refused(
    database: Any, how: str
) -> None:
    assert_seen(database, BY_SQL[how])


@pytest.mark.parametrize("how", ON_SQLITE)
def test_a_row_that_sqlite_replaced_has_another_tag_and_the_old_one_is_refused(
    on_sqlite: Any, how: str
) -> None:
    assert_seen(on_sqlite, ON_SQLITE[how])


def assert_seen(database: Any, statements: list[str]) -> None:
    store = database.store()
    store.create(KEY, note("first"))
    old = store.replace(KEY, note())  # so that a tag and a version are stored
    database.execute(*statements)
    assert store.tag(KEY) == store.read(KEY).etag == state_tag(note("raw"))
    writes: list[Callable[[], Any]] = [
        lambda: store.replace(KEY, note("ours"), unchanged(old.etag)),
        lambda: store.patch(KEY, lambda value: value, unchanged(old.etag)),
        lambda: store.delete(KEY, unchanged(old.etag)),
    ]
    for write in writes:
        with pytest.raises(Conflict) as caught:
            write()
        assert caught.value.current == state_tag(note("raw"))
    again = store.replace(KEY, note("ours"), unchanged(state_tag(note("raw"))))
    assert store.tag(KEY) == again.etag == state_tag(note("ours"))


def test_without_the_triggers_plain_sql_goes_unseen(database: Any) -> None:
    """The twin: what the triggers are for."""
    store = database.store()
    old = store.create(KEY, note())
    database.execute(*drop_triggers(database.engine.dialect.name, "note"))
    database.execute("UPDATE note SET title = 'raw'")
    assert store.tag(KEY) == old.etag
    assert store.read(KEY).etag.opaque != state_digest(store.read(KEY).body)
    database.execute(
        *create_triggers(database.engine.dialect.name, "note", ["title", "n", "ratio", "data"])
    )


def test_what_plain_sql_inserted_can_be_read_and_edited(database: Any) -> None:
    database.execute("INSERT INTO note (owner, id, title, n) VALUES ('ada', 1, 'raw', 0)")
    store = database.store()
    assert store.tag(KEY) == state_tag(note("raw"))
    made = store.replace(KEY, note("ours"), unchanged(state_tag(note("raw"))))
    assert store.read(KEY).etag == made.etag


def test_what_plain_sql_deleted_is_missing_and_not_created_by_if_match(database: Any) -> None:
    store = database.store()
    old = store.create(KEY, note())
    database.execute("DELETE FROM note")
    with pytest.raises(Missing):
        store.delete(KEY, unchanged(old.etag))
    with pytest.raises(Missing):
        store.patch(KEY, lambda value: value, unchanged(old.etag))
    with pytest.raises(Conflict) as caught:
        store.replace(KEY, note(), unchanged(old.etag))
    assert caught.value.current is None
    assert store.read(KEY) is None


def test_the_columns_of_the_guard_say_nothing_new_when_they_are_written(database: Any) -> None:
    """Storing a tag is no change: else every read that stores one would disturb editors."""
    store = database.store()
    store.create(KEY, note())
    before = database.execute("SELECT version, incarnation FROM note")
    database.execute("UPDATE note SET tag = NULL, tag_stamp = NULL")
    assert database.execute("SELECT version, incarnation FROM note") == before
    assert store.tag(KEY) == state_tag(note())


def test_a_row_that_is_inserted_anew_has_another_incarnation(database: Any) -> None:
    database.store().create(KEY, note())
    query = "SELECT incarnation FROM note"
    seen = set()
    for _ in range(5):
        database.execute("DELETE FROM note")
        database.execute("INSERT INTO note (owner, id, title, n) VALUES ('ada', 1, 'raw', 0)")
        seen.add(tuple(database.execute(query)[0]))
    assert len(seen) == 5


def test_triggers_can_be_dropped_and_made_again(database: Any) -> None:
    dialect = database.engine.dialect.name
    database.execute(*drop_triggers(dialect, "note"))
    database.execute(*create_triggers(dialect, "note", ["title"]))
    store = database.store()
    store.create(KEY, note())
    database.execute("UPDATE note SET title = 'raw'")
    assert store.tag(KEY) == state_tag(note("raw"))
