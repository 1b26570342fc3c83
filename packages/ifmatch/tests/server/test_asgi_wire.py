"""The middleware behind a real server: the bytes that a client sees, and when it sees them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ifmatch.core.conditions import Comparison
from ifmatch.core.decide import Policy
from ifmatch.core.etag import ETag
from ifmatch.server.asgi import ConditionalMiddleware

uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("httptools")
pytest.importorskip("starlette")

from starlette.applications import Starlette  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from starlette.middleware.base import BaseHTTPMiddleware  # noqa: E402
from starlette.middleware.gzip import GZipMiddleware  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import (  # noqa: E402
    FileResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route  # noqa: E402

App = Callable[..., Awaitable[None]]
HELLO_TAG = b'W/"2cf24dba5fb0a30e"'
STATE = Policy(Comparison.STATE)


class Client:
    """One connection, read byte by byte as it comes."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=10)
        self.seen = b""

    def send(self, *lines: str, body: bytes = b"") -> None:
        head = "\r\n".join([*lines, "Host: a.example", "", ""])
        self.socket.sendall(head.encode() + body)

    def until(self, end: bytes) -> bytes:
        """All that came before and with `end`; what came after it stays for the next call."""
        while end not in self.seen:
            more = self.socket.recv(65_536)
            assert more, f"the connection closed; it had sent {self.seen!r}"
            self.seen += more
        taken, _, self.seen = self.seen.partition(end)
        return taken + end

    def rest(self) -> bytes:
        """All that comes until the server closes."""
        while more := self.socket.recv(65_536):
            self.seen += more
        taken, self.seen = self.seen, b""
        return taken

    def head(self) -> list[bytes]:
        return self.until(b"\r\n\r\n").lower().splitlines()[:-1]


Serve = Callable[[App], Client]


