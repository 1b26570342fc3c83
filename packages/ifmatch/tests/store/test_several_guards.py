"""What is edited and what merely happens, in one row: each with its guard, and under traffic."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from ifmatch import Comparison, Conflict, unchanged
from ifmatch.core.errors import ImpossibleDeclaration
from ifmatch.core.moment import Moment
from ifmatch.core.tags import state_digest
from ifmatch.server.starlette import PUBLIC, Conditional, TaggedResponse, condition, conditional
from ifmatch.store.epochs import renew_rows
from ifmatch.store.guards import columns_of_guards
from ifmatch.store.moments import Moments
from ifmatch.store.postgres import PostgresStore
from ifmatch.store.schema import install
from ifmatch.store.sqlalchemy import GuardedTable, SQLAlchemyStore
from ifmatch.store.sqlite import SQLiteStore, connect
from ifmatch.store.steps import GuardedRows
from ifmatch.store.triggers import (
    add_guard,
    create_triggers,
    drop_triggers,
    guard_columns,
    remove_guard,
)

EDITED = ["id", "name", "schedule"]
ALL = [*EDITED, "pings"]
KEY = (1,)
PING = "UPDATE job SET pings = pings + 1 WHERE id = 1"


def whole(row: Any) -> Any:
    """Each column that the store was given: so a counter shows where it was not left out."""
    return {name: row[name] for name in ALL if name in row}


class Jobs:
    """A table whose rows are edited and counted on, and stores of it."""

    def __init__(self, database: Any, driver: str, stack: ExitStack) -> None:
        self.database = database
        self.driver = driver
        self.stack = stack
        self.dialect: str = database.engine.dialect.name

    def store(self, columns: list[str], guard: str = "") -> Any:
        if self.driver == "sqlalchemy":
            table = Table(
                "job",
                MetaData(),
                *(Column("id", Integer, primary_key=True), Column("name", Text)),
                *(Column("schedule", Text), Column("pings", Integer)),
                *(guard_columns(self.dialect) + guard_columns(self.dialect, guard="overview")),
            )
            content = tuple(table.c[name] for name in columns)
            rows = GuardedTable(table, (table.c.id,), whole, columns=content, guard=guard)
            return SQLAlchemyStore(self.database.engine, rows)
        served = ("job", columns, GuardedRows(("id",), whole))
        if self.driver == "psycopg":
            return PostgresStore(self.connection, *served, guard=guard)
        path = self.database.address
        return self.stack.enter_context(closing(SQLiteStore(path, *served, guard=guard)))

    def connection(self) -> Any:
        return psycopg.connect(self.database.address)

    def execute(self, *statements: str) -> Any:
        return self.database.execute(*statements)

    def guard(self, columns: list[str], guard: str = "") -> None:
        self.execute(*create_triggers(self.dialect, "job", columns, guard=guard))

    def pinger(self) -> Any:
        if self.dialect == "sqlite":
            return connect(self.database.address, synchronous="OFF")
        options = "-c synchronous_commit=off"
        return psycopg.connect(self.database.address, autocommit=True, options=options)


DRIVERS = ["sqlite-sqlite3", "sqlite-sqlalchemy", "postgresql-psycopg", "postgresql-sqlalchemy"]


@pytest.fixture(params=DRIVERS)
def jobs(request: pytest.FixtureRequest) -> Iterator[Jobs]:
    """A table with two guards, of which neither has triggers yet, and one row."""
    on, _, driver = request.param.partition("-")
    database = request.getfixturevalue(f"on_{on}")
    with ExitStack() as stack:
        made = Jobs(database, driver, stack)
        made.execute(
            "DROP TABLE IF EXISTS job",
            "CREATE TABLE job (id integer PRIMARY KEY, name text, schedule text,"
            " pings integer NOT NULL DEFAULT 0)",
            *add_guard(on, "job"),
            *add_guard(on, "job", guard="overview"),
            "INSERT INTO job (id, name, schedule) VALUES (1, 'backup', 'daily')",
        )
        made.execute("UPDATE job SET incarnation = 7, overview_incarnation = 8")
        yield made
        left = [drop_triggers(on, "job", guard=guard) for guard in ("", "overview")]
        made.execute(*left[0], *left[1], "DROP TABLE job")  # other tests share the database


@pytest.fixture
def apart(jobs: Jobs) -> Jobs:
    """Both guards watch what their resource shows."""
    jobs.guard(EDITED)
    jobs.guard(ALL, "overview")
    return jobs


# -- two guards -----------------------------------------------------------------------------------


def test_a_counter_changes_the_tag_of_what_shows_it_and_no_other(apart: Jobs) -> None:
    settings, overview = apart.store(EDITED), apart.store(ALL, "overview")
    edited, seen = settings.read(KEY), overview.read(KEY)
    apart.execute(PING)
    assert settings.tag(KEY) == edited.etag
    after = overview.read(KEY)
    assert after.value["pings"] == 1
    assert overview.tag(KEY) == after.etag != seen.etag
    assert after.etag.opaque == state_digest(after.body)
    assert apart.execute("SELECT version, overview_version FROM job") == [(1, 2)]


def test_an_edit_changes_both_tags_whoever_makes_it(apart: Jobs) -> None:
    settings, overview = apart.store(EDITED), apart.store(ALL, "overview")
    edits: list[Callable[[], Any]] = [
        lambda: settings.patch(KEY, lambda row: {**row, "name": row["name"] + "!"}),
        lambda: overview.patch(KEY, lambda row: {**row, "name": row["name"] + "?"}),
        lambda: apart.execute("UPDATE job SET schedule = schedule || '.'"),
    ]
    for edit in edits:
        before = settings.tag(KEY), overview.tag(KEY)
        edit()
        after = settings.read(KEY), overview.read(KEY)
        assert all(one != new.etag for one, new in zip(before, after, strict=True))
        assert [new.etag.opaque for new in after] == [state_digest(new.body) for new in after]
        assert (settings.tag(KEY), overview.tag(KEY)) == tuple(new.etag for new in after)


def test_each_guard_refuses_what_was_made_on_an_older_state_of_its_own(apart: Jobs) -> None:
    settings, overview = apart.store(EDITED), apart.store(ALL, "overview")
    edited, seen = settings.read(KEY), overview.read(KEY)
    apart.execute(PING)
    with pytest.raises(Conflict):
        overview.patch(KEY, lambda row: {**row, "name": "late"}, unchanged(seen.etag))
    settings.replace(KEY, {"name": "new", "schedule": "hourly"}, unchanged(edited.etag))
    assert apart.execute("SELECT name, pings FROM job") == [("new", 1)]
    with pytest.raises(Conflict):
        settings.delete(KEY, unchanged(edited.etag))
    overview.delete(KEY, unchanged(overview.tag(KEY)))
    assert settings.read(KEY) is None


def test_a_row_that_one_store_creates_has_both_guards(apart: Jobs) -> None:
    settings, overview = apart.store(EDITED), apart.store(ALL, "overview")
    made = settings.create((2,), {"name": "mail", "schedule": "weekly"})
    assert settings.tag((2,)) == made.etag
    assert overview.read((2,)).value["pings"] == 0
    other = overview.create((3,), {"name": "disk", "schedule": "weekly", "pings": 4})
    assert other.etag == overview.tag((3,)) == overview.read((3,)).etag
    assert settings.read((3,)).value == {"name": "disk", "schedule": "weekly"}
    identities = apart.execute("SELECT incarnation, overview_incarnation FROM job WHERE id > 1")
    assert len({number for row in identities for number in row}) == 4


def test_a_row_made_anew_is_another_one_to_both_guards(apart: Jobs) -> None:
    settings, overview = apart.store(EDITED), apart.store(ALL, "overview")
    settings.patch(KEY, lambda row: {**row, "name": "first"})
    overview.patch(KEY, lambda row: {**row, "name": "second"})  # so that both tags are stored
    columns = "schedule, pings, version, incarnation, tag, tag_stamp"
    more = "overview_version, overview_incarnation, overview_tag, overview_tag_stamp"
    apart.execute(
        "CREATE TEMPORARY TABLE copy AS SELECT * FROM job",
        "DELETE FROM job",
        f"INSERT INTO job (id, name, {columns}, {more}) SELECT 1, 'copy', {columns}, {more}"
        " FROM copy",
    )
    for store in (settings, overview):
        found = store.read(KEY)
        assert store.tag(KEY) == found.etag
        assert found.etag.opaque == state_digest(found.body)


def test_one_guard_can_be_taken_away_and_the_other_stays(apart: Jobs) -> None:
    """The names of triggers, functions and columns are each guard's own."""
    settings = apart.store(EDITED)
    before = settings.tag(KEY)
    apart.execute(
        *drop_triggers(apart.dialect, "job", guard="overview"),
        *remove_guard("job", guard="overview"),
        "UPDATE job SET name = 'raw'",
    )
    if apart.driver != "sqlalchemy":
        assert settings.tag(KEY) != before
    assert apart.execute("SELECT version FROM job") == [(2,)]


