"""Who a request comes from: one key or session, and the same refusal for all that is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from chassis.installation import Installation
from chassis.keys import Role

PATHS = ["/notebook/whoami", "/notebook/awaited"]
ADMIN = "an-admin-key-of-more-than-32-characters"


def fields(client: TestClient, session: str | None = None) -> dict[str, str]:
    return {"Cookie": f"quartet_session={session}"} if session else {}


@pytest.fixture
def session(installation: Installation) -> str:
    return installation.sessions.begin(installation.keys.an_admin().id)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {ADMIN}"},
        {"Authorization": f"bearer   {ADMIN}"},
        {"Authorization": ADMIN},
        {"X-API-Key": ADMIN},
        {"X-API-Key": ADMIN, "Authorization": f"Bearer {ADMIN}"},
    ],
)
def test_a_key_comes_in_either_field(
    client: TestClient, path: str, headers: dict[str, str]
) -> None:
    for _ in range(2):  # from the database, then from memory
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["owner"]) == (200, "administrator")


@pytest.mark.parametrize("path", PATHS)
def test_a_session_comes_in_the_cookie(client: TestClient, path: str, session: str) -> None:
    assert client.get(path, headers=fields(client, session)).status_code == 200


def refused(client: TestClient, installation: Installation) -> Iterator[dict[str, str]]:
    record, token = installation.keys.create("Eve", Role.ADMIN)
    installation.keys.revoke(record.id)
    yield {}
    yield {"Authorization": ""}
    yield {"Authorization": "Bearer"}
    yield {"Authorization": "Bearer x"}
    yield {"Authorization": f"Bearer {token}"}
    yield {"Authorization": f"Bearer {ADMIN} {ADMIN}"}
    yield {"Authorization": f"Basic {ADMIN}"}
    yield {"X-API-Key": ""}
    yield {"X-API-Key": "é"}
    yield {"X-API-Key": f"ifm_aaaaaaaa_{'a' * 32}"}
    yield {"Cookie": "quartet_session=x"}


@pytest.mark.parametrize("path", PATHS)
def test_none_unknown_malformed_and_revoked_look_alike(
    client: TestClient, installation: Installation, path: str
) -> None:
    answers = [
        client.get(path, headers=[(k.encode(), v.encode()) for k, v in headers.items()])
        for headers in refused(client, installation)
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", f"Bearer {ADMIN}"), ("X-API-Key", "another")],
        [("Authorization", f"Bearer {ADMIN}"), ("Authorization", "Bearer another")],
        [("X-API-Key", ADMIN), ("X-API-Key", "another")],
    ],
)
def test_two_different_keys_are_400(
    client: TestClient, path: str, headers: list[tuple[str, str]]
) -> None:
    answer = client.get(path, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:ifmatch:problem:two-keys")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_field_beside_a_key_is_no_other_key(
    client: TestClient, path: str, empty: str, session: str
) -> None:
    """Nor does it stand in the way of a session."""
    key = {"Authorization": f"Bearer {ADMIN}", "X-API-Key": empty}
    assert client.get(path, headers=key).status_code == 200
    cookie = fields(client, session) | {"X-API-Key": empty}
    assert client.get(path, headers=cookie).status_code == 200


def test_a_key_comes_before_the_cookie_that_the_browser_adds(
    client: TestClient, installation: Installation, session: str
) -> None:
    _, token = installation.keys.create("Ada", Role.READ)
    both = fields(client, session) | {"X-API-Key": token}
    assert client.get("/notebook/whoami", headers=both).json()["owner"] == "Ada"
    wrong = fields(client, session) | {"X-API-Key": "unknown"}
    assert client.get("/notebook/whoami", headers=wrong).status_code == 401


def test_a_role_that_is_too_low_is_403_and_says_which_is_needed(
    client: TestClient, installation: Installation
) -> None:
    _, token = installation.keys.create("Ada", Role.READ)
    answer = client.put("/notebook/notes/x", headers={"X-API-Key": token})
    assert (answer.status_code, answer.json()["needed"]) == (403, "write")
    _, token = installation.keys.create("Ada", Role.WRITE)
    assert client.put("/notebook/notes/x", headers={"X-API-Key": token}).status_code == 200


def test_a_key_of_another_product_is_403(client: TestClient, installation: Installation) -> None:
    _, token = installation.keys.create("Ada", Role.ADMIN, "second")
    headers = {"X-API-Key": token}
    assert client.get("/second/whoami", headers=headers).status_code == 200
    for path in PATHS:
        answer = client.get(path, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:ifmatch:problem:wrong-product"


def test_a_change_by_cookie_has_to_come_from_our_pages(client: TestClient, session: str) -> None:
    cookie = fields(client, session)
    assert client.put("/notebook/notes/a", headers=cookie).status_code == 403
    forged = cookie | {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert client.put("/notebook/notes/a", headers=forged).status_code == 403
    ours = cookie | {"Sec-Fetch-Site": "same-origin"}
    assert client.put("/notebook/notes/a", headers=ours).status_code == 200
    origin = cookie | {"Origin": "http://testserver"}
    assert client.put("/notebook/notes/b", headers=origin).status_code == 200
    assert client.get("/notebook/notes").json() == ["a", "b"]


def test_a_key_needs_no_origin(client: TestClient, admin: dict[str, str]) -> None:
    forged = admin | {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert client.put("/notebook/notes/a", headers=forged).status_code == 200


def test_a_page_sends_people_to_sign_in_and_back(client: TestClient, session: str) -> None:
    answer = client.get("/notebook/page?a=1&b=%2F")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/notebook/page%3Fa%3D1%26b%3D%252F"
    assert answer.headers["cache-control"] == "no-store"
    assert client.get("/notebook/page", headers=fields(client, session)).text == "administrator"
