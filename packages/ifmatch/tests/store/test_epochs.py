"""What no trigger sees is an epoch: another release, or a migration that touches no row."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from ifmatch import Conflict, state_tag, unchanged
from ifmatch.store.epochs import epoch_query, raise_epoch, schema_epoch
from ifmatch.store.triggers import EPOCH_TABLE

KEY = ("ada", 1)


class Old(BaseModel):
    title: str


class New(BaseModel):
    title: str
    n: int


def old(row: Any) -> dict[str, Any]:
    return {"title": row["title"]}


def new(row: Any) -> dict[str, Any]:
    return {"title": row["title"], "n": row["n"]}


def note(title: str = "Tea", n: int = 0) -> dict[str, Any]:
    return {"title": title, "n": n, "ratio": 0.5, "data": None}


def read_epoch(database: Any, name: str = "note") -> int | None:
    found = database.execute(epoch_query(f"'{name}'"))
    return found[0][0] if found else None


@pytest.fixture
def releases(database: Any) -> Any:
    """Two releases on one table, side by side."""
    return (
        database.store(represent=old, epoch=schema_epoch(Old)),
        database.store(represent=new, epoch=schema_epoch(New)),
    )


def test_two_releases_on_one_row_each_serve_right_tags(database: Any, releases: Any) -> None:
    """Whoever wrote last stored his tag; the other one makes his of the row, at each read."""
    first, second = releases
    first.create(KEY, note())
    for writer, title in ((first, "a"), (second, "b"), (second, "c"), (first, "d")):
        writer.patch(KEY, lambda _, title=title: {"title": title})
        stored = database.execute("SELECT tag, tag_stamp, version FROM note")
        for _ in range(2):
            row = note(title)
            assert first.tag(KEY) == first.read(KEY).etag == state_tag(old(row))
            assert second.tag(KEY) == second.read(KEY).etag == state_tag(new(row))
        assert database.execute("SELECT tag, tag_stamp, version FROM note") == stored


def test_reading_never_stores_a_tag_of_its_own_release(database: Any, releases: Any) -> None:
    """Else two releases would write in turn, at every poll."""
    first, second = releases
    first.create(KEY, note())
    for store in (second, first):
        with database.before_statement(0, lambda: None) as seen:
            store.tag(KEY)
            store.read(KEY)
        assert not [one for one in seen if one.split()[0] in ("UPDATE", "INSERT", "DELETE")]


def test_writes_under_a_tag_are_right_whichever_release_gave_it(releases: Any) -> None:
    first, second = releases
    first.create(KEY, note())
    seen = second.tag(KEY)
    made = second.replace(KEY, note("b"), unchanged(seen))
    with pytest.raises(Conflict):
        second.replace(KEY, note("c"), unchanged(seen))
    with pytest.raises(Conflict):
        first.replace(KEY, note("c"), unchanged(state_tag(old(note()))))
    first.replace(KEY, note("c"), unchanged(state_tag(old(note("b")))))
    with pytest.raises(Conflict):
        second.delete(KEY, unchanged(made.etag))
    second.delete(KEY, unchanged(state_tag(new(note("c")))))


def test_a_column_with_a_default_is_seen_by_the_epoch_that_its_migration_raises(
    database: Any,
) -> None:
    """Neither database fires a trigger: the stored tag goes on fitting the row's version."""
    dialect = database.engine.dialect.name
    store = database.store()
    store.create(KEY, note())
    database.execute(f"DROP TABLE IF EXISTS {EPOCH_TABLE}")
    before = database.execute("SELECT version, incarnation, tag_stamp FROM note")
    database.execute("ALTER TABLE note ADD COLUMN colour text NOT NULL DEFAULT 'red'")
    assert database.execute("SELECT version, incarnation, tag_stamp FROM note") == before

    database.execute(*raise_epoch(dialect, "note"))
    epoch = str(read_epoch(database))

    def with_colour(row: Any) -> dict[str, Any]:
        return {"title": row["title"], "colour": "red"}

    released = database.store(represent=with_colour, epoch=epoch)
    assert released.tag(KEY) == state_tag({"title": "Tea", "colour": "red"})
    forgotten = database.store(represent=with_colour)
    assert forgotten.tag(KEY) != released.tag(KEY), "without the epoch the old tag is sent"
    database.execute("ALTER TABLE note DROP COLUMN colour", f"DROP TABLE {EPOCH_TABLE}")


def test_an_epoch_is_another_one_each_time_and_of_one_name(database: Any) -> None:
    dialect = database.engine.dialect.name
    database.execute(f"DROP TABLE IF EXISTS {EPOCH_TABLE}", *raise_epoch(dialect, "it's"))
    assert read_epoch(database) is None
    seen = set()
    for _ in range(5):
        database.execute(*raise_epoch(dialect, "note"))
        seen.add(read_epoch(database))
    assert len(seen) == 5
    database.execute(f"DROP TABLE {EPOCH_TABLE}")


def test_a_schema_names_what_is_served_in_any_order_of_its_members() -> None:
    assert schema_epoch({"a": 1, "b": 2}) == schema_epoch({"b": 2, "a": 1})
    assert schema_epoch(New) == schema_epoch(New.model_json_schema(mode="serialization"))
    assert schema_epoch(New) != schema_epoch(Old)
    assert len(schema_epoch(New)) == 16