def test_a_represent_of_edited_columns_cannot_show_a_counter(apart: Jobs) -> None:
    """It is not even selected: what no trigger watches is not there to be served."""
    read = apart.store(EDITED).read(KEY)
    assert read.value == {"name": "backup", "schedule": "daily"}
    assert b"pings" not in read.body


def test_a_counter_that_no_trigger_watches_is_served_under_an_old_tag(jobs: Jobs) -> None:
    """The twin: why what shows the counter has a guard of its own."""
    jobs.guard(EDITED)
    overview = jobs.store(ALL)
    before = overview.patch(KEY, lambda row: {**row, "name": "stored"})
    jobs.execute(PING)
    after = overview.read(KEY)
    assert after.body != before.body
    assert after.etag == before.etag


def test_a_django_store_of_some_fields_sees_no_others(django_alias: str) -> None:
    """A counter beside them is no part of the resource, and disturbs no editor."""
    from django.db import connections

    from ifmatch.store.django import DjangoStore
    from packages.ifmatch.tests.store.django_site.notes.models import Note

    rows = GuardedRows(("owner", "number"), lambda row: {"title": row["title"], "n": "n" in row})
    with pytest.raises(ImpossibleDeclaration, match="'nothing'"):
        DjangoStore(Note, rows, using=django_alias, fields=["title", "nothing"])
    store = DjangoStore(Note, rows, using=django_alias, fields=["title"])
    before = Note(n=0).n
    made = store.create(("ada", 1), {"title": "Tea"})
    assert (made.value, made.body) == ({"title": "Tea"}, b'{"n":false,"title":"Tea"}')
    with connections[django_alias].cursor() as cursor:
        cursor.execute(f"UPDATE {Note._meta.db_table} SET n = n + 1")
    assert store.tag(("ada", 1)) == made.etag
    store.replace(("ada", 1), {"title": "Milk"}, unchanged(made.etag))
    note = Note.objects.using(django_alias).get()
    assert (note.title, note.n) == ("Milk", before + 1)
    connections[django_alias].close()


