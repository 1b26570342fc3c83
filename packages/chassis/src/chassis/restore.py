"""Puts a backup in the place of the data: the old or the new is there, whenever it is cut off.

On SQLite everything is made ready in a folder beside the data; to rename that folder is the one
step that decides. From then on whoever opens the data first moves the files to their places, so a
restore that was killed is finished and never half seen. On PostgreSQL it is one transaction.

What was taken back stays taken back: keys that are revoked by now are revoked in what is restored,
and everybody signs in again. Tags cannot lie afterwards, since they are made of content, and a
product raises what it counts (`Product.restored`), so that no number is given out twice.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, delete, func, select, text, update

from chassis import archive
from chassis.archive import Archive, ArchiveRefused, Manifest
from chassis.backup import BackupFailed, checked, copy_statement, tables_of
from chassis.database import Database, DataInUse, DataLock
from chassis.product import Product
from chassis.schema import DATABASE, MIGRATIONS, api_key, deployment, session, sign_in_link
from chassis.secret import FILE_NAME, LONGEST_SECRET, fingerprint, load_secret
from chassis.settings import Settings

READY = "restored"
"""The folder of a restore that was decided and is not finished; see `finish`."""

USE = "use"
"""The lock that whoever has the data open shares, and a restore takes alone."""

Revoked = Mapping[str, int]


def put_back(
    path: Path, products: Sequence[Product], settings: Settings, *, force: bool = False
) -> Manifest:
    """Put the backup at `path` in the place of the data. Raises ArchiveRefused or DataInUse.

    Without `force` there may be no data yet. Nothing is touched before all of the archive is
    checked.
    """
    with archive.reading(path) as opened:
        _check_fits(opened.manifest, products, settings)
        if settings.on_postgresql:
            _put_into_postgresql(opened, products, settings, force=force)
        else:
            _put_into_folder(opened, products, settings, force=force)
        return opened.manifest


def _check_fits(manifest: Manifest, products: Sequence[Product], settings: Settings) -> None:
    here = "postgresql" if settings.on_postgresql else "sqlite"
    if manifest.engine != here:
        raise ArchiveRefused(
            f"It is a backup of {manifest.engine}, and the data here is on {here}. Next: restore "
            "it where it came from, then use 'export' there and 'import' here."
        )
    expected = {DATABASE, *(product.name for product in products)}
    found = set(manifest.databases)
    if DATABASE not in found or not found <= expected:
        raise ArchiveRefused(
            f"It has the databases {', '.join(sorted(found))}, and this program those of "
            f"{', '.join(sorted(expected))}. Next: restore it with the program that made it."
        )
    for name in found:
        Database.refuse_unknown(name, _scripts(products)[name], manifest.databases[name].revision)


def _scripts(products: Sequence[Product]) -> dict[str, str]:
    return {DATABASE: MIGRATIONS} | {one.name: one.migrations for one in products}


def _adjust(connection: Connection, name: str, products: Sequence[Product], kept: Revoked) -> None:
    """What has to differ from the moment of the backup, in the database of that name."""
    if name == DATABASE:
        for key_id, when in kept.items():
            chosen = update(api_key).where(api_key.c.id == key_id, api_key.c.revoked.is_(None))
            connection.execute(chosen.values(revoked=when))
        for table in (session, sign_in_link):
            connection.execute(delete(table))
    for product in products:
        if product.name == name:
            product.restored(connection)


def _revoked(connection: Connection) -> Revoked:
    found = connection.execute(
        select(api_key.c.id, api_key.c.revoked).where(api_key.c.revoked.is_not(None))
    )
    return {row.id: row.revoked for row in found}


def _check_secret(connection: Connection, secret: bytes) -> None:
    kept = connection.execute(
        select(deployment.c.value).where(deployment.c.name == "secret")
    ).scalar_one_or_none()
    if kept is not None and kept != fingerprint(secret):
        raise ArchiveRefused(
            "The keys of this backup were made with another secret than the one that is set here. "
            "Next: set QUARTET_SECRET to that of the server that made it."
        )


def _secret_in(folder: Path) -> bytes:
    path = folder / FILE_NAME
    if not path.exists() or path.stat().st_size > LONGEST_SECRET + 1:
        raise ArchiveRefused("It has no secret. Next: use another backup; this one is not whole.")
    return load_secret(folder)


# -- SQLite ------------------------------------------------------------------------------------


def _put_into_folder(
    opened: Archive, products: Sequence[Product], settings: Settings, *, force: bool
) -> None:
    data = settings.data
    data.mkdir(parents=True, exist_ok=True)
    with _alone(data):
        _move_ready(data)
        there = [name for name in opened.manifest.databases if (data / f"{name}.db").exists()]
        if there and not force:
            raise ArchiveRefused(
                f"There is data at {data}, which a restore would replace. Next: name an empty "
                "folder with --data, or add --force."
            )
        with TemporaryDirectory(prefix=".restore-", dir=data) as place:
            folder = Path(place, READY)
            folder.mkdir(mode=0o700)
            opened.extract(folder)
            _make_ready(folder, opened.manifest, products, settings)
            archive.sync_folder(folder)
            folder.rename(data / READY)  # from here on the new data counts
            archive.sync_folder(data)
        _move_ready(data)


def _make_ready(
    folder: Path, manifest: Manifest, products: Sequence[Product], settings: Settings
) -> None:
    """Check and migrate the files, and see to what has to differ."""
    expected = {FILE_NAME, *(f"{name}.db" for name in manifest.databases)}
    if set(manifest.members) != expected:
        raise ArchiveRefused("It lacks a database, or has one too many. Next: use another backup.")
    given = settings.secret.encode() if settings.secret is not None else None
    secret = _secret_in(folder) if given is None else given
    if given is not None:
        (folder / FILE_NAME).unlink()  # the one that is set counts; no other is to lie about
    kept = _revoked_here(settings)
    there = replace(settings, data=folder)
    for name, contents in manifest.databases.items():
        file = folder / f"{name}.db"
        with closing(sqlite3.connect(file)) as copy:
            try:
                found = checked(copy, file.name)
            except BackupFailed as error:
                raise ArchiveRefused(str(error)) from error
        if found != contents.revision:
            raise ArchiveRefused(
                f"{file.name} is at migration {found}, and is announced at "
                f"{contents.revision}. Next: use another backup."
            )
        database = Database.open(there, name)
        try:
            database.migrate(_scripts(products)[name])
            with database.writing() as connection:
                if name == DATABASE:
                    _check_secret(connection, secret)
                _adjust(connection, name, products, kept)
        finally:
            database.close()
        _settle(file)


def _settle(file: Path) -> None:
    """Everything into the one file, and that on the disk."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    file.chmod(0o600)
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _revoked_here(settings: Settings) -> Revoked:
    """Of the data that is replaced; nothing where that cannot be read: it may be why."""
    if not (settings.data / f"{DATABASE}.db").exists():
        return {}
    database = Database.open(settings, DATABASE)
    try:
        with database.reading() as connection:
            return _revoked(connection)
    except Exception:  # noqa: BLE001 (whatever is wrong with it, it is to be replaced)
        return {}
    finally:
        database.close()


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """While nobody serves from the folder or has it open."""
    locks: list[DataLock] = []
    try:
        locks.append(DataLock(data))
        locks.append(DataLock(data, name=USE))
        yield
    except DataInUse as error:
        raise DataInUse(
            f"{data} is in use, and a restore needs it alone. Next: stop the server and every "
            f"command that works on it. ({error})"
        ) from error
    finally:
        for lock in locks:
            lock.release()


