"""Every store that the contract is run against, and hands that write behind its back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    create_engine,
    event,
    text,
)

from harness import postgres
from ifmatch.store.memory import MemoryStore
from ifmatch.store.postgres import AsyncPostgresStore, PostgresStore
from ifmatch.store.sqlalchemy import CanonicalJSON, GuardedTable, SQLAlchemyStore, configure
from ifmatch.store.sqlite import SQLiteStore
from ifmatch.store.steps import GuardedRows
from ifmatch.store.triggers import create_triggers, guard_columns
from ifmatch.testing import store_contract
from ifmatch.testing.store_contract import Synchronous
from packages.ifmatch.tests.store.connections import AsyncConnections, Connections, Loop
from packages.ifmatch.tests.store.crowd import Crowd

Row = dict[str, Any]
CONTENT = ["owner", "id", "title", "n", "ratio", "data"]
DATABASES = ("sqlite", "postgresql")
DJANGO = ("django-sqlite", "django-postgresql")


def note(title: str = "Tea", n: int = 0, data: Any = None, ratio: float = 0.5) -> Row:
    """A value, whole."""
    return {"title": title, "n": n, "ratio": ratio, "data": data}


def represent(row: Any) -> Row:
    """What is served of a row; the same in every store, so that tags can be compared."""
    return {name: row[name] for name in ("title", "n", "ratio", "data")}


@dataclass
class Shelf(store_contract.Shelf):
    """A store, and what it stands on: `database` is None in memory."""

    database: Database | None = None


class Database:
    """A database with one guarded table, `note`."""

    def __init__(self, url: str, address: str) -> None:
        self.engine = configure(create_engine(url, pool_size=20))
        self.address = address
        self.table = Table(
            "note",
            MetaData(),
            Column("owner", Text, nullable=False),
            Column("id", Integer, nullable=False),
            Column("title", Text, nullable=False),
            Column("n", Integer, nullable=False),
            Column("ratio", Float, nullable=False, server_default=text("0.5")),
            Column("data", CanonicalJSON),
            *guard_columns(self.engine.dialect.name),
            PrimaryKeyConstraint("owner", "id"),
        )
        with self.engine.begin() as connection:
            self.table.drop(connection, checkfirst=True)
            self.table.create(connection)
            if self.engine.dialect.name == "postgresql":
                for name in ("version", "copy"):
                    connection.execute(text(f'DROP FUNCTION IF EXISTS "note_{name}"'))
            for statement in create_triggers(self.engine.dialect.name, "note", CONTENT):
                connection.execute(text(statement))

    @property
    def on_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def rows(self, **more: Any) -> GuardedTable:
        """The table, guarded."""
        columns = self.table.c
        options: dict[str, Any] = {"represent": represent} | more
        return GuardedTable(self.table, (columns.owner, columns.id), **options)

    def store(self, **more: Any) -> SQLAlchemyStore:
        return SQLAlchemyStore(self.engine, self.rows(**more))

    def execute(self, *statements: str, wait: float = 10) -> list[Any]:
        """Plain SQL through a connection of its own, in one transaction; the last one's rows.

        It waits for locks that long, and then raises what the driver raises.
        """
        if self.on_sqlite:
            with closing(sqlite3.connect(self.address, timeout=wait)) as sqlite, sqlite:
                return [sqlite.execute(one).fetchall() for one in statements][-1]
        options = f"-c lock_timeout={int(wait * 1000) or 1}"
        with psycopg.connect(self.address, options=options) as postgresql:
            found: list[Any] = []
            for one in statements:
                cursor = postgresql.execute(one.encode())
                found = cursor.fetchall() if cursor.description else []
            return found

    @contextmanager
    def before_statement(self, number: int, act: Callable[[], None]) -> Iterator[list[str]]:
        """Act once, before the statement of that number; yields the statements that were run."""
        seen: list[str] = []

        def look(_on: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
            seen.append(statement)
            if len(seen) == number:
                act()

        event.listen(self.engine, "before_cursor_execute", look)
        try:
            yield seen
        finally:
            event.remove(self.engine, "before_cursor_execute", look)


@pytest.fixture(scope="session")
def notes_on_postgresql(postgres_server: postgres.Server) -> Iterator[postgres.Database]:
    """One database for all tests here; each makes the table anew."""
    with postgres_server.database() as made:
        yield made


def open_database(kind: str, request: pytest.FixtureRequest) -> Database:
    if kind == "sqlite":
        folder: Path = request.getfixturevalue("tmp_path")
        return Database(f"sqlite:///{folder / 'notes.db'}", str(folder / "notes.db"))
    on: postgres.Database = request.getfixturevalue("notes_on_postgresql")
    return Database(on.url, on.dsn)


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty table on either database."""
    made = open_database(request.param, request)
    yield made
    made.engine.dispose()


