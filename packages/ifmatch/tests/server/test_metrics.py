"""What is counted of each answer: its route, its bytes, and the bytes that a 304 did not send."""

from __future__ import annotations

import asyncio
import doctest
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from ifmatch.core.etag import ETag
from ifmatch.server import metrics
from ifmatch.server.asgi import ConditionalMiddleware
from ifmatch.server.metrics import UNMATCHED, Exchange, Lengths, MeteredMiddleware

Message = MutableMapping[str, Any]
App = Callable[..., Awaitable[None]]
TAG = 'W/"0123456789abcdef"'


class Counted:
    """An application with its meter, and a client of it."""

    def __init__(self, app: App, **options: Any) -> None:
        self.seen: list[Exchange] = []
        self.metered = MeteredMiddleware(app, self.seen.append, **options)
        self.client = TestClient(self.metered, raise_server_exceptions=False)

    def ask(self, path: str, method: str = "GET", **fields: str) -> Exchange:
        """What was counted of one request."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        self.client.request(method, path, headers=headers)
        return self.seen[-1]


async def early(_scope: Any) -> ETag:
    return ETag("0123456789abcdef", weak=True)


def tagged(length: int = 1200) -> Counted:
    """One resource whose early tag never changes: its 304 never sees a body."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        fields = {"ETag": TAG} if scope["method"] in ("GET", "HEAD") else {}
        body = b"" if scope["method"] == "HEAD" else b"x" * length
        await Response(body, headers=fields)(scope, receive, send)

    return Counted(ConditionalMiddleware(app, early=early, public=True, writes=False))


def test_the_examples_run() -> None:
    assert doctest.testmod(metrics).failed == 0


# -- bytes that were not sent ---------------------------------------------------------------------


def test_a_304_saves_what_the_200_with_its_tag_was_long() -> None:
    counted = tagged()
    assert counted.ask("/n").sent == 1200
    again = counted.ask("/n", If_None_Match=TAG)
    assert (again.status, again.sent, again.unsent) == (304, 0, 1200)


def test_a_304_whose_200_was_never_seen_saves_nobody_knows_how_much() -> None:
    assert tagged().ask("/n", If_None_Match=TAG).unsent is None


@pytest.mark.parametrize("elsewhere", ["/other", "/n?page=2"])
def test_the_same_tag_at_another_address_says_nothing(elsewhere: str) -> None:
    counted = tagged()
    counted.ask(elsewhere)
    assert counted.ask("/n", If_None_Match=TAG).unsent is None


def test_another_tag_at_the_same_address_says_nothing() -> None:
    counted = tagged()
    counted.metered._lengths.remember(counted.metered._lengths.key(b"GET /n?", b'"older"'), 77)
    assert counted.ask("/n", If_None_Match=TAG).unsent is None


def test_what_a_write_answers_says_nothing_of_what_a_read_would() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        status = 304 if scope["method"] == "GET" else 200
        await Response(b"saved"[: 200 - status], status, {"ETag": TAG})(scope, receive, send)

    counted = Counted(app)
    assert counted.ask("/n", "PUT").status == 200
    assert counted.ask("/n", If_None_Match=TAG).unsent is None


def test_a_head_saves_nothing_and_teaches_nothing() -> None:
    counted = tagged()
    assert counted.ask("/n", "HEAD").sent == 0
    assert counted.ask("/n", "HEAD", If_None_Match=TAG).unsent == 0
    assert counted.ask("/n", If_None_Match=TAG).unsent is None


def test_a_304_to_a_request_for_a_part_saves_nobody_knows_how_much() -> None:
    counted = tagged()
    counted.ask("/n")
    assert counted.ask("/n", If_None_Match=TAG, Range="bytes=0-9").unsent is None


def test_an_answer_that_breaks_off_teaches_nothing() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        fields = [(b"etag", TAG.encode())]
        if any(name == b"if-none-match" for name, _ in scope["headers"]):
            await send({"type": "http.response.start", "status": 304, "headers": fields})
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("broken")

    counted = Counted(app)
    broken = counted.ask("/n")
    assert (broken.status, broken.sent) == (200, 4)
    assert counted.ask("/n", If_None_Match=TAG).unsent is None


def test_lengths_are_forgotten_and_never_wrong() -> None:
    lengths = Lengths(bytearray(16 * 8))
    kept = {lengths.key(b"/%d" % number, b'"t"'): number for number in range(100)}
    for key, length in kept.items():
        lengths.remember(key, length)
    recalled = {key: lengths.recall(key) for key in kept}
    assert 1 <= sum(found is not None for found in recalled.values()) <= 8
    assert all(found in (None, kept[key]) for key, found in recalled.items())


