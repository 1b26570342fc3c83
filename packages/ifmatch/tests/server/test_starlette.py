"""Declared endpoints of Starlette: the order of the steps, and what each answer carries."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from ifmatch import ETag, Representation, Validators, state_tag
from ifmatch.core.conditions import Comparison
from ifmatch.core.errors import ImpossibleDeclaration
from ifmatch.server.starlette import (
    PUBLIC,
    CappedRequest,
    Conditional,
    TaggedResponse,
    condition,
    conditional,
    parse_json,
)

TAG = ETag("a", weak=True)
Endpoint = Callable[[Request], Any]


def client_of(declared: Conditional, endpoint: Endpoint, method: str = "GET") -> TestClient:
    route = Route("/thing", conditional(declared, endpoint), methods=[method])
    return TestClient(Starlette(routes=[route]))


async def fails_if_called(_request: Request) -> Response:
    raise AssertionError("the endpoint ran")


async def plain(_request: Request) -> Response:
    return PlainTextResponse("hello", headers={"X-Own": "1"})


# -- order ------------------------------------------------------------------------------------


def test_who_asks_is_known_before_a_tag_is_looked_up() -> None:
    seen: list[str] = []

    def authorize(_request: Request) -> str:
        seen.append("authorize")
        return "Ada"

    def tag(request: Request) -> ETag:
        seen.append(f"tag for {request.state.principal}")
        return TAG

    client = client_of(Conditional(authorize=authorize, tag=tag), fails_if_called)
    answer = client.get("/thing", headers={"If-None-Match": 'W/"a"'})
    assert (answer.status_code, seen) == (304, ["authorize", "tag for Ada"])


def test_a_stranger_gets_401_whether_or_not_the_tag_is_right() -> None:
    def nobody(_request: Request) -> None:
        raise HTTPException(401)

    def never(_request: Request) -> ETag:
        raise AssertionError("a stranger made the server look")

    client = client_of(Conditional(authorize=nobody, tag=never), fails_if_called)
    for value in ('W/"a"', '"wrong"', "*", "broken"):
        assert client.get("/thing", headers={"If-None-Match": value}).status_code == 401


def test_async_and_plain_functions_and_objects_are_called_alike() -> None:
    async def authorize(_request: Request) -> str:
        return "Ada"

    class Source:
        async def __call__(self, _request: Request) -> ETag:
            return TAG

    for who, tag in ((authorize, Source()), (PUBLIC, Source()), (authorize, lambda _: TAG)):
        client = client_of(Conditional(authorize=who, tag=tag), fails_if_called)
        assert client.get("/thing", headers={"If-None-Match": '"a"'}).status_code == 304


def test_conditions_are_not_judged_where_the_plain_answer_is_404() -> None:
    def missing(_request: Request) -> ETag:
        raise HTTPException(404)

    client = client_of(Conditional(authorize=PUBLIC, tag=missing), fails_if_called)
    assert client.get("/thing", headers={"If-None-Match": "*"}).status_code == 404
    assert client.get("/thing", headers={"If-Match": '"a"'}).status_code == 404


# -- reading ------------------------------------------------------------------------------------


def test_an_early_304_runs_no_endpoint_and_carries_what_a_304_carries() -> None:
    client = client_of(Conditional(authorize=PUBLIC, tag=lambda _: TAG), fails_if_called)
    answer = client.get("/thing", headers={"If-None-Match": '"z", W/"a"'})
    assert answer.status_code == 304
    assert answer.headers["etag"] == 'W/"a"'
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["vary"] == "Authorization, X-API-Key, Cookie"
    assert answer.content == b""
    assert not {"content-length", "content-type"} & set(answer.headers)


def test_a_200_carries_the_tag_of_its_own_body_and_not_the_early_one() -> None:
    fresh = Representation(None, b"{}", ETag("fresh", weak=True))

    async def endpoint(_request: Request) -> Response:
        return TaggedResponse(fresh)

    declared = Conditional(authorize=lambda _: "Ada", tag=lambda _: TAG)
    answer = client_of(declared, endpoint).get("/thing", headers={"If-None-Match": '"old"'})
    assert answer.headers["etag"] == 'W/"fresh"'
    assert answer.headers["cache-control"] == "private, no-cache"


def test_without_an_early_tag_the_finished_answer_is_tagged() -> None:
    client = client_of(Conditional(authorize=PUBLIC), plain)
    first = client.get("/thing")
    assert first.headers["etag"] == 'W/"2cf24dba5fb0a30e"'
    again = client.get("/thing", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["x-own"] == "1"
    assert not {"content-length", "content-type"} & set(again.headers)


OF_A_304 = ("cache-control", "content-location", "date", "etag", "expires", "vary")
"""What 15.4.5 wants in a 304 as it would be in the 200."""


def of_a_304(fields: Mapping[str, str]) -> dict[str, str | None]:
    return {name: fields.get(name) for name in OF_A_304}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("own", ["max-age=60", None])
def test_a_late_304_carries_every_field_that_the_200_would_have_had(
    method: str, own: str | None
) -> None:
    async def full(_request: Request) -> Response:
        fields = {
            "Content-Location": "/elsewhere",
            "Date": "Sun, 06 Nov 1994 08:49:37 GMT",
            "Expires": "Sun, 06 Nov 1994 09:49:37 GMT",
            "Last-Modified": "Sun, 06 Nov 1994 07:49:37 GMT",
            "Vary": "Accept",
        } | ({} if own is None else {"Cache-Control": own})
        return PlainTextResponse("hello", headers=fields)

    declared = Conditional(authorize=lambda _: "Ada", safe=method == "POST")
    client = client_of(declared, full, method)
    first = client.request(method, "/thing")
    again = client.request(method, "/thing", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    assert of_a_304(again.headers) == of_a_304(first.headers)
    assert None not in of_a_304(again.headers).values()
    assert again.headers["cache-control"] == (own or "private, no-cache")
    assert again.headers["vary"] == "Accept, Authorization, X-API-Key, Cookie"
    assert not {"content-length", "content-type", "last-modified"} & set(again.headers)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_early_304_says_how_to_cache_as_the_200_does(method: str) -> None:
    async def tagged(_request: Request) -> Response:
        return TaggedResponse(Representation(None, b"{}", TAG))

    declared = Conditional(authorize=lambda _: "Ada", tag=lambda _: TAG)
    client = client_of(declared, tagged, method)
    again = client.request(method, "/thing", headers={"If-None-Match": 'W/"a"'})
    assert again.status_code == 304
    assert of_a_304(again.headers) == of_a_304(client.request(method, "/thing").headers)


def test_a_tag_that_the_endpoint_gave_is_the_one_that_is_judged() -> None:
    async def tagged(_request: Request) -> Response:
        return PlainTextResponse("hello", headers={"ETag": '"own"'})

    client = client_of(Conditional(authorize=PUBLIC), tagged)
    assert client.get("/thing", headers={"If-None-Match": '"own"'}).status_code == 304
    assert client.get("/thing").headers["etag"] == '"own"'


def test_a_tag_that_is_none_is_sent_as_it_came_and_not_judged() -> None:
    async def odd(_request: Request) -> Response:
        return PlainTextResponse("hello", headers={"ETag": "unquoted"})

    answer = client_of(Conditional(authorize=PUBLIC), odd).get(
        "/thing", headers={"If-None-Match": "*"}
    )
    assert (answer.status_code, answer.headers["etag"]) == (200, "unquoted")


def test_streams_and_errors_get_no_tag() -> None:
    async def stream(_request: Request) -> Response:
        return StreamingResponse(iter([b"a", b"b"]))

    async def teapot(_request: Request) -> Response:
        return PlainTextResponse("no", 418)

    for endpoint, status in ((stream, 200), (teapot, 418)):
        answer = client_of(Conditional(authorize=PUBLIC), endpoint).get("/thing")
        assert (answer.status_code, "etag" in answer.headers) == (status, False)


def test_a_post_marked_safe_is_answered_304() -> None:
    async def echo(request: Request) -> Response:
        return JSONResponse(await request.json())

    client = client_of(Conditional(authorize=PUBLIC, safe=True), echo, "POST")
    first = client.post("/thing", json={"a": 1})
    tag = {"If-None-Match": first.headers["etag"]}
    assert client.post("/thing", json={"a": 1}, headers=tag).status_code == 304
    assert client.post("/thing", json={"a": 2}, headers=tag).status_code == 200


def test_a_date_is_judged_where_the_source_gives_one() -> None:
    def dated(_request: Request) -> Validators:
        return Validators(last_modified=784_111_777)

    client = client_of(Conditional(authorize=PUBLIC, tag=dated), plain)
    same = {"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}
    before = {"If-Modified-Since": "Sun, 06 Nov 1994 08:49:36 GMT"}
    assert client.get("/thing", headers=same).status_code == 304
    assert client.get("/thing", headers=before).status_code == 200


def test_a_malformed_if_none_match_on_a_read_is_as_if_absent() -> None:
    client = client_of(Conditional(authorize=PUBLIC, tag=lambda _: TAG), plain)
    assert client.get("/thing", headers={"If-None-Match": "a"}).status_code == 200


@pytest.mark.parametrize("tag", [None, lambda _: ETag("own", weak=True)])
def test_a_read_compares_as_it_was_declared(tag: Callable[[Request], ETag] | None) -> None:
    """Whether the tag is known early or late; under STATE a weak tag matches itself."""

    async def tagged(_request: Request) -> Response:
        return PlainTextResponse("hello", headers={"ETag": 'W/"own"'})

    asked = {"If-Match": 'W/"own"'}
    state = Conditional(authorize=PUBLIC, tag=tag, comparison=Comparison.STATE)
    assert client_of(state, tagged).get("/thing", headers=asked).status_code == 200
    refused = client_of(Conditional(authorize=PUBLIC, tag=tag), tagged).get("/thing", headers=asked)
    assert refused.status_code == 412
    assert "a weak tag never matches" in refused.json()["detail"]
    assert "leave If-Match out" in refused.json()["detail"]
    assert "send If-Match" not in refused.json()["detail"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_read_that_is_refused_is_not_told_to_make_its_change_anew(method: str) -> None:
    declared = Conditional(authorize=PUBLIC, comparison=Comparison.STATE, safe=method == "POST")
    answer = client_of(declared, plain, method).request(
        method, "/thing", headers={"If-Match": '"old"'}
    )
    assert answer.status_code == 412
    assert answer.json()["detail"] == (
        "It is not in the state that If-Match names. To read it as it is, leave If-Match out."
    )


# -- declarations -----------------------------------------------------------------------------


def test_a_write_without_a_tag_source_is_refused_when_it_is_declared() -> None:
    with pytest.raises(ImpossibleDeclaration, match=r"Give tag=.*or mark .* safe=True"):
        Conditional(authorize=PUBLIC).check(["PUT"], "/thing")


def test_weak_tags_under_strict_comparison_are_refused_and_both_ways_out_are_named() -> None:
    with pytest.raises(ImpossibleDeclaration, match=r"Comparison\.STATE.*weak=False"):
        Conditional(authorize=PUBLIC, tag=lambda _: TAG).check(["PATCH"], "/thing")
    state = Conditional(authorize=PUBLIC, tag=lambda _: TAG, comparison=Comparison.STATE)
    state.check(["PATCH"], "/thing")
    Conditional(authorize=PUBLIC, tag=lambda _: TAG, weak=False).check(["PATCH"], "/thing")


# -- JSON that every reader reads alike -----------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": 1, "a": 2}', "occurs twice"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "Infinity is not a JSON number"),
        (b'{"a": 1e999}', "out of range"),
        (b'"\\ud800"', "half of a surrogate pair"),
        (b"\xff", "not UTF-8"),
        (b"1" * 5000, "out of range"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": }', "Expecting value: line 1 column 7"),
        (b'{"a": "b', "Unterminated string starting: line 1 column 7"),
        (b'{"a": "\n"}', "Invalid control character: line 1 column 8"),
        (b"\xef\xbb\xbf{}", "does not begin with a byte order mark: line 1 column 1"),
    ],
)
def test_json_that_two_readers_could_read_in_two_ways_is_refused(
    content: bytes, reason: str
) -> None:
    with pytest.raises(json.JSONDecodeError, match=reason):
        parse_json(content)


@pytest.mark.parametrize(
    ("content", "known"),
    [(b'{"a": 1, "a": 2}', False), (b"\xff", False), (b"NaN", False), (b'{"a": }', True)],
)
def test_what_has_no_known_position_names_none(content: bytes, known: bool) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        parse_json(content)
    assert (caught.value.doc != "") is known


def test_plain_json_is_read_as_it_is() -> None:
    value = {"a": [1, 1.0, None, True, "é\U0001f600"], "b": {}}
    assert parse_json(json.dumps(value).encode()) == value


def test_content_is_read_up_to_its_limit() -> None:
    async def size(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    declared = Conditional(authorize=PUBLIC, safe=True, max_content=10)
    client = client_of(declared, size, "POST")
    json_type = {"Content-Type": "application/json"}
    assert client.post("/thing", content=b"x" * 10, headers=json_type).text == "10"

    def chunks() -> Any:
        yield from [b"x" * 6, b"x" * 6]

    assert client.post("/thing", content=chunks(), headers=json_type).status_code == 413


def test_a_capped_request_gives_its_body_twice() -> None:
    async def twice(request: Request) -> Response:
        assert isinstance(request, CappedRequest)
        return JSONResponse([await request.json(), await request.json()])

    client = client_of(Conditional(authorize=PUBLIC, safe=True), twice, "POST")
    assert client.post("/thing", json=1).json() == [1, 1]


def test_the_tag_of_a_state_is_that_of_its_canonical_json() -> None:
    assert str(state_tag({"b": 1, "a": 2})) == str(state_tag({"a": 2, "b": 1}))


# -- the edges of the steps -----------------------------------------------------------------------


def test_the_early_tag_is_looked_up_once_and_before_the_content_is_asked_for() -> None:
    seen: list[str] = []

    async def tag(_request: Request) -> ETag:
        seen.append("tag")
        return TAG

    async def replace(request: Request) -> Response:
        seen.append("endpoint")
        await request.body()
        return Response(status_code=204)

    declared = Conditional(authorize=PUBLIC, tag=tag, comparison=Comparison.STATE)
    client = client_of(declared, replace, "PUT")
    asked = {"If-Match": 'W/"a"', "Content-Type": "application/json"}
    assert client.put("/thing", content=b"{}", headers=asked).status_code == 204
    assert seen == ["tag", "endpoint"]


def test_where_the_tag_says_that_nothing_is_there_the_endpoint_says_it_to_readers() -> None:
    """13.2.1: conditions are ignored where the plain answer is 404, If-Match among them."""

    async def missing(_request: Request) -> Response:
        raise HTTPException(404, "Nothing.")

    client = client_of(Conditional(authorize=PUBLIC, tag=lambda _: None), missing)
    for fields in ({}, {"If-Match": '"a"'}, {"If-Match": "*"}, {"If-None-Match": "*"}):
        assert client.get("/thing", headers=fields).status_code == 404


def test_what_is_raised_is_of_the_moment_and_kept_by_no_cache() -> None:
    def authorize(_request: Request) -> None:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})

    answer = client_of(Conditional(authorize=authorize), plain).get("/thing")
    assert answer.status_code == 401
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_starlette_route_that_could_never_work_is_refused_when_it_is_made_or_asked() -> None:
    declared = Conditional(authorize=PUBLIC, tag=lambda _: TAG)
    with pytest.raises(ImpossibleDeclaration, match="PUT"):
        conditional(declared, fails_if_called, ["GET", "PUT"])
    with pytest.raises(ImpossibleDeclaration, match="PUT /thing"):
        client_of(declared, fails_if_called, "PUT").put("/thing")


def test_an_endpoint_that_is_not_served_as_declared_never_gets_a_condition() -> None:
    """Nobody has asked who is calling: the mark alone does nothing, and that must not pass."""

    async def replace(request: Request) -> Response:
        condition(request)
        raise AssertionError("it wrote")

    client = TestClient(Starlette(routes=[Route("/thing", replace, methods=["PUT"])]))
    with pytest.raises(ImpossibleDeclaration, match="route_class=ConditionalRoute"):
        client.put("/thing")


@pytest.mark.parametrize(
    ("asked", "gets"),
    [
        ("return=representation", True),
        ('Return="representation"; x=1', True),
        ("respond-async, return = representation", True),
        ("return=minimal, return=representation", False),
        ("return=minimal", False),
        ("x-return=representation", False),
    ],
)
def test_the_first_preference_of_return_counts(asked: str, gets: bool) -> None:
    found = Representation({"a": 1}, b'{"a":1}', TAG)
    declared = Conditional(
        authorize=PUBLIC,
        tag=lambda _: TAG,
        comparison=Comparison.STATE,
        represent=lambda _: found,
        location=lambda _: "/elsewhere",
    )
    client = client_of(declared, fails_if_called, "PUT")
    answer = client.put("/thing", headers={"If-Match": '"old"', "Prefer": asked})
    assert answer.status_code == 412
    assert (answer.content == b'{"a":1}') is gets
    assert answer.headers.get("content-location") == ("/elsewhere" if gets else None)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["etag"] == 'W/"a"'