def test_a_guard_and_a_table_of_like_names_do_not_take_each_others_functions(apart: Jobs) -> None:
    """PostgreSQL's functions belong to no table."""
    with_one = ["DROP TABLE IF EXISTS job_overview", "CREATE TABLE job_overview (id integer)"]
    apart.execute(
        *with_one,
        *add_guard(apart.dialect, "job_overview"),
        *create_triggers(apart.dialect, "job_overview", ["id"]),
        "INSERT INTO job_overview (id) VALUES (1)",
        "UPDATE job_overview SET id = 2",
        PING,
    )
    assert apart.execute("SELECT version FROM job_overview") == [(2,)]
    assert apart.execute("SELECT overview_version FROM job") == [(2,)]
    apart.execute(*drop_triggers(apart.dialect, "job_overview"), "DROP TABLE job_overview")


def test_each_guard_is_renewed_by_its_name(apart: Jobs) -> None:
    """After a restore no tag of either holds; of the other one nothing changes."""
    query = "SELECT version, incarnation, overview_version, overview_incarnation FROM job"
    ((version, incarnation, *others),) = apart.execute(query)
    apart.execute(*renew_rows(apart.dialect, "job"))
    ((new_version, new_incarnation, *same),) = apart.execute(query)
    assert (new_version, new_incarnation != incarnation, same) == (version + 1, True, others)
    apart.execute(*renew_rows(apart.dialect, "job", guard="overview"))
    ((*same, new_version, new_incarnation),) = apart.execute(query)
    assert same[0] == version + 1
    assert (new_version, new_incarnation != others[1]) == (others[0] + 1, True)


