"""What clients were told, while servers are killed and the database crashes: is it what happened?

Some server processes share one database. Clients read rows and replace them under If-Match, over
HTTP, with words that were never there before, and note what they hear. A nemesis kills servers with
SIGKILL and starts others, and lets PostgreSQL crash and recover. In the end
`ifmatch.testing.history` is asked whether the acknowledged writes of each row are one chain.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.tables import Place, create, first_word, places, words
from harness import postgres
from ifmatch import state_tag
from ifmatch.testing.history import Outcome, Read, Report, Write, check

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 20.0
"""Seconds that a client waits for an answer; then the outcome is unknown."""


@dataclass(frozen=True)
class Trial:
    """How many of whom, and how often what happens to them."""

    place: Place
    postgresql: postgres.Server | None = None
    rows: int = 8
    clients: int = 8
    servers: int = 2
    kills: int = 3
    crashes: int = 0
    pause: float = 0.7
    taken_out: str = ""


@dataclass(frozen=True)
class Happened:
    """What came of a trial; `odd` are answers that no server may give."""

    trial: Trial
    report: Report
    reads: int
    odd: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        trial = self.trial
        without = f", {trial.taken_out} taken out" if trial.taken_out else ""
        return (
            f"history: {trial.place.dialect}{without}, {trial.servers} servers, {trial.clients} "
            f"clients, {trial.kills} kill -9, {trial.crashes} crashes of the database, "
            f"{self.seconds:.0f} s, {self.reads:,} reads: {str(self.report).splitlines()[0]}"
        )


def run(trial: Trial) -> Happened:
    """Let the clients work until the nemesis has done all it came for."""
    create(trial.place, trial.rows)
    began = time.monotonic()
    with fleet(trial) as servers, ThreadPoolExecutor(trial.clients) as pool:
        clients = [Client(f"client {n}", servers, trial.rows) for n in range(trial.clients)]
        over = threading.Event()
        working = [pool.submit(client.work, over) for client in clients]
        try:
            haunt(trial, servers)
        finally:
            over.set()
        for one in working:
            one.result()
    if trial.postgresql is not None:
        _wait_until_alone(trial.place)
    writes = [write for client in clients for write in client.writes]
    reads = [read for client in clients for read in client.reads]
    start = {row: first_word(row) for row in range(1, trial.rows + 1)}
    return Happened(
        trial,
        check(writes, reads, start=start, final=words(trial.place)),
        len(reads),
        tuple(line for client in clients for line in client.odd),
        time.monotonic() - began,
    )


def haunt(trial: Trial, servers: list[Running]) -> None:
    """Kill and crash, in any order, with pauses; the last pause lets everybody recover."""
    acts = ["kill"] * trial.kills + ["crash"] * trial.crashes
    random.shuffle(acts)
    for act in acts:
        time.sleep(random.uniform(0.5, 1.5) * trial.pause)
        if act == "kill":
            random.choice(servers).replace()
        elif trial.postgresql is not None:
            trial.postgresql.restart(crash=True)
    time.sleep(trial.pause)


def _wait_until_alone(place: Place) -> None:
    """A COMMIT of a server that was killed may still be on its way."""
    deadline = time.monotonic() + 20
    others = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    while place.execute(others) != [(0,)]:
        if time.monotonic() > deadline:
            raise TimeoutError("Connections of servers that were killed are still open.")
        time.sleep(0.05)


# -- servers --------------------------------------------------------------------------------------


class Running:
    """A server process, and those that come after it."""

    def __init__(self, trial: Trial) -> None:
        place = trial.place
        self._words = ["-m", "benchmarks.served", place.dialect, place.address, trial.taken_out]
        self._start()

    def _start(self) -> None:
        process = subprocess.Popen(
            [sys.executable, *self._words], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert process.stdout
        with process.stdout as printed:
            self.port = int(printed.readline())
        self.process = process

    def replace(self) -> None:
        """Kill it, and start another one at another port."""
        self.kill()
        self._start()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def fleet(trial: Trial) -> Iterator[list[Running]]:
    """Servers for the length of a block."""
    servers: list[Running] = []
    try:
        servers += [Running(trial) for _ in range(trial.servers)]
        yield servers
    finally:
        for server in servers:
            server.kill()


# -- clients --------------------------------------------------------------------------------------


@dataclass
class Client:
    """Edits one row after the other and notes what it was told."""

    name: str
    servers: list[Running]
    rows: int
    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    held: tuple[int, http.client.HTTPConnection] | None = None

    def work(self, over: threading.Event) -> None:
        while not over.is_set():
            try:
                self.edit(random.randrange(self.rows) + 1)
            except (OSError, http.client.HTTPException):
                self.hang_up()
                time.sleep(0.02)
        self.hang_up()

    def edit(self, row: int) -> None:
        """Read a row and replace it; raises OSError or HTTPException where nothing was sent."""
        began = time.monotonic()
        status, etag, body = self.ask("GET", row)
        if status != 200:
            self.expect(status >= 500, f"GET: {status}")
            return
        now = json.loads(body)
        self.expect(etag == str(state_tag(now)), f"GET: {body!r} under {etag}")
        self.reads.append(Read(row, now["word"], self.name, began, time.monotonic()))

        word = f"{self.name}, edit {len(self.writes)}"
        began = time.monotonic()
        connection = self.connection()
        if connection.sock is None:
            connection.connect()  # what fails here was not sent
        try:
            status, etag, body = self.ask("PUT", row, {**now, "word": word}, etag)
        except (OSError, http.client.HTTPException):
            self.hang_up()
            status = 0
        outcome = {200: Outcome.ACKNOWLEDGED, 412: Outcome.REFUSED}.get(status, Outcome.UNKNOWN)
        ended = None if outcome is Outcome.UNKNOWN else time.monotonic()
        self.writes.append(Write(row, now["word"], word, outcome, self.name, began, ended))
        self.expect(status in (0, 200, 412) or status >= 500, f"PUT: {status}")
        if status == 200:
            wish = {**now, "word": word}
            self.expect(json.loads(body) == wish, f"PUT {wish} was answered with {body!r}")
            self.expect(etag == str(state_tag(wish)), f"PUT: {body!r} under {etag}")

    def expect(self, right: bool, otherwise: str) -> None:
        if not right:
            self.odd.append(otherwise)

    # -- the wire ------------------------------------------------------------------------------

    def connection(self) -> http.client.HTTPConnection:
        """To the server that was spoken to last, if it is still there; else to any."""
        if self.held is None or self.held[0] not in [server.port for server in self.servers]:
            self.hang_up()
            port = random.choice(self.servers).port
            self.held = port, http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        return self.held[1]

    def ask(
        self, method: str, row: int, value: Any = None, etag: str | None = None
    ) -> tuple[int, str | None, bytes]:
        """The status, the ETag and the content of an answer."""
        connection = self.connection()
        fields = {"Content-Type": "application/json", "If-Match": etag} if etag else {}
        content = None if value is None else json.dumps(value)
        connection.request(method, f"/{row}", content, fields)
        answer = connection.getresponse()
        return answer.status, answer.headers["ETag"], answer.read()

    def hang_up(self) -> None:
        if self.held is not None:
            self.held[1].close()
            self.held = None


# -- the command ----------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """`dev.py bench history`: 1 where a history is not as it should be."""
    parser = argparse.ArgumentParser(prog="dev.py bench history", description=__doc__)
    for name, value in (("clients", 16), ("servers", 3), ("rows", 16), ("kills", 20)):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{value} if not said")
    parser.add_argument("--crashes", type=int, default=10, help="of PostgreSQL; 10 if not said")
    sizes = vars(parser.parse_args(arguments))
    with places() as (sqlite, postgresql, server):
        on_sqlite = Trial(sqlite, **(sizes | {"crashes": 0}))
        on_postgresql = Trial(postgresql, server, **sizes)
        right = [_told(trial) for trial in (on_sqlite, on_postgresql)]
        twins = [replace(on_sqlite, taken_out="guard", rows=1, kills=2)]
        twins += [replace(on_postgresql, taken_out=part) for part in ("guard", "durability")]
        wrong = [_told(trial) for trial in twins]
    with places(durable=False) as (_, postgresql, server):
        wrong.append(_told(replace(on_postgresql, place=postgresql, postgresql=server)))
    good = all(one.report.sound and not one.odd for one in right)
    return 0 if good and not any(one.report.sound for one in wrong) else 1


def _told(trial: Trial) -> Happened:
    happened = run(trial)
    print(happened, flush=True)
    for line in happened.odd:
        print(f"  odd: {line}")
    return happened