def test_an_entry_that_two_processes_wrote_at_once_is_read_as_none() -> None:
    buffer = bytearray(16)
    lengths, words = Lengths(buffer), memoryview(buffer).cast("Q")
    first, second = lengths.key(b"/1", b'"t"'), lengths.key(b"/2", b'"t"')
    lengths.remember(first, 1000)
    half = words[0]
    lengths.remember(second, 7)
    words[0] = half  # the key of the one, the length of the other
    assert lengths.recall(first) is None
    assert lengths.recall(second) is None


def test_two_who_share_a_buffer_know_the_same() -> None:
    buffer = bytearray(1600)
    one, other = Lengths(buffer), Lengths(buffer)
    one.remember(one.key(b"/n", b'"t"'), 9)
    assert other.recall(other.key(b"/n", b'"t"')) == 9


def test_a_buffer_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="Give 16 or more"):
        Lengths(bytearray(15))


# -- what else is counted -----------------------------------------------------------------------


def test_an_answer_is_counted_before_its_end_is_handed_on() -> None:
    seen: list[Exchange] = []
    at_the_end: list[int] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    async def send(message: Message) -> None:
        at_the_end.append(len(seen))

    metered = MeteredMiddleware(app, seen.append, clock=iter((1.0, 3.5)).__next__)
    asyncio.run(metered({"type": "http", "method": "GET", "path": "/"}, None, send))  # type: ignore[arg-type]
    assert at_the_end == [0, 0, 1]
    assert seen == [Exchange(UNMATCHED, "GET", 200, 2.5, 2, 0)]


def test_an_error_before_the_answer_is_a_500_and_a_client_that_left_is_0() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/fail":
            raise RuntimeError("broken")

    counted = Counted(app)
    assert counted.ask("/fail").status == 500
    with pytest.raises(AssertionError):  # the test's client wants an answer
        TestClient(counted.metered).get("/leave")
    assert counted.seen[-1].status == 0
    assert counted.metered.in_flight == 0


def test_requests_under_way_are_known() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse(str(counted.metered.in_flight))(scope, receive, send)

    counted = Counted(app)
    assert counted.client.get("/").text == "1"
    assert counted.metered.in_flight == 0


def test_an_invented_method_has_no_label_of_its_own() -> None:
    assert tagged().ask("/n", "BREW").method == "other"


# -- routes ---------------------------------------------------------------------------------------


async def note(_request: Request) -> Response:
    return PlainTextResponse("a note")


NOTES = [Route("/notes/{name}", note)]


def fastapi_app() -> FastAPI:
    inner, outer, app = APIRouter(prefix="/notes"), APIRouter(prefix="/v1"), FastAPI()

    @inner.get("/{name}")
    def read(name: str) -> str:
        return name

    @app.get("/plain/{name}")
    def plain(name: str) -> str:
        return name

    outer.include_router(inner)
    app.include_router(outer, prefix="/api")
    return app


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/notes/7", "/notes/{name}"),
        ("/in/notes/7", "/in/notes/{name}"),
        ("/of/acme/notes/7", "/of/{tenant}/notes/{name}"),
        ("/of/acme/notes/acme", "/of/{tenant}/notes/{name}"),
        ("/deep/acme/x/notes/7", "/deep/{tenant}/{room}/notes/{name}"),
        ("/fast/plain/7", "/fast/plain/{name}"),
        ("/fast/api/v1/notes/7", "/fast/api/v1/notes/{name}"),
        ("/fast/none", UNMATCHED),
        ("/in/none", UNMATCHED),
        ("/none/at/all", UNMATCHED),
    ],
)
def test_a_route_is_named_by_its_template(path: str, template: str) -> None:
    app = Starlette(
        routes=[
            *NOTES,
            Mount("/in", routes=NOTES),
            Mount("/of/{tenant}", routes=NOTES),
            Mount("/deep/{tenant}", routes=[Mount("/{room}", routes=NOTES)]),
            Mount("/fast", fastapi_app()),
        ]
    )
    assert Counted(app).ask(path).route == template


def test_a_method_that_a_route_does_not_take_is_counted_there() -> None:
    answered = Counted(Starlette(routes=NOTES)).ask("/notes/7", "DELETE")
    assert (answered.route, answered.status) == ("/notes/{name}", 405)


def test_what_a_client_sends_is_never_a_label() -> None:
    """A mount whose parameter is several parts of the path cannot be named by them."""
    app = Starlette(routes=[Mount("/of/{rest:path}/end", routes=NOTES)])
    counted = Counted(app)
    assert {counted.ask(f"/of/a/{number}/end/notes/7").route for number in range(9)} == {UNMATCHED}
