"""What `ifmatch.store.django` promises beside the contract, which runs against it, too."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from sqlalchemy import MetaData, Table, create_engine, inspect

from ifmatch import Conflict, ETag, Missing, state_tag, unchanged
from ifmatch.core.errors import ImpossibleDeclaration
from ifmatch.core.tags import state_digest
from ifmatch.store.steps import GuardedRows
from ifmatch.store.triggers import guard_columns

KEY = ("ada", 1)
THREADS = 32
TABLE = "notes_note"
GUARD = ("version", "incarnation", "tag", "tag_stamp")


@pytest.fixture(autouse=True)
def _site(django_site: Any) -> None:
    """Without it no model can be imported."""


def note(title: str = "Tea", n: int = 0) -> dict[str, Any]:
    return {"title": title, "n": n, "ratio": 0.5, "data": None}


def represent(row: Any) -> dict[str, Any]:
    return {name: row[name] for name in ("title", "n", "ratio", "data")}


def notes(alias: str) -> Any:
    from ifmatch.store.django import DjangoStore

    return DjangoStore(models().Note, GuardedRows(("owner", "number"), represent), using=alias)


def paper(row: Any) -> dict[str, Any]:
    return {
        "price": str(row["price"]),
        "extra": row["extra"],
        "due": row["due"] and row["due"].isoformat(),
        "folder": row["folder_id"],
        "words": row["words"],
    }


def papers(alias: str, **more: Any) -> Any:
    from ifmatch.store.django import DjangoStore

    return DjangoStore(models().Paper, GuardedRows(("slug",), paper, **more), using=alias)


def models() -> Any:
    from packages.ifmatch.tests.store.django_site.notes import models

    return models


def note_rows(alias: str) -> Any:
    return models().Note.objects.using(alias)


def execute(alias: str, *statements: str) -> list[Any]:
    from django.db import connections

    found: list[Any] = []
    with connections[alias].cursor() as cursor:
        for one in statements:
            cursor.execute(one)
            found = cursor.fetchall() if cursor.description else []
    return found


@contextmanager
def log(alias: str) -> Iterator[list[str]]:
    """The statements that this thread runs, but for savepoints."""
    from django.db import connections

    seen: list[str] = []

    def look(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return run(sql, params, many, context)

    with connections[alias].execute_wrapper(look):
        yield seen


# -- what is run ----------------------------------------------------------------------------------


def test_a_guarded_update_is_a_look_up_a_write_and_a_look_at_what_is_held(
    django_alias: str,
) -> None:
    store = notes(django_alias)
    made = store.create(KEY, note())
    with log(django_alias) as statements:
        store.replace(KEY, note("b"), unchanged(made.etag))
    verbs = [one.split()[0] for one in statements if not one.startswith("BEGIN")]
    assert verbs == ["SELECT", "UPDATE", "SELECT"]
    [update] = [one.partition(" WHERE ")[2] for one in statements if one.startswith("UPDATE")]
    for column in ("owner", "number", "version", "incarnation"):
        assert f'"{TABLE}"."{column}" = ' in update


def test_a_transaction_on_sqlite_begins_immediate(django_alias: str) -> None:
    store = notes(django_alias)
    with log(django_alias) as statements:
        store.create(KEY, note())
    begun = [one for one in statements if one.startswith("BEGIN")]
    assert begun == (["BEGIN IMMEDIATE"] if django_alias == "default" else [])


def test_the_columns_are_those_that_the_triggers_know(django_alias: str) -> None:
    """The same names and types as `guard_columns`, whoever made the table."""
    from django.db import connections

    connection = connections[django_alias]
    database = connection.vendor
    settings = connection.settings_dict
    url = (
        f"sqlite:///{settings['NAME']}"
        if database == "sqlite"
        else f"postgresql+psycopg://postgres@/{settings['NAME']}?host={settings['HOST']}"
    )
    engine = create_engine(url)
    Table("plain", MetaData(), *guard_columns(database)).create(engine)

    def described(table: str) -> dict[str, tuple[str, bool]]:
        columns = inspect(engine).get_columns(table)
        return {one["name"]: (str(one["type"]), one["nullable"]) for one in columns}

    found = described(TABLE)
    assert {name: found[name] for name in GUARD} == described("plain")
    engine.dispose()


# -- races ----------------------------------------------------------------------------------------


def all_at_once(alias: str, work: Callable[[int], Any]) -> list[Any]:
    from django.db import connections

    barrier = threading.Barrier(THREADS, timeout=60)

    def started(number: int) -> Any:
        barrier.wait()
        try:
            return work(number)
        except (Conflict, Missing) as error:
            return error
        finally:
            connections[alias].close()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(started, range(THREADS)))


@pytest.mark.race
@pytest.mark.parametrize("method", ["create", "replace", "patch", "delete"])
def test_of_32_writers_that_name_one_state_one_wins(django_alias: str, method: str) -> None:
    store = notes(django_alias)
    if method != "create":
        store.create(KEY, note())
    guard = unchanged(state_tag(note()))
    ways: dict[str, Callable[[int], Any]] = {
        "create": lambda number: store.create(KEY, note(n=number)),
        "replace": lambda number: store.replace(KEY, note("b", number), guard),
        "patch": lambda number: store.patch(KEY, lambda row: row | {"n": number + 1}, guard),
        "delete": lambda _: store.delete(KEY, guard),
    }
    outcomes = all_at_once(django_alias, ways[method])
    [winner] = [one for one in outcomes if not isinstance(one, Exception)]
    now = store.read(KEY)
    if method == "delete":
        assert now is None
    else:
        assert (now.etag, now.value) == (winner.etag, winner.value)
        assert all(one.current == now.etag for one in outcomes if one is not winner)


# -- every writer is seen -------------------------------------------------------------------------


def save(alias: str) -> None:
    row = note_rows(alias).get()
    row.title = "raw"
    row.save()


def save_one_field(alias: str) -> None:
    row = note_rows(alias).get()
    row.title = "raw"
    row.save(update_fields=["title"])


def bulk_update(alias: str) -> None:
    row = note_rows(alias).get()
    row.title = "raw"
    note_rows(alias).bulk_update([row], ["title"])


def upsert(alias: str) -> None:
    row = models().Note(owner="ada", number=1, title="raw", n=0)
    note_rows(alias).bulk_create(
        [row], update_conflicts=True, update_fields=["title"], unique_fields=["owner", "number"]
    )


def replace_by_a_copy(alias: str) -> None:
    row = note_rows(alias).get()
    note_rows(alias).all().delete()
    row.title = "raw"
    row.save(force_insert=True)


def copy_and_delete(alias: str) -> None:
    row = note_rows(alias).get()
    note_rows(alias).update(number=2)
    row.pk = None
    row._state.adding = True
    row.title = "raw"
    row.save()


def save_of_a_row_that_is_another_now(alias: str) -> None:
    """What was loaded has a higher version than the row, a tag, and a stamp that fits them."""
    old = note_rows(alias).get()
    note_rows(alias).all().delete()
    note_rows(alias).create(id=old.pk, owner="ada", number=1, title="new", n=0)
    old.title = "raw"
    old.save()


BY_OTHERS: dict[str, Callable[[str], Any]] = {
    "plain SQL": lambda alias: execute(alias, f"UPDATE {TABLE} SET title = 'raw'"),
    "update": lambda alias: note_rows(alias).update(title="raw"),
    "update that sets the version back": lambda alias: note_rows(alias).update(
        title="raw", version=1
    ),
    "save": save,
    "save of one field": save_one_field,
    "bulk_update": bulk_update,
    "bulk_create that updates": upsert,
    "delete and insert of the loaded row": replace_by_a_copy,
    "insert of a copy": copy_and_delete,
    "save of a row that is another one now": save_of_a_row_that_is_another_now,
}


@pytest.mark.parametrize("how", BY_OTHERS)
def test_what_others_changed_has_another_tag_and_the_old_one_is_refused(
    django_alias: str, how: str
) -> None:
    store = notes(django_alias)
    store.create(KEY, note("first"))
    old = store.replace(KEY, note())  # so that a tag and a version are stored
    BY_OTHERS[how](django_alias)
    found = store.read(KEY)
    assert found.etag.opaque == state_digest(found.body)
    assert store.tag(KEY) == found.etag == state_tag(note("raw"))
    with pytest.raises(Conflict):
        store.replace(KEY, note("ours"), unchanged(old.etag))
    again = store.replace(KEY, note("ours"), unchanged(found.etag))
    assert store.tag(KEY) == again.etag == state_tag(note("ours"))


@pytest.mark.parametrize("how", ["save", "save of one field"])
def test_a_save_raises_the_version_once_however_old_what_was_loaded_is(
    django_alias: str, how: str
) -> None:
    notes(django_alias).create(KEY, note())
    row = note_rows(django_alias).get()
    for title in "abc":
        row.title = title
        row.save(update_fields=["title"] if how == "save of one field" else None)
    assert note_rows(django_alias).get().version == 4


def test_a_row_that_is_deleted_and_created_again_is_not_the_old_one(django_alias: str) -> None:
    """Between finding and writing: same key, same version, same content, another incarnation."""
    from ifmatch.store.steps import Delete, Find, Update

    store = notes(django_alias)
    store.create(KEY, note())
    found = store._do(Find(KEY))
    store.delete(KEY)
    store.create(KEY, note())
    assert store._do(Find(KEY))["version"] == found["version"]
    assert store._do(Update(found, {"title": "ours", "version": 2})) is None
    from django.db import transaction

    with transaction.atomic(django_alias):
        assert store._do(Delete(found)) is False
    assert store.read(KEY).value["title"] == "Tea"


def test_without_its_triggers_a_table_is_refused_unless_it_is_said(django_alias: str) -> None:
    from django.db import connections
    from django.db.migrations.state import ProjectState

    from ifmatch.store.django import AddGuardTriggers, DjangoStore

    state = ProjectState.from_apps(models().Note._meta.apps)
    with connections[django_alias].schema_editor() as editor:
        AddGuardTriggers("note").database_backwards("notes", editor, state, state)
    calls: list[Callable[[], Any]] = [
        lambda: notes(django_alias).tag(KEY),
        lambda: notes(django_alias).read(KEY),
        lambda: notes(django_alias).create(KEY, note()),
    ]
    for call in calls:
        with pytest.raises(ImpossibleDeclaration, match=r'AddGuardTriggers\("note"\)'):
            call()
    rows = GuardedRows(("owner", "number"), represent)
    blind = DjangoStore(models().Note, rows, using=django_alias, triggers=False)
    old = blind.create(KEY, note())
    note_rows(django_alias).update(title="raw")
    assert blind.tag(KEY) == old.etag  # the twin: what the triggers are for
    save(django_alias)
    assert blind.tag(KEY) == state_tag(note("raw"))  # save() raises the version by itself


# -- somebody comes between -----------------------------------------------------------------------

FOREIGN = {
    "update": [f"UPDATE {TABLE} SET title = 'foreign', n = 100"],
    "delete": [f"DELETE FROM {TABLE}"],
    "delete and insert": [
        f"DELETE FROM {TABLE}",
        f"INSERT INTO {TABLE} (owner, number, title, n) VALUES ('ada', 1, 'foreign', 100)",
    ],
}


def foreigner(alias: str, statements: list[str]) -> bool:
    """Write through a connection of somebody else's; whether the database let him."""
    from django.db import connections

    settings = connections[alias].settings_dict
    try:
        if alias == "default":
            with closing(sqlite3.connect(settings["NAME"], timeout=0.2)) as plain, plain:
                for one in statements:
                    plain.execute(one)
        else:
            dsn = f"postgresql://postgres@/{settings['NAME']}?host={settings['HOST']}"
            with psycopg.connect(dsn, options="-c lock_timeout=200") as connection:
                for one in statements:
                    connection.execute(one.encode())
    except (sqlite3.OperationalError, psycopg.errors.LockNotAvailable):
        return False
    return True