# -- declarations ---------------------------------------------------------------------------------


def test_columns_of_a_guard_are_known_by_their_four_names() -> None:
    names = ["id", "tag", "x_version", *(f"a_b_{one}" for one in ("version", "incarnation", "tag"))]
    assert columns_of_guards(names) == frozenset()
    assert columns_of_guards([*names, "a_b_tag_stamp"]) == {
        *("a_b_version", "a_b_incarnation", "a_b_tag", "a_b_tag_stamp")
    }


def test_content_that_is_named_like_a_guards_column_is_refused(tmp_path: Any) -> None:
    with pytest.raises(ImpossibleDeclaration, match="'tag'"):
        SQLiteStore(tmp_path / "a.db", "job", ["id", "tag"], GuardedRows(("id",), dict), guard="x")
    columns = (Column("id", Integer, primary_key=True), Column("tag", Text))
    table = Table("job", MetaData(), *columns, *guard_columns("sqlite", guard="x"))
    with pytest.raises(ImpossibleDeclaration, match="'tag'"):
        GuardedTable(table, (table.c.id,), dict, guard="x")
    GuardedTable(table, (table.c.id,), dict, guard="x", columns=(table.c.id,))


def test_facts_of_columns_that_are_not_read_are_refused(tmp_path: Any) -> None:
    """Else a 304 would be told, and the body of a 200 could not be made."""
    moments = Moments(("due",), lambda row, now: Moment({"late": row["due"] <= now.year}))
    rows = GuardedRows(("id",), dict, moments=moments)
    with pytest.raises(ImpossibleDeclaration, match="'due'"):
        SQLiteStore(tmp_path / "a.db", "job", ["id", "name"], rows)
    columns = (Column("id", Integer, primary_key=True), Column("due", Integer))
    table = Table("job", MetaData(), *columns, *guard_columns("sqlite"))
    with pytest.raises(ImpossibleDeclaration, match="'due'"):
        GuardedTable(table, (table.c.id,), dict, moments=moments, columns=(table.c.id,))
    GuardedTable(table, (table.c.id,), dict, moments=moments)


def test_tables_of_create_all_get_the_triggers_of_each_guard(on_sqlite: Any) -> None:
    """Without a list of columns a guard watches the content, and no other guard's columns."""
    metadata = MetaData()
    table = Table(
        "task",
        metadata,
        *(Column("id", Integer, primary_key=True), Column("name", Text), Column("pings", Integer)),
        *(guard_columns("sqlite") + guard_columns("sqlite", guard="overview")),
    )
    install(metadata, columns=["id", "name"])
    install(metadata, guard="overview")
    metadata.create_all(on_sqlite.engine)
    on_sqlite.execute("INSERT INTO task (id, name, pings) VALUES (1, 'a', 0)")
    on_sqlite.execute("UPDATE task SET pings = 1")
    versions = "SELECT version, overview_version FROM task"
    assert on_sqlite.execute(versions) == [(1, 2)]
    on_sqlite.execute("UPDATE task SET overview_tag = NULL, tag = NULL")
    assert on_sqlite.execute(versions) == [(1, 2)]
    store = SQLAlchemyStore(on_sqlite.engine, GuardedTable(table, (table.c.id,), dict))
    assert set(store.read(KEY).value) == {"name", "pings"}  # type: ignore[union-attr]


# -- under traffic --------------------------------------------------------------------------------


class Pings:
    """Counts in the row, by plain SQL in threads of its own, all the time."""

    def __init__(self) -> None:
        self.done = [0, 0]
        self.failed: list[BaseException] = []
        self.over = threading.Event()

    @property
    def total(self) -> int:
        return sum(self.done)

    def run(self, jobs: Jobs, number: int) -> None:
        try:
            with closing(jobs.pinger()) as connection:
                while not self.over.is_set():
                    connection.execute(PING)
                    self.done[number] += 1
                    time.sleep(0.0005)  # else SQLite's other writers starve
        except (sqlite3.Error, psycopg.Error) as error:  # pragma: no cover - told by the test
            self.failed.append(error)
            self.over.set()


