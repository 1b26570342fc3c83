"""What a look-up and a write cost: the statements that are run, and the bodies that are built."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ifmatch import state_tag, unchanged
from ifmatch.core.tags import state_digest
from ifmatch.store.sqlalchemy import reading
from ifmatch.store.sqlite import log_ahead

KEY = ("ada", 1)


def note(title: str = "Tea", n: int = 0) -> dict[str, Any]:
    return {"title": title, "n": n, "ratio": 0.5, "data": {"much": ["of", "it"]}}


class Builder:
    """Builds bodies, and counts them."""

    def __init__(self) -> None:
        self.built = 0

    def __call__(self, row: Any) -> dict[str, Any]:
        self.built += 1
        return {name: row[name] for name in ("title", "n", "ratio", "data")}


@contextmanager
def log(database: Any) -> Iterator[list[str]]:
    """The statements that are run, but for those that begin a transaction."""
    found: list[str] = []
    with database.before_statement(0, lambda: None) as seen:
        yield found
    found += [one for one in seen if not one.startswith("BEGIN")]


def test_a_list_of_tags_builds_no_body_either(database: Any) -> None:
    builder = Builder()
    rows = database.rows(represent=builder)
    store = database.store(represent=builder)
    made = [store.create(("ada", number), note(n=number)).etag for number in range(5)]
    builder.built = 0
    with log(database) as statements, reading(database.engine) as connection:
        from sqlalchemy import select

        found = connection.execute(select(*rows.tag_columns).order_by(rows.table.c.id)).all()
        assert [rows.tag_of(connection, row._asdict()) for row in found] == made
    assert (builder.built, len(statements)) == (0, 1)


def test_a_write_stores_the_tag_that_the_next_look_up_finds(database: Any) -> None:
    builder = Builder()
    store = database.store(represent=builder)
    for made in (store.create(KEY, note()), store.replace(KEY, note("b"))):
        builder.built = 0
        assert store.tag(KEY) is not None
        assert builder.built == 0
        assert made.etag.opaque == state_digest(made.body)


def test_a_guarded_update_is_one_look_up_and_one_write(database: Any) -> None:
    """SQLite looks once more at what it holds then."""
    store = database.store()
    made = store.create(KEY, note())
    with log(database) as statements:
        store.replace(KEY, note("b"), unchanged(made.etag))
    verbs = [statement.split()[0] for statement in statements]
    assert verbs == ["SELECT", "UPDATE"] + (["SELECT"] if database.on_sqlite else [])
    assert "note.version = " in statements[1].replace("%(version_1)s", "")
    assert "note.incarnation = " in statements[1]


def test_another_epoch_voids_every_stored_tag_until_a_write_stores_it_again(database: Any) -> None:
    """A release that serves the same row otherwise must not send the new body under an old tag."""
    old = database.store()
    before = old.create(KEY, note())

    def shout(row: Any) -> dict[str, Any]:
        return {"TITLE": row["title"].upper()}

    new = database.store(represent=shout, epoch="2")
    assert new.tag(KEY) == new.read(KEY).etag == state_tag({"TITLE": "TEA"}) != before.etag
    made = new.replace(KEY, note("Coffee"), unchanged(state_tag({"TITLE": "TEA"})))
    assert new.tag(KEY) == made.etag == state_tag({"TITLE": "COFFEE"})
    assert old.tag(KEY) == state_tag(note("Coffee"))  # while both releases run


def test_without_an_epoch_of_its_own_a_release_sends_a_body_under_an_old_tag(
    database: Any,
) -> None:
    """The twin: why the epoch is raised."""
    before = database.store().create(KEY, note())
    new = database.store(represent=lambda row: {"TITLE": row["title"]})
    found = new.read(KEY)
    assert found.etag == before.etag
    assert found.etag.opaque != state_digest(found.body)


def test_stamps_are_set_by_real_changes_only(database: Any) -> None:
    """The time of the last change is not a change itself."""
    clock = iter(range(100, 200))
    store = database.store(stamps=lambda: {"n": next(clock)})
    made = store.create(KEY, {"title": "a", "data": None})
    assert made.value["n"] == 100
    again = store.replace(KEY, {"title": "a", "data": None})
    assert (again.changed, again.value["n"], again.etag) == (False, 100, made.etag)
    assert store.replace(KEY, {"title": "b", "data": None}).value["n"] == 101


def test_a_new_row_may_bring_what_stamps_would_set(database: Any) -> None:
    """So that it can say that it was changed last in the instant in which it was made."""
    store = database.store(stamps=lambda: {"n": 7})
    assert store.create(KEY, {"title": "a", "data": None, "n": 6}).value["n"] == 6
    assert store.replace(KEY, {"title": "b", "data": None}).value["n"] == 7


class Refused:
    """A connection to a file that others are just switching, so many times."""

    def __init__(self, times: int, why: str = "database is locked") -> None:
        self.times, self.why, self.asked = times, why, 0

    def execute(self, _statement: str) -> None:
        self.asked += 1
        if self.asked <= self.times:
            raise sqlite3.OperationalError(self.why)


def test_a_new_file_that_several_open_at_once_is_switched_by_all_of_them() -> None:
    busy = Refused(3)
    log_ahead(busy)
    assert busy.asked == 4


def test_a_file_that_cannot_be_switched_is_not_asked_again() -> None:
    broken = Refused(3, "disk I/O error")
    with pytest.raises(sqlite3.OperationalError, match="disk"):
        log_ahead(broken)
    assert broken.asked == 1
