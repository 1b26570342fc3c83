"""The program as operators meet it: it starts clearly or says why not, and stops in good order."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner

from chassis.cli import command_line

Start = Callable[..., Any]
ADMIN = "an-admin-key-of-more-than-32-characters"
PORT = ("--port", "0")

pytestmark = pytest.mark.timeout(300)  # a start takes a second, and half a minute where all is busy


def test_the_first_start_gives_a_way_in_and_a_key_and_the_next_only_a_way_in(
    program: Start,
) -> None:
    first = program("serve", *PORT, "--demo")
    key, link, url = first.admin_key, first.link, first.url
    assert first.get("/notebook/whoami", key).json()["owner"] == "administrator"
    assert first.get("/notebook/notes").json() == ["sample"]
    with httpx2.Client() as browser:
        assert browser.get(link).status_code == 303
        assert browser.get(url + "/notebook/page").text == "administrator"
    assert first.stop() == 0

    second = program("serve", *PORT, "--demo")
    assert second.get("/notebook/whoami", key).status_code == 200
    assert second.get("/notebook/notes").json() == ["sample"]
    assert second.link != link
    assert "Admin key" not in second.out
    with httpx2.Client() as browser:
        assert browser.get(link.replace(url, second.url)).status_code == 401
    assert second.stop(signal.SIGINT) == 0


@pytest.mark.parametrize("command", [("serve", *PORT), ("migrate",), ("keys", "list")])
def test_data_that_cannot_be_used_is_one_line_and_status_2(
    program: Start, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "quartet.db").write_text("no database")
    for data in (tmp_path, tmp_path / "quartet.db" / "x"):
        server = program(*command, "--data", str(data))
        assert server.wait() == 2
        assert server.err.startswith("error: ")
        assert server.err.count("\n") == 1


def test_nothing_secret_is_in_the_log(program: Start) -> None:
    server = program("serve", *PORT, "--access-log", "--log-level", "debug")
    key, link = server.admin_key, server.link
    httpx2.get(link)
    httpx2.get(f"{server.url}/sign-in?token=hunter2")
    server.get("/notebook/whoami", key)
    server.get("/notebook/fail/database")
    server.get(f"/notebook/{key}")
    headers = {"Sec-Fetch-Site": "same-origin"}
    session = httpx2.post(f"{server.url}/sign-in", data={"key": key}, headers=headers)
    assert session.status_code == 303
    server.stop()
    assert "GET /sign-in 303" in server.err
    for secret in (key, key.rpartition("_")[2], link.partition("=")[2], "hunter2"):
        assert secret not in server.err
    for cookie in session.cookies.values():
        assert cookie not in server.err


@pytest.mark.parametrize("level", ["info", "debug"])
def test_what_strangers_send_does_not_fill_the_log(program: Start, level: str) -> None:
    """No advice to install WebSockets, which are not served; and no warning that says nothing."""
    server = program("serve", *PORT, "--log-level", level)
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    answer = httpx2.get(f"{server.url}/healthz", headers=upgrade)
    assert answer.status_code == 200
    address = server.url.removeprefix("http://").split(":")
    for content in (b"\x16\x03\x01 no HTTP at all\r\n\r\n", b"GET / HTTP/9.x\r\n\r\n"):
        with socket.create_connection((address[0], int(address[1]))) as stranger:
            stranger.sendall(content)
            said = stranger.recv(1000)
            assert said.startswith(b"HTTP/1.1 400 ")
            assert b"\r\ncontent-type: application/problem+json\r\n" in said
            assert b'"type":"urn:ifmatch:problem:bad-request"' in said
    assert server.stop() == 0
    assert "pip install" not in server.err
    assert ("Invalid HTTP request" in server.err) == (level == "debug")
    if level == "info":
        assert server.err == ""


def test_fields_without_end_are_refused_and_memory_is_not_filled(program: Start) -> None:
    server = program("serve", *PORT)
    port = int(server.url.rpartition(":")[2])
    sent = 0
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.settimeout(30)
        stranger.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
        with contextlib.suppress(OSError):  # it hangs up
            while sent < 5_000_000:
                stranger.sendall(b"x" * 8192)
                sent += 8192
        with contextlib.suppress(OSError):
            answer = stranger.recv(4000)
            assert answer.startswith(b"HTTP/1.1 431 ")
            assert b'"type":"urn:ifmatch:problem:fields-too-large"' in answer
    assert sent < 5_000_000
    with httpx2.Client() as client:  # honest ones are read, one after the other
        for length in (60_000, 100, 60_000, 60_000):
            headers = {"X-Long": "x" * length}
            assert client.get(f"{server.url}/healthz", headers=headers).status_code == 200
    assert server.stop() == 0
    assert server.err == ""


def test_a_given_key_opens_and_is_not_shown(program: Start) -> None:
    server = program("serve", *PORT, QUARTET_ADMIN_KEY=ADMIN)
    assert server.get("/notebook/whoami", ADMIN).status_code == 200
    assert "Admin key" not in server.out
    assert ADMIN not in server.out + server.err


# -- what keeps it from starting ----------------------------------------------------------------


def test_a_taken_port_is_a_clear_error(program: Start, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = program("serve", "--port", str(port))
        assert server.wait() == 2
    assert server.err.startswith(f"error: port {port} is taken")
    assert f"use --port {port + 1}" in server.err
    assert "Traceback" not in server.err
    assert not (tmp_path / "var").exists()


def test_a_second_server_on_the_same_data_is_refused(program: Start) -> None:
    first = program("serve", *PORT)
    assert first.get("/healthz").status_code == 200
    second = program("serve", *PORT)
    assert second.wait() == 2
    assert f"in use by process {first.process.pid}" in second.err
    assert "--shared-sqlite" in second.err
    assert first.get("/readyz").status_code == 200


def test_servers_that_share_see_the_same(program: Start) -> None:
    first = program("serve", *PORT, "--shared-sqlite")
    key = first.admin_key
    second = program("serve", *PORT, "--shared-sqlite")
    put = httpx2.put(f"{first.url}/notebook/notes/x", headers={"X-API-Key": key})
    assert put.status_code == 200
    assert second.get("/notebook/notes").json() == ["x"]


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["--port", "http"], {}, "error: --port is 'http'. Give a whole number"),
        (["--workers", "2"], {}, "error: --workers 2: with SQLite one process serves."),
        (["--host", "192.0.2.1"], {}, "error: cannot listen on 192.0.2.1:0: "),
        ([], {"QUARTET_ADMIN_KEY": "hunter2"}, "error: QUARTET_ADMIN_KEY is 7 characters."),
        ([], {"DATABASE_URL": "sqlite:///x"}, "error: DATABASE_URL is 11 characters."),
        ([], {"DATABASE_URL": "postgresql://a:hunter2@127.0.0.1:1/x"}, "error: DATABASE_URL:"),
    ],
)
def test_a_wrong_setting_is_one_line(
    tmp_path: Path, words: list[str], environment: dict[str, str], said: str
) -> None:
    main = command_line("notebook", ("notebook:PRODUCT",), "Keeps notes.")
    arguments = ["serve", *PORT, "--data", str(tmp_path), *words]
    try:
        result = CliRunner().invoke(main, arguments, env=environment)
    finally:
        root = logging.getLogger()
        root.handlers = [one for one in root.handlers if one.get_name() != "chassis"]
    assert result.exit_code == 2
    assert result.stderr.startswith(said)
    assert result.stderr.count("\n") == 1
    assert "hunter2" not in result.stderr


def test_two_that_start_at_once_on_one_database_both_serve(
    program: Start, postgres_dsn: str
) -> None:
    shared = {"DATABASE_URL": postgres_dsn, "QUARTET_SECRET": "s" * 32}
    servers = [program("serve", *PORT, **shared) for _ in range(2)]
    assert [server.get("/readyz").status_code for server in servers] == [200, 200]
    assert sum("Admin key" in server.out for server in servers) == 1


# -- keys at the machine ----------------------------------------------------------------------


def test_a_key_made_at_the_machine_works_and_stops_within_a_second(program: Start) -> None:
    server = program("serve", *PORT)
    url = f"{server.url}/notebook/whoami"
    made = program("keys", "create", "--owner", "Ada", "--role", "read")
    assert made.wait() == 0
    token, headers = made.out.strip(), {"X-API-Key": made.out.strip()}
    assert "shown only now" in made.err
    with httpx2.Client(headers=headers) as client:
        assert client.get(url).json()["owner"] == "Ada"
        listing = program("keys", "list")
        listing.wait()
        (line,) = [line for line in listing.out.splitlines() if line.endswith("Ada")]
        assert token not in listing.out
        revoke = program("keys", "revoke", line.split()[0])
        while revoke.process.poll() is None:  # the key stays in the server's memory all the time
            client.get(url)
        assert revoke.wait() == 0
        since = time.monotonic()
        while client.get(url).status_code == 200:
            assert time.monotonic() - since < 1
    assert "revoked" in revoke.out


def test_an_unknown_key_is_one_line(program: Start) -> None:
    assert program("migrate").wait() == 0
    revoke = program("keys", "revoke", "key_none")
    assert revoke.wait() == 2
    assert revoke.err == "error: There is no key key_none. See 'keys list'.\n"


def test_migrating_is_a_command_of_its_own(program: Start) -> None:
    for _ in range(2):
        done = program("migrate")
        assert (done.wait(), done.out) == (0, "The databases are up to date.\n")


# -- stopping -----------------------------------------------------------------------------------


def test_an_open_stream_does_not_hold_up_the_stop(program: Start) -> None:
    server = program("serve", *PORT)
    with httpx2.stream("GET", f"{server.url}/notebook/stream", timeout=30) as stream:
        chunks = stream.iter_bytes()
        assert next(chunks).startswith(b"data:")
        since = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        for _ in chunks:
            pass
        assert server.wait() == 0
    assert time.monotonic() - since < 5
    assert server.err == ""


# -- several workers -----------------------------------------------------------------------------


def test_workers_serve_together_and_stop_together(program: Start, postgres_dsn: str) -> None:
    server = program("serve", *PORT, "--workers", "2", DATABASE_URL=postgres_dsn)
    key, url = server.admin_key, server.url

    def put(number: int) -> int:
        headers = {"X-API-Key": key, "Connection": "close"}
        return httpx2.put(
            f"{url}/notebook/notes/{number}", headers=headers, timeout=120
        ).status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(put, range(40))) == {200}
    assert len(server.get("/notebook/notes").json()) == 40
    assert server.out.count("Sign in") == 1
    assert server.stop() == 0
    assert server.err == ""


def test_workers_may_share_sqlite_if_asked(program: Start) -> None:
    server = program("serve", *PORT, "--workers", "2", "--shared-sqlite")
    key, url = server.admin_key, server.url
    put = httpx2.put(f"{url}/notebook/notes/x", headers={"X-API-Key": key}, timeout=60)
    assert put.status_code == 200
    assert {tuple(server.get("/notebook/notes").json()) for _ in range(10)} == {("x",)}


def test_workers_leave_when_their_parent_is_killed(program: Start) -> None:
    server = program("serve", *PORT, "--workers", "2", "--shared-sqlite")
    url = server.url
    assert server.get("/healthz").status_code == 200
    folder = server.shared
    assert folder.exists()
    server.stop(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx2.get(f"{url}/healthz", timeout=1)
        except httpx2.ConnectError:
            assert not folder.exists()
            return
        except httpx2.HTTPError:
            pass
        time.sleep(0.05)
    raise AssertionError("somebody still listens")
