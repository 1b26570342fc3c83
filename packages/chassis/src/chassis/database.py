"""A database for each product: a SQLite file, or a schema of one PostgreSQL database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from chassis.settings import OperatorError, Settings
from ifmatch.store.sqlalchemy import configure, reading, writing

THREADS = 40
"""How many `def` endpoints run at once: the limit of the thread pool that they share."""

_MIGRATION_WAIT_SECONDS = 300


class SchemaUnknown(OperatorError):
    """The database was migrated by another, probably newer version."""


class FileUnusable(OperatorError):
    """The SQLite file is none, or cannot be opened; the message says what to do."""


class Standing(Enum):
    """How the schema of a database stands to the migrations that this version knows."""

    CURRENT = "current"
    PENDING = "pending"
    UNKNOWN = "unknown"


class Database:
    """One product's database. `reading` and `writing` give connections in a transaction.

    database = Database.open(settings, "flagbit")
    with database.writing() as connection: ...
    """

    def __init__(self, name: str, engine: Engine) -> None:
        self.name = name
        self.engine = engine

    @classmethod
    def open(cls, settings: Settings, name: str) -> Database:
        """Open it; the SQLite file or the schema is made by `migrate`."""
        if not (name.isascii() and name.isidentifier() and name.islower()):
            raise ValueError(f"{name!r} is no name for a database: use lower-case letters.")
        if settings.database_url is not None:
            return cls(name, _postgresql(settings.database_url, name))
        settings.data.mkdir(parents=True, exist_ok=True)
        return cls(name, _sqlite(settings.data / f"{name}.db"))

    @classmethod
    def look_at(cls, settings: Settings, name: str) -> Database:
        """Open it for `reading` alone, so that not even a file beside SQLite's is made.

        The SQLite file has to be there.
        """
        if settings.database_url is not None:
            return cls.open(settings, name)
        path = (settings.data / f"{name}.db").absolute()
        # Where nobody has it open, it is whole without a log; opening the log would make files.
        how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
        url = f"file:{quote(str(path))}?{how}"

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(url, uri=True, check_same_thread=False)

        shown = URL.create("sqlite+pysqlite", database=str(path))
        return cls(name, create_engine(shown, creator=connect, poolclass=NullPool))

    @classmethod
    def is_made(cls, settings: Settings, name: str) -> bool:
        """Whether it has ever been migrated. Makes nothing where it has not."""
        if settings.database_url is None and not (settings.data / f"{name}.db").exists():
            return False
        database = cls.open(settings, name)
        try:
            with _explaining(database.engine):
                return bool(database._applied())
        finally:
            database.close()

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection on which all reads are of one snapshot."""
        return reading(self.engine)

    def writing(self) -> AbstractContextManager[Connection]:
        """A connection in a transaction that has committed when the block is left."""
        return writing(self.engine)

    def ping(self) -> None:
        """Return if the database answers; raises what SQLAlchemy raises if not."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close every connection of the pool."""
        self.engine.dispose()

    # -- migrations ---------------------------------------------------------------------------

    def migrate(self, script_location: str) -> None:
        """Bring the schema up to date with the scripts of that package path or folder.

        All steps are one transaction under one lock: of two processes that start at once, one
        migrates and the other finds it done. Raises SchemaUnknown or FileUnusable.
        """
        with _explaining(self.engine):
            self._migrate(script_location)

    def _migrate(self, script_location: str) -> None:
        if self.is_current(script_location):
            return
        with self._migrating() as connection:
            self.upgrade(connection, self.name, script_location)

    @staticmethod
    def upgrade(connection: Connection, name: str, script_location: str, to: str = "head") -> None:
        """Migrate in the transaction of that connection, as far as `to`. Raises SchemaUnknown."""
        scripts = _scripts(script_location)

        def steps(revision: Any, _context: Any) -> Any:
            return scripts._upgrade_revs(to, revision)

        context = MigrationContext.configure(connection, opts={"fn": steps})
        try:
            with Operations.context(context):
                context.run_migrations()
        except CommandError as error:
            raise _unknown(name, error) from error

    @staticmethod
    def refuse_unknown(name: str, script_location: str, revision: str) -> None:
        """Raise SchemaUnknown for a migration that is not among those scripts."""
        try:
            _scripts(script_location).get_revision(revision)
        except CommandError as error:
            raise _unknown(name, error) from error

    def is_current(self, script_location: str) -> bool:
        """Whether nothing is left to migrate."""
        return self._applied() == _heads(script_location)

    def standing(self, script_location: str) -> Standing:
        """Whether the schema is current, older, or not of this version's making."""
        with _explaining(self.engine):
            applied = self._applied()
        if applied == _heads(script_location):
            return Standing.CURRENT
        known = {one.revision for one in _scripts(script_location).walk_revisions()}
        return Standing.PENDING if applied <= known else Standing.UNKNOWN

    def _applied(self) -> frozenset[str]:
        with self.reading() as connection:
            return frozenset(MigrationContext.configure(connection).get_current_heads())

    def _migrating(self) -> AbstractContextManager[Connection]:
        if self.engine.dialect.name == "sqlite":
            return self._migrating_sqlite()
        return self._migrating_postgresql()

    @contextmanager
    def _migrating_sqlite(self) -> Iterator[Connection]:
        """An engine of its own: foreign keys are off, which is not possible in a transaction.

        With them on, a table that is rebuilt (Alembic's batch mode) would drop the rows that
        point at it.
        """
        engine = create_engine(self.engine.url, poolclass=NullPool, hide_parameters=True)

        @event.listens_for(engine, "connect")
        def _connect(connection: Any, _record: Any) -> None:
            connection.isolation_level = None
            connection.execute(f"PRAGMA busy_timeout={_MIGRATION_WAIT_SECONDS * 1000}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA foreign_keys=OFF")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        with engine.connect() as connection, connection.begin():
            yield connection
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if broken:
                raise RuntimeError(
                    f"The migration of {self.name} left {len(broken)} rows that point at nothing. "
                    "It was undone; report this."
                )

    @contextmanager
    def _migrating_postgresql(self) -> Iterator[Connection]:
        with self.engine.begin() as connection:
            self.lock_migrations(connection, self.name)
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{self.name}"'))
            yield connection

    @staticmethod
    def lock_migrations(connection: Connection, name: str) -> None:
        """Let nobody else migrate that schema of PostgreSQL until the transaction is over."""
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:lock, 0))"),
            {"lock": f"chassis:migrate:{name}"},
        )


