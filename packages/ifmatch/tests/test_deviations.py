"""Each place where we leave the letter of the RFCs, and its switch: see docs/deviations.md."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ifmatch import (
    Comparison,
    Conditions,
    ETag,
    Policy,
    Representation,
    Validators,
    canonical,
    evaluate,
    state_tag,
)
from ifmatch.server.asgi import ConditionalMiddleware

CURRENT = Validators(ETag("a", weak=True))
STATE = Policy(Comparison.STATE)


def status(method: str, name: str, value: str, policy: Policy, **more: Any) -> int:
    asked = Conditions.from_fields([(name, value)])
    return evaluate(method, asked, CURRENT, policy, **more).status


def test_state_comparison() -> None:
    """13.1.1: a weak tag guards a write under STATE; under STRICT it never matches."""
    assert status("PUT", "If-Match", 'W/"a"', STATE) == 0
    assert status("PUT", "If-Match", 'W/"b"', STATE) == 412
    assert status("PUT", "If-Match", 'W/"a"', Policy()) == 412


def test_malformed_conditions() -> None:
    """A field that is malformed, or an empty list, never lets a write through."""
    lenient = Policy(refuse_malformed=False)
    for name in ("If-Match", "If-None-Match"):
        for value in ("a", '"a', '*, "a"', "", ", ,"):
            assert status("PUT", name, value, Policy()) == 400
            assert status("PUT", name, value, lenient) == 412


def test_required_conditions() -> None:
    """RFC 6585: a write must say what it was made on, where that is declared."""
    required = Policy(Comparison.STATE, required=True)
    nothing = Conditions()
    assert evaluate("PUT", nothing, CURRENT, required).status == 428
    assert evaluate("PUT", nothing, CURRENT, STATE).proceeds
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    assert status("PUT", "If-Unmodified-Since", date, required) == 428
    assert status("PUT", "If-Match", "*", required) == 428
    deliberate = Policy(Comparison.STATE, required=True, any_satisfies=True)
    assert status("PUT", "If-Match", "*", deliberate) == 0


def test_fresh_tag_after_a_transforming_put() -> None:
    """9.3.4: the answer shows what was stored, so it may say its tag; a plain answer does not."""
    pytest.importorskip("starlette")
    from starlette.requests import Request
    from starlette.responses import Response

    from ifmatch.server.starlette import PUBLIC, Conditional, TaggedResponse, conditional

    stored = {"title": "Old"}

    async def put(request: Request) -> Response:
        stored["title"] = (await request.json())["title"].strip()
        if request.headers.get("prefer") == "return=minimal":
            return Response(status_code=204)
        return TaggedResponse(Representation(stored, canonical(stored), state_tag(stored)))

    declared = Conditional(
        authorize=PUBLIC, tag=lambda request: state_tag(stored), comparison=Comparison.STATE
    )
    endpoint = conditional(declared, put)

    def answer(title: str, *fields: tuple[str, str]) -> Response:
        content = json.dumps({"title": title}).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            raise AssertionError("the endpoint returns its answer")

        sent = [("content-type", "application/json"), ("content-length", str(len(content)))]
        scope = {
            "type": "http",
            "method": "PUT",
            "path": "/",
            "headers": [(name.encode(), value.encode()) for name, value in [*sent, *fields]],
        }
        found: Response = asyncio.run(_awaited(endpoint(Request(scope, receive, send))))
        return found

    fresh = answer("  New  ")
    assert bytes(fresh.body) == canonical({"title": "New"})
    assert fresh.headers["etag"] == str(state_tag({"title": "New"}))
    plain = answer(" Newer ", ("prefer", "return=minimal"))
    assert plain.status_code == 204
    assert "etag" not in plain.headers


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer


def test_safe_post() -> None:
    """13.1.2: a POST that is marked as a read is answered 304; without the mark it is 412."""
    assert status("POST", "If-None-Match", 'W/"a"', STATE, safe=True) == 304
    assert status("POST", "If-None-Match", "a", STATE, safe=True) == 0
    assert status("POST", "If-None-Match", 'W/"a"', STATE) == 412


def test_untagged_reads() -> None:
    """Where the middleware does not know the tag, it does not judge; with a tag it does."""

    def stream(*fields: tuple[bytes, bytes]) -> Callable[..., Awaitable[None]]:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": list(fields)})
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
            await send({"type": "http.response.body", "body": b"b"})

        return app

    async def early(scope: Any) -> ETag:
        return ETag("a", weak=True)

    def answer(app: ConditionalMiddleware) -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("nothing is received")

        scope = {"type": "http", "method": "GET", "headers": [(b"if-match", b'"x"')]}
        asyncio.run(app(scope, receive, send))
        return int(sent[0]["status"])

    assert answer(ConditionalMiddleware(stream())) == 200
    assert answer(ConditionalMiddleware(stream((b"etag", b'"a"')))) == 412
    assert answer(ConditionalMiddleware(stream(), early=early, public=True, policy=STATE)) == 412
