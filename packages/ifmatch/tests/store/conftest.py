"""Every store that the contract is run against, and hands that write behind its back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import (
    Column,
    Engine,
    Float,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    create_engine,
    text,
)
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from harness import postgres
from ifmatch.core.etag import ETag
from ifmatch.store.memory import MemoryStore
from ifmatch.store.postgres import AsyncPostgresStore, PostgresStore
from ifmatch.store.sqlalchemy import (
    CanonicalJSON,
    GuardedTable,
    SQLAlchemyStore,
    configure,
    reading,
)
from ifmatch.store.sqlalchemy_async import AsyncSQLAlchemyStore
from ifmatch.store.sqlalchemy_async import configure as configure_async
from ifmatch.store.sqlalchemy_async import reading as reading_async
from ifmatch.store.sqlite import SQLiteStore
from ifmatch.store.steps import GuardedRows
from ifmatch.store.triggers import collection_counter, create_triggers, guard_columns
from ifmatch.testing import store_contract
from ifmatch.testing.store_contract import Synchronous
from packages.ifmatch.tests.store.connections import AsyncConnections, Connections, Loop
from packages.ifmatch.tests.store.crowd import Crowd
from packages.ifmatch.tests.store.kinds import AWAITED, DATABASES, DJANGO, ON_DATABASES, STORES
from packages.ifmatch.tests.store.plain_sql import PlainSQL, Rows
from packages.ifmatch.tests.store.watch import Watch

Row = dict[str, Any]
CONTENT = ["owner", "id", "title", "n", "ratio", "data"]


def note(title: str = "Tea", n: int = 0, data: Any = None, ratio: float = 0.5) -> Row:
    """A value, whole."""
    return {"title": title, "n": n, "ratio": ratio, "data": data}


def represent(row: Any) -> Row:
    """What is served of a row; the same in every store, so that tags can be compared."""
    return {name: row[name] for name in ("title", "n", "ratio", "data")}


SCOPES = ((), ("owner",), ("title",))
"""Those that the contract asks for."""


Make = Callable[..., Any]
Listing = Callable[[], tuple[ETag, list[Any]]]


@dataclass
class Shelf(store_contract.Shelf):
    """A store of one of the kinds, and what it stands on."""

    opened: Opened
    options: dict[str, Any]

    def reopened(self) -> Any:
        return self.opened.store(strong=self.strong, **self.options)

    def behind(self) -> store_contract.Behind:
        return self.opened.rows


@dataclass
class Opened:
    """A kind of store on an empty table, as seen and changed from outside.

    `make` makes a store, such as another process has; its options are those of `GuardedRows`, and
    `scopes`. `listing` gives the tag of the collection and its rows, of one snapshot. `install`
    executes statements on a connection that is there: a new one would cost more.
    """

    make: Make
    listing: Listing
    rows: Rows
    watch: Watch
    install: Callable[[list[str]], None]

    def store(self, **options: Any) -> Any:
        return self.make(**{"represent": represent, "scopes": SCOPES} | options)

    @property
    def on_sqlite(self) -> bool:
        return self.rows.sql.on_sqlite

    def execute(self, *statements: str, wait: float = 10) -> list[Any]:
        """Plain SQL, in which `{note}` is the table and `{id}` the second column of its key."""
        named = {"note": self.rows.table, "id": self.rows.number}
        return self.rows.sql.execute(*(one.format(**named) for one in statements), wait=wait)

    def count(self) -> Opened:
        """The same, with the triggers of the counters."""
        table, identity = self.rows.table, ["owner", self.rows.number]
        dialect = "sqlite" if self.on_sqlite else "postgresql"
        made = [
            one
            for scope in SCOPES
            for one in collection_counter(dialect, table, scope=scope, identity=identity)
        ]
        self.install(made)
        return self


class Database:
    """A database with one guarded table, `note`."""

    def __init__(self, url: str, address: str) -> None:
        self.engine = configure(create_engine(url, pool_size=20))
        self.address = address
        self.watch = Watch()
        self.watch.look_at(self.engine)
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
            if self.engine.dialect.name == "postgresql":  # whatever the test before left there
                connection.execute(text("DROP SCHEMA public CASCADE"))
                connection.execute(text("CREATE SCHEMA public"))
            self.table.drop(connection, checkfirst=True)
            self.table.create(connection)
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

    def awaited(self, **options: Any) -> AsyncEngine:
        """Another engine, whose calls are awaited; to be disposed of on its loop."""
        url = self.engine.url
        if self.on_sqlite:
            url = url.set(drivername="sqlite+aiosqlite")
        return configure_async(create_async_engine(url, **options))

    def execute(self, *statements: str, wait: float = 10) -> list[Any]:
        """Plain SQL through a connection of its own: see `PlainSQL`."""
        return PlainSQL(self.address, self.on_sqlite).execute(*statements, wait=wait)

    def install(self, statements: list[str]) -> None:
        with self.engine.begin() as connection:
            for one in statements:
                connection.exec_driver_sql(one)

    def before_statement(
        self, number: int, act: Callable[[], None]
    ) -> AbstractContextManager[list[str]]:
        """Act once, before the statement of that number; yields the statements that were run."""
        return self.watch.before(number, act)


class AwaitedDatabase:
    """The same database, whose stores await what they ask of it, on a loop of their own."""

    def __init__(self, database: Database, engine: AsyncEngine, loop: Loop) -> None:
        self._database = database
        self._engine = engine
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def store(self, **more: Any) -> Synchronous:
        rows = self._database.rows(**more)
        return Synchronous(AsyncSQLAlchemyStore(self._engine, rows), self._loop.run)


@pytest.fixture(scope="session")
def notes_on_postgresql(postgres_server: postgres.Server) -> Iterator[postgres.Database]:
    """One database for all tests here; each makes the table anew."""
    with postgres_server.database() as made:
        yield made


def open_database(kind: str, request: pytest.FixtureRequest, version: str = "") -> Database:
    if kind == "sqlite":
        folder: Path = request.getfixturevalue("tmp_path")
        return Database(f"sqlite:///{folder / 'notes.db'}", str(folder / "notes.db"))
    on: postgres.Database = request.getfixturevalue(f"notes_on_{version or 'postgresql'}")
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


@pytest.fixture
def open_shelf(request: pytest.FixtureRequest, strong: bool) -> Iterator[Any]:
    """Gives the shelf of a kind of store, empty; its options are those of `GuardedRows`."""
    with ExitStack() as closed:
        yield lambda kind, **options: closed.enter_context(
            shelf_of(kind, request, strong=strong, **options)
        )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long races of SQLAlchemy's awaited stores run with weak tags alone.

    Their statements are those of its other stores, which run both, as do their own short races.
    """
    repeated = [one for one in items if _is_repeated(one)]
    if repeated:
        config.hook.pytest_deselected(items=repeated)
        items[:] = [one for one in items if one not in repeated]


