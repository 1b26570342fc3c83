"""An admin key sees, makes and revokes keys that are bound at least as narrowly as itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.installation import Installation
from chassis.keys import ENVIRONMENT_ADMIN, Keys, Role
from chassis.settings import Settings
from flagbit.db import FlagDatabase
from flagbit.product import PRODUCT

ROOT = "r" * 40
API = "/flagbit/api/v1"
PATH = f"{API}/keys"
PRODUCTION = ("flagbit", "default", "production")


class Place:
    """FlagBit in this process; one client for each key."""

    def __init__(self, keys: Keys, client: TestClient) -> None:
        self.keys = keys
        self._client = client

    def ask(self, key: str, method: str, path: str = "", **options: Any) -> httpx2.Response:
        headers = {"X-API-Key": key} | options.pop("headers", {})
        return self._client.request(method, PATH + path, headers=headers, **options)

    def trail(self, key: str) -> list[dict[str, Any]]:
        """What the audit tells a key of keys, the newest first."""
        answer = self._client.get(f"{API}/audit", headers={"X-API-Key": key})
        assert answer.status_code == 200
        return [one for one in answer.json()["items"] if one["kind"] == "key"]

    def admin(self, *place: str | None) -> tuple[str, str]:
        """The id and the token of an admin key that is bound to a place."""
        record, token = self.keys.create("an admin", Role.ADMIN, *place)
        return record.id, token

    def seen(self, key: str) -> set[str]:
        return {one["id"] for one in self.ask(key, "GET").json()["items"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    settings = Settings(data=tmp_path_factory.mktemp("data"))
    installation = Installation.open([PRODUCT], settings)
    installation.keys.ensure_admin(ROOT)
    with TestClient(Application(installation)) as client:
        yield Place(installation.keys, client)


BOUND = {
    "to the product": ("flagbit",),
    "to a project": ("flagbit", "default"),
    "to a project of every product": (None, "default"),
    "to an environment": PRODUCTION,
}
WIDER: dict[str, list[tuple[str | None, ...]]] = {
    "to the product": [(), (None, "default")],
    "to a project": [(), ("flagbit",), (None, "default"), ("flagbit", "other")],
    "to a project of every product": [(), ("flagbit",), ("flagbit", "other")],
    "to an environment": [(), ("flagbit",), ("flagbit", "default")],
}


@pytest.mark.parametrize("bound", BOUND)
def test_a_bound_admin_neither_sees_nor_revokes_a_wider_key(place: Place, bound: str) -> None:
    """Nor one of another place; it is told that there is none, whatever the condition."""
    _, token = place.admin(*BOUND[bound])
    for other in WIDER[bound]:
        key, its_token = place.admin(*other)
        tag = place.ask(ROOT, "GET", f"/{key}").headers["etag"]
        assert key not in place.seen(token)
        refusals = [place.ask(token, "GET", f"/{key}")]
        refusals += [
            place.ask(token, "POST", f"/{key}/revoke", headers=condition)
            for condition in ({}, {"If-Match": tag}, {"If-Match": "*"})
        ]
        assert [one.status_code for one in refusals] == [404] * 4
        assert "etag" not in refusals[0].headers
        assert place.keys.authenticate(its_token) is not None
    assert place.ask(token, "POST", f"/{ENVIRONMENT_ADMIN}/revoke").status_code == 404
    assert place.keys.authenticate(ROOT) is not None


@pytest.mark.parametrize("bound", BOUND)
def test_a_bound_admin_sees_and_revokes_what_is_as_narrow(place: Place, bound: str) -> None:
    _, token = place.admin(*BOUND[bound])
    for other in {BOUND[bound], PRODUCTION}:
        key, its_token = place.admin(*other)
        assert key in place.seen(token)
        assert place.ask(token, "POST", f"/{key}/revoke").status_code == 200
        assert place.keys.authenticate(its_token) is None


def test_the_administrator_sees_every_key_that_is_valid_in_flagbit(place: Place) -> None:
    made = {place.admin(*other)[0] for other in [(), *BOUND.values()]}
    elsewhere, _ = place.admin("cronping")
    assert made <= place.seen(ROOT)
    assert elsewhere not in place.seen(ROOT)


def test_an_admin_for_one_environment_makes_no_key_that_is_valid_in_others(place: Place) -> None:
    own, token = place.admin(*PRODUCTION)
    before = place.seen(ROOT)
    for new in (
        {"owner": "Eve", "role": "admin"},
        {"owner": "Eve", "role": "read"},
        {"owner": "Eve", "role": "server", "environment": "development"},
    ):
        answer = place.ask(token, "POST", json=new)
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:ifmatch:problem:key-too-wide"
    assert place.seen(ROOT) == before
    made = place.ask(token, "POST", json={"owner": "A", "role": "server"} | ENVIRONMENT)
    assert made.status_code == 201
    assert {own, made.json()["id"]} <= place.seen(token)


ENVIRONMENT = {"environment": "production"}


def test_the_key_of_an_admin_who_may_do_everything_is_not_revoked_when_it_is_the_last(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two administrators who revoke each other: the second one comes too late."""
    other, token = place.admin()
    known = place.keys.authenticate(token)
    for key in place.keys.list():
        if key.role == Role.ADMIN and key.id not in (other, ENVIRONMENT_ADMIN):
            place.keys.revoke(key.id)
    # What a process that has not heard of it yet still believes, for half a second.
    place.keys.revoke(other)
    monkeypatch.setattr(place.keys, "authenticate", lambda _: known)
    answer = place.ask(token, "POST", f"/{ENVIRONMENT_ADMIN}/revoke")
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:ifmatch:problem:last-admin"
    monkeypatch.undo()
    assert place.keys.authenticate(ROOT) is not None