def _unknown(name: str, error: CommandError) -> SchemaUnknown:
    return SchemaUnknown(
        f"The schema of {name} is not one that this version knows: {error}. "
        "Install the version that made it, or a newer one."
    )


@contextmanager
def _explaining(engine: Engine) -> Iterator[None]:
    """Raises FileUnusable where SQLite's file is at fault."""
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as error:
        said = _unusable(engine.url.database, error)
        if said is None:
            raise
        raise FileUnusable(said) from error


def _unusable(path: str | None, error: Exception) -> str | None:
    """What to tell the operator of a SQLite file; None for what has to be seen as it is."""
    cause = getattr(error, "orig", error)
    if not isinstance(cause, sqlite3.Error):
        return None
    _, _, name = getattr(cause, "sqlite_errorname", "").partition("_")
    kind = name.partition("_")[0]  # such as CORRUPT of SQLITE_CORRUPT_INDEX
    if kind in ("NOTADB", "CORRUPT"):
        return (
            f"{path} is no SQLite database, or a damaged one. Restore it from a backup; or move it "
            "away, and an empty one is made in its place."
        )
    if kind in ("CANTOPEN", "READONLY", "PERM"):
        return f"{path}: {cause}. Give a folder that this user may write to."
    if kind in ("IOERR", "FULL"):
        return f"{path}: {cause}. Make room on its disk, or mend it, or give another folder."
    return None


@cache
def _heads(location: str) -> frozenset[str]:
    return frozenset(_scripts(location).get_heads())


def _scripts(location: str) -> ScriptDirectory:
    folder = Path(location) if "/" in location else Path(str(files(location)))
    return ScriptDirectory(str(folder))


def _sqlite(path: Path) -> Engine:
    url = URL.create("sqlite+pysqlite", database=str(path.absolute()))
    engine = create_engine(
        url,
        pool_size=THREADS,
        max_overflow=8,
        # Parameters may be secrets, and an error's text ends in a log.
        hide_parameters=True,
    )
    return configure(engine)


def _postgresql(url: str, schema: str) -> Engine:
    engine = create_engine(
        url,
        # Every product has a pool, and each process all of them: keep few, open more when needed.
        pool_size=10,
        max_overflow=THREADS - 10 + 8,
        pool_pre_ping=True,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect", insert=True)
    def _connect(connection: Any, _record: Any) -> None:
        before, connection.autocommit = connection.autocommit, True
        connection.execute(f'SET search_path TO "{schema}"')
        connection.autocommit = before

    return configure(engine)


# -- one process on a SQLite folder ---------------------------------------------------------------


class DataInUse(OperatorError):
    """Another server process uses the data folder; the message says how to go on."""


class DataLock:
    """Says to other processes that this one serves from a data folder, until it is released.

    Exclusive, unless shared use was asked for: a process that believes to be alone keeps things in
    memory that another one would change. It is the system's lock, so it goes with the process.
    `name` is the file of the folder that is locked: another one is a lock for another purpose.
    """

    def __init__(
        self, data: Path, *, shared: bool = False, quietly: bool = False, name: str = "lock"
    ) -> None:
        """Take it; raises DataInUse. `quietly` leaves no trace of it for others to read."""
        import fcntl

        if not quietly:
            data.mkdir(parents=True, exist_ok=True)
        self._file = os.open(data / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 20).decode("ascii", "replace").strip()
            self.release()
            raise DataInUse(_in_use(data, holder, shared=shared)) from None
        if quietly:
            return
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others serve. Releasing twice is fine."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _in_use(data: Path, holder: str, *, shared: bool) -> str:
    who = f"process {holder}" if holder.isdigit() else "another process"
    if shared:
        return (
            f"{data} is in use by {who}, which was started without --shared-sqlite. "
            "Stop it and start both with --shared-sqlite, or use another --data folder."
        )
    return (
        f"{data} is in use by {who}: with SQLite one process serves. Stop it, or use another "
        "--data folder; to run several, set DATABASE_URL to a PostgreSQL database, or start all "
        "of them with --shared-sqlite, which is correct but slow."
    )
