"""The figures for Prometheus: what is in them, who may read them, and over several processes."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.installation import Installation, find_product
from chassis.metrics import forget, living
from chassis.rights import Role
from chassis.savings import Savings
from chassis.settings import MetricsMode, Settings

Start = Callable[..., Any]
NAMES = ["notebook", "second"]
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "watch-it.md"
Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]
OPENMETRICS = "application/openmetrics-text; version=1.0.0, text/plain;q=0.5"


def figures(text: str) -> Figures:
    """Every sample, by its name and labels."""
    families = parse(text)
    samples = [sample for family in families for sample in family.samples]
    found = {(one.name, frozenset(one.labels.items())): one.value for one in samples}
    assert len(found) == len(samples), "no series is there twice"
    return found


def figure(found: Figures, name: str, **labels: str) -> float:
    """The sum of the samples of that name which have those labels."""
    wanted = set(labels.items())
    return sum(value for (one, has), value in found.items() if one == name and wanted <= has)


def labels_of(found: Figures, label: str) -> set[str]:
    return {dict(has)[label] for _, has in found if label in dict(has)}


@pytest.fixture
def read(client: TestClient, admin: dict[str, str]) -> Callable[[], Figures]:
    return lambda: figures(client.get("/metrics", headers=admin).text)


# -- what is in them --------------------------------------------------------------------------


def test_requests_are_counted_by_product_route_method_and_status(
    client: TestClient, admin: dict[str, str], read: Callable[[], Figures]
) -> None:
    for name in ("a", "b"):
        client.put(f"/notebook/notes/{name}", headers=admin)
    client.put("/notebook/notes/c")
    client.get("/second/notes")
    found = read()
    route = {"product": "notebook", "route": "/notes/{name}", "method": "PUT"}
    assert figure(found, "http_requests_total", **route, status="200") == 2
    assert figure(found, "http_requests_total", **route, status="401") == 1
    assert figure(found, "http_requests_total", product="second") == 1
    assert figure(found, "http_request_duration_seconds_count", **route) == 3
    assert figure(found, "http_request_duration_seconds_bucket", **route, le="+Inf") == 3
    assert figure(found, "http_request_duration_seconds_sum", **route) > 0


def test_what_conditions_saved_and_refused_is_there_by_route(
    client: TestClient, read: Callable[[], Figures]
) -> None:
    address = "/notebook/fail/conflict"
    assert client.put(address).status_code == 412
    page = client.get("/sign-in").text
    sheet = "/assets/" + page.partition("/assets/")[2].partition('"')[0]
    first = client.get(sheet)
    assert client.get(sheet, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    found = read()
    refused = {"status": "412", "method": "PUT", "route": "/fail/{how}"}
    assert figure(found, "http_requests_total", **refused) == 1
    assert figure(found, "http_requests_total", status="304", product="front") == 1
    assert figure(found, "http_unsent_bytes_total", product="front") == len(first.content)
    assert figure(found, "http_unsent_unknown_total") == 0


def test_no_path_of_a_client_becomes_a_label(
    client: TestClient, admin: dict[str, str], read: Callable[[], Figures]
) -> None:
    for number in range(50):
        client.get(f"/notebook/none/{number}")
        client.get(f"/none/{number}")
        client.put(f"/notebook/notes/{number}", headers=admin)
        client.request(f"BREW{number}", "/notebook/notes")
    found = read()
    assert labels_of(found, "route") == {"unmatched", "/notes/{name}", "/notes"}
    assert labels_of(found, "method") == {"GET", "PUT", "other"}


def test_the_process_the_pool_and_the_build_are_there(read: Callable[[], Figures]) -> None:
    found = read()
    assert figure(found, "process_resident_memory_bytes") > 1_000_000
    assert figure(found, "quartet_build_info") == 1
    assert labels_of(found, "database") == {"quartet", "notebook", "second"}
    assert figure(found, "http_requests_in_flight", product="front") == 1  # this one


def test_openmetrics_is_sent_to_who_asks_for_it(client: TestClient, admin: dict[str, str]) -> None:
    plain = client.get("/metrics", headers=admin)
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    other = client.get("/metrics", headers=admin | {"Accept": OPENMETRICS})
    assert other.headers["Content-Type"].startswith("application/openmetrics-text")
    assert other.text.endswith("# EOF\n")
    families = [*parse_openmetrics(other.text)]  # type: ignore[no-untyped-call]
    assert {"http_requests", "quartet_build_info"} <= {family.name for family in families}


def test_the_page_about_them_names_no_figure_that_is_not_there(
    client: TestClient, read: Callable[[], Figures]
) -> None:
    client.get("/sign-in")
    served = {name for name, _ in read()}
    written = set(re.findall(r"\b((?:http|database|quartet)_[a-z_]+[a-z])\b", PAGE.read_text()))
    assert {name for name in written if not any(one.startswith(name) for one in served)} == set()
    assert {name for name in served if name.startswith("http_")} <= {
        name + suffix for name in written for suffix in ("", "_bucket", "_count", "_sum")
    }


# -- who may read them ------------------------------------------------------------------------


def test_without_a_key_they_are_refused_and_nobody_keeps_them(
    client: TestClient, admin: dict[str, str]
) -> None:
    refused = client.get("/metrics")
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "http_" not in refused.text
    assert client.get("/metrics", headers={"If-None-Match": "*"}).status_code == 401
    given = client.get("/metrics", headers=admin)
    assert {one.headers["Cache-Control"] for one in (refused, given)} == {"no-store"}
    assert "ETag" not in given.headers


@pytest.mark.parametrize(
    ("role", "product", "status"),
    [
        (Role.READ, None, 200),
        (Role.READ, "notebook", 403),
        ("jot", "notebook", 403),
    ],
)
def test_a_key_that_may_read_everything_may_read_them(
    client: TestClient, installation: Installation, role: str, product: str | None, status: int
) -> None:
    _, token = installation.keys.create("Prometheus", role, product)
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status
    assert ("http_requests" in answer.text) is (status == 200)


@pytest.mark.parametrize(("mode", "status"), [(MetricsMode.OPEN, 200), (MetricsMode.OFF, 404)])
def test_they_may_be_open_or_off(tmp_path: Path, mode: MetricsMode, status: int) -> None:
    settings = replace(Settings(data=tmp_path), metrics=mode)
    opened = Installation.open([find_product("notebook:PRODUCT")], settings)
    with TestClient(Application(opened)) as client:
        assert client.get("/metrics").status_code == status
        assert client.get("/healthz").status_code == 200


# -- several processes ----------------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.timeout(300)
def test_two_processes_answer_as_one_and_one_that_is_killed_takes_no_count_with_it(
    program: Start,
) -> None:
    server = program("serve", "--port", "0", "--workers", "2", "--shared-sqlite")
    url, key = server.url, {"X-API-Key": server.admin_key}
    path = {"product": "notebook", "route": "/whoami"}
    ask(url, 20, key)
    folder, before = server.shared, server.workers
    for _ in range(5):  # whichever answers
        found = read_from(url, key)
        assert figure(found, "http_requests_total", **path) == 20
        assert figure(found, "http_request_duration_seconds_count", **path) == 20
        assert labels_of(found, "pid") == {str(pid) for pid in before}
    assert not folder.stat().st_mode & 0o077, "for this user alone"
    other = httpx2.get(f"{url}/metrics", headers=key | {"Accept": OPENMETRICS}, timeout=60).text
    families = [*parse_openmetrics(other)]  # type: ignore[no-untyped-call]
    assert {"http_requests", "process_cpu_seconds"} <= {family.name for family in families}

    # Stopped first, so that they die while the parent waits for a sign of life from them.
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for worker in before:
            os.kill(worker, number)
        time.sleep(1.5)
    eventually_answers(url)
    ask(url, 10, key)
    after = read_from(url, key)
    assert figure(after, "http_requests_total", **path) == 30
    assert Savings(NAMES, folder).totals()["notebook"].requests == 30
    assert not labels_of(after, "pid") & {str(pid) for pid in before}
    assert figure(after, "http_requests_in_flight") <= 2
    assert server.stop() == 0
    assert not folder.exists()  # the parent made it, and cleans up


def test_only_what_was_true_of_a_process_alone_is_forgotten(tmp_path: Path) -> None:
    for name in ("gauge_livesum_11.db", "gauge_livesum_12.db", "counter_11.db"):
        (tmp_path / name).touch()
    forget(11, tmp_path)
    assert [*living(tmp_path)] == [12]
    assert (tmp_path / "counter_11.db").exists()


def ask(url: str, times: int, key: dict[str, str]) -> None:
    for _ in range(times):  # each on a connection of its own, so that both processes get some
        assert httpx2.get(f"{url}/notebook/whoami", headers=key, timeout=60).status_code == 200


def read_from(url: str, key: dict[str, str]) -> Figures:
    answer = httpx2.get(f"{url}/metrics", headers=key, timeout=60)
    assert answer.status_code == 200
    return figures(answer.text)


def eventually_answers(url: str) -> None:
    """Wait until a worker is there again: sooner than a sign of life is waited for."""
    deadline = time.monotonic() + 58
    while time.monotonic() < deadline:
        try:
            httpx2.get(f"{url}/healthz", timeout=1)
        except httpx2.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("no worker came back")
