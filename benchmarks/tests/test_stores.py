"""The suite of the stores runs whole, at a size at which its figures say nothing."""

from __future__ import annotations

import pytest

from benchmarks import rounds, stores
from benchmarks.rounds import Work


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Work, "round_seconds", 0.0001)
    monkeypatch.setattr(stores.Timed, "round_seconds", 0.0001)
    monkeypatch.setattr(stores, "_apart", lambda part: part())  # there the patches would not be
    monkeypatch.setattr(rounds, "TRIES", 1)
    monkeypatch.setattr(stores, "MOST", 20)
    monkeypatch.setattr(stores, "FEW", 10)


@pytest.mark.full
@pytest.mark.usefixtures("hasty")
def test_every_part_gives_its_lines_on_both_databases() -> None:
    """But for Django's, which would set the process up for all other tests."""
    parts = ["304", "sqlalchemy", "write", "collection", "counter"]
    found = [line.name for line in stores.lines(rounds=1, many=20, parts=parts)]
    for database in ("sqlite3", "psycopg"):
        for what in ("304", "guarded write / without", "tag of 20 rows", "with a counter"):
            assert any(name.startswith(database) and what in name for name in found), what
    assert any(name.startswith("SQLAlchemy on postgresql") for name in found)


@pytest.mark.full
def test_writers_that_meet_are_counted() -> None:
    found = list(stores.lines(rounds=1, hot=0.05, parts=["edit", "scopes"]))
    tries = [line for line in found if "tries" in line.name]
    assert len(tries) == 2
    assert all(line.value >= 1 for line in tries)
    assert len([line for line in found if "16 rows" in line.name]) == 4
