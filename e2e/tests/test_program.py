"""The server as its users start it: from a fresh clone, as quartet, and as FlagBit alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from e2e.program import API, Server, free_port, serving

ROOT = Path(__file__).parents[2]
READY_WITHIN = 60.0
"""Seconds from the one command in a fresh clone to an answer: what newcomers are promised."""


def test_a_new_installation_has_two_environments(quartet: Server) -> None:
    listed = quartet.client().get(f"{API}/environments").json()
    assert [one["key"] for one in listed["items"]] == ["development", "production"]


def test_the_tag_is_what_sha256sum_says_of_the_body(quartet: Server) -> None:
    quartet.new_flag("dark-mode")
    answer = quartet.client().get(f"{API}/flags/dark-mode")
    assert answer.headers["etag"] == f'W/"{sha256(answer.content).hexdigest()[:16]}"'


def takes_one_edit_and_refuses_the_next(client: httpx.Client) -> None:
    """Of two edits with one tag the first is made, and the second changes nothing."""
    content = {"type": "boolean", "variants": {"on": True, "off": False}}
    content |= {"key": "light", "default_variant": "off", "off_variant": "off"}
    assert client.post(f"{API}/flags", json=content).status_code == 201
    path = f"{API}/flags/light/environments/production"
    read = client.get(path)
    assert client.get(path, headers={"If-None-Match": read.headers["etag"]}).status_code == 304
    fields = {"If-Match": read.headers["etag"], "Content-Type": "application/merge-patch+json"}
    first, second = (
        client.patch(path, json={"enabled": enabled}, headers=fields) for enabled in (True, False)
    )
    assert (first.status_code, second.status_code) == (200, 412), second.text
    now = client.get(path)
    assert now.json()["enabled"] is True
    assert now.headers["etag"] == first.headers["etag"] == second.json()["etag"]


@pytest.mark.parametrize("program", ["quartet", "flagbit"])
def test_each_program_alone_serves_takes_an_edit_and_refuses_an_old_one(
    tmp_path: Path, program: str
) -> None:
    """FlagBit needs no quartet: the same addresses, the same answers, and the same end."""
    with serving(tmp_path / "data", program=program) as server:
        assert httpx.get(f"{server.url}/readyz").json()["status"] == "ready"
        takes_one_edit_and_refuses_the_next(server.client())
        assert server.stop() == 0
        assert "Traceback" not in server.log.read_text()


def fresh_clone(folder: Path) -> Path:
    """A clone of what is committed here, with nothing set up in it."""
    if not (ROOT / ".git").exists():
        pytest.skip(f"{ROOT} is no git checkout; next: run the tests in a clone")
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


@pytest.mark.full
@pytest.mark.timeout(300)
def test_from_a_fresh_clone_one_command_leads_to_a_running_server_within_a_minute(
    tmp_path: Path,
) -> None:
    """`python3 dev.py run` sets up all it needs, and says with which key to ask."""
    output, port = tmp_path / "output", free_port()
    known = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("QUARTET_") and name not in ("DATABASE_URL", "PYTHONPATH")
    }
    # The interpreter that the test environment was made with: that one has pip.
    command = [sys._base_executable, "dev.py", "run", "--port", str(port)]  # type: ignore[attr-defined]
    command += ["--data", str(tmp_path / "data")]
    clone = fresh_clone(tmp_path / "clone")
    with output.open("wb") as out:
        begun = time.monotonic()
        process = subprocess.Popen(command, cwd=clone, env=known, stdout=out, stderr=out)
    try:
        while not ready(port):
            assert process.poll() is None, output.read_text()
            assert time.monotonic() - begun < READY_WITHIN, output.read_text()
            time.sleep(0.1)
        print(f"ready after {time.monotonic() - begun:.1f} s")
        told = re.search(r"^Admin key +(\S+)$", output.read_text(), re.M)
        assert told is not None, output.read_text()
        fields = {"Authorization": f"Bearer {told[1]}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=fields) as client:
            takes_one_edit_and_refuses_the_next(client)
    finally:
        process.terminate()
        stopped = process.wait(30)
    assert stopped == 0, output.read_text()
    assert (tmp_path / "data" / "flagbit.db").exists()


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
