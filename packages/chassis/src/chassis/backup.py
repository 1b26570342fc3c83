"""A backup of everything that a server keeps, taken while it serves and is written to.

It is of one moment: what was acknowledged before `take` was called is in it, and of what several
databases hold together (a key and the audit entry of its making) it holds both or neither.

On SQLite every database is locked for writing, in the order in which all lock them; then a snapshot
is opened on each, and the locks are let go. Writers wait for that instant, not for the copying. On
PostgreSQL one transaction sees one snapshot of all schemas.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table

from chassis import archive
from chassis.archive import Contents, Manifest, Rows, Writer
from chassis.database import Database
from chassis.schema import DATABASE
from chassis.secret import FILE_NAME
from chassis.settings import OperatorError

_WAIT_SECONDS = 60
_CHUNK = 1 << 20


class BackupFailed(OperatorError):
    """No backup was made; the message says why, and what to do."""


def take(databases: Mapping[str, Database], secret: bytes, path: Path) -> Manifest:
    """Write a backup of the databases and the secret to `path`, where nothing may be yet.

    Raises BackupFailed or ArchiveRefused.
    """
    ordered = {DATABASE: databases[DATABASE], **databases}
    made = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    with archive.writing(path) as writer:
        writer.add(FILE_NAME, [secret + b"\n"])
        engine = ordered[DATABASE].engine.dialect.name
        if engine == "sqlite":
            contents = _copy_files(ordered, writer, path.parent)
        else:
            contents = _copy_schemas(ordered, writer)
        return writer.finish(engine, made, contents)


# -- SQLite ------------------------------------------------------------------------------------


def _copy_files(
    databases: Mapping[str, Database], writer: Writer, near: Path
) -> dict[str, Contents]:
    contents = {}
    paths = {name: str(database.engine.url.database) for name, database in databases.items()}
    with _one_moment(paths) as snapshots, tempfile.TemporaryDirectory(dir=near) as folder:
        for name, snapshot in snapshots.items():
            copy = Path(folder, f"{name}.db")
            contents[name] = Contents(_copy(snapshot, copy), [])
            with copy.open("rb") as file:
                writer.add(copy.name, iter(lambda file=file: file.read(_CHUNK), b""))  # type: ignore[misc]
            copy.unlink()
    return contents


@contextmanager
def _one_moment(paths: Mapping[str, str]) -> Iterator[dict[str, sqlite3.Connection]]:
    """A connection to each file, all of whose reads are of one and the same moment."""
    with ExitStack() as opened:

        def connect(path: str) -> sqlite3.Connection:
            return opened.enter_context(
                closing(sqlite3.connect(path, isolation_level=None, timeout=_WAIT_SECONDS))
            )

        locks = [connect(path) for path in paths.values()]
        snapshots = {name: connect(path) for name, path in paths.items()}
        try:
            for lock in locks:
                lock.execute("BEGIN IMMEDIATE")
            for snapshot in snapshots.values():
                snapshot.execute("BEGIN")
                snapshot.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            raise BackupFailed(
                f"The data could not be locked within {_WAIT_SECONDS} s: {error}. Next: try again "
                "when the long change is over."
            ) from error
        for lock in locks:
            lock.execute("ROLLBACK")
        yield snapshots


def _copy(snapshot: sqlite3.Connection, to: Path) -> str:
    """Copy a snapshot into a file that needs no other beside it; returns its migration."""
    with closing(sqlite3.connect(to, isolation_level=None)) as copy:
        snapshot.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        return checked(copy, to.name)


def checked(copy: sqlite3.Connection, name: str) -> str:
    """The migration that a whole database is at. Raises BackupFailed for a damaged one."""
    try:
        copy.execute("PRAGMA trusted_schema=OFF")
        found = [row[0] for row in copy.execute("PRAGMA integrity_check(5)")]
        if found == ["ok"]:
            found = [str(row) for row in copy.execute("PRAGMA foreign_key_check").fetchmany(5)]
        if not found:
            return str(copy.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    except (sqlite3.DatabaseError, TypeError) as error:
        found = [str(error)]
    raise BackupFailed(f"{name} is damaged: {'; '.join(found)}. Next: restore an older backup.")


# -- PostgreSQL --------------------------------------------------------------------------------


def _copy_schemas(databases: Mapping[str, Database], writer: Writer) -> dict[str, Contents]:
    contents = {}
    with databases[DATABASE].reading() as connection:
        for name in databases:
            rows = []
            for table in tables_of(connection, name):
                member = f"{name}.{table.name}.rows"
                columns = [column.name for column in table.columns if column.computed is None]
                writer.add(member, _rows(connection, table, columns))
                rows.append(Rows(table.name, columns, member))
            contents[name] = Contents(_revision(connection, name), rows)
    return contents


def tables_of(connection: Connection, schema: str) -> list[Table]:
    """The tables of a schema, each after those that it points at; without that of migrations."""
    found = MetaData()
    found.reflect(connection, schema=schema)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def _revision(connection: Connection, schema: str) -> str:
    options = {"version_table_schema": schema}
    (found,) = MigrationContext.configure(connection, opts=options).get_current_heads()
    return found


def _rows(connection: Connection, table: Table, columns: list[str]) -> Iterator[bytes]:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(copy_statement(table, columns, "TO STDOUT")) as out:
        for chunk in out:
            yield bytes(chunk)


def copy_statement(table: Table, columns: list[str], how: str) -> str:
    """COPY of those columns; the names are those of the schema, never what a file says."""
    known = ", ".join(f'"{table.c[name].name}"' for name in columns)
    return f'COPY "{table.schema}"."{table.name}" ({known}) {how}'
