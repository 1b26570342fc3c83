"""Times in the API: one form everywhere, and one instant for what happened at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.installation import Installation
from chassis.settings import Settings
from flagbit.product import PRODUCT

ADMIN = "an-admin-key-of-more-than-32-characters"
API = "/flagbit/api/v1"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
FLAG = {
    "type": "boolean",
    "variants": {"on": True, "off": False},
    "default_variant": "on",
    "off_variant": "off",
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    installation = Installation.open([PRODUCT], Settings(data=tmp_path_factory.mktemp("data")))
    installation.keys.ensure_admin(ADMIN)
    with TestClient(Application(installation), headers={"X-API-Key": ADMIN}) as client:
        yield client


MADE: dict[str, Any] = {
    "flags/put": {"json": FLAG, "headers": {"If-None-Match": "*"}},
    "environments/put": {"json": {"name": "Put"}, "headers": {"If-None-Match": "*"}},
}


@pytest.mark.parametrize("path", MADE)
def test_what_is_made_was_changed_last_when_it_was_made(client: TestClient, path: str) -> None:
    made = client.put(f"{API}/{path}", **MADE[path])
    assert made.status_code == 201, made.text
    assert made.json()["created"] == made.json()["updated"]
    fields = {"If-Match": made.headers["etag"]}
    member = "description" if path.startswith("flags") else "name"
    changed = client.patch(f"{API}/{path}", json={member: "another"}, headers=fields).json()
    assert changed["created"] == made.json()["created"] <= changed["updated"]


def test_so_was_what_came_into_being_with_it(client: TestClient) -> None:
    assert client.post(f"{API}/flags", json=FLAG | {"key": "one"}).status_code == 201
    environment = {"key": "later", "name": "Later"}
    assert client.post(f"{API}/environments", json=environment).status_code == 201
    places = ["projects/default", "environments/production", "environments/later"]
    states = [f"flags/one/environments/{name}" for name in ("production", "later")]
    for path in (*places, "flags/one", *states):
        found = client.get(f"{API}/{path}").json()
        assert found["created"] == found["updated"], path


def test_a_key_has_its_times_in_the_form_of_everything_else(client: TestClient) -> None:
    content = {"owner": "Ada", "role": "read"}
    made = client.post(f"{API}/keys", json=content).json()
    assert INSTANT.fullmatch(made["created"])
    assert made["revoked"] is None
    revoked = client.post(f"{API}/keys/{made['id']}/revoke").json()
    assert INSTANT.fullmatch(revoked["revoked"])
    assert revoked["created"] == made["created"] <= revoked["revoked"]
    assert client.get(f"{API}/keys/{made['id']}").json() == revoked
    assert revoked in client.get(f"{API}/keys").json()["items"]
    flag = client.put(f"{API}/flags/times", json=FLAG, headers={"If-None-Match": "*"})
    assert INSTANT.fullmatch(flag.json()["created"])
