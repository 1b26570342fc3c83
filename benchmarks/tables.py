"""One guarded table on either database, and each store that can serve it.

`item` has a word and a number in each row, and the columns and triggers of the guard; `before` is
no content: plain SQL keeps there which word it replaced. `tally` has a
number and nothing else: what an application would use that only counts. `event` is appended to.
"""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from harness import postgres
from ifmatch.store.contract import Store
from ifmatch.store.postgres import PostgresStore
from ifmatch.store.sqlite import SQLiteStore, connect
from ifmatch.store.steps import GuardedRows
from ifmatch.store.triggers import add_guard, create_triggers

COLUMNS = ("id", "word", "n")
Row = Mapping[str, Any]
Key = Sequence[Any]
Rows = Store[Key, Row]


def represent(row: Any) -> Row:
    """What is served of a row."""
    return {"word": row["word"], "n": row["n"]}


ROWS = GuardedRows(("id",), represent)


@dataclass(frozen=True)
class Place:
    """Where the table is: a file of SQLite or a database of PostgreSQL, by its driver's address.

    `synchronous` is SQLite's; what PostgreSQL does about its disk its server was told.
    """

    dialect: str
    address: str
    synchronous: str = "FULL"

    def execute(self, *statements: str) -> list[Any]:
        """Plain SQL, committed; the rows of the last statement."""
        if self.dialect == "sqlite":
            with closing(connect(self.address, synchronous=self.synchronous)) as sqlite:
                sqlite.execute("BEGIN IMMEDIATE")
                found = [sqlite.execute(statement).fetchall() for statement in statements][-1]
                sqlite.execute("COMMIT")
                return found
        with psycopg.connect(self.address) as postgresql:
            cursor = postgresql.cursor()
            for statement in statements:
                cursor.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def places(*, durable: bool = True) -> Iterator[tuple[Place, Place, postgres.Server]]:
    """A file of SQLite, and a database of a PostgreSQL server of its own, for a block.

    With `durable` both have a write on the disk before they acknowledge it.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres.running(durable=durable) as server,
        server.database() as database,
    ):
        file, synchronous = str(Path(folder) / "items.db"), "FULL" if durable else "OFF"
        yield (
            Place("sqlite", file, synchronous),
            Place("postgresql", database.dsn),
            server,
        )


def first_word(row: int) -> str:
    """The word that a row begins with."""
    return f"first of {row}"


def create(place: Place, rows: int) -> None:
    """The tables anew, with the rows 1 to `rows`."""
    serial = {
        "sqlite": "integer PRIMARY KEY",
        "postgresql": "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    }[place.dialect]
    counted = {
        "sqlite": f"WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted "
        f"WHERE n < {rows}) SELECT n FROM counted",
        "postgresql": f"SELECT n FROM generate_series(1, {rows}) AS counted(n)",
    }[place.dialect]
    place.execute(
        "DROP TABLE IF EXISTS item",
        "CREATE TABLE item "
        "(id integer PRIMARY KEY, word text NOT NULL, n integer NOT NULL, before text)",
        f"INSERT INTO item SELECT n, 'first of ' || n, 0, NULL FROM ({counted}) AS listed",
        *add_guard(place.dialect, "item"),
        *create_triggers(place.dialect, "item", COLUMNS),
        "DROP TABLE IF EXISTS tally",
        "CREATE TABLE tally (id integer PRIMARY KEY, n integer NOT NULL)",
        "INSERT INTO tally SELECT id, 0 FROM item",
        "DROP TABLE IF EXISTS event",
        f"CREATE TABLE event (id {serial}, item integer NOT NULL)",
    )


def words(place: Place) -> dict[int, str]:
    """The word that each row holds now."""
    return dict(place.execute("SELECT id, word FROM item"))


# -- stores ---------------------------------------------------------------------------------------


class Kept:
    """A PostgreSQL connection for each thread, kept; each use of it is one transaction.

    A connection that broke is replaced at its thread's next use.
    """

    def __init__(self, dsn: str, **options: Any) -> None:
        self._dsn = dsn
        self._options = options
        self._local = threading.local()
        self._opened: list[psycopg.Connection[Any]] = []

    def thread(self) -> psycopg.Connection[Any]:
        """This thread's connection."""
        held: psycopg.Connection[Any] | None = getattr(self._local, "held", None)
        if held is None or held.closed:
            held = self._local.held = psycopg.connect(self._dsn, **self._options)
            self._opened.append(held)
        return held

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """For a block that has committed when it is left."""
        held = self.thread()
        try:
            yield held
        except BaseException:
            if not held.closed:
                held.rollback()
            raise
        held.commit()

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()


