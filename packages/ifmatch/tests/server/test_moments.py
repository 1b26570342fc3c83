"""Answers that hold until an instant: Cache-Control says how long, and never a second longer."""

from __future__ import annotations

import http.client
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from ifmatch import Comparison, ETag, Policy, Validators
from ifmatch.core.errors import ImpossibleDeclaration
from ifmatch.core.moment import Moment
from ifmatch.server.asgi import ConditionalMiddleware
from ifmatch.server.fastapi import ConditionalRoute
from ifmatch.server.starlette import (
    PUBLIC,
    Conditional,
    TaggedResponse,
    condition,
    conditional,
)
from ifmatch.store.memory import MemoryStore
from ifmatch.store.moments import Moments
from packages.ifmatch.tests.server.test_asgi_wire import running

DUE = datetime(2026, 3, 1, tzinfo=UTC)
NOW = [DUE]
ASKED = {"If-None-Match": "*"}


@pytest.fixture(autouse=True)
def _an_hour_before() -> None:
    at(-3600)


def at(seconds: float) -> None:
    NOW[0] = DUE + timedelta(seconds=seconds)


def now() -> datetime:
    return NOW[0]


def overdue(row: Any, instant: datetime) -> Moment:
    if row["paid"] or instant >= DUE:
        return Moment({"overdue": not row["paid"]})
    return Moment({"overdue": False}, until=DUE)


class Invoices:
    """A resource whose state is edited, and overdue from an instant on."""

    def __init__(self) -> None:
        self.store = MemoryStore[int](moments=Moments(("paid",), overdue, clock=now))
        self.store.create(1, {"paid": False, "total": 7})

    def tag(self, _request: Request) -> Validators | None:
        return self.store.validators(1)

    def read(self) -> Response:
        found = self.store.read(1)
        assert found is not None
        return TaggedResponse(found)

    async def answer(self, request: Request) -> Response:
        if request.method == "PUT":
            value = await request.json()
            return TaggedResponse(self.store.replace(1, value, condition(request)))
        return self.read()

    def served(self, **declared: Any) -> TestClient:
        options: dict[str, Any] = {"authorize": lambda _: "Ada", "tag": self.tag, "clock": now}
        options |= {"comparison": Comparison.STATE} | declared
        methods = ["GET", "PUT"]
        endpoint = conditional(Conditional(**options), self.answer, methods)
        return TestClient(Starlette(routes=[Route("/1", endpoint, methods=methods)]))


def said(client: TestClient, **fields: str) -> tuple[int, str]:
    answer = client.get("/1", headers={name.replace("_", "-"): v for name, v in fields.items()})
    return answer.status_code, answer.headers["Cache-Control"]


# -- Starlette ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "fresh"),
    [
        *((-3600, "private, max-age=60, must-revalidate"),),
        *((-60, "private, max-age=60, must-revalidate"),),
        *((-59.5, "private, max-age=59, must-revalidate"),),
        *((-1, "private, max-age=1, must-revalidate"),),
        *((-0.5, "private, no-cache"),),
        *((0, "private, max-age=60, must-revalidate"),),
    ],
)
def test_200_and_304_say_the_seconds_that_the_tag_holds_and_no_more(
    seconds: float, fresh: str
) -> None:
    client = Invoices().served(max_age=60)
    at(seconds)
    assert said(client) == (200, fresh)
    assert said(client, if_none_match="*") == (304, fresh)


def test_at_the_instant_the_old_tag_is_stale_and_the_new_one_is_not() -> None:
    client = Invoices().served(max_age=60)
    old = client.get("/1")
    at(-0.000001)
    assert client.get("/1", headers={"If-None-Match": old.headers["ETag"]}).status_code == 304
    at(0)
    new = client.get("/1", headers={"If-None-Match": old.headers["ETag"]})
    assert (new.status_code, new.json()["overdue"]) == (200, True)
    assert old.json() == new.json() | {"overdue": False}
    at(-1)  # a clock that was put back
    again = client.get("/1", headers={"If-None-Match": new.headers["ETag"]})
    assert (again.status_code, again.headers["ETag"]) == (200, old.headers["ETag"])
    assert again.headers["Cache-Control"] == "private, max-age=1, must-revalidate"


def test_without_a_declaration_caches_ask_each_time() -> None:
    client = Invoices().served()
    assert said(client) == (200, "private, no-cache")
    assert said(client, if_none_match="*") == (304, "private, no-cache")


def test_what_is_public_may_be_kept_by_all() -> None:
    client = Invoices().served(authorize=PUBLIC, max_age=60)
    assert said(client) == (200, "max-age=60, must-revalidate")
    assert said(client, if_none_match="*") == (304, "max-age=60, must-revalidate")
    at(-0.5)
    assert said(client) == (200, "no-cache")


