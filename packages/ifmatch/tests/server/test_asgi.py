"""The middleware for any ASGI application: what it tags, judges, and leaves alone."""

from __future__ import annotations

import asyncio
import calendar
import doctest
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifmatch.core.canonical import canonical
from ifmatch.core.conditions import Comparison, Conditions
from ifmatch.core.decide import Policy, Validators
from ifmatch.core.errors import Conflict, ImpossibleDeclaration, Missing
from ifmatch.core.etag import ETag
from ifmatch.core.guard import Condition, enforce
from ifmatch.core.tags import bytes_tag, state_tag
from ifmatch.core.verdict import PROCEED
from ifmatch.server import asgi
from ifmatch.server.asgi import CONDITION, ConditionalMiddleware

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[..., Awaitable[None]]

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
EARLIER = "Sat, 05 Nov 1994 08:49:37 GMT"
STATE = Policy(Comparison.STATE)
HELLO_TAG = 'W/"2cf24dba5fb0a30e"'  # of b"hello"


@dataclass
class Exchange:
    """One request as a server would carry it, and what came of it."""

    messages: list[Message] = field(default_factory=list)
    received: int = 0

    @property
    def status(self) -> int:
        starts = [sent for sent in self.messages if sent["type"] == "http.response.start"]
        assert len(starts) == 1, "an answer starts once"
        return int(starts[0]["status"])

    @property
    def fields(self) -> dict[str, str]:
        start = next(sent for sent in self.messages if sent["type"] == "http.response.start")
        assert all(name.islower() for name, _ in start["headers"]), "names are lower-case in ASGI"
        return {name.decode(): value.decode() for name, value in start["headers"]}

    @property
    def body(self) -> bytes:
        assert not self.messages[-1].get("more_body", False), "a body ends"
        return b"".join(sent.get("body", b"") for sent in self.messages)

    @property
    def problem(self) -> dict[str, Any]:
        assert self.fields["content-type"] == "application/problem+json"
        assert self.fields["content-length"] == str(len(self.body))
        assert self.fields["cache-control"] == "no-store"
        details: dict[str, Any] = json.loads(self.body)
        assert details["status"] == self.status
        return details


def raw(fields: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in fields]


def ask(app: App, method: str = "GET", *fields: tuple[str, str], **scope: Any) -> Exchange:
    """Send one request to `app`, its fields given as pairs."""
    exchange = Exchange()

    async def receive() -> Message:
        exchange.received += 1
        return {"type": "http.request", "body": b"content", "more_body": False}

    async def send(message: Message) -> None:
        exchange.messages.append(message)

    asked = {"type": "http", "method": method, "path": "/", "headers": raw(fields), **scope}
    asyncio.run(app(asked, receive, send))  # type: ignore[arg-type]
    return exchange