@contextmanager
def _sqlite3(place: Place) -> Iterator[Rows]:
    with closing(
        SQLiteStore(place.address, "item", COLUMNS, ROWS, synchronous=place.synchronous)
    ) as store:
        yield store


@contextmanager
def _psycopg(place: Place) -> Iterator[Rows]:
    with closing(Kept(place.address)) as kept:
        yield PostgresStore(kept.connection, "item", COLUMNS, ROWS)


@contextmanager
def _sqlalchemy(place: Place) -> Iterator[Rows]:
    from sqlalchemy import Column, Integer, MetaData, Table, Text, create_engine

    from ifmatch.store.sqlalchemy import GuardedTable, SQLAlchemyStore, configure
    from ifmatch.store.triggers import guard_columns

    sqlite = place.dialect == "sqlite"
    url = (
        f"sqlite:///{place.address}"
        if sqlite
        else place.address.replace("postgresql://", "postgresql+psycopg://", 1)
    )
    engine = configure(create_engine(url, pool_size=64))
    item = Table(
        "item",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("word", Text, nullable=False),
        Column("n", Integer, nullable=False),
        *guard_columns(place.dialect, added=True),
    )
    yield SQLAlchemyStore(engine, GuardedTable(item, key=(item.c.id,), represent=represent))
    engine.dispose()


@contextmanager
def _django(place: Place) -> Iterator[Rows]:
    """Once in a process: Django's settings cannot be changed afterwards."""
    import django
    from django.conf import settings
    from django.db import connections, models

    settings.configure(DATABASES={"default": _django_settings(place)}, SECRET_KEY="of no use")
    django.setup()
    from ifmatch.store.django import DjangoStore, GuardedModel

    class Item(GuardedModel):
        id = models.IntegerField(primary_key=True)
        word = models.TextField()
        n = models.IntegerField()

        class Meta:
            app_label = "benchmarks"
            db_table = "item"

    yield DjangoStore(Item, ROWS)
    connections.close_all()


def _django_settings(place: Place) -> dict[str, Any]:
    if place.dialect == "sqlite":
        options = {"transaction_mode": "IMMEDIATE", "timeout": 30}
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": place.address,
            "OPTIONS": options | {"init_command": f"PRAGMA synchronous={place.synchronous}"},
        }
    known = psycopg.conninfo.conninfo_to_dict(place.address)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": known["dbname"],
        "USER": known["user"],
        "HOST": known["host"],
    }


DRIVERS = {"sqlite": "sqlite3", "postgresql": "psycopg"}
"""The store that stands on the database's driver alone."""

_STORES: dict[str, Callable[[Place], Any]] = {
    "sqlite3": _sqlite3,
    "psycopg": _psycopg,
    "sqlalchemy": _sqlalchemy,
    "django": _django,
}


@contextmanager
def opened(kind: str, place: Place) -> Iterator[Rows]:
    """The table as a store: `sqlite3`, `psycopg`, `sqlalchemy` or `django`; for any threads."""
    with _STORES[kind](place) as store:
        yield store


@contextmanager
def raw(place: Place) -> Iterator[sqlite3.Connection | psycopg.Connection[Any]]:
    """A connection of the driver, each statement of which is a transaction of its own."""
    if place.dialect == "sqlite":
        with closing(connect(place.address, synchronous=place.synchronous)) as sqlite:
            yield sqlite
    else:
        with closing(psycopg.connect(place.address, autocommit=True)) as postgresql:
            yield postgresql