def before_its_first_update(alias: str, write: Callable[[], Any]) -> list[str]:
    """The statements of a write before whose first UPDATE the foreigner comes, or tries to.

    Of each its first word; that which finds a row under its lock is "LOCK".
    """
    from django.db import connections

    seen: list[str] = []

    def look(run: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("UPDATE") and "UPDATE" not in seen:
            foreigner(alias, FOREIGN["update"])
        seen.append("LOCK" if "FOR UPDATE" in sql else sql.split(maxsplit=1)[0])
        return run(sql, *rest)

    with connections[alias].execute_wrapper(look):
        write()
    return seen


def test_the_second_try_is_made_under_the_rows_lock(django_alias: str) -> None:
    """There nobody comes between again. SQLite has no lock on a row, and one writer."""
    store = notes(django_alias)
    store.create(KEY, note())
    seen = before_its_first_update(django_alias, lambda: store.replace(KEY, note("ours")))
    if django_alias == "default":
        assert "LOCK" not in seen
    else:
        assert seen.index("LOCK") == seen.index("UPDATE") + 1
        assert seen.count("UPDATE") == 2
    assert store.read(KEY).value == note("ours")


def test_a_patch_without_a_condition_finds_its_row_under_the_lock(django_alias: str) -> None:
    """To be overtaken would be for nothing, so nobody overtakes it."""
    store = notes(django_alias)
    store.create(KEY, note())
    seen = before_its_first_update(
        django_alias, lambda: store.patch(KEY, lambda value: value | {"n": value["n"] + 1})
    )
    assert ("LOCK" in seen) is (django_alias != "default")
    assert seen.count("UPDATE") == 1
    assert store.read(KEY).value["n"] == 1


def test_a_key_that_is_free_again_when_it_is_looked_for_is_tried_again(
    django_alias: str,
) -> None:
    """The insert lost to a row that is gone before it is found: on PostgreSQL alone."""
    from django.db import connections

    store = notes(django_alias)
    if django_alias == "default":
        assert store.create(KEY, note()).changed  # a transaction on SQLite has the whole file
        return
    taken: list[bool] = []

    def look(run: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("INSERT") and not taken:
            taken.append(foreigner(django_alias, FOREIGN["delete and insert"][1:]))
            try:
                return run(sql, *rest)
            finally:
                foreigner(django_alias, FOREIGN["delete"])
        return run(sql, *rest)

    with connections[django_alias].execute_wrapper(look):
        assert store.create(KEY, note("ours")).value["title"] == "ours"
    assert taken == [True]


# -- transactions ---------------------------------------------------------------------------------


def test_within_a_transaction_of_the_callers_a_write_is_refused(django_alias: str) -> None:
    """It could not promise to have committed."""
    from django.db import transaction

    store = notes(django_alias)
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic(django_alias):
        store.create(KEY, note())
    assert store.create(KEY, note()).changed


def test_a_commit_that_fails_raises_and_nothing_is_stored(django_alias: str) -> None:
    """Django's foreign keys are checked by the COMMIT."""
    from django.db.utils import IntegrityError

    store = papers(django_alias)
    with pytest.raises(IntegrityError):
        store.create(("a",), {"folder_id": 7})
    assert store.read(("a",)) is None
    made = store.create(("a",), {})
    with pytest.raises(IntegrityError):
        store.patch(("a",), lambda value: value | {"folder_id": 7})
    assert store.tag(("a",)) == made.etag


def test_another_constraint_than_the_keys_is_no_conflict(django_alias: str) -> None:
    from django.db.utils import IntegrityError

    store = papers(django_alias)
    store.create(("a",), {"serial": 1})
    for write in (store.create, store.replace):
        with pytest.raises(IntegrityError):
            write(("b",), {"serial": 1})
    with pytest.raises(Conflict):
        store.create(("a",), {"serial": 1})
    assert store.read(("b",)) is None


class Deadlock(psycopg.errors.DeadlockDetected):
    pass


@pytest.mark.parametrize("times", [2, 100])
def test_what_the_database_undid_is_done_again_and_at_last_raised(
    django_alias: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connections
    from django.db.utils import OperationalError

    from ifmatch.store import django as module

    monkeypatch.setattr(module, "PAUSES", (0, 0))
    store = notes(django_alias)
    store.create(KEY, note())
    undone: list[str] = []

    def undo(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        done = run(sql, params, many, context)
        if sql.startswith("UPDATE") and len(undone) < times:
            undone.append(sql)
            raise OperationalError from Deadlock()
        return done

    def add() -> Any:
        return store.patch(KEY, lambda value: value | {"n": value["n"] + 1})

    with connections[django_alias].execute_wrapper(undo):
        if times == 2:
            assert add().value["n"] == 1
        else:
            with pytest.raises(OperationalError):
                add()
            assert len(undone) == 3
    assert store.read(KEY).value["n"] == (1 if times == 2 else 0)


def test_other_failures_are_not_tried_again(django_alias: str) -> None:
    from django.db import connections
    from django.db.utils import OperationalError

    store = notes(django_alias)
    store.create(KEY, note())
    tries = []

    def fail(run: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("UPDATE"):
            tries.append(sql)
            raise OperationalError from psycopg.errors.AdminShutdown()
        return run(sql, *rest)

    with connections[django_alias].execute_wrapper(fail), pytest.raises(OperationalError):
        store.replace(KEY, note("b"))
    assert len(tries) == 1


# -- fields ---------------------------------------------------------------------------------------


def test_values_come_back_as_the_fields_hold_them(django_alias: str) -> None:
    store = papers(django_alias)
    made = store.create(
        ("a",), {"price": "1.5", "due": "2026-02-01", "extra": {"b": [1, None], "a": 1.5}}
    )
    assert made.value == {
        "folder_id": None,
        "price": Decimal("1.50"),
        "extra": {"b": [1, None], "a": 1.5},
        "due": date(2026, 2, 1),
        "serial": None,
    }
    assert b'"price":"1.50"' in made.body
    assert b'"words":"A"' in made.body
    assert store.read(("a",)) == made
    assert not store.replace(("a",), {"price": Decimal("1.5"), "due": "2026-02-01"}).changed
    more = store.replace(("a",), {"price": "2.5"}, unchanged(made.etag))
    assert more.etag == store.read(("a",)).etag == store.tag(("a",))
    assert b'"price":"2.50"' in more.body


@pytest.mark.parametrize("value", [-0.0, 1e300, 1.0, True, None, "", {"b": 1, "a": 2}], ids=repr)
def test_what_a_json_field_holds_and_its_tag_are_of_one_state(
    django_alias: str, value: Any
) -> None:
    """PostgreSQL's jsonb makes 0.0 of -0.0. So does the body, and so does the tag."""
    store = papers(django_alias)
    store.create(("a",), {"extra": "before"})
    made = store.replace(("a",), {"extra": value})
    assert store.read(("a",)).body == made.body
    assert made.etag.opaque == state_digest(made.body)
    assert store.tag(("a",)) == made.etag


def test_a_field_that_is_no_content_is_refused(django_alias: str) -> None:
    from django.core.exceptions import FieldDoesNotExist

    store = papers(django_alias)
    for name in ("version", "incarnation", "tag", "slug", "words", "nothing"):
        with pytest.raises(FieldDoesNotExist, match=f"'{name}'.*price"):
            store.replace(("a",), {name: 1})
    assert store.read(("a",)) is None


def test_a_delete_takes_along_what_djangos_cascade_takes(django_alias: str) -> None:
    store = papers(django_alias)
    made = store.create(("a",), {})
    models().Line.objects.using(django_alias).create(paper_id="a")
    with pytest.raises(Conflict):
        store.delete(("a",), unchanged(ETag("0123456789abcdef", weak=True)))
    assert models().Line.objects.using(django_alias).count() == 1
    store.delete(("a",), unchanged(made.etag))
    assert models().Line.objects.using(django_alias).count() == 0


def test_the_guard_is_in_no_form_and_in_no_fixture(django_alias: str) -> None:
    from django.core import serializers
    from django.forms import modelform_factory

    store = notes(django_alias)
    store.create(KEY, note())
    dumped = serializers.serialize("json", note_rows(django_alias).all())
    assert not [name for name in GUARD if f'"{name}"' in dumped]
    assert not set(GUARD) & set(modelform_factory(models().Note, fields="__all__").base_fields)
    store.replace(KEY, note("b"))
    for one in serializers.deserialize("json", dumped, using=django_alias):
        one.save(using=django_alias)
    assert store.tag(KEY) == state_tag(note())


# -- what cannot work -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "key", "alias", "message"),
    [
        (
            "Note",
            ("owner", "number"),
            "deferred",
            r'\["deferred"\]\["OPTIONS"\]\["transaction_mode',
        ),
        ("Note", ("owner", "number"), "other", "SQLite or PostgreSQL"),
        ("Note", ("owner",), "default", "UniqueConstraint"),
        ("Paper", ("serial",), "default", "UniqueConstraint"),
        ("Paper", ("name",), "default", "name fields of the model"),
        ("Folder", ("id",), "default", "GuardedModel"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused_with_the_next_step(
    model: str, key: tuple[str, ...], alias: str, message: str
) -> None:
    from ifmatch.store.django import DjangoStore

    with pytest.raises(ImpossibleDeclaration, match=message):
        DjangoStore(getattr(models(), model), GuardedRows(key, represent), using=alias)


def test_the_room_needs_no_sqlalchemy() -> None:
    """Who installs ifmatch[django] has none."""
    program = (
        "import sys; sys.modules['sqlalchemy'] = None; from django.conf import settings; "
        "settings.configure(); import django; django.setup(); import ifmatch.store.django"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# -- migrations -----------------------------------------------------------------------------------


def test_migrations_bring_the_guard_to_rows_that_are_there_and_take_it_away(
    django_alias: str,
) -> None:
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    connection = connections[django_alias]
    drop_tables(django_alias)

    def migrate(name: str) -> None:
        MigrationExecutor(connection).migrate([("notes", name)])

    def columns() -> set[str]:
        with connection.cursor() as cursor:
            found = connection.introspection.get_table_description(cursor, TABLE)
        return {one.name for one in found}

    migrate("0001_initial")
    execute(
        django_alias,
        f"INSERT INTO {TABLE} (owner, number, title, n) VALUES ('ada', 1, 'Tea', 0)",
        f"INSERT INTO {TABLE} (owner, number, title, n) VALUES ('ada', 2, 'Rum', 0)",
    )
    migrate("0002_guard")
    found = execute(django_alias, f"SELECT version, incarnation, tag FROM {TABLE}")
    assert {(row[0], row[2]) for row in found} == {(1, None)}
    assert len({row[1] for row in found}) == 2, "each row drew its own"

    migrate("0003_ratio")
    store = notes(django_alias)
    old = store.replace(KEY, note("Milk"), unchanged(state_tag(note())))
    execute(django_alias, f"UPDATE {TABLE} SET ratio = 0.25")  # the triggers watch it, too
    assert store.tag(KEY) == state_tag(note("Milk") | {"ratio": 0.25}) != old.etag

    migrate("0002_guard")
    assert columns() == {"id", "owner", "number", "title", "n", "data", *GUARD}
    before = execute(django_alias, f"SELECT version FROM {TABLE} WHERE number = 1")
    execute(django_alias, f"UPDATE {TABLE} SET title = 'raw'")
    after = execute(django_alias, f"SELECT version FROM {TABLE} WHERE number = 1")
    assert after[0][0] == before[0][0] + 1

    migrate("0001_initial")
    assert columns() == {"id", "owner", "number", "title", "n", "data"}
    execute(django_alias, f"UPDATE {TABLE} SET title = 'last'")  # no trigger is left
    migrate("0003_ratio")
    assert notes(django_alias).tag(KEY) == state_tag(note("last"))


def drop_tables(alias: str) -> None:
    from django.db import connections

    if connections[alias].vendor == "postgresql":
        execute(alias, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        return
    with connections[alias].schema_editor() as editor:
        for name in ("Line", "Paper", "Folder", "Note"):
            editor.delete_model(getattr(models(), name))


@pytest.mark.usefixtures("django_alias")
def test_the_migrations_say_what_the_models_say() -> None:
    """A plain `makemigrations` finds nothing to do, and can write the fields down."""
    from django.core.management import call_command

    call_command("makemigrations", "notes", check=True, dry_run=True, verbosity=0)


def test_the_operations_can_be_written_and_squashed() -> None:
    from django.db.migrations.writer import OperationWriter

    from ifmatch.store.django import AddGuardTriggers, DropGuardTriggers

    add = AddGuardTriggers("note", fields=["title"])
    text, imports = OperationWriter(add, indentation=0).serialize()
    assert "AddGuardTriggers(" in text
    assert "import ifmatch.store.django" in imports
    assert (add.describe(), add.migration_name_fragment) == (
        "Make the guard triggers of note",
        "note_guard_triggers",
    )
    drop = DropGuardTriggers("Note")
    assert (drop.describe(), drop.migration_name_fragment) == (
        "Drop the guard triggers of Note",
        "note_no_guard_triggers",
    )
