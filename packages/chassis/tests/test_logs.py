"""The log: one line is one line, each says which request it belongs to, and none holds a secret."""

from __future__ import annotations

import asyncio
import doctest
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from chassis import logs
from chassis.application import Application
from chassis.installation import Installation
from chassis.settings import LogFormat

Start = Callable[..., Any]
RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (DEBUG|INFO|WARNING|ERROR) [\w.]+")
FORGED = "2026-01-01 00:00:00 ERROR chassis.access: forged"


class Written:
    """What a handler of that format wrote, without the client's own lines."""

    def __init__(self, kind: LogFormat) -> None:
        self._stream = io.StringIO()
        self.handler = logging.StreamHandler(self._stream)
        self.handler.setFormatter(logs.formatter(kind))
        self.handler.addFilter(lambda record: record.name.startswith(("chassis", "test")))

    @property
    def lines(self) -> list[str]:
        return self._stream.getvalue().splitlines()

    def objects(self, logger: str = "chassis.access") -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.lines]
        return [one for one in found if one["logger"] == logger]


@pytest.fixture
def listen() -> Iterator[Callable[[LogFormat], Written]]:
    root = logging.getLogger()
    before, added = root.level, []

    def begin(kind: LogFormat) -> Written:
        written = Written(kind)
        root.addHandler(written.handler)
        root.setLevel(logging.INFO)
        added.append(written.handler)
        return written

    yield begin
    root.setLevel(before)
    for handler in added:
        root.removeHandler(handler)


Listen = Callable[[LogFormat], Written]


@pytest.fixture
def noting(installation: Installation) -> Iterator[TestClient]:
    """A client of an application that writes a line for each request."""
    installation.settings = replace(installation.settings, access_log=True)
    with TestClient(
        Application(installation), follow_redirects=False, raise_server_exceptions=False
    ) as client:
        yield client


def test_the_examples_run() -> None:
    assert doctest.testmod(logs).failed == 0


# -- what a line holds ------------------------------------------------------------------------


def test_a_request_is_one_object_with_what_programs_ask_for(
    noting: TestClient, listen: Listen, admin: dict[str, str], installation: Installation
) -> None:
    written = listen(LogFormat.JSON)
    answer = noting.put("/notebook/notes/x?token=hunter2", headers=admin)
    (line,) = written.objects()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line.pop("duration_ms") >= 0
    assert line.pop("message").startswith("PUT /notebook/notes/x 200 ")
    assert line == {
        "level": "info",
        "logger": "chassis.access",
        "request_id": answer.headers["X-Request-Id"],
        "method": "PUT",
        "path": "/notebook/notes/x",
        "route": "/notes/{name}",
        "status": 200,
        "bytes": len(answer.content),
        "product": "notebook",
        "key": "admin" if installation.settings.admin_key else line["key"],
    }
    assert line["key"] in [one.id for one in installation.keys.list()]


def test_who_is_not_known_has_no_key_in_the_line(noting: TestClient, listen: Listen) -> None:
    written = listen(LogFormat.JSON)
    noting.put("/notebook/notes/x", headers={"X-API-Key": "hunter2"})
    noting.get("/healthz")
    refused, health = written.objects()
    assert (refused["status"], refused["product"]) == (401, "notebook")
    assert (health["status"], health["product"], health["route"]) == (200, "front", "/healthz")
    assert "key" not in refused | health
    assert "hunter2" not in "".join(written.lines)


@pytest.mark.parametrize("kind", LogFormat)
def test_every_line_of_a_request_has_its_number_and_so_have_the_answer_and_its_500(
    noting: TestClient, listen: Listen, kind: LogFormat
) -> None:
    written = listen(kind)
    answer = noting.get("/notebook/fail/runtime")
    number = answer.headers["X-Request-Id"]
    assert answer.status_code == 500
    assert answer.json()["request"] == number
    records = [line for line in written.lines if not line.startswith("  | ")]
    assert len(records) == 2  # the failure, from a thread of its own, and the request
    assert all(number in record for record in records)


