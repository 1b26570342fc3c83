"""Servers for end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from e2e.cells import Cells
from e2e.program import Server, serving
from e2e.races import Figures, Report
from harness import postgres


@pytest.fixture(scope="module")
def quartet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on SQLite, for one module of tests."""
    with serving(tmp_path_factory.mktemp("data")) as server:
        yield server


@pytest.fixture(scope="module")
def cells(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: postgres.Server
) -> Iterator[Cells]:
    """Pairs of servers on one database, for one module of tests."""
    made = Cells(tmp_path_factory.mktemp("cells"), postgres_server)
    yield made
    made.stop()


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Prints figures, and puts them into the report of the run."""

    def tell(figures: Figures) -> None:
        print(figures)
        record_property("figures", str(figures))

    return tell
