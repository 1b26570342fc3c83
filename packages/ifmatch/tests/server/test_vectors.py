"""Each vector, over a socket: the middleware under uvicorn, spoken to in bytes.

Twice each: with an early source of tags, and with the tags that the application's answers carry.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from ifmatch.core.decide import Validators, counts_on
from ifmatch.core.errors import Missing
from ifmatch.core.guard import enforce
from ifmatch.server.asgi import CONDITION, ConditionalMiddleware
from ifmatch.testing.vectors import Case, cases
from packages.ifmatch.tests.testing.values import (
    content_of,
    is_read,
    now_of,
    plain_status,
    policy_of,
    validators_of,
)

uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("httptools")

CASES = [case for case in cases() if case.get("http", True)]
Address = tuple[str, int]


class Resource:
    """The application: one resource in the state that its case gives, as a store would keep it."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.current = validators_of(case)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        status, fields, body = self.answer(scope)
        start = {"type": "http.response.start", "status": status, "headers": fields}
        await send(start)
        content = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": content})

    def answer(self, scope: Any) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        if not counts_on(plain_status(self.case)):
            return plain_status(self.case), [(b"content-length", b"0")], b""
        if scope["method"] in ("OPTIONS", "TRACE"):
            return 204, [], b""
        if not is_read(self.case):
            return self.write(scope)
        if self.current is None:
            return 404, [(b"content-length", b"0")], b""
        return 200, self.fields(), content_of(self.case)

    def write(self, scope: Any) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        enforce(scope["state"][CONDITION], self.current)
        if self.current is None:
            if scope["method"] in ("DELETE", "PATCH"):
                raise Missing(scope["path"])
            return 201, [(b"content-length", b"0")], b""
        if scope["method"] == "POST":
            return 200, [(b"content-length", b"0")], b""
        return 204, [], b""

    def fields(self) -> list[tuple[bytes, bytes]]:
        given = self.case["given"] or {}
        fields = {
            "content-type": "text/plain",
            "content-length": str(len(content_of(self.case))),
            **{name.lower(): value for name, value in given.get("fields", {}).items()},
        }
        for name, key in (("etag", "etag"), ("last-modified", "last_modified")):
            if key in given:
                fields[name] = str(given[key])  # type: ignore[literal-required]
        return [(name.encode(), value.encode("latin-1")) for name, value in fields.items()]

    async def early(self, scope: Any) -> Validators | None:
        return self.current if counts_on(plain_status(self.case)) else None


def middleware(case: Case, *, early: bool) -> ConditionalMiddleware:
    resource, settings = Resource(case), case.get("policy", {})
    now = now_of(case)
    more: dict[str, Any] = {"early": resource.early, "public": True} if early else {}
    if early:
        given = (case["given"] or {}).get("fields", {})
        more["fields"] = list(given.items())
    return ConditionalMiddleware(
        resource,
        policy=policy_of(case),
        strong=True,
        hashes=False,
        ranges=settings.get("ranges", True),
        strong_dates=resource.current is not None and resource.current.last_modified_is_strong,
        safe=lambda scope: settings.get("safe", False),
        clock=None if now is None else lambda: float(now),
        **more,
    )


APPS = {
    f"/{number}/{name}": middleware(case, early=name == "early")
    for number, case in enumerate(CASES)
    for name in ("early", "late")
}


async def every_case(scope: Any, receive: Any, send: Any) -> None:
    await APPS[scope["path"]](scope, receive, send)


@pytest.fixture(scope="module", params=["httptools", pytest.param("h11", marks=pytest.mark.full)])
def server(request: pytest.FixtureRequest) -> Iterator[Address]:
    config = uvicorn.Config(
        every_case, http=request.param, ws="none", loop="asyncio", lifespan="off", log_level="error"
    )
    serving = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(serving.serve([listening])))
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        serving.should_exit = serving.force_exit = True
        thread.join(10)
        listening.close()


class Heard(NamedTuple):
    """What came back, byte for byte, taken apart."""

    status: int
    fields: dict[str, str]
    body: bytes


def speak(address: Address, case: Case, path: str) -> Heard:
    request = case["request"]
    lines = [f"{request['method']} {path} HTTP/1.1", "Host: a.example", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in request["fields"]]
    with contextlib.closing(socket.create_connection(address, timeout=10)) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        heard = b""
        while more := connection.recv(65_536):
            heard += more
    head, _, body = heard.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    fields: dict[str, str] = {}
    for line in rest:
        name, _, value = line.partition(":")
        fields[name.lower()] = value.strip()
    return Heard(int(first.split()[1]), fields, body)


@pytest.mark.parametrize("way", ["early", "late"])
@pytest.mark.parametrize("number", range(len(CASES)), ids=[case["id"] for case in CASES])
def test_the_server_answers_what_the_vector_says(server: Address, number: int, way: str) -> None:
    case = CASES[number]
    expected = case["expect"]
    heard = speak(server, case, f"/{number}/{way}")
    assert heard.status == expected["status"]
    for name, value in expected.get("fields", {}).items():
        if value.startswith("multipart/byteranges"):
            assert heard.fields[name.lower()].startswith("multipart/byteranges; boundary=")
        else:
            assert heard.fields.get(name.lower()) == value, name
    for name in expected.get("absent", ()):
        assert name.lower() not in heard.fields, name
    if "body" in expected:
        assert heard.body == expected["body"].encode("ascii")
    if expected["outcome"] == "not-modified" or case["request"]["method"] == "HEAD":
        assert heard.body == b""
    if expected["outcome"] == "partial" and len(expected["ranges"]) > 1:
        check_parts(case, heard)


def check_parts(case: Case, heard: Heard) -> None:
    """Each part is headed by its range and the type of the whole, and is those very bytes."""
    content = content_of(case)
    boundary = heard.fields["content-type"].partition("boundary=")[2].encode()
    assert boundary not in content
    parts = []
    for first, last in case["expect"]["ranges"]:
        head = f"Content-Range: bytes {first}-{last}/{len(content)}\r\n\r\n".encode()
        parts.append(b"Content-Type: text/plain\r\n" + head + content[first : last + 1] + b"\r\n")
    delimiter = b"--" + boundary
    whole = b"".join(delimiter + b"\r\n" + part for part in parts) + delimiter + b"--\r\n"
    assert heard.body == whole
