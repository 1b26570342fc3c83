"""What conditional requests saved and prevented, by product, over all processes of a server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.installation import Installation
from chassis.savings import FRONT, Savings, Totals
from ifmatch.server.metrics import Exchange

NAMES = ["notebook", "second"]


def exchange(status: int, method: str = "GET", unsent: int | None = 0) -> Exchange:
    return Exchange("/notes/{id}", method, status, 0.01, 100, unsent)


def counts(totals: Totals) -> tuple[int, ...]:
    return (
        totals.requests,
        totals.not_modified,
        totals.bytes_saved,
        totals.unknown,
        totals.refused,
        totals.required,
    )


@pytest.fixture(params=["alone", "shared"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if request.param == "shared" else None


def test_each_product_has_its_own_totals(folder: Path | None) -> None:
    savings = Savings(NAMES, folder)
    notebook, front = savings.counter("notebook"), savings.counter(FRONT)
    for one in (
        exchange(200),
        exchange(304, unsent=1200),
        exchange(304, unsent=None),
        exchange(412, "PUT"),
        exchange(412, "GET"),  # a read that was refused: nobody's change was in danger
        exchange(428, "PATCH"),
    ):
        notebook(one)
    front(exchange(200))
    totals = savings.totals()
    assert {name: counts(one) for name, one in totals.items()} == {
        FRONT: (1, 0, 0, 0, 0, 0),
        "notebook": (6, 2, 1200, 1, 1, 1),
        "second": (0, 0, 0, 0, 0, 0),
    }
    assert counts(totals["notebook"] + totals[FRONT]) == (7, 2, 1200, 1, 1, 1)


def test_before_anything_is_counted_all_is_zero(folder: Path | None) -> None:
    totals = Savings(NAMES, folder, now=lambda: 1000.0).totals()
    assert {counts(one) for one in totals.values()} == {(0,) * 6}
    assert {one.since.timestamp() for one in totals.values()} == {1000}


def test_processes_that_share_a_folder_count_together_since_the_first(tmp_path: Path) -> None:
    first = Savings(NAMES, tmp_path, now=lambda: 1000.0)
    first.counter("notebook")(exchange(304, unsent=5))
    del first  # gone, and what it counted is not
    second = Savings(NAMES, tmp_path, now=lambda: 2000.0)
    second.counter("notebook")(exchange(304, unsent=7))
    looking = Savings(NAMES, tmp_path, now=lambda: 3000.0)
    assert counts(looking.totals()["notebook"]) == (2, 2, 12, 0, 0, 0)
    assert looking.totals()["notebook"].since.timestamp() == 1000


def test_processes_that_share_a_folder_know_each_others_lengths(tmp_path: Path) -> None:
    one, other = Savings(NAMES, tmp_path), Savings(NAMES, tmp_path)
    one.lengths.remember(one.lengths.key(b"/n", b'"t"'), 42)
    assert other.lengths.recall(other.lengths.key(b"/n", b'"t"')) == 42


# -- through the application ------------------------------------------------------------------


def test_requests_are_counted_where_they_belong(
    installation: Installation, admin: dict[str, str]
) -> None:
    with TestClient(Application(installation), follow_redirects=False) as client:
        client.get("/notebook/whoami", headers=admin)
        client.get("/notebook/fail/runtime")
        client.get("/notebook/fail/conflict")
        client.get("/second")
        client.get("/healthz")
        first = client.get(next(iter(assets(client))))
        tag = {"If-None-Match": first.headers["ETag"]}
        assert client.get(first.url.path, headers=tag).status_code == 304
    totals = installation.savings.totals()
    assert totals["notebook"].requests == 3
    assert totals["second"].requests == 0
    assert totals[FRONT].not_modified == 1
    assert totals[FRONT].bytes_saved == len(first.content)


def assets(client: TestClient) -> list[str]:
    """What the sign-in page loads."""
    return re.findall(r'(?:href|src)="([^"]*assets[^"]*)"', client.get("/sign-in").text)