@pytest.fixture
def on_sqlite(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty table, for what only SQLite does."""
    made = open_database("sqlite", request)
    yield made
    made.engine.dispose()


@pytest.fixture
def on_postgresql(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty table, for what only PostgreSQL does."""
    made = open_database("postgresql", request)
    yield made
    made.engine.dispose()


@pytest.fixture(params=["weak", "strong"])
def strong(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "strong")


STORES = ["memory", *DATABASES, "sqlite3", "psycopg", "psycopg-async", *DJANGO]


@pytest.fixture(params=STORES)
def shelf(request: pytest.FixtureRequest, strong: bool) -> Iterator[Shelf]:
    """Each store in each mode, empty."""
    yield from _shelf(request, strong=strong)


@pytest.fixture(params=STORES)
def excusing(request: pytest.FixtureRequest, strong: bool) -> Iterator[Shelf]:
    """The same, told to let a replacement pass whose wish is fulfilled already (13.1.1)."""
    yield from _shelf(request, strong=strong, already_applied=True)


def _shelf(request: pytest.FixtureRequest, *, strong: bool, **more: Any) -> Iterator[Shelf]:
    if request.param == "memory":
        yield Shelf(MemoryStore(strong=strong, **more), strong)
        return
    if request.param in DJANGO:
        with (
            open_django(request.param.removeprefix("django-"), request) as alias,
            closing(django_store(alias, strong=strong, **more)) as store,
        ):
            yield Shelf(store, strong)
        return
    on_sqlite = request.param in ("sqlite", "sqlite3")
    made = open_database("sqlite" if on_sqlite else "postgresql", request)
    if request.param in DATABASES:
        yield Shelf(made.store(strong=strong, **more), strong, made)
    else:
        rows = GuardedRows(("owner", "id"), represent, strong=strong, **more)
        with closing(_Drivers(made)) as drivers:
            yield Shelf(drivers.store(request.param, rows), strong, made)
    made.engine.dispose()


class _Drivers:
    """Stores that stand on a driver alone, and what has to be closed after them."""

    def __init__(self, database: Database) -> None:
        self.address = database.address
        self.open = ExitStack()

    def store(self, kind: str, rows: GuardedRows) -> Any:
        table = ("note", CONTENT, rows)
        if kind == "sqlite3":
            made = SQLiteStore(self.address, *table, json=["data"])
            return self.open.enter_context(closing(made))
        if kind == "psycopg":
            connections = self.open.enter_context(closing(Connections(self.address)))
            return PostgresStore(connections.connection, *table, json=["data"])
        loop = self.open.enter_context(closing(Loop()))
        awaited = AsyncConnections(self.address)
        self.open.callback(lambda: loop.run(awaited.close()))
        store = AsyncPostgresStore(awaited.connection, *table, json=["data"])
        return Synchronous(store, loop.run)  # in any thread

    def close(self) -> None:
        self.open.close()


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    """Threads that start together."""
    with closing(Crowd()) as made:
        yield made


# -- Django ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def django_on_postgresql(postgres_server: postgres.Server) -> Iterator[postgres.Database]:
    """Another database than the one where SQLAlchemy makes its table."""
    with postgres_server.database() as made:
        yield made


@pytest.fixture(scope="session")
def django_site() -> Any:
    """The project of the tests, configured: only then can its models be imported."""
    from packages.ifmatch.tests.store import django_site

    django_site.configure()
    return django_site


@contextmanager
def open_django(kind: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The alias of a database with the project's tables, empty."""
    site = request.getfixturevalue("django_site")
    if kind == "sqlite":
        name, host = str(request.getfixturevalue("tmp_path") / "django.db"), ""
    else:
        on: postgres.Database = request.getfixturevalue("django_on_postgresql")
        name, host = on.name, on.socket_folder
    with site.pointed_at(kind, name, host) as alias:
        site.create(alias)
        yield alias


def django_store(alias: str, **more: Any) -> Any:
    """The notes of the project as a store, for any number of threads."""
    from ifmatch.store.django import DjangoStore
    from packages.ifmatch.tests.store.django_site import PerThread
    from packages.ifmatch.tests.store.django_site.notes.models import Note

    options: dict[str, Any] = {"represent": represent} | more
    rows = GuardedRows(("owner", "number"), **options)
    return PerThread(DjangoStore(Note, rows, using=alias), alias)


@pytest.fixture(params=DATABASES)
def django_alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """The project's tables, empty, on either database; its alias."""
    with open_django(request.param, request) as alias:
        yield alias
