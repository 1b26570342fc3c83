"""/api/v1/keys of the front: the keys of all products, for admins who reach them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from chassis.installation import Installation
from chassis.keys import ENVIRONMENT_ADMIN

PATH = "/api/v1/keys"
Admin = dict[str, str]


def new_key(client: TestClient, who: Admin, role: str = "read", **more: Any) -> dict[str, Any]:
    answer = client.post(PATH, headers=who, json={"owner": "Ben", "role": role} | more)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def owner_at(client: TestClient, token: str) -> int:
    return client.get("/notebook/whoami", headers={"X-API-Key": token}).status_code


def test_a_key_is_made_for_the_place_that_is_asked_for(client: TestClient, admin: Admin) -> None:
    made = new_key(client, admin, "write", product="notebook", project="shop", environment="test")
    place = [made[name] for name in ("product", "project", "environment")]
    assert place == ["notebook", "shop", "test"]
    assert owner_at(client, made["token"]) == 200
    other = client.get("/second/whoami", headers={"X-API-Key": made["token"]})
    assert other.status_code == 403
    everywhere = new_key(client, admin, "write")
    assert everywhere["product"] is None


def test_the_answer_with_a_token_is_kept_nowhere(client: TestClient, admin: Admin) -> None:
    key = new_key(client, admin)["id"]
    for answer in (
        client.post(PATH, headers=admin, json={"owner": "Ben", "role": "read"}),
        client.post(f"{PATH}/{key}/rotate", headers=admin),
    ):
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers
        shown = client.get(answer.headers["location"], headers=admin).text
        assert answer.json()["token"].rpartition("_")[2] not in shown


def test_a_role_that_a_product_adds_does_its_one_thing(client: TestClient, admin: Admin) -> None:
    """And no other key does it, not even the administrator's."""
    key = {"X-API-Key": new_key(client, admin, "jot", product="notebook")["token"]}
    assert client.post("/notebook/jot/tea", headers=key).status_code == 200
    assert client.put("/notebook/notes/cake", headers=key).status_code == 403
    assert client.get(PATH, headers=key).status_code == 403
    assert client.get("/overview", headers=key).status_code == 403
    assert client.post("/notebook/jot/cake", headers=admin).status_code == 403


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a role of nobody": ({"role": "root"}, "/role"),
    "a role without its product": ({"role": "jot"}, "/product"),
    "a role in another product": ({"role": "jot", "product": "second"}, "/product"),
    "an owner of blanks": ({"owner": " "}, "/owner"),
    "an owner that turns the text": ({"owner": "a\u202eb"}, "/owner"),
    "a place of no name": ({"project": "a b"}, "/project"),
    "a place with a NUL": ({"environment": "a\x00"}, "/environment"),
    "an end that is no instant": ({"expires": "tomorrow"}, "/expires"),
    "an end of no zone": ({"expires": "2040-01-01T00:00:00"}, "/expires"),
    "an end that is past": ({"expires": "2020-01-01T00:00:00Z"}, "/expires"),
    "an end beyond all": ({"expires": "9999-12-31T23:59:59-23:59"}, "/expires"),
    "the first instant": ({"expires": "0001-01-01T00:00:00+23:59"}, "/expires"),
    "a token of one's own": ({"token": "mine"}, "/token"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_is_422_and_makes_no_key(
    client: TestClient, admin: Admin, wrong: str
) -> None:
    change, pointer = WRONG[wrong]
    answer = client.post(PATH, headers=admin, json={"owner": "Ben", "role": "read"} | change)
    assert answer.status_code == 422, answer.text
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]
    assert len(client.get(PATH, headers=admin).json()["items"]) == 1


def test_a_key_with_an_end_says_when(client: TestClient, admin: Admin) -> None:
    end = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    made = new_key(client, admin, expires=end.isoformat())
    shown = datetime.fromisoformat(made["expires"])
    assert abs(shown - end) <= timedelta(seconds=2)


def test_rotating_answers_a_second_key_and_the_first_lives_on(
    client: TestClient, admin: Admin
) -> None:
    first = new_key(client, admin, "write", product="notebook")
    answer = client.post(f"{PATH}/{first['id']}/rotate", headers=admin, json={"overlap": 60})
    assert answer.status_code == 201, answer.text
    second = answer.json()
    assert second["replaces"] == first["id"]
    assert {name: second[name] for name in ("owner", "role", "product")} == {
        "owner": "Ben",
        "role": "write",
        "product": "notebook",
    }
    assert [owner_at(client, one["token"]) for one in (first, second)] == [200, 200]
    assert client.get(f"{PATH}/{first['id']}", headers=admin).json()["expires"] is not None
    assert client.post(f"{PATH}/{first['id']}/revoke", headers=admin).status_code == 200
    assert [owner_at(client, one["token"]) for one in (first, second)] == [401, 200]