def _move_ready(data: Path) -> None:
    """Move what was decided to its places. Cut off, it goes on where it was at the next call."""
    ready = data / READY
    if not ready.is_dir():
        return
    for file in sorted(ready.iterdir()):
        place = data / file.name
        for beside in ("-wal", "-shm", "-journal"):  # of the old file; they would be played into it
            with suppress(FileNotFoundError):
                (data / f"{file.name}{beside}").unlink()
        archive.sync_folder(data)
        file.replace(place)
    archive.sync_folder(data)
    shutil.rmtree(ready)
    archive.sync_folder(data)


def use(data: Path, *, making: bool = True) -> DataLock | None:
    """A share in the use of the folder, for as long as its databases are open.

    A restore that was decided and cut off is finished first. Raises DataInUse while one runs. None
    where there is no data, and none is to be made.
    """
    while making or (data / f"{DATABASE}.db").exists() or (data / READY).exists():
        lock = DataLock(data, shared=True, name=USE)
        if not (data / READY).exists():
            return lock
        lock.release()
        with _alone(data):
            _move_ready(data)
    return None


# -- PostgreSQL --------------------------------------------------------------------------------


def _put_into_postgresql(
    opened: Archive, products: Sequence[Product], settings: Settings, *, force: bool
) -> None:
    with TemporaryDirectory(prefix="quartet-") as place:
        folder = Path(place)
        opened.extract(folder)
        secret = _secret_in(folder)
        _refuse_other_secret(secret, settings)
        database = Database.open(settings, DATABASE)
        try:
            with database.engine.begin() as connection:
                _replace_schemas(connection, folder, opened.manifest, products, force=force)
                _within(connection, DATABASE, lambda: _check_secret(connection, secret))
                if settings.secret is None:
                    _keep_secret(folder, settings.data)  # without data it does no harm
        finally:
            database.close()


