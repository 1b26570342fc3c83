"""What the front page is told of FlagBit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.installation import Installation
from chassis.rights import Role
from chassis.settings import Settings
from flagbit.product import PRODUCT

KEY = "an-admin-key-of-more-than-32-characters"
API = "/flagbit/api/v1"


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    opened = Installation.open([PRODUCT], Settings.load({}, {"data": str(tmp_path)}))
    opened.keys.ensure_admin(KEY)
    yield opened
    opened.close()


@pytest.fixture
def client(installation: Installation) -> Iterator[TestClient]:
    with TestClient(Application(installation), headers={"X-API-Key": KEY}) as client:
        yield client


def facts(client: TestClient, key: str = KEY) -> dict[str, Any]:
    item = client.get("/overview", headers={"X-API-Key": key}).json()["items"][0]
    assert item["ready"]
    return {one["label"]: (one["value"], one["by"]) for one in item["facts"]}


def create(client: TestClient, key: str, who: str = KEY) -> str:
    flag = {"key": key, "type": "boolean", "variants": {"on": True, "off": False}}
    content = flag | {"default_variant": "off", "off_variant": "off"}
    made = client.post(f"{API}/flags", json=content, headers={"X-API-Key": who})
    assert made.status_code == 201
    return str(made.headers["etag"])


def test_a_new_installation_has_environments_and_no_flag(client: TestClient) -> None:
    assert facts(client)["Flags"] == (0, None)
    assert facts(client)["Environments"] == (2, None)


def test_flags_are_counted_but_for_those_in_the_archive(client: TestClient) -> None:
    create(client, "one")
    etag = create(client, "two")
    assert facts(client)["Flags"] == (2, None)
    sent = {"If-Match": etag}
    assert client.patch(f"{API}/flags/two", json={"archived": True}, headers=sent).is_success
    assert facts(client)["Flags"] == (1, None)


def test_the_last_change_is_told_with_who_made_it_and_keys_are_not(
    client: TestClient, installation: Installation
) -> None:
    token = installation.keys.create("Ada", Role.WRITE)[1]
    create(client, "one", token)
    told = facts(client)["Last change"]
    assert told[1] == "Ada"
    made = client.post(f"{API}/keys", json={"owner": "Grace", "role": "read"})
    assert made.status_code == 201
    assert facts(client)["Last change"] == told


def test_a_key_of_another_project_hears_nothing_of_this_one(
    client: TestClient, installation: Installation
) -> None:
    create(client, "one")
    other = installation.keys.create("Mira", Role.READ, "flagbit", "another")[1]
    assert facts(client, other) == {"Flags": (0, None), "Environments": (0, None)}


def test_the_card_says_what_to_do_first(client: TestClient) -> None:
    sent = {"Sec-Fetch-Site": "same-origin"}
    client.post("/sign-in", data={"key": KEY}, headers=sent)
    page = client.get("/").text
    assert PRODUCT.first_step in page
    assert 'href="/flagbit/">Open FlagBit</a>' in page
