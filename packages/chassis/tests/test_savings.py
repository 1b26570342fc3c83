"""What conditional requests saved and prevented, by product, over all processes of a server."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.installation import Installation
from chassis.savings import FRONT, Savings, Totals
from ifmatch.server.metrics import Exchange

Start = Callable[..., Any]
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


# -- over worker processes ------------------------------------------------------------------------


def workers_of(parent: int) -> list[int]:
    """The processes that the parent started to serve."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [
        int(child)
        for child in children
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


@pytest.mark.timeout(300)
def test_a_worker_that_is_killed_takes_no_count_with_it(program: Start) -> None:
    server = program("serve", "--port", "0", "--workers", "2", "--shared-sqlite")
    url, key = server.url, {"X-API-Key": server.admin_key}

    def ask(times: int) -> None:
        for _ in range(times):
            assert httpx2.get(f"{url}/notebook/whoami", headers=key, timeout=60).status_code == 200

    ask(20)
    folder = shared_folder(server.process.pid)
    assert requests(folder) == 20
    # Stopped first, so that they die while the parent waits for a sign of life from them.
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for worker in workers_of(server.process.pid):
            os.kill(worker, number)
        time.sleep(1.5)
    assert requests(folder) == 20
    eventually_answers(url)
    ask(10)
    assert requests(folder) == 30
    assert server.stop() == 0
    assert not folder.exists()  # the parent made it, and cleans up


def shared_folder(parent: int) -> Path:
    """The folder that the parent gave its workers."""
    worker = workers_of(parent)[0]
    variables = Path(f"/proc/{worker}/environ").read_bytes().split(b"\0")
    prefix = b"PROMETHEUS_MULTIPROC_DIR="
    return Path(next(one for one in variables if one.startswith(prefix))[len(prefix) :].decode())


def requests(folder: Path) -> int:
    return Savings(NAMES, folder).totals()["notebook"].requests


def eventually_answers(url: str) -> None:
    """Wait until a worker is there again: sooner than a sign of life is waited for."""
    deadline = time.monotonic() + 45
    while time.monotonic() < deadline:
        try:
            httpx2.get(f"{url}/healthz", timeout=1)
        except httpx2.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("no worker came back")