def test_requests_at_once_keep_their_numbers_apart(listen: Listen) -> None:
    written = listen(LogFormat.JSON)
    log = logging.getLogger("test")

    async def one(number: int) -> None:
        token = logs.enter(logs.Request(f"n{number}"))
        await asyncio.sleep(0)
        await asyncio.to_thread(log.info, "%d", number)
        logs.leave(token)

    async def all_of_them() -> None:
        await asyncio.gather(*(one(number) for number in range(20)))
        log.info("outside")

    asyncio.run(all_of_them())
    *inside, outside = written.objects("test")
    assert {one["request_id"] for one in inside} == {f"n{one['message']}" for one in inside}
    assert len(inside) == 20
    assert "request_id" not in outside


def test_an_exception_is_a_member(listen: Listen) -> None:
    written = listen(LogFormat.JSON)
    try:
        raise ValueError("not\nthis")
    except ValueError:
        logging.getLogger("test").exception("it failed")
    (line,) = written.objects("test")
    assert line["message"] == "it failed"
    assert (line["exception"]["type"], line["exception"]["message"]) == ("ValueError", "not\nthis")
    assert line["exception"]["traceback"].startswith("Traceback (most recent call last):\n")


# -- nobody forges one ------------------------------------------------------------------------


HOSTILE = [
    "/x%0AERROR%20forged",
    f"/notebook/x%0A{FORGED}",
    f"/notebook/x%0D%0A{FORGED}",
    f"/notebook/x%0A{FORGED.replace(' ', '%20')}",
    "/x%C2%85next%E2%80%A8line%E2%80%A9again%0B%0C%1C",
    "/x%1B[2J%1B]0;title%07",
    "/x%E2%80%AEdesrever%E2%81%A6",
    "/x%00%FF%FE",
    '/x","status":200,"key":"admin',
]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_cannot_forge_a_line(noting: TestClient, listen: Listen, path: str) -> None:
    text, objects = listen(LogFormat.TEXT), listen(LogFormat.JSON)
    noting.get(path)
    assert len(text.lines) == 1
    assert text.lines[0].isprintable()
    assert RECORD.match(text.lines[0])
    (line,) = objects.objects()
    assert line["status"] == 404
    assert "key" not in line
    assert all(part.isascii() and part.isprintable() for part in objects.lines)


@pytest.mark.parametrize("kind", LogFormat)
def test_neither_can_what_an_error_says(listen: Listen, kind: LogFormat) -> None:
    written = listen(kind)
    log = logging.getLogger("test")
    try:
        raise ValueError(f"no flag 'x\n{FORGED}\x1b[2J'")
    except ValueError as error:
        log.exception("it failed: %s", error)
    records = [line for line in written.lines if not line.startswith("  | ")]
    assert len(records) == 1
    assert not any(line.startswith(FORGED) for line in written.lines)
    assert all(line.isprintable() for line in written.lines)


def test_without_the_escape_a_path_would_forge_a_line(
    noting: TestClient, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the test above: it is the escape that keeps the line whole."""
    monkeypatch.setattr(logs, "visible", lambda text: text)
    written = listen(LogFormat.TEXT)
    noting.get(HOSTILE[0])
    assert any(line.startswith("ERROR forged") for line in written.lines)


# -- the program ------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_the_program_writes_objects_and_nothing_else(program: Start) -> None:
    server = program(
        *("serve", "--port", "0", "--access-log", "--log-level", "debug"),
        QUARTET_LOG_FORMAT="json",
        PROMETHEUS_MULTIPROC_DIR="/of/another/program",
    )
    key, url = server.admin_key, server.url
    httpx2.get(f"{url}/notebook/whoami?key=hunter2", headers={"X-API-Key": key}, timeout=60)
    httpx2.get(f"{url}/notebook/fail/database", headers={"X-Request-Id": "mine"}, timeout=60)
    assert server.stop() == 0
    lines = [json.loads(line) for line in server.err.splitlines()]
    mine = [line for line in lines if line.get("request_id") == "mine"]
    assert {line["logger"] for line in mine} >= {"chassis.access", "chassis.problems"}
    assert any("exception" in line for line in mine)
    assert {line["level"] for line in lines} >= {"debug", "info", "error"}
    assert "hunter2" not in server.err
    assert key not in server.err
