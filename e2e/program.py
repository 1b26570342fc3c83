"""Starts quartet as its users do, and speaks HTTP to it.

with serving(data) as server:
flag = server.client().get("/flagbit/api/v1/flags/dark-mode")
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

STARTS_WITHIN = 60.0
UNLIMITED = {"QUARTET_RATE_PER_KEY": "0", "QUARTET_RATE_PER_ADDRESS": "0"}
"""Tests ask from one address, as often as they can, and send many keys that are wrong."""

API = "/flagbit/api/v1"
BIN = Path(sys.executable).parent


@dataclass
class Server:
    """A running server: its address, its admin key, and its process."""

    url: str
    admin_key: str
    process: subprocess.Popen[bytes]
    log: Path
    _clients: list[httpx.Client] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        """A client with a key, the admin's unless another is given; closed with the server."""
        headers = {"Authorization": f"Bearer {key or self.admin_key}"}
        made = httpx.Client(base_url=self.url, headers=headers, timeout=60, **options)
        self._clients.append(made)
        return made

    def new_key(self, role: str, environment: str | None = None, owner: str = "a machine") -> str:
        """A new key of FlagBit."""
        content = {"owner": owner, "role": role, "environment": environment}
        answer = self.client().post(f"{API}/keys", json=content)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def new_flag(self, key: str, **more: Any) -> httpx.Response:
        """A new flag, boolean unless `more` says otherwise."""
        content = {
            "key": key,
            "type": "boolean",
            "variants": {"on": True, "off": False},
            "default_variant": "off",
            "off_variant": "off",
        } | more
        answer = self.client().post(f"{API}/flags", json=content)
        assert answer.status_code == 201, answer.text
        return answer

    def stop(self) -> int:
        """Ask it to stop; returns its exit status."""
        for client in self._clients:
            client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.process.kill()
        self.process.wait(30)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    data: Path,
    *arguments: str,
    database_url: str | None = None,
    admin_key: str | None = None,
    environment: Mapping[str, str] | None = None,
    program: str | Sequence[str] = "quartet",
) -> Server:
    """Start a server and wait until it is ready. `arguments` are those of `quartet serve`.

    `program` is one that is installed, or the words that start another.
    """
    port = free_port()
    key = admin_key or secrets.token_urlsafe(32)
    known = {name: text for name, text in os.environ.items() if not name.startswith("QUARTET_")}
    known |= {"QUARTET_ADMIN_KEY": key} | UNLIMITED | dict(environment or {})
    known.pop("DATABASE_URL", None)
    if database_url is not None:
        known["DATABASE_URL"] = database_url
    data.mkdir(parents=True, exist_ok=True)
    log = data / f"server-{port}.log"
    words = [str(BIN / program)] if isinstance(program, str) else program
    command = [*words, "serve", "--port", str(port), "--data", str(data), *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=known, stdout=output, stderr=output)
    server = Server(f"http://127.0.0.1:{port}", key, process, log)
    try:
        _wait_until_ready(server)
    except BaseException:
        server.kill()
        raise
    return server


def _wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise AssertionError(f"the server ended: {server.log.read_text()}")
        try:
            if httpx.get(f"{server.url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"the server was not ready in time: {server.log.read_text()}")


@contextmanager
def serving(data: Path, *arguments: str, **options: Any) -> Iterator[Server]:
    """A server for a block; see `start`."""
    server = start(data, *arguments, **options)
    try:
        yield server
    finally:
        server.stop()
