"""Many at once: nothing is lost, nobody is told that a file is locked, and too many hear 503."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.database import THREADS, Database
from chassis.installation import Installation, find_product
from chassis.settings import Settings

ADMIN_KEY = "an-admin-key-of-more-than-32-characters"
EACH = 5


@pytest.fixture
def databases(settings: Settings) -> Iterator[list[Database]]:
    """Two, as two processes would have them: they share no lock but that of the database."""
    opened = [Database.open(settings, "notebook") for _ in range(2)]
    opened[0].migrate("notebook.migrations")
    yield opened
    for one in opened:
        one.close()


def _write_all(databases: list[Database]) -> list[str]:
    """Each of 40 threads writes what it has read, plus one; the errors that it met."""
    together = Barrier(THREADS, timeout=60)

    def one(number: int) -> list[str]:
        together.wait()
        errors = []
        for _ in range(EACH):
            try:
                with databases[number % len(databases)].writing() as connection:
                    if connection.dialect.name == "postgresql":
                        connection.execute(text("LOCK TABLE note IN SHARE ROW EXCLUSIVE MODE"))
                    count = connection.execute(text("SELECT count(*) FROM note")).scalar_one()
                    values = {"text": f"{count + 1}"}
                    connection.execute(text("INSERT INTO note VALUES (:text)"), values)
            except OperationalError as error:
                errors.append(str(error.orig))
        return errors

    with ThreadPoolExecutor(THREADS) as pool:
        return [error for errors in pool.map(one, range(THREADS)) for error in errors]


def _numbers(database: Database) -> list[int]:
    with database.reading() as connection:
        return sorted(
            int(one) for one in connection.execute(text("SELECT text FROM note")).scalars()
        )


@pytest.mark.race
def test_forty_threads_of_two_processes_write_and_nobody_is_told_of_locks(
    databases: list[Database],
) -> None:
    """They read before they write: where that began without the lock, it would fail at once."""
    assert _write_all(databases) == []
    assert _numbers(databases[0]) == list(range(1, THREADS * EACH + 1))


@pytest.mark.race
def test_twin_who_begins_without_the_lock_is_told_of_it(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    databases = [Database.open(settings, "notebook") for _ in range(2)]
    databases[0].migrate("notebook.migrations")
    for database in databases:

        @event.listens_for(database.engine, "before_cursor_execute", retval=True)
        def deferred(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> Any:
            return statement.replace("BEGIN IMMEDIATE", "BEGIN"), values

    errors = _write_all(databases)
    assert "database is locked" in errors
    assert len(_numbers(databases[0])) == THREADS * EACH - len(errors)
    for database in databases:
        database.close()


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    installation = Installation.open([find_product("notebook:PRODUCT")], settings)
    installation.keys.ensure_admin(ADMIN_KEY)
    headers = {"X-API-Key": ADMIN_KEY}
    with TestClient(Application(installation), headers=headers) as made:
        made.app_state["installation"] = installation
        yield made


@pytest.mark.race
def test_forty_requests_that_write_at_once_are_all_answered_and_kept(client: TestClient) -> None:
    together = Barrier(THREADS, timeout=60)

    def put(number: int) -> int:
        together.wait()
        return client.put(f"/notebook/notes/{number:02}").status_code

    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(put, range(THREADS))) == {200}
    assert client.get("/notebook/notes").json() == [f"{number:02}" for number in range(THREADS)]


@pytest.fixture
def exhausted(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Every connection of the product's pool is taken; called, it gives them back."""
    installation: Installation = client.app_state["installation"]
    engine = installation.databases["notebook"].engine
    monkeypatch.setattr(engine.pool, "_timeout", 0.05)  # instead of half a minute
    with ExitStack() as taken:
        for _ in range(THREADS + 8):
            taken.enter_context(engine.connect())
        yield taken.close


def test_where_no_connection_is_left_it_is_503_and_says_when_to_try_again(
    client: TestClient, exhausted: Callable[[], None]
) -> None:
    for answer in (client.get("/notebook/notes"), client.put("/notebook/notes/x")):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"
    exhausted()
    assert client.get("/notebook/notes").json() == []
    assert client.put("/notebook/notes/x").status_code == 200