@pytest.fixture(params=["httptools", "h11"])
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Connects to an application, which is started when it is first asked for."""
    with contextlib.ExitStack() as stack:
        started: dict[App, tuple[str, int]] = {}

        def connect(app: App) -> Client:
            if app not in started:
                started[app] = stack.enter_context(running(app, request.param))
            client = Client(started[app])
            stack.callback(client.socket.close)
            return client

        yield connect


@contextlib.contextmanager
def running(app: App, http: str) -> Iterator[tuple[str, int]]:
    config = uvicorn.Config(
        app, http=http, ws="none", loop="asyncio", lifespan="off", log_level="critical"
    )
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(10)
        listening.close()


def text(body: bytes, *fields: tuple[bytes, bytes]) -> App:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [length, *fields]})
        await send({"type": "http.response.body", "body": body})

    return app


async def v1(scope: Any) -> ETag:
    return ETag("v1", weak=True)


# -- the 304 -----------------------------------------------------------------------------------


def second_answer_after(client: Client, field: str) -> tuple[list[bytes], list[bytes]]:
    """Heads of a conditional answer and of the plain one after it, on the same connection.

    If the first had as much as one byte of body, or announced one, the second would not stand
    where it stands.
    """
    client.send("GET / HTTP/1.1", f"If-None-Match: {field}")
    first = client.head()
    client.send("GET / HTTP/1.1", "Connection: close")
    return first, client.head()


def test_a_304_has_no_body_and_announces_none(serve: Serve) -> None:
    client = serve(ConditionalMiddleware(text(b"hello", (b"content-type", b"text/plain"))))
    first, second = second_answer_after(client, HELLO_TAG.decode())
    assert first[0] == b"http/1.1 304 not modified"
    names = {line.partition(b":")[0] for line in first[1:]}
    assert b"etag: " + HELLO_TAG.lower() in first
    assert not names & {b"content-length", b"transfer-encoding", b"content-type"}
    assert second[0] == b"http/1.1 200 ok"
    assert b"content-length: 5" in second
    assert client.rest() == b"hello"


def test_an_early_304_has_no_body_and_announces_none(serve: Serve) -> None:
    app = ConditionalMiddleware(
        text(b"hello"), early=v1, public=True, policy=STATE, fields=[("Vary", "Accept")]
    )
    first, second = second_answer_after(serve(app), 'W/"v1"')
    assert first[0] == b"http/1.1 304 not modified"
    assert b'etag: w/"v1"' in first
    assert b"vary: accept" in first
    assert not any(line.startswith((b"content-length", b"transfer-encoding")) for line in first)
    assert second[0] == b"http/1.1 200 ok"


@pytest.mark.parametrize("serve", ["httptools"], indirect=True)  # h11 itself refuses to send it
def test_the_twin_that_sends_a_body_with_its_304_would_be_noticed(serve: Serve) -> None:
    async def careless(scope: Any, receive: Any, send: Any) -> None:
        length = (b"content-length", b"5")
        await send({"type": "http.response.start", "status": 304, "headers": [length]})
        await send({"type": "http.response.body", "body": b"hello"})

    first, second = second_answer_after(serve(careless), '"a"')
    assert b"content-length: 5" in first
    assert second[0] != b"http/1.1 200 ok"


def test_a_head_answered_304_leaves_the_connection_in_step(serve: Serve) -> None:
    client = serve(ConditionalMiddleware(text(b"hello", (b"etag", b'"a"'))))
    client.send("HEAD / HTTP/1.1", 'If-None-Match: "a"')
    assert client.head()[0] == b"http/1.1 304 not modified"
    client.send("HEAD / HTTP/1.1", "If-Match: *")
    assert client.head()[0] == b"http/1.1 200 ok"
    client.send("GET / HTTP/1.1", 'If-Match: "b"', "Connection: close")
    assert client.head()[0] == b"http/1.1 412 precondition failed"
    assert b'"etag": "\\"a\\""' in client.rest()


def test_a_part_is_as_long_as_it_says_and_the_connection_stays_in_step(serve: Serve) -> None:
    client = serve(ConditionalMiddleware(text(b"hello"), strong=True))
    for asked, status, body in [
        ("bytes=1-3", b"http/1.1 206 partial content", b"ell"),
        ("bytes=-1", b"http/1.1 206 partial content", b"o"),
        ("bytes=x", b"http/1.1 200 ok", b"hello"),
    ]:
        client.send("GET / HTTP/1.1", f"Range: {asked}")
        head = client.head()
        assert head[0] == status
        assert b"content-length: %d" % len(body) in head
        assert client.until(body) == body
    client.send("GET / HTTP/1.1", "Range: bytes=5-", "Connection: close")
    head = client.head()
    assert head[0].startswith(b"http/1.1 416 ")
    assert b"content-range: bytes */5" in head


# -- content that is never asked for -----------------------------------------------------------

PUT = ("PUT / HTTP/1.1", "Content-Length: 5", "Expect: 100-continue")


async def reads_content(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    await text(b"read " + message["body"])(scope, receive, send)


def guarded() -> App:
    return ConditionalMiddleware(reads_content, early=v1, public=True, policy=STATE)


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ('If-Match: "old"', b"HTTP/1.1 412 "),
        ("If-None-Match: *", b"HTTP/1.1 412 "),
        ("If-Match: v1", b"HTTP/1.1 400 "),
    ],
)
def test_a_refused_write_is_told_so_before_it_sends_its_content(
    serve: Serve, field: str, status: bytes
) -> None:
    client = serve(guarded())
    client.send(*PUT, field, "Connection: close")
    answer = client.rest()
    assert answer.startswith(status)
    assert b"100 Continue" not in answer
    assert b"application/problem+json" in answer


def test_a_missing_condition_is_told_before_the_content_too(serve: Serve) -> None:
    policy = Policy(Comparison.STATE, required=True)
    client = serve(ConditionalMiddleware(reads_content, early=v1, public=True, policy=policy))
    client.send(*PUT, "Connection: close")
    answer = client.rest()
    assert answer.startswith(b"HTTP/1.1 428 ")
    assert b"100 Continue" not in answer


def test_a_write_that_may_proceed_is_asked_for_its_content(serve: Serve) -> None:
    """The other side: the server does say 100 where the application receives."""
    client = serve(guarded())
    client.send(*PUT, 'If-Match: W/"v1"', "Connection: close")
    assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.socket.sendall(b"hello")
    answer = client.rest()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"read hello")


# -- the first byte ----------------------------------------------------------------------------


def test_a_client_has_the_head_and_each_piece_while_the_stream_waits(serve: Serve) -> None:
    """Each piece is sent only after the client has seen what came before: no buffer survives it."""
    seen = [threading.Event() for _ in range(3)]

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        event_stream = (b"content-type", b"text/event-stream")
        await send({"type": "http.response.start", "status": 200, "headers": [event_stream]})
        for number, event in enumerate(seen):
            assert await asyncio.to_thread(event.wait, 10)
            body = b"data: %d\n\n" % number
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    client = serve(ConditionalMiddleware(stream))
    client.send("GET / HTTP/1.1", "Connection: close")
    assert not any(line.startswith(b"etag") for line in client.head())
    for number, event in enumerate(seen):
        event.set()
        client.until(b"data: %d\n\n" % number)
    client.rest()


# -- a framework -------------------------------------------------------------------------------


async def page(request: Request) -> Response:
    return PlainTextResponse("hello")


async def large(request: Request) -> Response:
    return PlainTextResponse("hello " * 1_000)


async def counting(request: Request) -> Response:
    return StreamingResponse(iter(["one ", "two"]))


async def passes_on(request: Request, call_next: Any) -> Response:
    response: Response = await call_next(request)
    return response


def site(file: Path, *middleware: Middleware) -> App:
    async def download(request: Request) -> Response:
        return FileResponse(file)

    routes = [Route("/", page), Route("/large", large), Route("/stream", counting)]
    return Starlette(routes=[*routes, Route("/file", download)], middleware=list(middleware))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("hello")
    return path


def get(client: Client, path: str, *fields: str) -> tuple[bytes, dict[bytes, bytes]]:
    """Status line and fields of an answer, whose body is left unread."""
    client.send(f"GET {path} HTTP/1.1", *fields)
    status, *lines = client.head()
    return status, dict(line.split(b": ", 1) for line in lines)


@pytest.mark.parametrize(
    "order",
    [
        [Middleware(ConditionalMiddleware)],
        # The first listed stands outermost. Both re-send a body in pieces of their own.
        [Middleware(ConditionalMiddleware), Middleware(BaseHTTPMiddleware, dispatch=passes_on)],
        [Middleware(BaseHTTPMiddleware, dispatch=passes_on), Middleware(ConditionalMiddleware)],
        [Middleware(GZipMiddleware, minimum_size=1), Middleware(ConditionalMiddleware)],
    ],
    ids=["alone", "outside of a dispatcher", "inside of a dispatcher", "inside of gzip"],
)
def test_in_starlette_it_may_stand_among_others(
    serve: Serve, file: Path, order: list[Middleware]
) -> None:
    app = site(file, *order)
    for fields in ([], ["Accept-Encoding: gzip"]):
        status, found = get(serve(app), "/", *fields)
        assert (status, found[b"etag"]) == (b"http/1.1 200 ok", HELLO_TAG.lower())
        asked = f"If-None-Match: {HELLO_TAG.decode()}"
        assert get(serve(app), "/", asked, *fields)[0] == b"http/1.1 304 not modified"
        tag = get(serve(app), "/large", *fields)[1][b"etag"].decode().replace("w/", "W/")
        fresh = get(serve(app), "/large", f"If-None-Match: {tag}", *fields)
        assert fresh[0] == b"http/1.1 304 not modified"
        assert b"etag" not in get(serve(app), "/stream", *fields)[1]


def test_a_file_keeps_the_tag_and_the_ranges_of_the_framework(serve: Serve, file: Path) -> None:
    app = site(file, Middleware(ConditionalMiddleware))
    status, found = get(serve(app), "/file")
    assert status == b"http/1.1 200 ok"
    tag = found[b"etag"].decode()
    fresh = get(serve(app), "/file", f"If-None-Match: {tag}")
    assert fresh[0] == b"http/1.1 304 not modified"
    assert b"last-modified" not in fresh[1]
    client = serve(app)
    assert get(client, "/file", "Range: bytes=1-2")[0] == b"http/1.1 206 partial content"
    assert client.until(b"el") == b"el"
