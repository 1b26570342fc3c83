"""Fixtures for the tests of every member. See `harness` for what stands behind them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from harness import network, postgres
from harness.programs import CHROMIUM

try:
    import hypothesis
except ImportError:  # the built wheel is tested with less
    pass
else:
    # A busy machine is no failure: the time limit of pytest-timeout is enough.
    hypothesis.settings.register_profile("workspace", deadline=None)
    # For `dev.py mutants`, which runs the tests hundreds of times, and always in the same way.
    hypothesis.settings.register_profile(
        "mutants", deadline=None, max_examples=20, derandomize=True, database=None
    )
    hypothesis.settings.load_profile("workspace")


if "ifmatch.testing" not in sys.modules:  # it is where a mutant of it was put in its place
    pytest.register_assert_rewrite("ifmatch.testing")


def pytest_configure() -> None:
    """Close the network before the first test module is imported."""
    network.close_network()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what starts programs: with short files at the end the workers end together."""
    items.sort(key=lambda item: not item.nodeid.startswith(("e2e/", "benchmarks/")))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have counted: each `record_property("figure", ...)`."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    figures = sorted(
        str(value)
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "figure" and report.when == "call"
    )
    if figures:
        terminalreporter.section("figures")
        for figure in figures:
            terminalreporter.line(figure)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A real PostgreSQL 18: one for the session, under xdist one for each worker."""
    try:
        server = postgres.start()
    except postgres.Unavailable as reason:
        pytest.skip(str(reason))
    yield server
    server.stop()


@pytest.fixture
def postgres_database(postgres_server: postgres.Server) -> Iterator[postgres.Database]:
    """An empty database for one test. For a module, use `postgres_server.database()`."""
    with postgres_server.database() as database:
        yield database


@pytest.fixture
def postgres_url(postgres_database: postgres.Database) -> str:
    """The test's database, as SQLAlchemy writes it: postgresql+psycopg://..."""
    return postgres_database.url


@pytest.fixture
def postgres_dsn(postgres_database: postgres.Database) -> str:
    """The same database, as psycopg and libpq write it: postgresql://..."""
    return postgres_database.dsn


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the system's browser; skips where there is none."""
    found = CHROMIUM.find()
    if found is None:
        pytest.skip(f"no browser: {CHROMIUM.how_to_get}")
    return found
