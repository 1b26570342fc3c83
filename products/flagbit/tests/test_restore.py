"""After a restore no tag lies: not to who polls, not to who saves, not to who evaluates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from chassis import backup, restore
from chassis.application import Application
from chassis.installation import Installation
from chassis.settings import Settings
from flagbit.product import PRODUCT

ADMIN = "an-admin-key-of-more-than-32-characters"
SECRET = "s" * 32
FLAG = "/flagbit/api/v1/flags/dark-mode"
STATE = f"{FLAG}/environments/production"
OFREP = "/flagbit/ofrep/v1/evaluate/flags"


@pytest.fixture(params=["state", "strict"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    chosen = {"QUARTET_SECRET": SECRET, "FLAGBIT_COMPARISON": request.param}
    return Settings.load(chosen, {"data": str(tmp_path / "data")})


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[TestClient, Installation]]:
    installation = Installation.open([PRODUCT], settings)
    installation.keys.ensure_admin(ADMIN)
    with TestClient(Application(installation), headers={"X-API-Key": ADMIN}) as client:
        yield client, installation


def make_flag(client: TestClient) -> None:
    content = {
        "key": "dark-mode",
        "type": "boolean",
        "variants": {"on": True, "off": False},
        "default_variant": "off",
        "off_variant": "off",
    }
    assert client.post("/flagbit/api/v1/flags", json=content).status_code == 201


def describe(client: TestClient, text: str, tag: str | None = None) -> Any:
    tag = tag or client.get(FLAG).headers["etag"]
    return client.patch(FLAG, json={"description": text}, headers={"If-Match": tag})


def test_a_tag_from_after_the_backup_matches_nothing(settings: Settings, tmp_path: Path) -> None:
    """The number of the state is given out a second time; its tag is not."""
    lists = "/flagbit/api/v1/flags"
    with serving(settings) as (client, installation):
        make_flag(client)
        backup.take(installation.databases, SECRET.encode(), tmp_path / "backup")
        before = client.get(FLAG)
        lost = describe(client, "written after the backup")
        lost_list = client.get(lists).headers["etag"]
    restore.put_back(tmp_path / "backup", [PRODUCT], settings, force=True)
    with serving(settings) as (client, _):
        assert (
            client.get(FLAG, headers={"If-None-Match": before.headers["etag"]}).status_code == 304
        )

        for text in (None, "written after the restore"):
            if text is not None:
                other = describe(client, text)
                assert other.json()["revision"] == lost.json()["revision"]
            polled = client.get(FLAG, headers={"If-None-Match": lost.headers["etag"]})
            assert (polled.status_code, polled.json()["description"]) == (200, text or "")
            assert client.get(lists, headers={"If-None-Match": lost_list}).status_code == 200
            saved = describe(client, "on a state that is gone", lost.headers["etag"])
            assert saved.status_code == 412
            assert client.get(FLAG).json()["description"] == (text or "")


@pytest.mark.parametrize("raised", [True, False])
def test_a_process_that_evaluated_before_the_restore_does_not_keep_what_it_knew(
    raised: bool, tmp_path: Path, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL is restored under servers that run. The twin does not raise the revisions."""
    if not raised:
        monkeypatch.setattr("flagbit.db.outrun_revisions", lambda _connection: None)
    settings = Settings.load(
        {"QUARTET_SECRET": SECRET, "DATABASE_URL": postgres_dsn}, {"data": str(tmp_path)}
    )
    with serving(settings) as (client, installation):
        make_flag(client)
        key = {"owner": "shop", "role": "server", "environment": "production"}
        shop = {"X-API-Key": client.post("/flagbit/api/v1/keys", json=key).json()["token"]}

        def evaluated() -> bool:
            return bool(client.post(f"{OFREP}/dark-mode", json={}, headers=shop).json()["value"])

        def switch() -> None:
            tag = client.get(STATE).headers["etag"]
            assert client.post(f"{STATE}/toggle", headers={"If-Match": tag}).status_code == 200

        backup.take(installation.databases, SECRET.encode(), tmp_path / "backup")
        tag = client.get(STATE).headers["etag"]
        on = {"enabled": True, "fallthrough": {"variant": "on"}}
        assert client.put(STATE, json=on, headers={"If-Match": tag}).status_code == 200
        assert evaluated() is True
        restore.put_back(tmp_path / "backup", [PRODUCT], settings, force=True)
        assert evaluated() is (not raised)
        switch()  # on, but it serves the variant that it had when it was made
        assert evaluated() is (not raised)