def test_refusals_and_answers_to_writes_are_kept_by_nobody() -> None:
    client = Invoices().served(max_age=60, required=True)
    value = {"paid": False, "total": 8}
    assert said(client, if_match='"other"') == (412, "no-store")
    for fields, status in (
        ({}, 428),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": "broken"}, 400),
    ):
        answer = client.put("/1", json=value, headers=fields)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (status, "no-store")
    tag = client.get("/1").headers["ETag"]
    answer = client.put("/1", json=value, headers={"If-Match": tag})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "private, no-cache")


def test_an_edit_held_open_over_the_instant_is_412_and_then_saves() -> None:
    client = Invoices().served(max_age=60)
    tag = client.get("/1").headers["ETag"]
    at(0)
    value = {"paid": False, "total": 8}
    refused = client.put("/1", json=value, headers={"If-Match": tag})
    assert (refused.status_code, refused.headers["Cache-Control"]) == (412, "no-store")
    at(3600)
    saved = client.put("/1", json=value, headers={"If-Match": refused.headers["ETag"]})
    assert (saved.status_code, saved.json()) == (200, value | {"overdue": True})


def test_an_answer_of_the_endpoints_own_counts_only_with_the_tag_that_was_looked_up() -> None:
    """Of another tag nobody said how long it holds."""
    early = Validators(ETag("a", weak=True), until=DUE)
    sent = [str(early.etag)]

    async def own(_request: Request) -> Response:
        return JSONResponse({}, headers={"ETag": sent[0]} if sent[0] else {})

    declared = Conditional(authorize=PUBLIC, tag=lambda _: early, max_age=60, clock=now)
    client = TestClient(Starlette(routes=[Route("/1", conditional(declared, own))]))
    assert said(client) == (200, "max-age=60, must-revalidate")
    for sent[0] in ('W/"b"', ""):
        assert said(client) == (200, "no-cache")


def test_an_endpoint_may_say_otherwise() -> None:
    async def own(_request: Request) -> Response:
        return JSONResponse({}, headers={"ETag": '"a"', "Cache-Control": "no-store"})

    declared = Conditional(authorize=PUBLIC, tag=lambda _: ETag("a"), max_age=60, clock=now)
    client = TestClient(Starlette(routes=[Route("/1", conditional(declared, own))]))
    assert said(client) == (200, "no-store")


def test_a_tag_that_is_taken_from_the_answer_holds_as_long_as_the_answer_says() -> None:
    """And where the answer does not say it, it is not guessed."""
    invoices = Invoices()

    async def read(_request: Request) -> Response:
        return invoices.read()

    late = Conditional(authorize=lambda _: "Ada", max_age=60, clock=now)
    client = TestClient(Starlette(routes=[Route("/1", conditional(late, read))]))
    at(-30)
    assert said(client) == (200, "private, max-age=30, must-revalidate")
    assert said(client, if_none_match="*") == (304, "private, max-age=30, must-revalidate")

    async def own(_request: Request) -> Response:
        return JSONResponse({})

    declared = Conditional(authorize=PUBLIC, max_age=60, clock=now)
    client = TestClient(Starlette(routes=[Route("/1", conditional(declared, own))]))
    assert said(client) == (200, "no-cache")
    assert said(client, if_none_match="*") == (304, "no-cache")


@pytest.mark.parametrize("max_age", [0, -1])
def test_seconds_that_no_cache_understands_are_refused(max_age: int) -> None:
    with pytest.raises(ImpossibleDeclaration, match="from 1 on"):
        conditional(Conditional(authorize=PUBLIC, max_age=max_age), Invoices().answer)


def test_a_route_of_fastapi_says_the_same() -> None:
    invoices = Invoices()
    router = APIRouter(route_class=ConditionalRoute)

    @router.get("/1")
    @Conditional(authorize=lambda _: "Ada", tag=invoices.tag, max_age=60, clock=now)
    def read() -> Response:
        return invoices.read()

    app = FastAPI()
    app.include_router(router)
    client = TestClient(app)
    at(-5)
    fresh = "private, max-age=5, must-revalidate"
    assert said(client) == (200, fresh)
    assert said(client, if_none_match="*") == (304, fresh)
    assert client.head("/1").headers["Cache-Control"] == fresh


# -- the middleware -------------------------------------------------------------------------------


def middleware(invoices: Invoices, app: Any = None, **more: Any) -> ConditionalMiddleware:
    async def early(_scope: Any) -> Validators | None:
        return invoices.store.validators(1)

    async def known(_scope: Any) -> bool:
        return True

    options: dict[str, Any] = {"early": early, "authorize": known, "max_age": 60} | more
    options |= {"policy": Policy(Comparison.STATE), "clock": lambda: now().timestamp()}

    async def answer(_request: Request) -> Response:
        return invoices.read()

    app = app or Starlette(routes=[Route("/1", answer, methods=["GET", "PUT"])])
    return ConditionalMiddleware(app, **options)


