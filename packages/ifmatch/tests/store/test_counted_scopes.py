"""A store gives no tag of a collection whose changes nobody counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, create_engine

from ifmatch.core.errors import ImpossibleDeclaration
from ifmatch.store.collections import Counters
from ifmatch.store.memory import MemoryStore
from ifmatch.store.sqlalchemy import GuardedTable, SQLAlchemyStore, configure
from ifmatch.store.steps import GUARD_COLUMNS, GuardedRows
from ifmatch.store.triggers import (
    SCOPE_TABLE,
    collection_counter,
    counter_triggers,
    create_triggers,
    drop_collection_counter,
    drop_triggers,
)

KEY = ("ada", 1)
NOTE = {"title": "Tea", "n": 0, "ratio": 0.5, "data": None}


def dialect(opened: Any) -> str:
    return "sqlite" if opened.on_sqlite else "postgresql"


def test_a_scope_whose_counter_was_never_made_is_refused_with_the_next_step(opened: Any) -> None:
    """The row of the counter is missing then, and would be missing for ever."""
    store = opened.store(scopes=[(), ("ratio",)])
    assert store.collection_tag().weak
    with pytest.raises(ImpossibleDeclaration, match=r"collection_counter\(.*scope=\['ratio'\]"):
        store.collection_tag({"ratio": 1})


def test_a_counter_that_lost_its_triggers_is_refused_although_its_row_is_there(
    opened: Any,
) -> None:
    """As where a migration made the table anew."""
    opened.store().create(KEY, NOTE)
    table = opened.rows.table
    drop = drop_collection_counter(dialect(opened), table, ["owner"])
    opened.rows.sql.execute(*(one for one in drop if one.startswith("DROP TRIGGER")))
    assert opened.rows.sql.execute(f"SELECT 1 FROM {SCOPE_TABLE} WHERE scope = '3:ada'")
    with pytest.raises(ImpossibleDeclaration, match="Next: "):
        opened.store().collection_tag({"owner": "ada"})
    assert opened.store().collection_tag().weak


def test_each_single_trigger_is_needed(opened: Any) -> None:
    """Without the one of updates the deletes would still be counted, and the reverse."""
    table = opened.rows.table
    for name in counter_triggers(dialect(opened), table, ["title"]):
        on = "" if opened.on_sqlite else f' ON "{table}"'
        look = (
            f"SELECT sql FROM sqlite_master WHERE name = '{name}'"
            if opened.on_sqlite
            else f"SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = '{name}'"
        )
        [(definition,)] = opened.rows.sql.execute(look)
        opened.rows.sql.execute(f'DROP TRIGGER "{name}"{on}')
        with pytest.raises(ImpossibleDeclaration):
            opened.store().collection_tag({"title": "Tea"})
        opened.rows.sql.execute(definition)
        assert opened.store().collection_tag({"title": "Tea"}).weak


def test_the_trigger_that_sees_plain_updates_is_needed_as_well(opened: Any) -> None:
    """It raises the version, and the counter follows the version."""
    opened.rows.sql.execute(*drop_triggers(dialect(opened), opened.rows.table))
    with pytest.raises(ImpossibleDeclaration, match="create_triggers"):
        opened.store().collection_tag()


def test_a_trigger_that_is_switched_off_does_not_count(on_postgresql: Any) -> None:
    counter = collection_counter("postgresql", "note", scope=[], identity=["owner", "id"])
    on_postgresql.execute(*counter)
    rows = on_postgresql.rows(scopes=[()])
    assert SQLAlchemyStore(on_postgresql.engine, rows).collection_tag().weak
    *_, last = counter_triggers("postgresql", "note", [])
    on_postgresql.execute(f'ALTER TABLE note DISABLE TRIGGER "{last}"')
    rows = on_postgresql.rows(scopes=[()])
    with pytest.raises(ImpossibleDeclaration):
        SQLAlchemyStore(on_postgresql.engine, rows).collection_tag()


def test_a_database_that_counts_says_nothing_about_another_one(
    on_sqlite: Any, tmp_path: Path
) -> None:
    """One guarded table may serve many databases."""
    on_sqlite.execute(*collection_counter("sqlite", "note", scope=[], identity=["owner", "id"]))
    rows = on_sqlite.rows(scopes=[()])
    assert SQLAlchemyStore(on_sqlite.engine, rows).collection_tag().weak
    other = configure(create_engine(f"sqlite:///{tmp_path / 'other.db'}"))
    on_sqlite.table.create(other)
    with pytest.raises(ImpossibleDeclaration):
        SQLAlchemyStore(other, rows).collection_tag()
    other.dispose()


def test_a_table_in_another_schema_has_counters_of_its_own(on_postgresql: Any) -> None:
    """And those of a table of the same name say nothing about it."""
    on_postgresql.execute(
        "DROP SCHEMA IF EXISTS elsewhere CASCADE",
        "CREATE SCHEMA elsewhere",
        *collection_counter("postgresql", "note", scope=[], identity=["owner", "id"]),
    )
    table = on_postgresql.table.to_metadata(MetaData(), schema="elsewhere")
    table.create(on_postgresql.engine)
    content = [column.name for column in table.c if column.name not in GUARD_COLUMNS]
    on_postgresql.execute(
        *create_triggers("postgresql", "note", content, schema="elsewhere"),
    )

    def store() -> SQLAlchemyStore:
        columns = table.c
        key = (columns.owner, columns.id)
        rows = GuardedTable(table, key, lambda row: row["title"], scopes=[()])
        return SQLAlchemyStore(on_postgresql.engine, rows)

    with pytest.raises(ImpossibleDeclaration, match="schema='elsewhere'"):
        store().collection_tag()
    on_postgresql.execute(
        *collection_counter(
            "postgresql", "note", scope=[], identity=["owner", "id"], schema="elsewhere"
        )
    )
    before = store().collection_tag()
    store().create(KEY, NOTE)
    assert store().collection_tag() != before
    on_postgresql.execute("DROP SCHEMA elsewhere CASCADE")


def test_the_columns_of_a_scope_may_be_given_in_any_order(opened: Any) -> None:
    table, id_ = opened.rows.table, opened.rows.number
    counter = collection_counter(
        dialect(opened), table, scope=["title", "owner"], identity=["owner", id_]
    )
    opened.rows.sql.execute(*counter)
    store = opened.store(scopes=[("title", "owner")])
    before = store.collection_tag({"owner": "ada", "title": "Tea"})
    assert store.collection_tag({"title": "Tea", "owner": "ada"}) == before
    store.create(KEY, NOTE)
    after = store.collection_tag({"owner": "ada", "title": "Tea"})
    assert after != before
    assert store.collection_tag({"title": "Tea", "owner": "ada"}) == after


def test_the_release_of_what_is_served_is_in_the_tag(opened: Any) -> None:
    old, new = opened.store().collection_tag(), opened.store(epoch="2").collection_tag()
    assert old != new


def test_a_further_guard_of_a_table_has_no_counters() -> None:
    """They follow the version of the first one, and would miss what only that one watches."""
    with pytest.raises(ImpossibleDeclaration, match=r"'traffic'.*Next: "):
        Counters("sqlite", "note", [()], guard="traffic")
    Counters("sqlite", "note", [], guard="traffic")


def test_a_scope_that_is_a_string_is_taken_for_the_mistake_that_it_is() -> None:
    with pytest.raises(ImpossibleDeclaration, match=r"write \('owner',\)"):
        MemoryStore(scopes=["owner"])


def test_in_memory_a_scope_is_of_the_values_members_where_nothing_else_is_said() -> None:
    store = MemoryStore[int](scopes=[(), ("kind",)])
    teas, rums = ({"kind": kind} for kind in ("tea", "rum"))
    before = store.collection_tag(teas), store.collection_tag(rums)
    store.create(1, {"kind": "tea"})
    assert store.collection_tag(teas) != before[0]
    assert store.collection_tag(rums) == before[1]
    store.create(2, ["no members"])
    assert store.collection_tag({"kind": None}) != MemoryStore(scopes=[("kind",)]).collection_tag(
        {"kind": None}
    )


def test_two_stores_in_memory_never_share_the_tag_of_a_collection() -> None:
    """As a process that starts anew: it counts from nothing, and holds something else."""
    stores = [MemoryStore[int](scopes=[()]) for _ in range(2)]
    for number, store in enumerate(stores):
        store.create(1, number)
    assert stores[0].collection_tag() != stores[1].collection_tag()


def test_a_value_that_is_no_scope_in_memory_is_not_stored() -> None:
    store = MemoryStore[int](scopes=[("kind",)])
    with pytest.raises(TypeError, match="as text"):
        store.create(1, {"kind": [1]})
    assert store.read(1) is None


def test_a_django_store_takes_a_scope_by_the_names_of_fields(django_alias: str) -> None:
    from django.db import connections

    from ifmatch.store.django import DjangoStore
    from packages.ifmatch.tests.store.django_site.notes.models import Folder, Paper

    kind = connections[django_alias].vendor
    counter = collection_counter(kind, "notes_paper", scope=["folder_id"], identity=["slug"])
    with connections[django_alias].cursor() as cursor:
        for statement in counter:
            cursor.execute(statement)
    rows = GuardedRows(("slug",), lambda row: row["slug"])
    papers = DjangoStore(Paper, rows, using=django_alias, scopes=[("folder",)])
    folder = Folder.objects.using(django_alias).create(name="one").pk
    before = papers.collection_tag({"folder": folder})
    assert papers.collection_tag({"folder_id": folder}) == before
    papers.create(("a",), {"folder_id": folder})
    assert papers.collection_tag({"folder": folder}) != before
    with pytest.raises(ImpossibleDeclaration, match="nowhere"):
        DjangoStore(Paper, rows, using=django_alias, scopes=[("nowhere",)])
