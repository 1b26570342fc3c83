"""The description of the API is public, and costs who has it already no more than a 304."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.installation import Installation
from chassis.settings import Settings
from flagbit.product import PRODUCT

PATH = "/flagbit/api/v1/openapi.json"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings(data=tmp_path_factory.mktemp("data"))
    with TestClient(Application(Installation.open([PRODUCT], settings))) as client:
        yield client


def test_the_description_has_the_tag_of_its_bytes(client: TestClient) -> None:
    answer = client.get(PATH)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-cache"  # anybody may keep it, and ask again
    tag = answer.headers["etag"]
    assert sha256(answer.content).hexdigest().startswith(tag.strip('"'))
    assert answer.json()["servers"] == [{"url": "/flagbit/api/v1"}]
    assert client.get(PATH).content == answer.content


def test_who_has_the_description_is_told_304(client: TestClient) -> None:
    full = client.get(PATH)
    tag = full.headers["etag"]
    for value in (tag, f"W/{tag}", "*", f'"x", {tag}'):
        for method in ("GET", "HEAD"):
            answer = client.request(method, PATH, headers={"If-None-Match": value})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == tag
            assert answer.headers["cache-control"] == full.headers["cache-control"]
            assert "content-length" not in answer.headers
    assert client.get(PATH, headers={"If-None-Match": '"x"'}).status_code == 200


def test_no_key_is_needed_and_a_wrong_one_does_not_matter(client: TestClient) -> None:
    plain = client.get(PATH)
    wrong = client.get(PATH, headers={"X-API-Key": "wrong"})
    assert (wrong.status_code, wrong.content) == (200, plain.content)
    assert "vary" not in plain.headers


def test_the_head_of_the_description_is_that_of_the_whole(client: TestClient) -> None:
    head, full = client.head(PATH), client.get(PATH)
    assert head.status_code == 200
    assert head.content == b""
    for name in ("etag", "content-length", "content-type"):
        assert head.headers[name] == full.headers[name]
