"""What clients were told is what happened, while servers are killed and PostgreSQL crashes.

The twins answer before their COMMIT, judge before the step that writes, or stand on a database that
acknowledges before its log is written: the checker condemns each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.histories import Happened, Trial, run
from benchmarks.tables import Place
from harness import postgres
from ifmatch.testing.history import Kind

pytestmark = [pytest.mark.race, pytest.mark.timeout(300)]

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def durable() -> Iterator[postgres.Server]:
    """A server of its own: it is going to crash, and what it acknowledged must be there then."""
    with postgres.running(durable=True) as server:
        yield server


@pytest.fixture
def on_postgresql(durable: postgres.Server) -> Iterator[Place]:
    with durable.database() as database:
        yield Place("postgresql", database.dsn)


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Place:
    return Place("sqlite", str(tmp_path / "items.db"))


def told(trial: Trial, record_property: Record) -> Happened:
    happened = run(trial)
    record_property("figure", str(happened))
    return happened


def assert_sound(happened: Happened) -> None:
    assert happened.report.sound, str(happened.report)
    assert not happened.odd
    assert happened.report.acknowledged > 50


def test_acknowledged_writes_are_one_chain_over_kills_and_a_crash_of_postgresql(
    on_postgresql: Place, durable: postgres.Server, record_property: Record
) -> None:
    assert_sound(told(Trial(on_postgresql, durable, kills=2, crashes=2), record_property))


def test_acknowledged_writes_are_one_chain_over_kills_on_sqlite(
    on_sqlite: Place, record_property: Record
) -> None:
    assert_sound(told(Trial(on_sqlite, kills=2), record_property))


def test_a_server_that_answers_before_its_commit_is_condemned(
    on_postgresql: Place, durable: postgres.Server, record_property: Record
) -> None:
    trial = Trial(on_postgresql, durable, kills=2, taken_out="durability")
    kinds = told(trial, record_property).report.kinds()
    assert kinds & {Kind.LOST, Kind.FORK, Kind.STALE}


def test_a_server_that_checks_and_then_writes_is_condemned(
    on_sqlite: Place, record_property: Record
) -> None:
    trial = Trial(on_sqlite, rows=1, kills=0, pause=1.5, taken_out="guard")
    assert {Kind.LOST, Kind.FORK} <= told(trial, record_property).report.kinds()


@pytest.mark.full
def test_a_database_that_acknowledges_before_its_log_is_written_is_condemned(
    record_property: Record,
) -> None:
    with postgres.running() as forgetful, forgetful.database() as database:
        trial = Trial(Place("postgresql", database.dsn), forgetful, kills=0, crashes=2)
        report = told(trial, record_property).report
    assert Kind.LOST in report.kinds() or Kind.FORK in report.kinds()


@pytest.mark.full
def test_acknowledged_writes_are_one_chain_over_many_kills_and_crashes(
    on_postgresql: Place, durable: postgres.Server, record_property: Record
) -> None:
    trial = Trial(on_postgresql, durable, clients=12, servers=3, kills=3, crashes=3)
    assert_sound(told(trial, record_property))