@contextmanager
def traffic(jobs: Jobs) -> Iterator[Pings]:
    pings = Pings()
    threads = [threading.Thread(target=pings.run, args=(jobs, number)) for number in range(2)]
    for each in threads:
        each.start()
    try:
        yield pings
    finally:
        pings.over.set()
        for each in threads:
            each.join()
    assert pings.failed == []


class Api:
    """The resources over HTTP: each polled with the tag that it had last."""

    def __init__(self, **stores: Any) -> None:
        routes = [
            Route(f"/{name}", self._served(store), methods=["GET", "PUT"])
            for name, store in stores.items()
        ]
        self.client = TestClient(Starlette(routes=routes))
        self.tags = dict.fromkeys(stores, '"none"')

    def _served(self, store: Any) -> Any:
        async def answer(request: Request) -> Response:
            if request.method == "PUT":
                return TaggedResponse(store.replace(KEY, await request.json(), condition(request)))
            return TaggedResponse(store.read(KEY))

        def tag(_request: Request) -> Any:
            return store.validators(KEY)

        declared = Conditional(authorize=PUBLIC, tag=tag, comparison=Comparison.STATE)
        return conditional(declared, answer, ["GET", "PUT"])

    def poll(self, name: str) -> int:
        answer = self.client.get(f"/{name}", headers={"If-None-Match": self.tags[name]})
        self.tags[name] = answer.headers["ETag"]
        if answer.status_code == 200:
            assert answer.headers["ETag"] == f'W/"{state_digest(answer.content)}"'
        return answer.status_code

    def edit(self, name: str, tag: str) -> int:
        value = {"name": "edited", "schedule": "hourly"}
        return self.client.put(f"/{name}", json=value, headers={"If-Match": tag}).status_code


def poll_while(pings: Pings, enough: Callable[[], bool], *polls: Callable[[], int]) -> list[Any]:
    """The statuses of each poll, until there was enough of traffic."""
    seen: list[list[int]] = [[] for _ in polls]
    deadline = time.monotonic() + 60
    while not enough() and not pings.over.is_set():
        assert time.monotonic() < deadline, f"only {pings.total} pings"
        for statuses, poll in zip(seen, polls, strict=True):
            statuses.append(poll())
    return seen


PINGS = 1500


def test_under_traffic_each_poll_of_settings_is_304_and_an_edit_held_open_saves(
    apart: Jobs,
) -> None:
    api = Api(settings=apart.store(EDITED), overview=apart.store(ALL, "overview"))
    assert api.poll("settings") == api.poll("overview") == 200
    opened = api.tags["settings"]
    with traffic(apart) as pings:
        settings, overview = poll_while(
            pings,
            lambda: pings.total >= PINGS,
            lambda: api.poll("settings"),
            lambda: api.poll("overview"),
        )
        saved = api.edit("settings", opened)
        after = pings.total
        poll_while(pings, lambda: pings.total >= after + 100, lambda: api.poll("overview"))
    assert set(settings) == {304}
    assert overview.count(200) > len(overview) // 4
    assert saved == 200
    assert apart.execute("SELECT name, pings FROM job") == [("edited", pings.total)]


def test_with_one_representation_for_both_polls_are_200_and_the_edit_is_412(jobs: Jobs) -> None:
    """The twin: the same traffic, the same row, and the counter in what people edit."""
    jobs.guard(ALL)
    api = Api(check=jobs.store(ALL))
    assert api.poll("check") == 200
    opened = api.tags["check"]
    with traffic(jobs) as pings:
        (polls,) = poll_while(pings, lambda: pings.total >= 200, lambda: api.poll("check"))
        refused = api.edit("check", opened)
    assert polls.count(200) > len(polls) // 4
    assert refused == 412
    assert jobs.execute("SELECT name, pings FROM job") == [("backup", pings.total)]