# -- what is written down -------------------------------------------------------------------------


def test_a_key_that_is_made_and_one_that_is_revoked_are_in_the_audit(place: Place) -> None:
    """By whom and when, and what may be shown of the key: never its secret."""
    own, token = place.admin("flagbit", "default")
    made = place.ask(token, "POST", json={"owner": "Bob", "role": "server"} | ENVIRONMENT).json()
    shown = {name: value for name, value in made.items() if name != "token"}
    revoked = place.ask(token, "POST", f"/{made['id']}/revoke")
    again = place.ask(token, "POST", f"/{made['id']}/revoke")  # changes nothing
    assert (revoked.status_code, again.content) == (200, revoked.content)
    second, first = place.trail(token)[:2]
    assert (first["action"], first["before"], first["after"]) == ("created", None, shown)
    assert (second["action"], second["before"], second["after"]) == (
        "revoked",
        shown,
        revoked.json(),
    )
    assert second["etag"] == revoked.headers["etag"]
    for entry in (first, second):
        assert (entry["actor"], entry["key_id"]) == ("an admin", own)
        assert (entry["flag"], entry["environment"]) == (None, "production")
        assert made["token"].rpartition("_")[2] not in str(entry)
    assert place.trail(ROOT)[:2] == [second, first]


def test_only_an_admin_reads_of_keys_in_the_audit(place: Place) -> None:
    for role in (Role.READ, Role.WRITE):
        made = place.ask(ROOT, "POST", json={"owner": "Bob", "role": role.value}).json()
        assert place.trail(made["token"]) == []


def test_of_a_key_that_is_for_all_projects_the_audit_of_one_says_nothing(place: Place) -> None:
    key, _ = place.admin()
    _, bound = place.admin("flagbit", "default")
    assert place.ask(ROOT, "POST", f"/{key}/revoke").status_code == 200
    assert place.trail(ROOT)[0]["after"]["id"] == key
    assert key not in str(place.trail(bound))


def test_what_was_refused_is_not_in_the_audit(place: Place) -> None:
    before = place.trail(ROOT)
    old = {"If-Match": 'W/"old"'}
    key, token = place.admin("flagbit", "default")
    new = {"owner": "Bob", "role": "read"}
    answers = [
        place.ask(ROOT, "POST", json=new, headers=old),
        place.ask(ROOT, "POST", f"/{key}/revoke", headers=old),
        place.ask(ROOT, "POST", json=new | ENVIRONMENT),
        place.ask(token, "POST", f"/{key}/revoke"),
    ]
    assert [one.status_code for one in answers] == [412, 412, 422, 409]
    assert place.trail(ROOT) == before


def test_a_key_of_which_nothing_can_be_written_down_is_not_made(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("disk full"))

    before = place.seen(ROOT)
    monkeypatch.setattr(FlagDatabase, "record_key", full)
    answer = place.ask(ROOT, "POST", json={"owner": "Bob", "role": "read"})
    assert answer.status_code == 503
    assert place.seen(ROOT) == before
