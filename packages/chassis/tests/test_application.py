"""The application starts what it serves, stops it in the end, and tells it to hurry."""

from __future__ import annotations

import asyncio
import contextlib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis import application
from chassis.access_log import shorten
from chassis.application import Application
from chassis.database import DataInUse
from chassis.installation import CannotStart, Installation, find_product
from chassis.keys import Role
from chassis.lifespan import Lifespan, StartFailed
from chassis.product import Product
from chassis.settings import Settings
from chassis.stopping import Stopping

notebook: Any = import_module("notebook")


def test_each_product_is_started_and_stopped_and_has_its_own_state(
    installation: Installation, admin: dict[str, str]
) -> None:
    notebook.LIFE.clear()
    with TestClient(Application(installation)) as client:
        assert notebook.LIFE == ["start", "start"]
        assert client.get("/notebook/whoami", headers=admin).json()["greeting"] == "hello"
    assert notebook.LIFE == ["start", "start", "stop", "stop"]
    assert installation.stopping.is_set()


def test_when_it_has_stopped_another_server_may_have_the_data(tmp_path: Path) -> None:
    settings, products = Settings(data=tmp_path), [find_product("notebook:PRODUCT")]
    with TestClient(Application(Installation.open(products, settings))):
        with pytest.raises(CannotStart) as caught:
            Installation.open(products, settings)
        assert isinstance(caught.value.__cause__, DataInUse)
    Installation.open(products, settings).close()


def test_keys_and_notes_are_still_there_after_a_restart(
    tmp_path: Path, admin: dict[str, str]
) -> None:
    settings, products = Settings(data=tmp_path), [find_product("notebook:PRODUCT")]
    first = Installation.open(products, settings)
    _, token = first.keys.create("Ada", Role.WRITE)
    with TestClient(Application(first)) as client:
        client.put("/notebook/notes/x", headers={"X-API-Key": token})
    second = Installation.open(products, settings)
    with TestClient(Application(second)) as client:
        assert client.get("/notebook/notes").json() == ["x"]
        assert client.get("/notebook/whoami", headers={"X-API-Key": token}).status_code == 200
        used = second.keys.list()[0].last_used
    assert used is not None  # the first one stored it when it stopped


def test_a_product_that_cannot_start_stops_those_that_did(tmp_path: Path) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no fonts"})

    good = find_product("notebook:PRODUCT")
    bad = Product("bad", "Bad", "Fails", lambda _: broken, "notebook.migrations")
    installation = Installation.open([good, bad], Settings(data=tmp_path))
    notebook.LIFE.clear()
    messages: list[Any] = []

    async def live() -> None:
        async def receive() -> dict[str, str]:
            return {"type": "lifespan.startup"}

        async def send(message: Any) -> None:
            messages.append(message)

        await Application(installation)({"type": "lifespan"}, receive, send)

    asyncio.run(live())
    assert notebook.LIFE == ["start", "stop"]
    assert [message["type"] for message in messages] == ["lifespan.startup.failed"]
    assert "no fonts" in messages[0]["message"]
    Installation.open([good], Settings(data=tmp_path)).close()


