"""The data of the first release is served by today's server, with the values it was left with."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from e2e.program import API, Server, serving
from harness import postgres

FIRST = Path(__file__).parents[1] / "data" / "first-slice"
TAGGED_OTHERWISE = {"/keys": "the times of keys were numbers, and are texts by now"}
"""Reads whose representation or tag a later release changed on purpose."""


@dataclass(frozen=True)
class Kept:
    """A server of today on the data of the first release, and what that one answered."""

    server: Server
    said: dict[str, Any]
    now: dict[str, tuple[httpx.Response, httpx.Response]]
    """Each read as it is answered now, without and with the tag that the old server gave."""

    def client(self, owner: str) -> httpx.Client:
        return self.server.client(self.said["keys"][owner]["token"])


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kept(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kept]:
    data = tmp_path_factory.mktemp("first")
    said = json.loads((FIRST / f"{request.param}.json").read_text("utf-8"))
    if request.param == "sqlite":
        for name in ("flagbit.db", "quartet.db", "secret.key"):
            shutil.copy(FIRST / name, data / name)
        with serving(data, admin_key=said["admin_key"]) as server:
            yield _kept(server, said)
        return
    shutil.copy(FIRST / "postgresql-secret.key", data / "secret.key")
    machine: postgres.Server = request.getfixturevalue("postgres_server")
    with machine.database() as database:
        with psycopg.connect(database.dsn) as connection:
            connection.execute((FIRST / "postgresql.sql").read_bytes())
        with serving(data, admin_key=said["admin_key"], database_url=database.dsn) as server:
            yield _kept(server, said)


def _kept(server: Server, said: dict[str, Any]) -> Kept:
    """Reads everything first: a test that edits may come before those that compare."""
    client, now = server.client(), {}
    for path, before in said["reads"].items():
        asked = {"If-None-Match": before["etag"]}
        now[path] = client.get(API + path), client.get(API + path, headers=asked)
    return Kept(server, said, now)


def test_every_read_has_the_body_and_the_tag_it_had(kept: Kept) -> None:
    """Who polled the old server is answered 304 by the new one."""
    for path, before in kept.said["reads"].items():
        plain, polled = kept.now[path]
        if path in TAGGED_OTHERWISE:
            assert (path, plain.headers["etag"]) != (path, before["etag"])
            continue
        assert (path, plain.json()) == (path, before["body"])
        assert (path, plain.headers["etag"]) == (path, before["etag"])
        assert (path, polled.status_code) == (path, 304)


def test_every_flag_evaluates_as_it_did(kept: Kept) -> None:
    for asked in kept.said["evaluated"]:
        client = kept.client(asked["key"])
        content = {"context": asked["context"]}
        path = "/flagbit/ofrep/v1/evaluate/flags"
        assert client.post(path, json=content).json() == asked["body"]
        headers = {"If-None-Match": asked["etag"]}
        assert client.post(path, json=content, headers=headers).status_code == 304


def test_the_trail_of_changes_is_whole(kept: Kept) -> None:
    before = kept.said["reads"]["/audit"]["body"]["items"]
    now = kept.server.client().get(f"{API}/audit").json()["items"]
    assert [one for one in now if one["id"] <= before[0]["id"]] == before


def test_keys_are_who_they_were_and_a_revoked_one_stays_refused(kept: Kept) -> None:
    for owner, status in (("ada", 200), ("grace", 200), ("linus", 200), ("gone", 401)):
        assert kept.client(owner).get(f"{API}/flags").status_code == status
    before = {one["id"]: one for one in kept.said["reads"]["/keys"]["body"]["items"]}
    now = {one["id"]: one for one in kept.server.client().get(f"{API}/keys").json()["items"]}
    assert set(before) <= set(now)
    for name, key in before.items():
        for member in ("prefix", "owner", "role", "product", "project", "environment"):
            assert now[name][member] == key[member]
        assert (now[name]["revoked"] is None) == (key["revoked"] is None)


def test_an_editor_that_was_open_saves_and_the_second_one_is_refused(kept: Kept) -> None:
    """Its tag is the one that the old server gave it."""
    path = f"{API}/flags/page-size"
    tag = kept.said["reads"]["/flags/page-size"]["etag"]
    grace = kept.client("grace")
    saved = grace.patch(path, json={"description": "Results a page"}, headers={"If-Match": tag})
    assert saved.status_code == 200
    before = kept.said["reads"]["/flags/page-size"]["body"]
    assert saved.json()["revision"] == before["revision"] + 1
    late = grace.patch(path, json={"description": "Hits a page"}, headers={"If-Match": tag})
    assert late.status_code == 412
    newest = grace.get(f"{API}/audit?flag=page-size").json()["items"][0]
    assert (newest["actor"], newest["action"]) == ("Grace", "changed")


def test_data_of_the_first_release_really_has_its_schema() -> None:
    """Else the tests above would only show that today's server reads what today's server wrote."""
    with sqlite3.connect(f"file:{FIRST / 'flagbit.db'}?mode=ro", uri=True) as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    assert found == [("0001",)]
    assert "'0001'" in (FIRST / "postgresql.sql").read_text("utf-8")
