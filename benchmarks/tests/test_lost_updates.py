"""No update is lost among writers in four processes and plain SQL; with check-then-write some are.

The database may forget what it has on a power cut: this is about writers, not about disks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.crew import Crew
from benchmarks.lost_updates import PROCESSES, ROWS, WRITERS, Cell, run
from benchmarks.tables import Place
from harness import postgres
from ifmatch.testing.history import Kind

pytestmark = [pytest.mark.race, pytest.mark.timeout(300)]

Report = Callable[[object], None]
DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    with Crew(PROCESSES + 1) as made:
        yield made


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place("sqlite", str(tmp_path / "items.db"), synchronous="OFF")
    database: postgres.Database = request.getfixturevalue("postgres_database")
    return Place("postgresql", database.dsn)


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Prints a figure at the end of the run."""
    return lambda figure: record_property("figure", str(figure))


on_each = pytest.mark.parametrize("place", DATABASES, indirect=True)


@on_each
def test_no_update_is_lost_on_one_row(place: Place, crew: Crew, report: Report) -> None:
    found = run(Cell(place, 1, 16, 300), crew)
    report(found)
    assert found.report.sound, str(found.report)
    assert found.report.acknowledged >= 300
    assert found.raw > 0


@on_each
def test_with_check_then_write_updates_are_lost_on_one_row(
    place: Place, crew: Crew, report: Report
) -> None:
    found = run(Cell(place, 1, 16, 300, naive=True), crew)
    report(found)
    assert {Kind.LOST, Kind.FORK} <= found.report.kinds()


@pytest.mark.full
@on_each
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("writers", WRITERS)
def test_no_update_is_lost_at_any_size(
    place: Place, rows: int, writers: int, crew: Crew, report: Report
) -> None:
    found = run(Cell(place, rows, writers, 2_000), crew)
    report(found)
    assert found.report.sound, str(found.report)
    assert found.report.acknowledged >= 2_000


@pytest.mark.full
@on_each
@pytest.mark.parametrize("kind", ["sqlalchemy", "django"])
def test_no_update_is_lost_through_the_stores_of_orms(
    place: Place, kind: str, report: Report
) -> None:
    """In processes of its own: Django is set up once in each."""
    with Crew(PROCESSES + 1) as crew:
        found = run(Cell(place, 16, 16, 500, kind=kind), crew)
    report(found)
    assert found.report.sound, str(found.report)