def _is_repeated(item: pytest.Item) -> bool:
    made_of: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    long = item.get_closest_marker("full") is not None
    return long and made_of.get("shelf") in AWAITED and made_of.get("strong") == "strong"


@pytest.fixture(params=STORES)
def shelf(request: pytest.FixtureRequest, open_shelf: Any) -> store_contract.Shelf:
    """Each store in each mode, empty."""
    made: store_contract.Shelf = open_shelf(request.param)
    return made


@pytest.fixture(params=ON_DATABASES)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Each kind of store that stands on a database, on an empty table with counters."""
    with open_store(request.param, request) as made:
        yield made.count()


@contextmanager
def shelf_of(
    kind: str, request: pytest.FixtureRequest, *, strong: bool, **options: Any
) -> Iterator[store_contract.Shelf]:
    if kind == "memory":
        yield store_contract.Shelf(memory_store(strong=strong, **options), strong)
        return
    with open_store(kind, request) as opened:
        opened.count()
        yield Shelf(opened.store(strong=strong, **options), strong, opened, options)


@pytest.fixture(params=["sync", "awaited"])
def either(request: pytest.FixtureRequest, database: Database) -> Iterator[Any]:
    """`database`, by either of SQLAlchemy's engines."""
    if request.param == "sync":
        yield database
        return
    with closing(Loop()) as loop, awaited_engine(database, loop) as engine:
        yield AwaitedDatabase(database, engine, loop)


@contextmanager
def awaited_engine(database: Database, loop: Loop) -> Iterator[AsyncEngine]:
    """An engine for that loop, on the same database."""
    engine = database.awaited(pool_size=20)
    try:
        yield engine
    finally:
        loop.run(engine.dispose())