def test_an_application_that_raises_at_its_start_is_heard() -> None:
    async def raising(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("no fonts")

    with pytest.raises(ValueError, match="no fonts"):
        asyncio.run(Lifespan(raising).start())


def test_an_application_that_fails_at_its_end_is_heard() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed"})

    async def live() -> None:
        lifespan = Lifespan(failing)
        await lifespan.start()
        await lifespan.stop()

    with pytest.raises(StartFailed, match="shutdown: it gave no reason"):
        asyncio.run(live())


# -- products that start or stop badly ------------------------------------------------------------


async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
    """Starts, and never says that it has stopped; a wish to cancel is not heard either."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    notebook.LIFE.append("hangs")
    for _ in range(20):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.1)


async def failing_at_its_end(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    raise ValueError("no paper")


async def ending_early(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})


def lived(installation: Installation) -> list[str]:
    """The types of what an application says in its whole life."""
    messages: list[str] = []

    async def live() -> None:
        asked = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> dict[str, str]:
            return {"type": next(asked)}

        async def send(message: Any) -> None:
            messages.append(message["type"])

        await asyncio.wait_for(Application(installation)({"type": "lifespan"}, receive, send), 60)

    asyncio.run(live())
    return messages


@pytest.mark.parametrize(
    ("app", "said"),
    [
        (hanging, "did not stop within 0.2 seconds"),
        (failing_at_its_end, "no paper"),
        (ending_early, ""),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_product_that_stops_badly_does_not_keep_the_others_from_stopping(
    app: ASGIApp,
    said: str,
    first: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(application, "STOPS_WITHIN", 0.2)
    good = find_product("notebook:PRODUCT")
    bad = Product("bad", "Bad", "Stops badly", lambda _: app, "notebook.migrations")
    products = [bad, good] if first else [good, bad]
    installation = Installation.open(products, Settings(data=tmp_path))
    notebook.LIFE.clear()
    assert lived(installation) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert [one for one in notebook.LIFE if one != "hangs"] == ["start", "stop"]
    errors = [str(one.exc_info[1]) for one in caplog.records if one.exc_info and one.exc_info[1]]
    assert len(errors) == bool(said)
    assert all(said in one for one in errors)
    Installation.open(products, Settings(data=tmp_path)).close()  # the data is free again


def test_a_product_that_hangs_would_hold_up_everybody_without_a_limit(tmp_path: Path) -> None:
    """The twin: asked to stop without a limit, it does not come back."""

    async def live() -> None:
        lifespan = Lifespan(hanging)
        await lifespan.start()
        async with asyncio.timeout(0.5):
            await lifespan.stop()

    with pytest.raises(TimeoutError):
        asyncio.run(live())


@pytest.mark.parametrize("first", [True, False])
def test_a_product_that_raises_at_its_start_stops_those_that_did(
    first: bool, tmp_path: Path
) -> None:
    async def raising(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("no fonts")

    good = find_product("notebook:PRODUCT")
    bad = Product("bad", "Bad", "Fails", lambda _: raising, "notebook.migrations")
    products = [bad, good] if first else [good, bad]
    notebook.LIFE.clear()
    assert lived(Installation.open(products, Settings(data=tmp_path))) == [
        "lifespan.startup.failed"
    ]
    assert ([] if first else ["start", "stop"]) == notebook.LIFE
    Installation.open(products, Settings(data=tmp_path)).close()


def test_the_wish_to_stop_is_heard_before_and_after(installation: Installation) -> None:
    async def hear() -> None:
        stopping = Stopping()
        waiting = [asyncio.create_task(stopping.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        assert not stopping.is_set()
        stopping.set()
        await asyncio.gather(*waiting, stopping.wait())

    asyncio.run(asyncio.wait_for(hear(), 10))


# -- what keeps it from starting ----------------------------------------------------------------


def reason(settings: Settings) -> str:
    with pytest.raises(CannotStart) as caught:
        Installation.open([find_product("notebook:PRODUCT")], settings)
    return str(caught.value)


def test_a_database_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://ada:hunter2@127.0.0.1:1/none"
    said = reason(Settings.load({"DATABASE_URL": url}, {"data": str(tmp_path)}))
    assert said.startswith("DATABASE_URL")
    assert said.endswith("Start it, or correct the URL.")
    assert "hunter2" not in said


def test_keys_made_with_another_secret_are_noticed(settings: Settings) -> None:
    from dataclasses import replace

    Installation.open([], settings).close()
    assert "Set QUARTET_SECRET" in reason(replace(settings, secret="t" * 32))
    Installation.open([], settings).close()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert str(file) in reason(Settings(data=file / "data"))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_a_folder_that_cannot_be_made_is_named() -> None:
    said = reason(Settings(data=Path("/proc/x")))
    assert said.startswith("--data /proc/x: ")
    assert said.endswith("Give a folder that this user may write to.")


@pytest.mark.parametrize("content", [b"", b"x"])
def test_a_damaged_secret_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret.key").write_bytes(content)
    assert "Restore it from a backup" in reason(Settings(data=tmp_path))


def test_a_secret_that_is_no_text_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_bytes(b"\xff" * 64)
    assert "Restore it from a backup" in reason(Settings(data=tmp_path))


@pytest.mark.parametrize("name", ["quartet", "notebook"])
@pytest.mark.parametrize("content", [b"not a database at all\n" * 100, b"SQLite format 3\0" * 50])
def test_a_file_that_is_no_database_is_named_and_left_alone(
    tmp_path: Path, name: str, content: bytes
) -> None:
    file = tmp_path / f"{name}.db"
    file.write_bytes(content)
    said = reason(Settings(data=tmp_path))
    assert said.startswith(f"{file} ")
    assert said.endswith(
        "Restore it from a backup; or move it away, and an empty one is made in its place."
    )
    assert file.read_bytes() == content


@pytest.mark.parametrize("name", ["quartet.db", "notebook.db", "secret.key", "lock"])
def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    said = reason(Settings(data=tmp_path))
    assert str(tmp_path / name) in said
    assert said.endswith("Give a folder that this user may write to.")


@pytest.mark.parametrize("reference", ["nowhere:PRODUCT", "notebook:NOTHING", "notebook:Order"])
def test_a_product_has_to_be_one(reference: str) -> None:
    with pytest.raises(CannotStart, match=reference):
        find_product(reference)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/notebook/notes", "/notebook/notes"),
        ("/ping/3b1f0a52-7c0e-4a2b-9b55-0a3f8e6f1c11/fail", "/ping/3b1f…/fail"),
        ("/a\nb", "/a\\nb"),
    ],
)
def test_the_access_log_cuts_what_may_be_a_secret(path: str, shown: str) -> None:
    assert shorten(path) == shown
