"""Backup and restore as an operator does them: by the command, beside a server that is used."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from e2e.program import API, BIN, Server, serving

ADMIN_KEY = "the-key-of-an-administrator-of-this-test"


def quartet(*words: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    known = {name: text for name, text in os.environ.items() if not name.startswith("QUARTET_")}
    known.pop("DATABASE_URL", None)
    return subprocess.run(
        [str(BIN / "quartet"), *words],
        env=known | dict(environment),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


class Writer(threading.Thread):
    """Makes flags one after the other, and remembers which were acknowledged."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.made: list[str] = []
        self.stop = threading.Event()
        self._server = server

    def run(self) -> None:
        while not self.stop.is_set():
            key = f"flag-{len(self.made)}"
            self._server.new_flag(key)
            self.made.append(key)


def flags(server: Server) -> set[str]:
    answer = server.client().get(f"{API}/flags?limit=500")
    assert answer.status_code == 200
    return {flag["key"] for flag in answer.json()["items"]}


@pytest.mark.timeout(300)  # two servers and four commands
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.full)])
def test_what_was_acknowledged_before_a_backup_is_there_after_its_restore(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The server is written to meanwhile. What came later is gone, and its tag matches nothing."""
    url = None
    if engine == "postgresql":
        url = request.getfixturevalue("postgres_dsn")
    environment = {} if url is None else {"DATABASE_URL": url}
    data, file = tmp_path / "data", tmp_path / "backup"
    words = ["--data", str(data)]
    with serving(data, admin_key=ADMIN_KEY, database_url=url) as server:
        key = server.new_key("read")
        server.new_flag("first")
        writer = Writer(server)
        writer.start()
        try:
            while len(writer.made) < 5:
                assert writer.is_alive()
            before = {"first", *writer.made}
            done = quartet("backup", *words, str(file), environment=environment)
        finally:
            writer.stop.set()
            writer.join()
        assert done.returncode == 0, done.stderr
        server.new_flag("lost")
        lost = server.client().get(f"{API}/flags/lost").headers["etag"]
        if url is None:
            refused = quartet("restore", "--force", *words, str(file), environment=environment)
            assert (refused.returncode, "stop the server" in refused.stderr) == (2, True)
            assert "lost" in flags(server)

    refused = quartet("restore", *words, str(file), environment=environment)
    assert (refused.returncode, "--force" in refused.stderr) == (2, True)
    done = quartet("restore", "--force", *words, str(file), environment=environment)
    assert done.returncode == 0, done.stderr
    with serving(data, admin_key=ADMIN_KEY, database_url=url) as server:
        there = flags(server)
        assert before <= there
        assert there <= {"first", *writer.made}
        assert server.client(key).get(f"{API}/flags/first").status_code == 200
        server.new_flag("lost", description="another of that name")
        again = server.client().get(f"{API}/flags/lost", headers={"If-None-Match": lost})
        assert (again.status_code, again.json()["description"]) == (200, "another of that name")
        deleted = server.client().delete(f"{API}/flags/lost", headers={"If-Match": lost})
        assert deleted.status_code == 412