def test_the_middleware_says_it_in_its_own_304_and_in_the_applications_200() -> None:
    client = TestClient(middleware(Invoices()))
    for seconds, fresh in ((-3600, 60), (-2.5, 2), (-1, 1)):
        at(seconds)
        expected = f"private, max-age={fresh}, must-revalidate"
        assert said(client) == said(client, if_none_match='"other"') == (200, expected)
        assert said(client, if_none_match="*") == (304, expected)
        assert client.head("/1").headers["Cache-Control"] == expected
    at(-0.5)
    assert said(client, if_none_match="*") == (304, "private, no-cache")
    assert said(client) == (200, "private, no-cache")


def test_the_middlewares_refusals_are_kept_by_nobody_and_other_answers_are_left_alone() -> None:
    client = TestClient(middleware(Invoices()))
    assert said(client, if_match='"other"') == (412, "no-store")
    refused = client.put("/1", headers={"If-Match": '"other"'})
    assert (refused.status_code, refused.headers["Cache-Control"]) == (412, "no-store")
    assert "Cache-Control" not in client.put("/1").headers
    assert "Cache-Control" not in client.get("/elsewhere").headers


@pytest.mark.parametrize("tag", ['W/"newer"', ""])
def test_a_body_newer_than_the_early_tag_is_not_kept(tag: str) -> None:
    """How long that one holds is not known."""

    async def app(_request: Request) -> Response:
        return JSONResponse({"new": True}, headers={"ETag": tag} if tag else {})

    client = TestClient(middleware(Invoices(), Starlette(routes=[Route("/1", app)])))
    assert said(client) == (200, "private, no-cache")


def test_what_the_application_says_itself_stays() -> None:
    async def app(_request: Request) -> Response:
        return JSONResponse({}, headers={"Cache-Control": "no-store"})

    client = TestClient(middleware(Invoices(), Starlette(routes=[Route("/1", app)])))
    assert said(client) == (200, "no-store")


def test_public_answers_of_the_middleware_may_be_kept_by_all() -> None:
    client = TestClient(middleware(Invoices(), public=lambda scope: True))
    assert said(client, if_none_match="*") == (304, "max-age=60, must-revalidate")


def test_without_max_age_the_source_is_asked_and_its_instant_changes_nothing() -> None:
    client = TestClient(middleware(Invoices(), max_age=None))
    answer = client.get("/1", headers=ASKED)
    assert (answer.status_code, "Cache-Control" in answer.headers) == (304, False)
    assert "Cache-Control" not in client.get("/1").headers


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_age": 0}, "from 1 on"),
        ({"fields": [("cache-control", "no-cache")]}, "Leave one of them out"),
        ({"early": None, "authorize": None}, "no early source"),
    ],
)
def test_ages_that_cannot_be_meant_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ImpossibleDeclaration, match=words):
        middleware(Invoices(), **options)


# -- a real server --------------------------------------------------------------------------------


def test_over_a_socket_the_tag_turns_at_the_instant_and_the_seconds_count_down() -> None:
    invoices = Invoices()
    declared = Conditional(authorize=PUBLIC, tag=invoices.tag, max_age=60, clock=now)
    app = Starlette(routes=[Route("/1", conditional(declared, invoices.answer))])
    with running(app, "h11") as (host, port), closing(http.client.HTTPConnection(host, port)) as to:

        def get(tag: str = '"none"') -> tuple[int, str, str]:
            to.request("GET", "/1", headers={"If-None-Match": tag})
            answer = to.getresponse()
            answer.read()
            fields = answer.headers
            return answer.status, fields["ETag"], fields["Cache-Control"]

        status, old, _ = get()
        assert status == 200
        at(-2)
        assert get(old) == (304, old, "max-age=2, must-revalidate")
        at(0)
        status, new, fresh = get(old)
        assert (status, fresh) == (200, "max-age=60, must-revalidate")
        assert new != old
        assert get(new)[0] == 304


def test_without_the_instant_an_answer_is_kept_beyond_it() -> None:
    """The twin: a tag source that gives the tag alone says that time changes nothing."""
    invoices = Invoices()

    def untimely(request: Request) -> ETag | None:
        current = invoices.tag(request)
        return None if current is None else current.etag

    client = invoices.served(tag=untimely, max_age=60)
    at(-5)
    assert said(client, if_none_match="*") == (304, "private, max-age=60, must-revalidate")
