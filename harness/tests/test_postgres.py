"""Tests get a real PostgreSQL, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from harness import postgres

ORPHAN = """
import sys, time
from harness import postgres
print(postgres.start().home, flush=True)
time.sleep(60)
"""


def test_a_test_has_an_empty_database_of_version_18(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        assert connection.info.server_version // 10_000 == 18
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert found.fetchone() == (0,)


def test_the_newest_older_one_of_the_system_is_found(tmp_path: Path) -> None:
    assert postgres.older(tmp_path) is None
    for version in ("9.6", "12", "15", "17", "18", "common"):
        program = tmp_path / version / "bin" / "postgres"
        program.parent.mkdir(parents=True)
        program.touch()
        newest = {"17": 17, "18": 17, "15": 15, "common": 17}.get(version)
        assert postgres.older(tmp_path) == newest


def test_both_addresses_are_the_same_database(postgres_url: str, postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("CREATE TABLE seen (id integer)")
    engine = sqlalchemy.create_engine(postgres_url)
    assert sqlalchemy.inspect(engine).get_table_names() == ["seen"]
    engine.dispose()


def test_another_process_reaches_it(postgres_dsn: str) -> None:
    code = "import psycopg, sys; psycopg.connect(sys.argv[1]).close()"
    subprocess.run([sys.executable, "-c", code, postgres_dsn], check=True)


def test_a_database_is_gone_after_its_block(postgres_server: postgres.Server) -> None:
    with postgres_server.database() as database:
        held = psycopg.connect(database.dsn)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(database.dsn)
    held.close()


def test_an_older_server_can_be_had() -> None:
    with postgres.running(16) as server, psycopg.connect(server.admin.dsn) as connection:
        assert connection.info.server_version // 10_000 == 16
    assert not server.home.exists()


def test_what_was_committed_is_there_after_a_crash_and_nothing_else() -> None:
    with postgres.running(durable=True) as server, server.database() as database:
        with psycopg.connect(database.dsn) as connection:
            connection.execute("CREATE TABLE kept (id integer)")
        begun = psycopg.connect(database.dsn)
        begun.execute("INSERT INTO kept VALUES (1)")
        done = psycopg.connect(database.dsn)
        done.execute("INSERT INTO kept VALUES (2)")
        done.commit()
        server.restart(crash=True)
        for cut_off in (begun, done):
            with pytest.raises(psycopg.OperationalError):
                cut_off.execute("SELECT 1")
            cut_off.close()
        with psycopg.connect(database.dsn) as connection:
            assert connection.execute("SELECT id FROM kept").fetchall() == [(2,)]
        log = (server.home / "log").read_text("utf-8")
        assert "automatic recovery in progress" in log


def test_a_server_that_is_restarted_in_peace_needs_no_recovery() -> None:
    with postgres.running() as server:
        for _ in range(2):
            server.restart()
        with psycopg.connect(server.admin.dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert "automatic recovery" not in (server.home / "log").read_text("utf-8")
    assert not server.home.exists()


def test_nothing_stays_when_the_tests_are_killed() -> None:
    root = Path(postgres.__file__).parents[1]
    killed = subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert killed.stdout
    home = Path(killed.stdout.readline().strip())
    assert (home / "data").exists()
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    deadline = time.monotonic() + 20
    while home.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not home.exists()