def test_a_rotation_that_cannot_be_says_what_to_do(client: TestClient, admin: Admin) -> None:
    first = new_key(client, admin)
    rotate = f"{PATH}/{first['id']}/rotate"
    second = client.post(rotate, headers=admin).json()
    assert owner_at(client, second["token"]) == 200
    answers = [
        client.post(rotate, headers=admin),
        client.post(f"{PATH}/{ENVIRONMENT_ADMIN}/rotate", headers=admin),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["type"]) == (
            409,
            "urn:ifmatch:problem:not-rotatable",
        )
    assert second["id"] in answers[0].json()["detail"]
    for overlap in (-1, 1.5, "1", 10**12, True):
        answer = client.post(rotate, headers=admin, json={"overlap": overlap})
        assert answer.status_code == 422, overlap


def test_one_does_not_end_the_key_that_one_rotates_with(client: TestClient, admin: Admin) -> None:
    """Before the new one has arrived; with an overlap it may be one's own."""
    own = new_key(client, admin, "admin")
    key, rotate = {"X-API-Key": own["token"]}, f"{PATH}/{own['id']}/rotate"
    answer = client.post(rotate, headers=key, json={"overlap": 0})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:ifmatch:problem:own-key")
    assert client.post(rotate, headers=key).status_code == 201


def test_when_a_key_was_used_has_a_tag_of_its_own(
    client: TestClient, admin: Admin, installation: Installation
) -> None:
    made = new_key(client, admin)
    path = f"{PATH}/{made['id']}"
    tags = [client.get(one, headers=admin).headers["etag"] for one in (path, f"{path}/usage")]
    assert client.get(f"{path}/usage", headers=admin).json()["last_used"] is None
    owner_at(client, made["token"])
    installation.keys.write_last_used()
    asked = [admin | {"If-None-Match": tag} for tag in tags]
    assert client.get(path, headers=asked[0]).status_code == 304
    used = client.get(f"{path}/usage", headers=asked[1])
    assert used.status_code == 200
    assert used.json()["last_used"] is not None


BOUND: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"product": "notebook"}, {}),
    ({"product": "notebook"}, {"product": "second"}),
    ({"product": "notebook", "project": "shop"}, {"product": "notebook"}),
    ({"product": "notebook", "project": "shop"}, {"product": "notebook", "project": "blog"}),
    ({"environment": "test"}, {"product": "notebook"}),
]


@pytest.mark.parametrize(("own", "wider"), BOUND)
def test_a_bound_admin_reaches_no_further_than_itself(
    client: TestClient, admin: Admin, own: dict[str, str], wider: dict[str, Any]
) -> None:
    """It is told that wider keys are not there, whatever tag it names."""
    key = {"X-API-Key": new_key(client, admin, "admin", **own)["token"]}
    other = new_key(client, admin, "read", **wider)
    tag = client.get(f"{PATH}/{other['id']}", headers=admin).headers["etag"]
    answers = [
        client.request(method, f"{PATH}/{other['id']}{what}", headers=key | condition)
        for method, what in (
            ("GET", ""),
            ("GET", "/usage"),
            ("POST", "/rotate"),
            ("POST", "/revoke"),
        )
        for condition in ({}, {"If-Match": tag}, {"If-Match": "*"}, {"If-None-Match": tag})
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert other["id"] not in client.get(PATH, headers=key).text
    made = client.post(PATH, headers=key, json={"owner": "Eve", "role": "read"} | wider)
    assert (made.status_code, made.json()["type"]) == (403, "urn:ifmatch:problem:key-too-wide")
    assert owner_at(client, other["token"]) in (200, 403)
    narrow = client.post(PATH, headers=key, json={"owner": "Fay", "role": "read"} | own)
    assert narrow.status_code == 201


def test_a_key_is_never_deleted(client: TestClient, admin: Admin) -> None:
    key = new_key(client, admin)["id"]
    answer = client.delete(f"{PATH}/{key}", headers=admin)
    assert answer.status_code == 405
    assert f"POST {PATH}/{{id}}/revoke" in answer.json()["detail"]


def test_the_description_names_the_roles_of_every_product(client: TestClient) -> None:
    answer = client.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    known = client.get("/api/v1/openapi.json", headers={"If-None-Match": answer.headers["etag"]})
    assert known.status_code == 304
    schema = answer.json()["components"]["schemas"]["NewKey"]
    assert schema["properties"]["role"]["enum"] == ["admin", "write", "read", "jot"]
    assert {"product", "project", "environment"} <= set(schema["properties"])
