"""The curve of goodput counts what was written; how quick it is is never asserted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.crew import Crew, together
from benchmarks.goodput import WAYS, curve, measure
from benchmarks.tables import Place, create

pytestmark = [pytest.mark.race, pytest.mark.timeout(60)]


def fails(_meet: Callable[[], None]) -> None:
    raise LookupError("of the job")


def meets(meet: Callable[[], None]) -> list[int]:
    return together(2, meet, lambda number: number)


def test_every_way_adds_one_for_each_success(tmp_path: Path, postgres_dsn: str) -> None:
    places = (Place("sqlite", str(tmp_path / "a.db"), "OFF"), Place("postgresql", postgres_dsn))
    with Crew(2) as crew:
        for place in places:
            points = [*curve(place, [3], rounds=1, seconds=0.1, crew=crew)]
            assert [point.way for point in points] == ["atomic", *WAYS]
            assert all(point.tries >= 1 and point.per_second > 0 for point in points)


def test_a_lost_update_is_no_goodput(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A count that somebody else changed is one that does not add up."""
    place = Place("sqlite", str(tmp_path / "a.db"), "OFF")
    create(place, 1)
    asked = iter(([(0,)], [(10**9,)]))
    monkeypatch.setattr(tables.Place, "execute", lambda *_: next(asked))
    with Crew(1) as crew, pytest.raises(AssertionError, match="lost"):
        measure("sqlite3", place, 1, way="atomic", seconds=0.05, crew=crew)


def test_a_job_that_fails_keeps_nobody_waiting_and_is_told() -> None:
    with Crew(2) as crew, pytest.raises(LookupError, match="of the job"):
        crew.run([(fails,), (meets,)])


def test_a_crew_has_one_job_for_each_and_works_again() -> None:
    with Crew(2) as crew:
        for _ in range(2):
            assert crew.run([(meets,), (meets,)]) == [[0, 1], [0, 1]]
        with pytest.raises(ValueError, match="one for each"):
            crew.run([(meets,)])