def start(status: int = 200, *fields: tuple[str, str]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": raw(fields)}


def piece(body: bytes = b"", more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


class Sends:
    """An application that sends these messages, and remembers what it was asked."""

    def __init__(self, *messages: Message) -> None:
        self.messages = messages
        self.scopes: list[MutableMapping[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        self.scopes.append(scope)
        for message in self.messages:
            await send(message)


def hello(*fields: tuple[str, str], status: int = 200) -> Sends:
    return Sends(start(status, ("Content-Length", "5"), *fields), piece(b"hello"))


# -- tags of finished bodies -------------------------------------------------------------------


def test_a_finished_body_gets_a_weak_tag_of_16_hex_digits_of_its_sha_256() -> None:
    answer = ask(ConditionalMiddleware(hello()))
    assert answer.fields["etag"] == HELLO_TAG == f'W/"{sha256(b"hello").hexdigest()[:16]}"'
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.fields["content-length"] == "5"


def test_a_body_of_canonical_json_has_the_tag_of_its_state() -> None:
    """So an early source that makes a state_tag of the value agrees with the hash of the body."""
    value = {"b": 1.0, "a": ["é"]}
    answer = ask(ConditionalMiddleware(Sends(start(), piece(canonical(value)))))
    assert answer.fields["etag"] == str(state_tag(value))


def test_strong_tags_are_made_only_where_they_are_declared() -> None:
    answer = ask(ConditionalMiddleware(hello(), strong=True))
    assert answer.fields["etag"] == str(bytes_tag(b"hello"))


def test_a_body_that_is_no_bytes_object_is_hashed_all_the_same() -> None:
    for body in (bytearray(b"hello"), memoryview(b"hello")):
        for strong in (False, True):
            app = Sends(start(), {"type": "http.response.body", "body": body})
            answer = ask(ConditionalMiddleware(app, strong=strong))
            assert answer.fields["etag"] == (str(bytes_tag(b"hello")) if strong else HELLO_TAG)


@pytest.mark.parametrize("sent", [HELLO_TAG, f'"x", {HELLO_TAG}', '"2cf24dba5fb0a30e"', "*"])
def test_a_match_is_304_without_body_or_what_describes_it(sent: str) -> None:
    app = hello(("Content-Type", "text/plain"), ("Content-Language", "en"), ("Vary", "Accept"))
    answer = ask(ConditionalMiddleware(app), "GET", ("If-None-Match", sent))
    assert (answer.status, answer.body) == (304, b"")
    assert answer.fields == {"vary": "Accept", "etag": HELLO_TAG}


def test_a_304_leaves_alone_what_is_no_metadata_of_the_content() -> None:
    fields = [
        ("Access-Control-Allow-Origin", "https://a.example"),
        ("Content-Security-Policy", "default-src 'self'"),
        ("X-Request-Id", "7"),
        ("Cache-Control", "private, no-cache"),
    ]
    answer = ask(ConditionalMiddleware(hello(*fields)), "GET", ("If-None-Match", HELLO_TAG))
    assert answer.status == 304
    assert answer.fields.items() >= {name.lower(): value for name, value in fields}.items()


@pytest.mark.parametrize("sent", ['"x"', 'W/"2CF24DBA5FB0A30E"', "2cf24dba5fb0a30e", "", '*, "x"'])
def test_a_stale_or_malformed_if_none_match_gets_the_body_with_its_tag(sent: str) -> None:
    answer = ask(ConditionalMiddleware(hello()), "GET", ("If-None-Match", sent))
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.fields["etag"] == HELLO_TAG


def test_all_lines_of_a_field_count() -> None:
    lines = [("If-None-Match", '"x"'), ("Accept", "*/*"), ("If-None-Match", HELLO_TAG)]
    assert ask(ConditionalMiddleware(hello()), "GET", *lines).status == 304


def test_if_match_on_a_read_is_judged_under_the_policy() -> None:
    fields = ("If-Match", HELLO_TAG)
    assert ask(ConditionalMiddleware(hello(), policy=STATE), "GET", fields).status == 200
    assert ask(ConditionalMiddleware(hello()), "GET", fields).status == 412


def test_a_412_to_a_read_is_a_problem_that_keeps_cors_and_nobody_stores() -> None:
    app = hello(
        ("Access-Control-Allow-Origin", "*"),
        ("Cache-Control", "max-age=60"),
        ("Content-Location", "/a"),
        ("Content-Type", "text/plain"),
    )
    answer = ask(ConditionalMiddleware(app), "GET", ("If-Match", '"x"'))
    assert answer.status == 412
    assert answer.problem["etag"] == answer.fields["etag"] == HELLO_TAG
    assert answer.fields["access-control-allow-origin"] == "*"
    assert "content-location" not in answer.fields


def test_no_tag_is_shared_by_two_bodies_and_it_stays_while_the_body_stays() -> None:
    bodies = [b"", b"a", b"b", b"ab", b"{}", b"{} "]
    tags = [
        ask(ConditionalMiddleware(Sends(start(), piece(body)))).fields["etag"]
        for body in bodies + bodies
    ]
    assert len(set(tags)) == len(bodies)
    assert tags[: len(bodies)] == tags[len(bodies) :]


# -- tags that the application gives -----------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"'])
def test_a_tag_of_the_application_is_judged_and_never_replaced(method: str, etag: str) -> None:
    app = ConditionalMiddleware(hello(("ETag", etag)))
    assert ask(app, method).fields["etag"] == etag
    assert ask(app, method, ("If-None-Match", '"x"')).status == 200
    fresh = ask(app, method, ("If-None-Match", '"v1"'))
    assert (fresh.status, fresh.body, fresh.fields) == (304, b"", {"etag": etag})


@pytest.mark.parametrize("given", [["v1"], ['"a", "b"'], ['"a"', '"b"'], ['"a"', "b"]])
def test_what_is_not_one_tag_is_not_ours_to_mend(given: list[str]) -> None:
    app = hello(*(("ETag", etag) for etag in given))
    answer = ask(ConditionalMiddleware(app), "GET", ("If-None-Match", f'*, "a", {HELLO_TAG}'))
    assert answer.messages == list(app.messages)


def test_a_tag_on_a_stream_answers_304_at_once_and_drops_the_stream() -> None:
    """The application may go on for ever; the client has its answer before the first piece."""
    seen: list[int] = []

    async def endless(scope: Any, receive: Any, send: Send) -> None:
        await send(start(200, ("ETag", '"v1"')))
        for number in range(3):
            seen.append(len(answered))
            await send(piece(b"%d" % number, more=True))

    answered: list[Message] = []

    async def note(message: Message) -> None:
        answered.append(message)

    scope = {"type": "http", "method": "GET", "headers": raw([("If-None-Match", '"v1"')])}
    asyncio.run(ConditionalMiddleware(endless)(scope, _never, note))
    assert [message["type"] for message in answered] == [
        "http.response.start",
        "http.response.body",
    ]
    assert answered[0]["status"] == 304
    assert not answered[1].get("more_body", False)
    assert seen == [2, 2, 2]


async def _never() -> Message:
    raise AssertionError("nothing was to be received")


# -- HEAD --------------------------------------------------------------------------------------


def test_a_head_never_gets_the_tag_of_its_empty_body() -> None:
    """The tag of a HEAD is the tag of the GET, which only the application knows here."""
    app = Sends(start(200, ("Content-Length", "5")), piece())
    answer = ask(ConditionalMiddleware(app), "HEAD", ("If-None-Match", f"{HELLO_TAG}"))
    assert answer.messages == list(app.messages)
    tag_of_nothing = f'W/"{sha256(b"").hexdigest()[:16]}"'
    assert ask(ConditionalMiddleware(app), "HEAD", ("If-Match", tag_of_nothing)).status == 200


# -- what is left alone ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [201, 202, 203, 204, 206, 301, 304, 400, 401, 404, 405, 500])
@pytest.mark.parametrize("asked", [("If-None-Match", "*"), ("If-Match", '"x"')])
def test_an_answer_other_than_200_goes_out_as_it_is(status: int, asked: tuple[str, str]) -> None:
    app = hello(("ETag", '"v1"'), status=status)
    assert ask(ConditionalMiddleware(app), "GET", asked).messages == list(app.messages)


def test_what_nobody_may_store_gets_no_tag_and_ignores_conditions() -> None:
    app = hello(("Cache-Control", "private, No-Store"))
    answer = ask(ConditionalMiddleware(app), "GET", ("If-None-Match", f"{HELLO_TAG}"))
    assert answer.messages == list(app.messages)
    assert ask(ConditionalMiddleware(app), "GET", ("If-None-Match", "*")).status == 200


def test_a_tag_that_the_application_gave_counts_though_nobody_may_store_the_answer() -> None:
    app = ConditionalMiddleware(hello(("Cache-Control", "no-store"), ("ETag", '"v1"')))
    assert ask(app, "GET", ("If-None-Match", '"v1"')).status == 304


def test_an_answer_that_sets_a_cookie_is_tagged_and_its_304_sets_it_too() -> None:
    app = ConditionalMiddleware(hello(("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")))
    answer = ask(app, "GET", ("If-None-Match", HELLO_TAG))
    assert answer.status == 304
    assert [value for name, value in answer.messages[0]["headers"] if name == b"set-cookie"] == [
        b"a=1",
        b"b=2",
    ]


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT"])
def test_methods_that_select_nothing_pass_untouched(method: str) -> None:
    app = hello(("ETag", '"v1"'))
    answer = ask(ConditionalMiddleware(app), method, ("If-None-Match", "*"), ("If-Match", "a"))
    assert answer.messages == list(app.messages)
    assert "state" not in app.scopes[0]


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_other_conversations_pass_with_the_very_same_values(kind: str) -> None:
    seen: list[tuple[Any, ...]] = []

    async def app(*given: Any) -> None:
        seen.append(given)

    given = ({"type": kind}, object(), object())
    asyncio.run(ConditionalMiddleware(app)(*given))  # type: ignore[arg-type]
    assert len(seen) == 1
    assert all(one is other for one, other in zip(seen[0], given, strict=True))


@pytest.mark.parametrize("length", [1, 5, 6])
def test_a_body_longer_than_the_limit_is_not_hashed(length: int) -> None:
    body = b"x" * length
    for fields in ([], [("Content-Length", str(length))]):
        answer = ask(ConditionalMiddleware(Sends(start(200, *fields), piece(body)), limit=5))
        assert ("etag" in answer.fields) is (length <= 5)
        assert answer.body == body


# -- streams -----------------------------------------------------------------------------------


def test_a_stream_has_no_tag_and_its_messages_are_the_ones_that_were_sent() -> None:
    app = Sends(start(), piece(b"he", more=True), piece(b"llo", more=True), piece())
    answer = ask(ConditionalMiddleware(app), "GET", ("If-None-Match", f"*, {HELLO_TAG}"))
    assert all(sent is given for sent, given in zip(answer.messages, app.messages, strict=True))


pieces = st.lists(st.binary(max_size=4), min_size=1, max_size=4)


@given(pieces, st.sampled_from(["no length", "length", "wrong length"]), st.integers(0, 8))
def test_whatever_the_pieces_they_go_out_as_they_came(
    bodies: list[bytes], announced: str, limit: int
) -> None:
    length = sum(map(len, bodies)) + (announced == "wrong length")
    fields = [] if announced == "no length" else [("Content-Length", str(length))]
    sent = [piece(body, more=True) for body in bodies[:-1]] + [piece(bodies[-1])]
    answer = ask(ConditionalMiddleware(Sends(start(200, *fields), *sent), limit=limit))
    assert answer.messages[1:] == sent
    if "etag" in answer.fields:
        body = b"".join(bodies)
        assert answer.fields["etag"] == f'W/"{sha256(body).hexdigest()[:16]}"'
        assert len(body) <= limit


def test_a_body_that_is_complete_before_its_empty_last_piece_is_tagged() -> None:
    """Some frameworks end every body so; the announced length tells that it is complete."""
    app = Sends(start(200, ("Content-Length", "5")), piece(b"hello", more=True), piece())
    assert ask(ConditionalMiddleware(app)).fields["etag"] == HELLO_TAG
    assert ask(ConditionalMiddleware(app)).body == b"hello"
    fresh = ask(ConditionalMiddleware(app), "GET", ("If-None-Match", HELLO_TAG))
    assert (fresh.status, fresh.body, len(fresh.messages)) == (304, b"", 2)


def gone_before_the_second_piece(wrap: Callable[[App], App], *fields: tuple[str, str]) -> list[str]:
    """What the client has when a stream waits: first for its first piece, then for its second."""
    moments: list[str] = []
    out: list[Message] = []

    async def stream(scope: Any, receive: Any, send: Send) -> None:
        await send(start(200, *fields))
        await asyncio.sleep(0.01)
        moments.append("start" if out else "nothing")
        await send(piece(b"first", more=True))
        await asyncio.sleep(0.01)
        moments.append("first" if any(sent.get("body") for sent in out) else "nothing")
        await send(piece(b"second"))

    async def send(message: Message) -> None:
        out.append(message)

    scope = {"type": "http", "method": "GET", "headers": []}
    asyncio.run(wrap(stream)(scope, _never, send))  # type: ignore[arg-type]
    return moments


def buffering(app: App) -> App:
    """The twin: it waits for the whole body, as a middleware that hashes everything has to."""

    async def wrapped(scope: Any, receive: Any, send: Send) -> None:
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)

        await app(scope, receive, keep)
        for message in kept:
            await send(message)

    return wrapped


def holding_the_start(app: App) -> App:
    """The other twin: it waits for the first piece only, and the client for its status line."""

    async def wrapped(scope: Any, receive: Any, send: Send) -> None:
        held: list[Message] = []

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                held.append(message)
                return
            while held:
                await send(held.pop())
            await send(message)

        await app(scope, receive, hold)

    return wrapped


def test_a_stream_is_neither_buffered_nor_is_its_start_delayed() -> None:
    """An event stream whose first event is minutes away is connected at once."""
    assert gone_before_the_second_piece(ConditionalMiddleware) == ["start", "first"]
    events = ("Content-Type", "text/event-stream")
    assert gone_before_the_second_piece(ConditionalMiddleware, events) == ["start", "first"]


def test_a_long_download_is_not_delayed_either() -> None:
    length = ("Content-Length", "10000000")
    assert gone_before_the_second_piece(ConditionalMiddleware, length) == ["start", "first"]


def test_the_twins_show_that_this_would_be_noticed() -> None:
    assert gone_before_the_second_piece(buffering) == ["nothing", "nothing"]
    assert gone_before_the_second_piece(holding_the_start) == ["nothing", "first"]


def test_a_slow_server_gets_a_released_start_before_the_body_that_followed_it() -> None:
    """The start goes out in a task of its own; the body never overtakes it."""
    out: list[str] = []

    async def app(scope: Any, receive: Any, send: Send) -> None:
        await send(start())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await send(piece(b"hello"))

    async def slow(message: Message) -> None:
        if message["type"] == "http.response.start":
            await asyncio.sleep(0.01)
        out.append(message["type"])

    scope = {"type": "http", "method": "GET", "headers": []}
    asyncio.run(ConditionalMiddleware(app)(scope, _never, slow))
    assert out == ["http.response.start", "http.response.body"]


def test_without_asyncio_the_start_waits_for_the_first_piece_and_nothing_breaks() -> None:
    """Another event loop, such as trio's: here the coroutine is driven by hand."""
    out: list[Message] = []

    async def send(message: Message) -> None:
        out.append(message)

    scope = {"type": "http", "method": "GET", "headers": []}
    running = ConditionalMiddleware(Sends(start(), piece(b"hello")))(scope, _never, send)
    with pytest.raises(StopIteration):
        running.send(None)
    assert [message["type"] for message in out] == ["http.response.start", "http.response.body"]
    assert (b"etag", HELLO_TAG.encode()) in out[0]["headers"]


# -- dates -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["whole", "stream", "head"])
def test_a_last_modified_of_the_application_is_judged_with_or_without_a_tag(shape: str) -> None:
    body = [piece(b"he", more=True), piece(b"llo")] if shape == "stream" else [piece(b"hello")]
    app = ConditionalMiddleware(Sends(start(200, ("Last-Modified", DATE)), *body))
    method = "HEAD" if shape == "head" else "GET"
    fresh = ask(app, method, ("If-Modified-Since", DATE))
    assert (fresh.status, fresh.body) == (304, b"")
    if shape == "whole":
        assert fresh.fields == {"etag": HELLO_TAG}
    else:  # a cache knows the answer by its date then
        assert fresh.fields == {"last-modified": DATE}
    assert ask(app, method, ("If-Modified-Since", EARLIER)).status == 200
    assert ask(app, method, ("If-Unmodified-Since", EARLIER)).status == 412


def test_where_the_tag_is_not_known_a_date_does_not_answer_if_match() -> None:
    """The GET may carry the tag that this HEAD was asked for."""
    app = Sends(start(200, ("Last-Modified", DATE), ("Content-Length", "5")), piece())
    fields = [("If-Match", HELLO_TAG), ("If-Modified-Since", DATE)]
    assert ask(ConditionalMiddleware(app), "HEAD", *fields).messages == list(app.messages)


# -- extensions, ends and accidents ------------------------------------------------------------


@pytest.mark.parametrize("kind", ["http.response.pathsend", "http.response.zerocopysend"])
def test_a_file_that_the_server_sends_itself_passes_unharmed(kind: str) -> None:
    app = Sends(start(200, ("Content-Length", "5")), {"type": kind, "path": "/f", "file": 3})
    answer = ask(ConditionalMiddleware(app), "GET", ("If-None-Match", f"{HELLO_TAG}"))
    assert answer.messages == list(app.messages)


def test_hints_debug_messages_and_trailers_pass_unharmed() -> None:
    trailers = {"type": "http.response.trailers", "headers": [(b"a", b"b")], "more_trailers": False}
    app = Sends(
        {"type": "http.response.debug", "info": {"template": "t"}},
        {"type": "http.response.early_hint", "links": [b"</a>"]},
        {**start(), "trailers": True},
        piece(b"hello"),
        trailers,
    )
    answer = ask(ConditionalMiddleware(app))
    assert [m["type"] for m in answer.messages] == [m["type"] for m in app.messages]
    assert answer.messages[2]["trailers"] is True
    assert answer.fields["etag"] == HELLO_TAG
    fresh = ask(ConditionalMiddleware(app), "GET", ("If-None-Match", HELLO_TAG))
    assert "trailers" not in fresh.messages[2]
    assert len(fresh.messages) == 4


def test_an_application_that_fails_after_its_start_leaves_the_server_free_to_answer_500() -> None:
    out: list[Message] = []

    async def failing(scope: Any, receive: Any, send: Send) -> None:
        await send(start())
        raise KeyError("oops")

    async def send(message: Message) -> None:
        out.append(message)

    async def serve() -> None:
        scope = {"type": "http", "method": "GET", "headers": []}
        with pytest.raises(KeyError, match="oops"):
            await ConditionalMiddleware(failing)(scope, _never, send)
        await asyncio.sleep(0.01)  # nor does the start come later, into the 500

    asyncio.run(serve())
    assert out == []


def test_an_application_that_sends_no_body_is_shown_to_the_server_as_it_is() -> None:
    app = Sends(start())
    assert ask(ConditionalMiddleware(app)).messages == [start()]


def test_a_client_that_has_gone_is_told_to_the_application() -> None:
    """From ASGI 2.4 on, a server's send raises OSError then."""
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Send) -> None:
        await send(start())
        try:
            await send(piece(b"hello"))
        except OSError as error:
            told.append(str(error))

    async def gone(message: Message) -> None:
        raise OSError("gone")

    scope = {"type": "http", "method": "GET", "headers": []}
    asyncio.run(ConditionalMiddleware(app)(scope, _never, gone))
    assert told == ["gone"]


def test_the_application_receives_content_and_disconnects_itself() -> None:
    async def app(scope: Any, receive: Any, send: Send) -> None:
        message = await receive()
        await send(start(201))
        await send(piece(message["body"]))

    assert ask(ConditionalMiddleware(app), "POST").body == b"content"


# -- early tags: reads -------------------------------------------------------------------------


class Source:
    """An early source that says the same of everything, and counts how often it was asked."""

    def __init__(self, says: ETag | Validators | None) -> None:
        self.says = says
        self.asked = 0

    async def __call__(self, scope: Any) -> ETag | Validators | None:
        self.asked += 1
        return self.says


V1 = ETag("v1", weak=True)


def public(app: App, says: ETag | Validators | None = V1, **more: Any) -> ConditionalMiddleware:
    return ConditionalMiddleware(
        app, early=Source(says), public=True, policy=more.pop("policy", STATE), **more
    )


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("says", [V1, Validators(V1)])
def test_an_early_match_is_304_and_the_application_is_not_called(
    method: str, says: ETag | Validators
) -> None:
    app = hello()
    fields = [("Cache-Control", "private, no-cache"), ("Vary", "Authorization")]
    answer = ask(public(app, says, fields=fields), method, ("If-None-Match", 'W/"v1"'))
    assert (answer.status, answer.body) == (304, b"")
    assert answer.fields == {
        "cache-control": "private, no-cache",
        "vary": "Authorization",
        "etag": 'W/"v1"',
    }
    assert (app.scopes, answer.received) == ([], 0)


def test_an_early_date_answers_too() -> None:
    app = public(hello(), Validators(None, 784_111_777))
    assert ask(app, "GET", ("If-Modified-Since", DATE)).status == 304
    assert ask(app, "GET", ("If-Modified-Since", EARLIER)).status == 200


def test_a_request_without_conditions_costs_no_look_up() -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        source = Source(V1)
        app = ConditionalMiddleware(hello(), early=source, public=True, policy=STATE)
        assert ask(app, method).status == 200
        assert source.asked == 0


def test_an_early_tag_is_never_put_on_the_body_that_follows() -> None:
    """The body may be newer by then, and a client would keep it under the old tag for ever."""
    answer = ask(public(hello()), "GET", ("If-None-Match", '"old"'))
    assert answer.fields["etag"] == HELLO_TAG
    own = ask(public(hello(("ETag", '"v2"'))), "GET", ("If-None-Match", '"old"'))
    assert own.fields["etag"] == '"v2"'


def test_where_the_source_knows_nothing_the_application_decides() -> None:
    missing = Sends(start(404), piece(b"nothing here"))
    for method in ("GET", "PUT", "DELETE"):
        answer = ask(public(missing, None), method, ("If-Match", '"x"'), ("If-None-Match", "*"))
        assert (answer.status, answer.body) == (404, b"nothing here")


def test_an_early_412_to_a_head_has_the_fields_of_the_get_and_no_body() -> None:
    get = ask(public(hello()), "GET", ("If-Match", '"x"'))
    head = ask(public(hello()), "HEAD", ("If-Match", '"x"'))
    assert (get.status, head.status) == (412, 412)
    assert get.problem["etag"] == 'W/"v1"'
    assert (head.fields, head.body) == (get.fields, b"")


def test_what_the_source_raises_is_not_hidden() -> None:
    async def broken(scope: Any) -> ETag | None:
        raise ConnectionError("database")

    app = ConditionalMiddleware(hello(), early=broken, public=True, policy=STATE)
    with pytest.raises(ConnectionError, match="database"):
        ask(app, "GET", ("If-None-Match", "*"))


# -- early tags: writes ------------------------------------------------------------------------

REQUIRED = Policy(Comparison.STATE, required=True)


@pytest.mark.parametrize(
    ("policy", "fields", "status"),
    [
        (STATE, [("If-Match", '"old"')], 412),
        (STATE, [("If-None-Match", "*")], 412),
        (STATE, [("If-Match", "v1")], 400),
        (STATE, [("If-None-Match", "v1")], 400),
        (REQUIRED, [], 428),
        (REQUIRED, [("If-Match", "*")], 428),
        (REQUIRED, [("If-Match", '"old"')], 412),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_a_write_is_refused_before_a_byte_of_content_is_asked_for(
    policy: Policy, fields: list[tuple[str, str]], status: int, method: str
) -> None:
    app = hello()
    answer = ask(public(app, policy=policy), method, *fields)
    assert answer.status == status
    assert answer.problem["title"]
    assert answer.fields.get("etag") == (None if status == 400 else 'W/"v1"')
    assert (app.scopes, answer.received) == ([], 0)


def test_a_refusal_carries_the_fields_that_are_not_about_caching() -> None:
    fields = [("Cache-Control", "private, no-cache"), ("Access-Control-Allow-Origin", "*")]
    answer = ask(public(hello(), fields=fields), "PUT", ("If-Match", '"old"'))
    assert answer.problem
    assert answer.fields["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("early", [True, False])
def test_a_write_finds_its_condition_where_the_store_can_take_it(early: bool) -> None:
    app = hello()
    fields = [("If-Match", 'W/"v1"')]
    middleware = public(app) if early else ConditionalMiddleware(app, policy=STATE)
    assert ask(middleware, "PUT", *fields).status == 200
    expected = Condition("PUT", Conditions.from_fields(fields), STATE)
    assert app.scopes[0]["state"][CONDITION] == expected


def test_the_state_that_others_hold_is_added_to_and_not_replaced() -> None:
    app, state = hello(), {"user": "Ada"}
    ask(ConditionalMiddleware(app), "DELETE", state=state)
    assert app.scopes[0]["state"] is state
    assert set(state) == {"user", CONDITION}


def test_a_writer_who_came_between_is_caught_by_the_guard_and_only_there() -> None:
    """What the documentation warns of, shown: the early verdict is no lock."""
    conflicts: list[Conflict] = []

    async def app(scope: Any, receive: Any, send: Send) -> None:
        stored = Validators(ETag("v2", weak=True))  # somebody wrote after the early look-up
        with pytest.raises(Conflict) as caught:
            enforce(scope["state"][CONDITION], stored)
        conflicts.append(caught.value)
        await send(start(412))
        await send(piece())

    assert ask(public(app), "PUT", ("If-Match", 'W/"v1"')).status == 412
    assert [str(conflict.current) for conflict in conflicts] == ['W/"v2"']


def test_writes_may_be_left_to_the_application() -> None:
    source = Source(V1)
    app = ConditionalMiddleware(hello(), early=source, public=True, writes=False)
    assert ask(app, "PUT", ("If-Match", '"old"')).status == 200
    assert source.asked == 0
    assert ask(app, "GET", ("If-None-Match", 'W/"v1"')).status == 304


# -- who may know ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_stranger_gets_the_applications_own_401_and_learns_nothing(method: str) -> None:
    source = Source(V1)

    async def authorize(scope: Any) -> bool:
        return (b"authorization", b"Bearer k") in scope["headers"]

    refuses = Sends(start(401, ("WWW-Authenticate", "Bearer")), piece())
    app = ConditionalMiddleware(refuses, early=source, authorize=authorize, policy=STATE)
    for asked in (("If-None-Match", 'W/"v1"'), ("If-None-Match", "*"), ("If-Match", '"old"')):
        assert ask(app, method, asked).messages == list(refuses.messages)
    assert source.asked == 0
    known = ask(app, method, ("If-None-Match", 'W/"v1"'), ("Authorization", "Bearer k"))
    assert known.status == (304 if method == "GET" else 412)


def test_a_function_says_which_requests_are_public() -> None:
    async def nobody(scope: Any) -> bool:
        return False

    for authorize in (None, nobody):
        source = Source(V1)
        app = ConditionalMiddleware(
            hello(),
            early=source,
            public=lambda scope: scope["path"].startswith("/public/"),
            authorize=authorize,
            policy=STATE,
        )
        asked = ("If-None-Match", 'W/"v1"')
        assert ask(app, "GET", asked, path="/public/a").status == 304
        assert ask(app, "GET", asked, path="/private/a").status == 200
        assert source.asked == 1


# -- declarations that could never work ---------------------------------------------------------


async def _anybody(scope: Any) -> bool:
    return True


REFUSED: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "an oracle",
        {"early": Source(V1), "policy": STATE},
        ["tell strangers", "authorize=", "public=True", "leave early out"],
    ),
    (
        "weak tags compared strictly on writes",
        {"early": Source(V1), "public": True},
        ["13.1.1", "policy=Policy(Comparison.STATE)", "strong=True", "writes=False"],
    ),
    (
        "an authorize that is never called",
        {"early": Source(V1), "public": True, "authorize": _anybody, "policy": STATE},
        ["would not be called", "Leave one of them out"],
    ),
    (
        "protection of nothing",
        {"authorize": _anybody},
        ["do not protect the application", "Give early="],
    ),
    ("publicity of nothing", {"public": True}, ["Give early="]),
]


@pytest.mark.parametrize(
    ("settings", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_declaration_that_could_never_work_is_refused_when_it_is_made(
    settings: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ImpossibleDeclaration) as caught:
        ConditionalMiddleware(hello(), **settings)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"strong": True},
        {"policy": STATE},
        {"early": Source(V1), "public": True, "policy": STATE},
        {"early": Source(V1), "public": True, "strong": True},
        {"early": Source(V1), "public": True, "writes": False},
        {"early": Source(V1), "authorize": _anybody, "policy": STATE},
        {"early": Source(V1), "public": bool, "authorize": _anybody, "policy": STATE},
    ],
)
def test_each_way_out_that_a_message_names_is_accepted(settings: dict[str, Any]) -> None:
    assert ask(ConditionalMiddleware(hello(), **settings)).status == 200


def test_the_example_in_the_documentation_runs() -> None:
    found = doctest.testmod(asgi)
    assert found.attempted
    assert not found.failed


# -- ranges ------------------------------------------------------------------------------------

STRONG_HELLO = str(bytes_tag(b"hello"))


def cut(*fields: tuple[str, str], app: App | None = None, **settings: Any) -> Exchange:
    middleware = ConditionalMiddleware(app or hello(), **({"strong": True} | settings))
    return ask(middleware, "GET", *fields)


def test_a_range_of_a_body_in_one_piece_is_sent_as_a_part() -> None:
    answer = cut(("Range", "bytes=1-3"))
    assert (answer.status, answer.body) == (206, b"ell")
    assert answer.fields["content-range"] == "bytes 1-3/5"
    assert answer.fields["content-length"] == "3"
    assert answer.fields["etag"] == STRONG_HELLO
    assert answer.fields["accept-ranges"] == "bytes"


def test_ranges_are_offered_where_tags_are_strong_or_where_it_is_said() -> None:
    asked = ("Range", "bytes=1-3")
    assert cut().fields["accept-ranges"] == "bytes"
    assert "accept-ranges" not in cut(strong=False).fields
    assert cut(asked, strong=False).status == 200
    assert cut(asked, ranges=False).status == 200
    assert cut(asked, strong=False, ranges=True).status == 206


def test_what_is_out_of_reach_is_416_and_says_how_long_it_is() -> None:
    answer = cut(("Range", "bytes=5-"))
    assert answer.problem["length"] == 5
    assert answer.status == 416
    assert answer.fields["content-range"] == "bytes */5"


def test_several_ranges_are_parts_under_a_limit_that_nobody_foresees() -> None:
    content = bytes(1000)
    app = Sends(start(200, ("Content-Type", "text/x"), ("Content-Length", "1000")), piece(content))
    asked = ("Range", "bytes=0-0, 500-501")
    answers = [cut(asked, app=app) for _ in range(2)]
    limits = {answer.fields["content-type"].partition("boundary=")[2] for answer in answers}
    assert len(limits) == 2
    for answer in answers:
        assert answer.status == 206
        assert answer.fields["content-type"].startswith("multipart/byteranges; boundary=")
        assert answer.fields["content-length"] == str(len(answer.body))
        assert answer.body.count(b"Content-Type: text/x\r\nContent-Range: bytes ") == 2


@pytest.mark.parametrize("given", [(), (("ETag", '"v1"'),)], ids=["hashed", "given"])
def test_preconditions_come_before_the_range(given: tuple[tuple[str, str], ...]) -> None:
    tag = '"v1"' if given else STRONG_HELLO
    asked = ("Range", "bytes=0-0")
    assert cut(asked, ("If-None-Match", tag), app=hello(*given)).status == 304
    assert cut(asked, ("If-Match", '"x"'), app=hello(*given)).status == 412
    assert cut(asked, ("If-Match", tag), app=hello(*given)).status == 206
    assert cut(asked, ("If-Range", tag), app=hello(*given)).status == 206
    assert cut(asked, ("If-Range", '"x"'), app=hello(*given)).status == 200
    assert cut(asked, ("If-Range", f"W/{tag}"), app=hello(*given)).status == 200


def test_after_if_range_the_client_is_not_told_again_what_it_knows() -> None:
    app = hello(("Content-Type", "text/plain"), ("Last-Modified", DATE), ("Set-Cookie", "a=1"))
    told = cut(("Range", "bytes=0-0"), app=app).fields
    assert {"content-type", "last-modified", "set-cookie"} <= set(told)
    told = cut(("Range", "bytes=0-0"), ("If-Range", STRONG_HELLO), app=app).fields
    assert not {"content-type", "last-modified"} & set(told)
    assert "set-cookie" in told


def test_a_date_names_a_state_only_where_dates_are_declared_strong() -> None:
    app, asked = hello(("Last-Modified", DATE)), (("Range", "bytes=0-0"), ("If-Range", DATE))
    assert cut(*asked, app=app).status == 200
    assert cut(*asked, app=app, strong_dates=True).status == 206
    assert cut(asked[0], ("If-Range", EARLIER), app=app, strong_dates=True).status == 200


@pytest.mark.parametrize(
    "app",
    [
        hello(("Accept-Ranges", "none")),
        hello(("Accept-Ranges", "bytes")),
        Sends(start(), piece(b"hel", more=True), piece(b"lo")),
        Sends(start(200, ("ETag", '"v1"')), piece(b"hel", more=True), piece(b"lo")),
        Sends(start(200, ("ETag", '"v1"')), piece(b"hello", more=True), piece()),
        hello(("Cache-Control", "no-store")),
        hello(status=203),
        hello(status=206),
    ],
    ids=["none", "its own", "stream", "tagged stream", "unannounced", "no-store", "203", "206"],
)
def test_what_speaks_of_ranges_itself_or_is_not_at_hand_goes_out_whole(app: App) -> None:
    answer = cut(("Range", "bytes=1-3"), app=app)
    assert answer.status in (200, 203, 206)
    assert answer.body == b"hello"
    assert "content-range" not in answer.fields


def test_the_pieces_that_follow_what_was_cut_are_dropped() -> None:
    app = Sends(start(200, ("Content-Length", "5")), piece(b"hello", more=True), piece())
    answer = cut(("Range", "bytes=1-3"), app=app)
    assert (answer.status, answer.body) == (206, b"ell")


def test_head_is_not_cut() -> None:
    answer = ask(
        ConditionalMiddleware(hello(("ETag", '"a"')), strong=True), "HEAD", ("Range", "bytes=1-3")
    )
    assert answer.status == 200
    assert answer.fields["content-length"] == "5"


# -- reads by other methods --------------------------------------------------------------------


def questions(scope: Any) -> bool:
    return bool(scope["path"] == "/ask")


def test_a_post_marked_as_a_read_is_tagged_and_answered_304() -> None:
    app = ConditionalMiddleware(hello(), safe=questions)
    assert ask(app, "POST", path="/ask").fields["etag"] == HELLO_TAG
    assert ask(app, "POST", ("If-None-Match", HELLO_TAG), path="/ask").status == 304
    assert ask(app, "POST", ("If-None-Match", "x"), path="/ask").status == 200
    assert "etag" not in ask(app, "POST", path="/other").fields
    assert ask(app, "QUERY", ("If-None-Match", HELLO_TAG), path="/ask").status == 304


def test_a_marked_read_is_judged_early_as_a_read() -> None:
    async def early(scope: Any) -> ETag:
        return ETag("v1", weak=True)

    app = ConditionalMiddleware(
        hello(), early=early, public=True, safe=questions, policy=Policy(STATE.comparison, True)
    )
    asked = ("If-None-Match", '"v1"')
    assert ask(app, "POST", asked, path="/ask").status == 304
    assert ask(app, "POST", path="/ask").status == 200
    assert ask(app, "POST", path="/other").status == 428


# -- what a store raises -----------------------------------------------------------------------


def test_the_conflict_of_a_store_is_answered_412_with_the_current_tag() -> None:
    async def late_loser(scope: Any, receive: Any, send: Any) -> None:
        enforce(scope["state"][CONDITION], Validators(ETag("v2", weak=True)))

    app = ConditionalMiddleware(late_loser, policy=STATE, fields=[("Vary", "Accept")])
    answer = ask(app, "PUT", ("If-Match", 'W/"v1"'))
    assert answer.status == 412
    assert answer.problem["etag"] == answer.fields["etag"] == 'W/"v2"'
    assert answer.fields["vary"] == "Accept"


def test_what_a_store_misses_is_answered_404() -> None:
    async def gone(scope: Any, receive: Any, send: Any) -> None:
        raise Missing("notes/7")

    answer = ask(ConditionalMiddleware(gone), "DELETE")
    assert answer.problem["detail"].endswith("Create it, or correct the key.")
    assert answer.status == 404


@pytest.mark.parametrize("error", [Missing(7), Conflict(None, PROCEED)])
def test_an_error_after_the_answer_began_is_the_server_s(error: Exception) -> None:
    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        raise error

    with pytest.raises(type(error)):
        ask(ConditionalMiddleware(breaks), "PUT")


def test_an_early_304_by_date_repeats_the_date_that_it_rests_on() -> None:
    async def early(scope: Any) -> Validators:
        return Validators(None, 784_111_777)

    app = ConditionalMiddleware(hello(), early=early, public=True, policy=STATE)
    answer = ask(app, "GET", ("If-Modified-Since", DATE))
    assert (answer.status, answer.fields) == (304, {"last-modified": DATE})


@pytest.mark.parametrize(("year", "status"), [(1994, 200), (2050, 304)])
def test_the_clock_says_which_century_a_year_of_two_digits_is_of(year: int, status: int) -> None:
    """In 2050, 94 is 2094, so that nothing was modified since; in 1994 it is that year."""
    now = calendar.timegm((year, 12, 1, 0, 0, 0))
    app = ConditionalMiddleware(hello(("Last-Modified", DATE)), clock=lambda: now)
    asked = ("If-Modified-Since", "Saturday, 05-Nov-94 08:49:37 GMT")
    assert ask(app, "GET", asked).status == status


# -- only what the application gives ------------------------------------------------------------


def test_without_hashes_only_the_tags_that_are_given_count() -> None:
    plain, tagged = hello(("Last-Modified", DATE)), hello(("ETag", '"v1"'))
    app = ConditionalMiddleware(plain, hashes=False)
    assert "etag" not in ask(app).fields
    assert ask(app, "GET", ("If-None-Match", HELLO_TAG)).status == 200
    assert ask(app, "GET", ("If-None-Match", "*")).status == 304
    assert ask(app, "GET", ("If-Match", HELLO_TAG)).status == 412
    assert ask(app, "HEAD", ("If-Match", "*")).status == 200
    assert ask(app, "GET", ("If-Modified-Since", DATE)).status == 304
    tagging = ConditionalMiddleware(tagged, hashes=False)
    assert ask(tagging, "GET", ("If-None-Match", '"v1"')).status == 304


def test_without_hashes_a_body_in_one_piece_is_cut_all_the_same() -> None:
    app = ConditionalMiddleware(hello(), hashes=False, ranges=True)
    answer = ask(app, "GET", ("Range", "bytes=1-3"))
    assert (answer.status, answer.body) == (206, b"ell")
    assert "etag" not in answer.fields
    assert ask(app, "GET", ("Range", "bytes=1-3"), ("If-Range", HELLO_TAG)).status == 200


def test_without_hashes_what_nobody_may_keep_is_left_alone() -> None:
    app = ConditionalMiddleware(hello(("Cache-Control", "no-store")), hashes=False)
    assert ask(app, "GET", ("If-None-Match", "*")).status == 200


# -- what an origin is asked to mend ------------------------------------------------------------


def test_a_modification_date_of_the_future_becomes_the_date_of_the_answer() -> None:
    """8.8.2.1: with a date ahead of every clock, no cache could validate for years."""
    ahead = hello(("Last-Modified", "Fri, 31 Dec 2094 00:00:00 GMT"), ("X-Other", "kept"))
    app = ConditionalMiddleware(ahead, clock=lambda: 784_111_777.9)
    answer = ask(app)
    assert answer.fields["last-modified"] == DATE
    assert answer.fields["x-other"] == "kept"
    assert ask(app, "GET", ("If-Modified-Since", DATE)).status == 304
    assert ask(app, "GET", ("If-Modified-Since", EARLIER)).status == 200


def test_a_modification_date_of_the_past_stays_what_it_is() -> None:
    app = ConditionalMiddleware(hello(("Last-Modified", EARLIER)), clock=lambda: 784_111_777)
    assert ask(app).fields["last-modified"] == EARLIER
    assert (
        ask(ConditionalMiddleware(hello(("Last-Modified", DATE)))).fields["last-modified"] == DATE
    )


def test_a_put_of_a_part_is_refused_where_only_the_whole_is_taken() -> None:
    """14.5: taken for the whole, a part would destroy the rest."""
    app, part = hello(), ("Content-Range", "bytes 0-4/10")
    answer = ask(ConditionalMiddleware(app), "PUT", part)
    assert answer.problem["field"] == "Content-Range"
    assert answer.status == 400
    assert app.scopes == []
    assert ask(ConditionalMiddleware(app, partial_put=True), "PUT", part).status == 200
    assert ask(ConditionalMiddleware(app), "PUT").status == 200


def test_a_content_range_means_nothing_on_another_method() -> None:
    """14.4."""
    for method in ("GET", "POST", "PATCH", "DELETE"):
        answer = ask(ConditionalMiddleware(hello()), method, ("Content-Range", "bytes 0-4/10"))
        assert answer.status == 200
