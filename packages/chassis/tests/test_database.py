"""Databases: migrated once by whoever comes first, apart from one another, one server on SQLite."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path
from textwrap import dedent

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from chassis.database import THREADS, Database, DataInUse, DataLock, SchemaUnknown
from chassis.settings import Settings


class Scripts:
    """A folder of migrations that grows."""

    def __init__(self, folder: Path) -> None:
        self.location = str(folder)
        self._versions = folder / "versions"
        self._versions.mkdir(parents=True)
        self._last: str | None = None

    def add(self, *statements: str, code: str = "") -> None:
        number = f"{len(list(self._versions.glob('*.py'))) + 1:04}"
        body = "\n".join(f"    op.execute({one!r})" for one in statements) or "    pass"
        self._versions.joinpath(f"{number}_x.py").write_text(
            f"from alembic import op\nimport sqlalchemy as sa\n"
            f"revision = {number!r}\ndown_revision = {self._last!r}\n"
            f"def upgrade():\n{body}\n{code}\n"
        )
        self._last = number


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path / "scripts")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database.open(settings, "sample")
    yield database
    database.close()


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_it_is_migrated_and_then_current(database: Database, scripts: Scripts) -> None:
    scripts.add("CREATE TABLE a (x INTEGER)")
    assert not database.is_current(scripts.location)
    database.migrate(scripts.location)
    database.migrate(scripts.location)
    assert database.is_current(scripts.location)
    assert rows(database, "SELECT * FROM a") == []
    database.ping()


def test_a_package_is_a_place_for_scripts(database: Database) -> None:
    database.migrate("chassis.migrations")
    assert rows(database, "SELECT * FROM api_key") == []


def test_a_migration_that_fails_leaves_nothing_behind(database: Database, scripts: Scripts) -> None:
    scripts.add("CREATE TABLE a (x INTEGER)")
    scripts.add("CREATE TABLE b (x INTEGER)", "INSERT INTO nowhere VALUES (1)")
    with pytest.raises(Exception, match="nowhere"):
        database.migrate(scripts.location)
    with pytest.raises(Exception, match=r"\ba\b"):
        rows(database, "SELECT * FROM a")


def test_a_schema_from_the_future_is_not_touched(
    database: Database, scripts: Scripts, tmp_path: Path
) -> None:
    scripts.add("CREATE TABLE a (x INTEGER)")
    scripts.add("CREATE TABLE b (x INTEGER)")
    database.migrate(scripts.location)
    old = Scripts(tmp_path / "old")
    old.add("CREATE TABLE a (x INTEGER)")
    with pytest.raises(SchemaUnknown, match="or a newer one"):
        database.migrate(old.location)


def test_a_table_that_is_rebuilt_keeps_the_rows_that_point_at_it(
    tmp_path: Path, scripts: Scripts
) -> None:
    """SQLite changes a column by dropping the table, which cascades where foreign keys are on."""
    database = Database.open(Settings(data=tmp_path / "data"), "sample")
    scripts.add(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
        "CREATE TABLE child (p INTEGER REFERENCES parent (id) ON DELETE CASCADE)",
        "INSERT INTO parent VALUES (1)",
        "INSERT INTO child VALUES (1)",
    )
    database.migrate(scripts.location)
    scripts.add(
        code=dedent(
            """
            with op.batch_alter_table("parent", recreate="always") as parent:
                parent.add_column(sa.Column("name", sa.Text))
            """
        ).replace("\n", "\n    ")
    )
    fresh = Database.open(Settings(data=tmp_path / "data"), "sample")
    fresh.migrate(str(Path(scripts.location, ".")) + "/")
    assert rows(fresh, "SELECT * FROM child") == [(1,)]
    assert rows(fresh, "PRAGMA foreign_keys") == [(1,)]
    database.close()
    fresh.close()


def test_a_migration_may_not_leave_rows_that_point_at_nothing(
    tmp_path: Path, scripts: Scripts
) -> None:
    database = Database.open(Settings(data=tmp_path / "data"), "sample")
    scripts.add(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
        "CREATE TABLE child (p INTEGER REFERENCES parent (id))",
        "INSERT INTO child VALUES (1)",
    )
    with pytest.raises(RuntimeError, match="1 rows that point at nothing"):
        database.migrate(scripts.location)
    assert not database.is_current(scripts.location)
    database.close()


def _migrate(settings: Settings, location: str, together: Barrier) -> None:
    database = Database.open(settings, "sample")
    together.wait()
    database.migrate(location)
    database.close()


@pytest.mark.race
def test_processes_that_start_at_once_migrate_once(settings: Settings, scripts: Scripts) -> None:
    scripts.add("CREATE TABLE a (x INTEGER)", "INSERT INTO a VALUES (1)")
    scripts.add("CREATE TABLE b (x INTEGER)", "INSERT INTO b VALUES (2)")
    context = multiprocessing.get_context("spawn")
    arguments = (settings, scripts.location, context.Barrier(3, timeout=60))
    started = [context.Process(target=_migrate, args=arguments) for _ in range(3)]
    for one in started:
        one.start()
    for one in started:
        one.join(60)
    assert [one.exitcode for one in started] == [0, 0, 0]
    database = Database.open(settings, "sample")
    assert rows(database, "SELECT a.x, b.x FROM a, b") == [(1, 2)]
    database.close()


def test_products_do_not_see_one_another(settings: Settings, scripts: Scripts) -> None:
    scripts.add("CREATE TABLE a (x INTEGER)")
    one, two = Database.open(settings, "one"), Database.open(settings, "two")
    one.migrate(scripts.location)
    assert not two.is_current(scripts.location)
    two.migrate(scripts.location)
    with one.writing() as connection:
        connection.execute(text("INSERT INTO a VALUES (1)"))
    assert (rows(one, "SELECT x FROM a"), rows(two, "SELECT x FROM a")) == ([(1,)], [])
    one.close()
    two.close()


def test_every_thread_of_the_pool_gets_a_connection(database: Database) -> None:
    import threading

    together = threading.Barrier(THREADS, timeout=30)

    def read(_: int) -> None:
        with database.reading() as connection:
            connection.execute(text("SELECT 1"))
            together.wait()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(read, range(THREADS)))


def test_a_name_is_not_sql(settings: Settings) -> None:
    with pytest.raises(ValueError, match="lower-case letters"):
        Database.open(settings, 'x"; DROP SCHEMA public; --')


def test_a_database_that_is_away_does_not_answer() -> None:
    settings = Settings.load({"DATABASE_URL": "postgresql://127.0.0.1:1/none"})
    database = Database.open(settings, "sample")
    with pytest.raises(OperationalError):
        database.ping()


# -- the lock on a SQLite folder ----------------------------------------------------------------


def _locked_elsewhere(data: Path, *, shared: bool) -> subprocess.Popen[bytes]:
    code = (
        "import sys; from pathlib import Path; from chassis.database import DataLock;"
        f"lock = DataLock(Path({str(data)!r}), shared={shared}); print('locked', flush=True);"
        "sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"locked\n"
    return process


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Holds the lock of tmp_path in another process."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*, shared: bool) -> subprocess.Popen[bytes]:
        started.append(_locked_elsewhere(tmp_path, shared=shared))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_server_is_refused_and_told_how_to_go_on(
    tmp_path: Path, elsewhere: Callable[..., subprocess.Popen[bytes]]
) -> None:
    first = elsewhere(shared=False)
    with pytest.raises(DataInUse) as caught:
        DataLock(tmp_path)
    for part in (f"process {first.pid}", "DATABASE_URL", "--shared-sqlite", "--data"):
        assert part in str(caught.value)


def test_one_that_believes_to_be_alone_is_not_joined(
    tmp_path: Path, elsewhere: Callable[..., subprocess.Popen[bytes]]
) -> None:
    elsewhere(shared=False)
    with pytest.raises(DataInUse, match="started without --shared-sqlite"):
        DataLock(tmp_path, shared=True)


def test_those_that_share_may_be_several(
    tmp_path: Path, elsewhere: Callable[..., subprocess.Popen[bytes]]
) -> None:
    elsewhere(shared=True)
    DataLock(tmp_path, shared=True).release()
    with pytest.raises(DataInUse):
        DataLock(tmp_path)


def test_the_lock_goes_with_its_process_however_that_ends(
    tmp_path: Path, elsewhere: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = elsewhere(shared=False)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    lock = DataLock(tmp_path)
    lock.release()
    lock.release()