def _refuse_other_secret(secret: bytes, settings: Settings) -> None:
    if settings.secret is None and not (settings.data / FILE_NAME).exists():
        return
    if load_secret(settings.data, settings.secret) != secret:
        where = "in QUARTET_SECRET" if settings.secret else f"in {settings.data / FILE_NAME}"
        raise ArchiveRefused(
            f"This backup was made with another secret than the one {where}. Next: take that one "
            "away; the secret of the backup comes with it."
        )


def _keep_secret(folder: Path, data: Path) -> None:
    place = data / FILE_NAME
    if not place.exists():
        data.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / FILE_NAME, data / f".{FILE_NAME}", follow_symlinks=False)
        (data / f".{FILE_NAME}").chmod(0o600)
        (data / f".{FILE_NAME}").replace(place)


def _replace_schemas(
    connection: Connection,
    folder: Path,
    manifest: Manifest,
    products: Sequence[Product],
    *,
    force: bool,
) -> None:
    """All in the transaction of the connection. The schemas are locked until it is over."""
    kept: dict[str, int] = {}
    for name in manifest.databases:
        Database.lock_migrations(connection, name)
        tables = tables_of(connection, name)
        if tables and not force:
            raise ArchiveRefused(
                "There is data in the database of DATABASE_URL, which a restore would replace. "
                "Next: name an empty one, or add --force."
            )
        if tables and name == DATABASE:
            _within(connection, name, lambda: kept.update(_revoked(connection)))
        connection.execute(text(f'DROP SCHEMA IF EXISTS "{name}" CASCADE'))
        connection.execute(text(f'CREATE SCHEMA "{name}"'))
    for name in manifest.databases:

        def fill(name: str = name) -> None:
            _fill(connection, name, folder, manifest, _scripts(products)[name])
            _adjust(connection, name, products, kept)

        _within(connection, name, fill)


def _within(connection: Connection, schema: str, work: Callable[[], None]) -> None:
    connection.execute(text(f'SET LOCAL search_path TO "{schema}"'))
    work()


def _fill(
    connection: Connection, name: str, folder: Path, manifest: Manifest, scripts: str
) -> None:
    """Make the tables as they were, bring the rows, and then migrate both."""
    contents = manifest.databases[name]
    Database.upgrade(connection, name, scripts, contents.revision)
    brought = {rows.table: rows for rows in contents.tables}
    tables = tables_of(connection, name)
    if {table.name for table in tables} != set(brought):
        raise ArchiveRefused(f"{name} has other tables than its migration makes. {_OTHER}")
    for table in tables:
        at = f'"{name}"."{table.name}"'
        connection.execute(text(f"ALTER TABLE {at} DISABLE TRIGGER USER"))
        connection.execute(table.delete())  # what a migration put in
    for table in tables:
        rows = brought[table.name]
        if not set(rows.columns) <= set(table.c.keys()) or rows.member not in manifest.members:
            raise ArchiveRefused(f"{name}.{table.name} has other columns. {_OTHER}")
        _bring(connection, folder / rows.member, copy_statement(table, rows.columns, "FROM STDIN"))
        for column in table.c:
            _continue(connection, name, table.name, column.name)
    for table in tables:
        connection.execute(text(f'ALTER TABLE "{name}"."{table.name}" ENABLE TRIGGER USER'))
    Database.upgrade(connection, name, scripts, "head")


def _bring(connection: Connection, member: Path, statement: str) -> None:
    driver: Any = connection.connection.driver_connection
    with (
        member.open("rb") as file,
        driver.cursor() as cursor,
        cursor.copy(statement) as into,
    ):
        while chunk := file.read(1 << 20):
            into.write(chunk)


_OTHER = "Next: restore it with the release that made it."


def _continue(connection: Connection, schema: str, table: str, column: str) -> None:
    """Let a column that counts go on after the highest that is there."""
    at = f'"{schema}"."{table}"'
    sequence = connection.execute(
        select(func.pg_get_serial_sequence(at, column))
    ).scalar_one_or_none()
    if sequence is not None:
        highest = f'SELECT max("{column}") FROM {at}'  # noqa: S608 (names of the schema)
        connection.execute(
            text(f"SELECT setval(:sequence, coalesce(({highest}), 0) + 1, false)"),
            {"sequence": sequence},
        )
