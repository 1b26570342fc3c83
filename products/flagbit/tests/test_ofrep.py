"""What evaluation refuses: in OFREP's own shape, with its own status, ending in the next step."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.installation import Installation
from chassis.settings import Settings
from flagbit.api import environments
from flagbit.product import PRODUCT

ADMIN = {"Authorization": "Bearer an-admin-key-of-more-than-32-characters"}
API = "/flagbit/api/v1"
BULK = "/flagbit/ofrep/v1/evaluate/flags"
FLAG = {
    "key": "kept",
    "type": "boolean",
    "variants": {"on": True, "off": False},
    "default_variant": "on",
    "off_variant": "off",
}


Served = tuple[Installation, TestClient]


@contextmanager
def serving(folder: Path, dsn: str | None = None) -> Iterator[Served]:
    """A server with one flag."""
    environment = {} if dsn is None else {"DATABASE_URL": dsn}
    settings = Settings.load(environment, {"data": str(folder)})
    installation = Installation.open([PRODUCT], settings)
    installation.keys.ensure_admin(ADMIN["Authorization"].removeprefix("Bearer "))
    with TestClient(Application(installation), follow_redirects=False) as client:
        assert client.post(f"{API}/flags", json=FLAG, headers=ADMIN).status_code == 201
        yield installation, client


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """A server of one's own, on either database."""
    on_postgresql = request.param == "postgresql"
    dsn = request.getfixturevalue("postgres_dsn") if on_postgresql else None
    with serving(tmp_path, dsn) as served:
        yield served


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client without a key, of a server that nobody changes."""
    with serving(tmp_path_factory.mktemp("data")) as (_, client):
        yield client


def new_key(client: TestClient, environment: str, role: str = "server") -> dict[str, str]:
    content = {"owner": "a machine", "role": role, "environment": environment}
    made = client.post(f"{API}/keys", json=content, headers=ADMIN)
    assert made.status_code == 201, made.text
    found: dict[str, str] = made.json()
    return found


def bearer(key: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['token']}"}


# -- an environment that goes ---------------------------------------------------------------------


def delete(client: TestClient, environment: str) -> Any:
    path = f"{API}/environments/{environment}"
    tag = client.get(path, headers=ADMIN).headers["etag"]
    return client.delete(path, headers=ADMIN | {"If-Match": tag})


def test_an_environment_is_kept_while_keys_evaluate_it(fresh: Served) -> None:
    _, client = fresh
    key = new_key(client, "development")
    other = new_key(client, "production")
    refused = delete(client, "development")
    assert refused.status_code == 409, refused.text
    problem = refused.json()
    assert problem["type"] == "urn:ifmatch:problem:environment-has-keys"
    assert problem["keys"] == [key["id"]]
    assert problem["detail"].endswith(
        f"Revoke them first (POST {API}/keys/{{id}}/revoke), then delete the environment."
    )
    assert client.post(BULK, headers=bearer(key), json={}).json()["flags"] != []

    assert client.post(f"{API}/keys/{key['id']}/revoke", headers=ADMIN).status_code == 200
    assert delete(client, "development").status_code == 204
    assert client.post(BULK, headers=bearer(other), json={}).status_code == 200


def test_keys_of_every_project_count_as_keys_of_the_default_one(
    fresh: Served,
) -> None:
    """`keys create` on the command line names no project, and such a key evaluates here."""
    installation, client = fresh
    record, _ = installation.keys.create("CI", "server", "flagbit", environment="development")
    installation.keys.create("other", "server", "flagbit", "another", "development")
    installation.keys.create("other", "read", "cronping", None, "development")
    assert delete(client, "development").json()["keys"] == [record.id]


@pytest.mark.race
def test_a_key_that_is_being_made_keeps_its_environment(fresh: Served) -> None:
    """Keys and environments are in two databases; whoever comes first is seen by the other."""
    installation, client = fresh
    begun = threading.Event()

    def linger(_key: Any) -> None:
        begun.set()
        time.sleep(0.5)

    place = ("flagbit", "default", "development")
    with ThreadPoolExecutor() as threads:
        made = threads.submit(installation.keys.create, "CI", "server", *place, then=linger)
        assert begun.wait(30)
        refused = delete(client, "development")
        assert refused.json()["keys"] == [made.result()[0].id]


@pytest.mark.race
def test_an_environment_that_is_being_deleted_gets_no_key(
    fresh: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation, client = fresh
    begun = threading.Event()
    look = environments._refuse_while_evaluated

    def linger(*seen: Any) -> None:
        look(*seen)
        begun.set()
        time.sleep(0.5)

    monkeypatch.setattr(environments, "_refuse_while_evaluated", linger)
    content = {"owner": "CI", "role": "server", "environment": "development"}
    with ThreadPoolExecutor() as threads:
        deleted = threads.submit(delete, client, "development")
        assert begun.wait(30)
        late = client.post(f"{API}/keys", json=content, headers=ADMIN)
        assert deleted.result().status_code == 204
    assert late.status_code == 422
    assert late.json()["errors"][0]["pointer"] == "/environment"
    assert [key.environment for key in installation.keys.list()] == [None]


@pytest.mark.parametrize("path", [BULK, f"{BULK}/kept"])
def test_a_key_whose_environment_is_gone_is_told_so(fresh: Served, path: str) -> None:
    """The problem `environment-gone`, since clients take an empty success for no flags at all.

    Plain SQL asks nobody.
    """
    installation, client = fresh
    key = new_key(client, "development")
    assert client.post(path, headers=bearer(key), json={}).status_code == 200
    with installation.databases["flagbit"].writing() as connection:
        connection.execute(text("DELETE FROM environment WHERE key = 'development'"))
    answer = client.post(path, headers=bearer(key), json={})
    assert answer.status_code == 403
    assert "development" in answer.text
    assert f"POST {API}/keys" in answer.text

    again = {"key": "development", "name": "Again"}
    assert client.post(f"{API}/environments", json=again, headers=ADMIN).status_code == 201
    assert client.post(path, headers=bearer(key), json={}).status_code == 200


def test_an_environment_without_flags_is_an_empty_success(fresh: Served) -> None:
    _, client = fresh
    fields = ADMIN | {"If-Match": client.get(f"{API}/flags/kept", headers=ADMIN).headers["etag"]}
    assert client.delete(f"{API}/flags/kept", headers=fields).status_code == 204
    answer = client.post(BULK, headers=bearer(new_key(client, "production")), json={})
    assert (answer.status_code, answer.json()["flags"]) == (200, [])


# -- one shape for every refusal ------------------------------------------------------------------

JSON = {"Content-Type": "application/json"}
LONG = b'{"context":{"a":"' + b"x" * 70_000 + b'"}}'

# what is wrong: fields, content, status, errorCode, what the details say
REFUSED: dict[str, tuple[dict[str, str], bytes, int, str, str]] = {
    "no key": ({"Authorization": ""}, b"{}", 401, "GENERAL", "X-API-Key"),
    "another key": (ADMIN, b"{}", 403, "GENERAL", f"POST {API}/keys"),
    "two keys": ({"X-API-Key": "k"}, b"{}", 400, "GENERAL", "Send one of them"),
    "no JSON": ({}, b"{", 400, "PARSE_ERROR", "Send JSON"),
    "a member twice": ({}, b'{"a":1,"a":1}', 400, "PARSE_ERROR", "occurs twice"),
    "no object": ({}, b"[]", 400, "INVALID_CONTEXT", "targetingKey"),
    "text": ({"Content-Type": "text/plain"}, b"{}", 415, "PARSE_ERROR", "application/json"),
    "no type": ({"Content-Type": ""}, b"{}", 415, "PARSE_ERROR", "application/json"),
    "too long": ({}, LONG, 413, "INVALID_CONTEXT", "at most 65,536"),
    "too long, in pieces": ({"pieces": "1"}, LONG, 413, "INVALID_CONTEXT", "at most 65,536"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("key", ["", "/kept"])
def test_every_refusal_has_one_shape(client: TestClient, key: str, name: str) -> None:
    more, content, status, code, said = REFUSED[name]
    sent: Any = iter([content[:9], content[9:]]) if more.get("pieces") else content
    fields = bearer(new_key(client, "production")) | JSON | more
    answer = client.post(BULK + key, content=sent, headers=fields)
    assert_failure(answer, status, code, said, key)


def assert_failure(answer: Any, status: int, code: str, said: str, key: str = "") -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    failure = answer.json()
    assert list(failure) == [*(["key"] if key else []), "errorCode", "errorDetails"]
    assert failure.get("key", "") == key.removeprefix("/")
    assert failure["errorCode"] == code
    assert said in failure["errorDetails"]
    assert failure["errorDetails"].endswith((".", "application/json"))


def test_refusals_keep_the_fields_that_they_need(client: TestClient) -> None:
    machine = bearer(new_key(client, "production"))
    assert client.post(BULK).headers["www-authenticate"] == "Bearer"
    wrong = client.post(BULK, content=b"x", headers=machine | {"Content-Type": "text/plain"})
    assert wrong.headers["accept"] == "application/json"
    old = client.post(BULK, json={}, headers=machine | {"If-Match": '"old"'})
    assert (old.status_code, old.json()["errorCode"]) == (412, "GENERAL")
    assert old.headers["etag"] == client.post(BULK, json={}, headers=machine).headers["etag"]


def test_a_flag_that_is_not_seen_is_not_found_with_a_next_step(client: TestClient) -> None:
    for role in ("server", "client"):
        fields = bearer(new_key(client, "production", role))
        key = "nothing" if role == "server" else "kept"
        answer = client.post(f"{BULK}/{key}", json={}, headers=fields)
        assert_failure(answer, 404, "FLAG_NOT_FOUND", "Correct its name", f"/{key}")


@pytest.mark.parametrize("path", ["/flagbit/ofrep/v1/nothing", f"{BULK}/", f"{BULK}/a/b"])
def test_an_address_that_is_not_there_has_the_shape_too(client: TestClient, path: str) -> None:
    key = path.partition(f"{BULK}/")[2]
    assert_failure(client.post(path), 404, "GENERAL", "Check the path", f"/{key}" if key else "")


@pytest.mark.parametrize("key", ["", "/kept"])
def test_a_method_that_is_not_taken_has_the_shape_too(client: TestClient, key: str) -> None:
    answer = client.get(BULK + key)
    assert_failure(answer, 405, "GENERAL", "Allow", key)
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("key", ["", "/kept"])
def test_what_nobody_foresaw_has_the_shape_too(
    client: TestClient, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = bearer(new_key(client, "production"))
    monkeypatch.setattr(
        "flagbit.ofrep._answer", lambda *_: (_ for _ in ()).throw(RuntimeError("hunter2"))
    )
    answer = client.post(BULK + key, json={}, headers=fields)
    number = answer.headers["x-request-id"]
    assert_failure(answer, 500, "GENERAL", f"report request {number}", key)
    assert "hunter2" not in answer.text


def test_any_text_as_a_key_comes_back_as_json(client: TestClient) -> None:
    fields = bearer(new_key(client, "production"))
    answer = client.post(f'{BULK}/a"b%E2%80%AE', json={}, headers=fields)
    assert answer.json()["key"] == 'a"b\u202e'


# -- pages of other origins -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "fields", "refused"),
    [
        ("PUT", "", "method"),
        ("POST", "x-secret", "headers"),
        ("PUT", "x-secret", "method, headers"),
    ],
)
def test_a_preflight_that_is_refused_says_what_would_be_allowed(
    client: TestClient, method: str, fields: str, refused: str
) -> None:
    asks = {"Origin": "https://app.example.org", "Access-Control-Request-Method": method}
    if fields:
        asks["Access-Control-Request-Headers"] = fields
    answer = client.options(BULK, headers=asks)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["access-control-allow-methods"] == "POST"
    problem = answer.json()
    assert f"({refused})" in problem["detail"]
    assert "Authorization, Content-Type, If-None-Match, X-API-Key" in problem["detail"]