def memory_store(**options: Any) -> MemoryStore[Any]:
    def columns(key: Any, value: Any) -> Row:
        return {"owner": key[0], "title": value["title"]}

    return MemoryStore(scopes=SCOPES, columns=columns, **options)


@contextmanager
def open_store(kind: str, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """A kind of store on an empty table; `psycopg on older` is on the system's PostgreSQL."""
    kind, _, version = kind.partition(" on ")
    with ExitStack() as closed:
        if kind in DJANGO:
            database = kind.removeprefix("django-")
            alias = closed.enter_context(open_django(database, request, version))
            yield django_kind(alias, closed)
            return
        database = "sqlite" if "sqlite" in kind else "postgresql"
        made = open_database(database, request, version)
        closed.callback(made.engine.dispose)
        make, listing = MAKERS[kind](made, closed)
        rows = Rows(PlainSQL(made.address, made.on_sqlite))
        yield Opened(make, listing, rows, made.watch, made.install)


REPEATABLE = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
LIST = "SELECT owner, title, n FROM note ORDER BY id"


def _sqlalchemy(on: Database, closed: ExitStack) -> tuple[Make, Listing]:
    unused = [on.engine]

    def another() -> Engine:
        engine = configure(create_engine(on.engine.url, pool_size=20))
        on.watch.look_at(engine)
        closed.callback(engine.dispose)
        return engine

    def make(**options: Any) -> SQLAlchemyStore:
        engine = unused.pop() if unused else another()
        return SQLAlchemyStore(engine, on.rows(**options))

    def listing() -> tuple[ETag, list[Any]]:
        with reading(on.engine) as connection:
            tag = on.rows(scopes=SCOPES).collection_tag(connection)
            return tag, [tuple(row) for row in connection.execute(text(LIST))]

    return make, listing


def _sqlalchemy_async(on: Database, closed: ExitStack) -> tuple[Make, Listing]:
    loop = closed.enter_context(closing(Loop()))

    def make(**options: Any) -> Synchronous:
        engine = closed.enter_context(awaited_engine(on, loop))
        on.watch.look_at(engine.sync_engine)
        return Synchronous(AsyncSQLAlchemyStore(engine, on.rows(**options)), loop.run)

    async def listed(engine: AsyncEngine) -> tuple[ETag, list[Any]]:
        async with reading_async(engine) as connection:
            tag = await connection.run_sync(on.rows(scopes=SCOPES).collection_tag)
            return tag, [tuple(row) for row in await connection.execute(text(LIST))]

    def listing() -> tuple[ETag, list[Any]]:
        with awaited_engine(on, loop) as engine:
            on.watch.look_at(engine.sync_engine)
            found: tuple[ETag, list[Any]] = loop.run(listed(engine))
            return found

    return make, listing


def _sqlite3(on: Database, closed: ExitStack) -> tuple[Make, Listing]:
    def make(*, scopes: Any, **options: Any) -> SQLiteStore:
        rows = GuardedRows(("owner", "id"), **options)
        store = SQLiteStore(on.address, "note", CONTENT, rows, json=["data"], scopes=scopes)
        store.connection.set_trace_callback(on.watch)
        return closed.enter_context(closing(store))

    def listing() -> tuple[ETag, list[Any]]:
        store = make(represent=represent, scopes=SCOPES)
        store.connection.execute("BEGIN")
        tag, rows = store.collection_tag(), store.connection.execute(LIST).fetchall()
        store.connection.execute("COMMIT")
        return tag, rows

    return make, listing


def _psycopg(on: Database, closed: ExitStack) -> tuple[Make, Listing]:
    connections = Connections(on.address, cursor_factory=on.watch.cursor())
    closed.enter_context(closing(connections))

    def make(*, scopes: Any, connect: Any = connections.connection, **options: Any) -> Any:
        rows = GuardedRows(("owner", "id"), **options)
        return PostgresStore(connect, "note", CONTENT, rows, json=["data"], scopes=scopes)

    def listing() -> tuple[ETag, list[Any]]:
        with connections.connection() as connection:
            connection.execute(REPEATABLE)
            bound = make(
                connect=lambda: nullcontext(connection), represent=represent, scopes=SCOPES
            )
            return bound.collection_tag(), connection.execute(LIST).fetchall()

    return make, listing


def _psycopg_async(on: Database, closed: ExitStack) -> tuple[Make, Listing]:
    loop = closed.enter_context(closing(Loop()))
    cursor = on.watch.cursor(psycopg.AsyncCursor)
    connections = AsyncConnections(on.address, cursor_factory=cursor)
    closed.callback(lambda: loop.run(connections.close()))

    def store(connect: Any, scopes: Any, options: Row) -> AsyncPostgresStore:
        rows = GuardedRows(("owner", "id"), **options)
        return AsyncPostgresStore(connect, "note", CONTENT, rows, json=["data"], scopes=scopes)

    def make(*, scopes: Any, **options: Any) -> Synchronous:
        made = store(connections.connection, scopes, options)
        return Synchronous(made, loop.run)  # in any thread

    async def listed() -> tuple[ETag, list[Any]]:
        async with connections.connection() as connection:
            await connection.execute(REPEATABLE)
            bound = store(lambda: nullcontext(connection), SCOPES, {"represent": represent})
            tag = await bound.collection_tag()
            return tag, await (await connection.execute(LIST)).fetchall()

    return make, lambda: loop.run(listed())


MAKERS = {
    **dict.fromkeys(DATABASES, _sqlalchemy),
    **dict.fromkeys(AWAITED, _sqlalchemy_async),
    "sqlite3": _sqlite3,
    "psycopg": _psycopg,
    "psycopg-async": _psycopg_async,
}


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
def older_server() -> Iterator[postgres.Server]:
    """The system's PostgreSQL, which is older: only for tests that are there where it is."""
    version = postgres.older()
    assert version is not None
    with postgres.running(version) as server:
        yield server


@pytest.fixture(scope="session")
def notes_on_older(older_server: postgres.Server) -> Iterator[postgres.Database]:
    with older_server.database() as made:
        yield made


@pytest.fixture(scope="session")
def django_on_older(older_server: postgres.Server) -> Iterator[postgres.Database]:
    with older_server.database() as made:
        yield made


@pytest.fixture(scope="session")
def django_site() -> Any:
    """The project of the tests, configured: only then can its models be imported."""
    from packages.ifmatch.tests.store import django_site

    django_site.configure()
    return django_site


@contextmanager
def open_django(kind: str, request: pytest.FixtureRequest, version: str = "") -> Iterator[str]:
    """The alias of a database with the project's tables, empty."""
    site = request.getfixturevalue("django_site")
    if kind == "sqlite":
        name, host = str(request.getfixturevalue("tmp_path") / "django.db"), ""
    else:
        on: postgres.Database = request.getfixturevalue(f"django_on_{version or 'postgresql'}")
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
    scopes = options.pop("scopes", ())
    rows = GuardedRows(("owner", "number"), **options)
    return PerThread(DjangoStore(Note, rows, using=alias, scopes=scopes), alias)


def django_kind(alias: str, closed: ExitStack) -> Opened:
    from django.db import connections, transaction

    watch, connection = Watch(), connections[alias]
    closed.enter_context(connection.execute_wrapper(watch.wrapper))
    settings = connection.settings_dict
    on_sqlite = connection.vendor == "sqlite"
    dsn = f"postgresql://postgres@/{settings['NAME']}?host={settings['HOST']}"
    sql = PlainSQL(settings["NAME"] if on_sqlite else dsn, on_sqlite)

    def make(**options: Any) -> Any:
        return closed.enter_context(closing(django_store(alias, **options)))

    def listing() -> tuple[ETag, list[Any]]:
        with transaction.atomic(alias), connection.cursor() as cursor:
            if not on_sqlite:
                cursor.execute(REPEATABLE)
            tag = make(scopes=SCOPES).collection_tag()
            cursor.execute("SELECT owner, title, n FROM notes_note ORDER BY number")
            return tag, [tuple(row) for row in cursor.fetchall()]

    def install(statements: list[str]) -> None:
        with connection.cursor() as cursor:
            for one in statements:
                cursor.execute(one)

    return Opened(make, listing, Rows(sql, "notes_note", "number"), watch, install)


@pytest.fixture(params=DATABASES)
def django_alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """The project's tables, empty, on either database; its alias."""
    with open_django(request.param, request) as alias:
        yield alias
