"""Whatever answers, the command says in words what is wrong and what to do next."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from flagbit.client.failures import BadInput, Failure, NotFound
from flagbit.client.http import Api, address
from flagbit.client.places import Place
from flagbit.client.refusals import WORDS

SIZE = Place("size", "production")


def answering(status: int, content: Any = "", **headers: str) -> Api:
    text = content if isinstance(content, str) else json.dumps(content)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = httpx.Response(status, text=text, headers=fields)
    return Api("http://flagbit.test/flagbit", "key", transport=httpx.MockTransport(lambda _: reply))


def tagged_outside_ascii() -> Api:
    reply = httpx.Response(200, text="{}", headers=[(b"ETag", b'"\x85"')])
    return Api("http://flagbit.test", "key", transport=httpx.MockTransport(lambda _: reply))


def problem(status: int, slug: str, **more: Any) -> Api:
    content = {"type": f"urn:ifmatch:problem:{slug}", "detail": "So it is."} | more
    return answering(status, content, content_type="application/problem+json")


@pytest.mark.parametrize(
    ("api", "says", "next_step"),
    [
        (problem(401, "not-authenticated"), "does not accept this key", "FLAGBIT_API_KEY"),
        (problem(403, "forbidden"), "So it is", "role 'write'"),
        (problem(404, "not-found"), "is not FlagBit", "--url"),
        (answering(401), "is not FlagBit: it answers 401", "--url"),
        (answering(404, "<html>"), "is not FlagBit", "--url"),
        (answering(302, location="http://elsewhere.test/"), "http://elsewhere.test/", "--url"),
        (answering(200, "<html>", etag='"a"'), "is not JSON", "--url"),
        (answering(200, "[]", etag='"a"'), "no JSON object", "--url"),
        (answering(200, "[" * 100_000, etag='"a"'), "is not JSON", "--url"),
        (answering(200, {}), "carries no ETag", "proxy"),
        (tagged_outside_ascii(), "carries no ETag", "proxy"),
        (answering(500), "answers 500", "--url"),
        (
            answering(403, "{", content_type="application/problem+json"),
            "it answers 403",
            "--url",
        ),
    ],
)
def test_each_answer_that_is_not_right_has_its_words(api: Api, says: str, next_step: str) -> None:
    with pytest.raises(Failure) as caught:
        api.read(SIZE)
    assert says in caught.value.message
    assert next_step in (caught.value.next_step or "")
    assert caught.value.status == 1


def test_what_is_not_there_is_an_error_of_its_own() -> None:
    with pytest.raises(NotFound) as caught:
        problem(404, "flag-not-found").read(SIZE)
    assert "flags list" in (caught.value.next_step or "")


@pytest.mark.parametrize("slug", WORDS)
def test_a_refusal_is_said_in_commands_with_the_names_of_this_one(slug: str) -> None:
    """Who runs a command sends no requests, and has a key in mind where it says KEY."""
    detail = "It is so. GET /api/v1/flags lists them. Correct what 'errors' names."
    with pytest.raises(Failure) as caught:
        problem(409, slug, detail=detail, environment="test").write(SIZE, {}, {})
    said = f"{caught.value.message}\n{caught.value.next_step}"
    assert not [word for word in ("GET", "PATCH", "errors", "KEY", "{", "None") if word in said]
    if "{flag" in "".join(map(str, WORDS[slug])):
        assert "size" in said
    if "{environment" in "".join(map(str, WORDS[slug])):
        assert "test" in said


def test_each_fault_of_a_refused_document_has_its_line() -> None:
    api = problem(
        422,
        "validation-failed",
        errors=[{"pointer": "/tags", "detail": "Send a list."}, {"name": "q", "detail": "Short."}],
    )
    with pytest.raises(Failure) as caught:
        api.write(SIZE, {}, {})
    assert caught.value.message.splitlines()[1:] == ["  tags: Send a list.", "  q: Short."]


@pytest.mark.parametrize("content", [{}, {"items": None}, {"items": [1]}, {"items": {"a": 1}}])
def test_a_list_of_something_else_is_not_taken_for_ours(content: Any) -> None:
    with pytest.raises(Failure, match="is not FlagBit"):
        list(answering(200, content).items("/flags"))


def test_all_pages_of_a_list_are_read() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        after = request.url.params.get("cursor")
        assert request.url.params["tag"] == "ui"
        page = {None: ([{"key": "a"}], "a"), "a": ([{"key": "b"}], None)}[after]
        return httpx.Response(200, json={"items": page[0], "next": page[1]})

    api = Api("http://flagbit.test", "key", transport=httpx.MockTransport(reply))
    assert [one["key"] for one in api.items("/flags", {"tag": "ui"})] == ["a", "b"]


def test_reads_go_past_caches_with_the_key_as_a_field() -> None:
    seen: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={}, headers={"ETag": '"a"'})

    with Api("http://flagbit.test/x/", "secret", transport=httpx.MockTransport(reply)) as api:
        api.read(SIZE)
    assert str(seen[0].url) == "http://flagbit.test/x/api/v1/flags/size/environments/production"
    assert seen[0].headers["authorization"] == "Bearer secret"
    assert seen[0].headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "url", ["", "flagbit", "ftp://a/b", "http://", "http://a/?b", "http://a/#b", "http://u:p@a/"]
)
def test_an_address_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(BadInput):
        address(url)


@pytest.mark.parametrize("key", ["", ".", "..", "a/b", "a?b", "a b", "ä", "a\n", "a" * 129])
def test_a_key_that_cannot_be_never_becomes_a_path(key: str) -> None:
    with pytest.raises(BadInput):
        _ = Place(key).path
    with pytest.raises(BadInput):
        _ = Place("size", key).path
