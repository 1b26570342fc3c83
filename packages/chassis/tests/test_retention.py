"""What is old goes, in small steps and once; what is young, or still spoken of, stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import insert, select, update
from starlette.testclient import TestClient

from chassis import application, retention
from chassis.application import Application
from chassis.cli import command_line
from chassis.database import Database
from chassis.installation import Installation, find_product
from chassis.keys import ENVIRONMENT_ADMIN, Keys, Role
from chassis.retention import BATCH, DAY_SECONDS, Rule, claim, own_rules, prune
from chassis.schema import api_key, deployment, session
from chassis.sessions import LINK_SECONDS, SESSION_SECONDS, Sessions
from chassis.settings import Settings

NOW = 2_000_000_000.0


class Clock:
    """Says what a test wants it to say."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(open_database: Callable[[], Database]) -> Database:
    return open_database()


def rules(
    database: Database, now: float, days: int = 90, named: Sequence[str] = ()
) -> Sequence[Rule]:
    return own_rules(database, now, days, lambda keys: set(named) & set(keys), ENVIRONMENT_ADMIN)


def pruned(found: Sequence[Rule], **options: Any) -> dict[str, int]:
    return {one.what: one.rows for one in prune(found, pause=lambda _: None, **options)}


def test_sessions_and_links_go_when_they_have_ended(
    database: Database, settings: Settings, clock: Clock
) -> None:
    keys = Keys(database, b"s" * 32, now=clock)
    sessions = Sessions(database, b"s" * 32, settings, now=clock)
    key, _ = keys.create("Ada", Role.ADMIN)
    sessions.create_link(key.id)
    sessions.begin(key.id)
    assert pruned(rules(database, clock()))["sign-in links"] == 0
    clock.now += LINK_SECONDS
    assert pruned(rules(database, clock())) == {
        "sessions": 0,
        "sign-in links": 1,
        "revoked and expired keys": 0,
    }
    clock.now = NOW + SESSION_SECONDS - 1
    assert pruned(rules(database, clock()))["sessions"] == 0
    clock.now += 1
    assert pruned(rules(database, clock()), dry_run=True)["sessions"] == 1
    assert pruned(rules(database, clock()))["sessions"] == 1
    assert pruned(rules(database, clock()))["sessions"] == 0


def test_a_revoked_key_goes_after_its_days_unless_somebody_names_it(
    database: Database, clock: Clock
) -> None:
    keys = Keys(database, b"s" * 32, now=clock)
    made = {name: keys.create(name, Role.WRITE)[0].id for name in ("valid", "old", "named", "late")}
    keys.revoke(made["old"])
    keys.revoke(made["named"])
    clock.now += 1
    keys.revoke(made["late"])
    clock.now = NOW + 90 * DAY_SECONDS - 1
    assert pruned(rules(database, clock(), named=[made["named"]]))["revoked and expired keys"] == 0
    clock.now += 1
    assert "revoked and expired keys" not in pruned(rules(database, clock(), days=0))
    assert pruned(rules(database, clock(), named=[made["named"]]))["revoked and expired keys"] == 1
    assert {key.owner for key in keys.list()} == {"valid", "named", "late"}


def test_an_expired_key_goes_as_a_revoked_one_and_never_before_its_successor(
    database: Database, clock: Clock
) -> None:
    keys = Keys(database, b"s" * 32, now=clock)
    made = [keys.create(name, Role.WRITE)[0].id for name in ("first", "second", "third", "valid")]
    chained = (("expires", made[0], int(NOW)), ("replaces", made[1], made[0]))
    with database.writing() as connection:
        for column, key_id, value in (*chained, ("expires", made[2], int(NOW))):
            mine = update(api_key).where(api_key.c.id == key_id)
            connection.execute(mine.values({column: value}))
    keys.revoke(made[1])
    later = NOW + 90 * DAY_SECONDS
    assert pruned(rules(database, later - 1))["revoked and expired keys"] == 0
    may_go = pruned(rules(database, later), dry_run=True)
    assert may_go["revoked and expired keys"] == 2  # the second and the third
    for _ in range(2):  # the first may be met in the same run, after its successor, or in the next
        prune(rules(database, later))
    assert {key.owner for key in keys.list()} == {"valid"}


def test_a_revoked_key_that_the_environment_would_set_again_is_kept(
    database: Database, clock: Clock
) -> None:
    """Without its row, the next start would make it anew, valid, with the token that leaked."""
    keys = Keys(database, b"s" * 32, now=clock)
    keys.create("another", Role.ADMIN)
    keys.ensure_admin("a-token-of-more-than-32-characters-0")
    keys.revoke(ENVIRONMENT_ADMIN)
    assert pruned(rules(database, NOW + 10_000 * DAY_SECONDS))["revoked and expired keys"] == 0


# -- in small steps ------------------------------------------------------------------------------


def fill(database: Database, count: int) -> None:
    with database.writing() as connection:
        connection.execute(
            insert(api_key).values(
                id="k", prefix="p", digest="d", owner="o", role="read", created=0
            )
        )
        rows = [
            {"digest": f"{number:05}", "key_id": "k", "created": 0, "expires": 1}
            for number in range(count)
        ]
        connection.execute(insert(session), rows)


def test_rows_go_in_batches_and_a_writer_is_let_in_between(
    database: Database, open_database: Callable[[], Database]
) -> None:
    fill(database, 2 * BATCH + 1)
    other, left = open_database(), []

    def write(_seconds: float) -> None:
        """In the pause: it would wait for ever on a transaction that is still open."""
        with other.writing() as connection:
            connection.execute(update(api_key).values(owner="written"))
            left.append(len(connection.execute(select(session.c.digest)).all()))

    assert {one.what: one.rows for one in prune(rules(database, NOW), pause=write)}["sessions"] == (
        2 * BATCH + 1
    )
    assert left == [BATCH + 1, 1, 0]


def test_it_ends_between_two_batches_when_the_server_stops(database: Database) -> None:
    fill(database, 3 * BATCH)
    asked = iter([False, True, True, True, True])
    assert pruned(rules(database, NOW), stopping=lambda: next(asked))["sessions"] == BATCH


@pytest.mark.parametrize("judged_again", [True, False])
def test_a_row_that_became_young_meanwhile_stays(
    judged_again: bool, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at and then deleted. The twin deletes what it has looked at."""
    fill(database, 2)
    rule = rules(database, NOW)[0]

    def renewed(_keys: Sequence[str]) -> set[str]:
        with database.writing() as connection:
            young = update(session).where(session.c.digest == "00001").values(expires=int(NOW) + 9)
            connection.execute(young)
        return set()

    if not judged_again:
        judging = retention._delete
        monkeypatch.setattr(
            retention, "_delete", lambda one, keys: judging(replace(one, old=one.key != ""), keys)
        )
    assert pruned([replace(rule, referred=renewed)])["sessions"] == (1 if judged_again else 2)


# -- once ------------------------------------------------------------------------------------------


@pytest.mark.race
def test_of_all_processes_one_prunes_and_again_after_an_hour(
    open_database: Callable[[], Database],
) -> None:
    databases, together = [open_database() for _ in range(6)], Barrier(6, timeout=30)

    def ask(now: float) -> Callable[[Database], bool]:
        def one(database: Database) -> bool:
            together.wait()
            return claim(database, now)

        return one

    with ThreadPoolExecutor(6) as pool:
        for now, winners in ((NOW, 1), (NOW + 3599, 0), (NOW + 3600, 1), (NOW + 3601, 0)):
            assert sum(pool.map(ask(now), databases)) == winners


@pytest.mark.race
def test_twin_without_the_guarded_update_several_prune(
    open_database: Callable[[], Database],
) -> None:
    """Looking and then writing: all of them look first."""
    databases, together = [open_database() for _ in range(6)], Barrier(6, timeout=30)

    def look_first(database: Database, now: float) -> bool:
        with database.reading() as connection:
            due = connection.execute(
                select(deployment.c.value).where(deployment.c.name == "pruned")
            ).scalar()
        together.wait()
        if due is not None and int(due) > now - 3600:
            return False
        with database.writing() as connection:
            marked = update(deployment).where(deployment.c.name == "pruned")
            connection.execute(marked.values(value=f"{int(now):020}"))
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(lambda one: look_first(one, NOW), databases)) > 1


@pytest.mark.race
def test_two_that_prune_at_once_delete_each_row_once(
    open_database: Callable[[], Database],
) -> None:
    databases, together = [open_database() for _ in range(2)], Barrier(2, timeout=30)
    fill(databases[0], 3 * BATCH)

    def run(database: Database) -> int:
        together.wait()
        return pruned(rules(database, NOW))["sessions"]

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(run, databases)) == 3 * BATCH


# -- the server and the command -----------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation.open(
        [find_product("notebook:PRODUCT")], Settings(data=tmp_path / "data")
    )
    yield installation
    installation.close()


def sessions_left(installation: Installation) -> int:
    with installation.databases["quartet"].reading() as connection:
        return len(connection.execute(select(session.c.digest)).all())


def test_a_server_prunes_by_itself(served: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "_HOUSEKEEPING_SECONDS", 0.02)
    fill(served.databases["quartet"], 3)
    deadline = time.monotonic() + 30
    with TestClient(Application(served)):
        while sessions_left(served) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert sessions_left(served) == 0


def test_the_command_counts_and_then_deletes(served: Installation, tmp_path: Path) -> None:
    fill(served.databases["quartet"], 3)
    main = command_line("notebook", ("notebook:PRODUCT",), "Keeps notes.")
    words = ["prune", "--data", str(tmp_path / "data")]
    clean = {"DATABASE_URL": None, "QUARTET_DATA": None}
    for more, said, left in (
        (["--dry-run"], "sessions: 3 would go", 3),
        ([], "sessions: 3 deleted", 0),
        ([], "sessions: 0 deleted", 0),
    ):
        done = CliRunner().invoke(main, [*words, *more], env=clean)
        assert done.exit_code == 0, done.stderr
        assert said in done.stdout
        assert sessions_left(served) == left
