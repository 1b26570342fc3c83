"""Many clients that write at the same moment, and what came of it.

Each client keeps one connection open. All send their requests but for the last byte; when every
server has had time to judge them early, the last bytes follow together. So the servers' threads
meet in the step that writes, where nothing but the guard keeps them apart.

    async with crowd(servers, 32) as clients:
        answers = await together(clients, [Ask("PUT", path, content, {"If-Match": tag}), ...])
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from e2e.program import API, Server

PATIENCE = 60.0
HELD_SECONDS = 0.05
MERGE_PATCH = "application/merge-patch+json"


def rounds(usual: int) -> int:
    """How many rounds to run: RACE_ROUNDS, where it is set."""
    return int(os.environ.get("RACE_ROUNDS", usual))


@dataclass(frozen=True)
class Ask:
    """One request; `content` is sent as JSON."""

    method: str
    path: str
    content: Any = None
    fields: Mapping[str, str] = field(default_factory=dict)

    def bytes(self, key: str) -> bytes:
        """The request as it goes over the wire."""
        body = b"" if self.content is None else json.dumps(self.content).encode()
        kind = MERGE_PATCH if self.method == "PATCH" else "application/json"
        fields = {"Host": "127.0.0.1", "Authorization": f"Bearer {key}"} | dict(self.fields)
        if body:
            fields |= {"Content-Type": kind, "Content-Length": str(len(body))}
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 where the connection broke before an answer did."""

    status: int
    fields: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def won(self) -> bool:
        return 200 <= self.status < 300

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def etag(self) -> str:
        return self.fields["etag"]


NO_ANSWER = Answer(0)


class Client:
    """One connection to one server, opened anew when the server has closed it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, ask: Ask) -> Answer:
        """Send a request and return its answer."""
        return await self.finish(await self.begin(ask))

    async def begin(self, ask: Ask) -> bytes:
        """Send all but the last byte, and return that."""
        if self._reader is None or self._reader.at_eof() or self._writer is None:
            await self._open()
        assert self._writer is not None
        request = ask.bytes(self.server.admin_key)
        self._writer.write(request[:-1])
        await self._writer.drain()
        return request[-1:]

    async def finish(self, last: bytes) -> Answer:
        """Send the last byte and return the answer."""
        assert self._writer is not None
        try:
            self._writer.write(last)
            return await asyncio.wait_for(self._read(), PATIENCE)
        except (OSError, asyncio.IncompleteReadError):
            await self.close()
            return NO_ANSWER

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _open(self) -> None:
        await self.close()
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.server.port)

    async def _read(self) -> Answer:
        assert self._reader is not None
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.split(":", 1) for line in head[1:] if line)
        fields = {name.lower(): value.strip() for name, value in pairs}
        body = await self._reader.readexactly(int(fields.get("content-length", 0)))
        return Answer(int(head[0].split()[1]), fields, body)


@asynccontextmanager
async def crowd(servers: Sequence[Server], size: int) -> AsyncIterator[list[Client]]:
    """Clients, dealt out to the servers in turn."""
    clients = [Client(servers[number % len(servers)]) for number in range(size)]
    try:
        yield clients
    finally:
        for client in clients:
            await client.close()


async def together(
    clients: Sequence[Client], asks: Sequence[Ask], *, hold: float = HELD_SECONDS
) -> list[Answer]:
    """Let each client send its request, the last bytes all at once; the answers in that order."""
    pairs = list(zip(clients, asks, strict=True))
    random.shuffle(pairs)
    last = await asyncio.gather(*(client.begin(ask) for client, ask in pairs))
    await asyncio.sleep(hold)
    finishes = [client.finish(byte) for (client, _), byte in zip(pairs, last, strict=True)]
    answers = dict(
        zip((client for client, _ in pairs), await asyncio.gather(*finishes), strict=True)
    )
    return [answers[client] for client in clients]


# -- flags to race for ----------------------------------------------------------------------------


def path(key: str) -> str:
    """Where a flag is."""
    return f"{API}/flags/{key}"


def content(text: str) -> dict[str, Any]:
    """A boolean flag with that description."""
    return {
        "type": "boolean",
        "description": text,
        "variants": {"on": True, "off": False},
        "default_variant": "off",
        "off_variant": "off",
    }


async def make(client: Client, key: str, text: str = "first") -> str:
    """A new flag; its tag."""
    answer = await client.ask(Ask("POST", f"{API}/flags", content(text) | {"key": key}))
    assert answer.status == 201, answer
    return answer.etag


async def history(client: Client, key: str) -> list[dict[str, Any]]:
    """What the audit says of a flag itself, the oldest first."""
    page, entries = f"{API}/audit?flag={key}&limit=500", []
    while page:
        answer = await client.ask(Ask("GET", page))
        assert answer.status == 200, answer
        entries += [entry for entry in answer.json["items"] if entry["kind"] == "flag"]
        more = answer.json["next"]
        page = more and f"{API}/audit?flag={key}&limit=500&cursor={more}"
    return entries[::-1]


# -- what came of it ------------------------------------------------------------------------------


@dataclass
class Figures:
    """What a race came to: how often each status was answered, and each promise that broke."""

    name: str
    rounds: int = 0
    winners: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    def count(self, answers: Iterable[Answer]) -> None:
        """Take the answers of a round."""
        answers = list(answers)
        self.rounds += 1
        self.winners += sum(answer.won for answer in answers)
        self.statuses.update(answer.status for answer in answers)
        self.seconds = time.monotonic() - self.begun

    def expect(self, held: bool, otherwise: str) -> None:
        """Note a broken promise."""
        if not held:
            self.violations.append(f"round {self.rounds}: {otherwise}")

    def __str__(self) -> str:
        statuses = ", ".join(
            f"{count}x {status}" for status, count in sorted(self.statuses.items())
        )
        return (
            f"{self.name}: {self.rounds} rounds, {self.winners} winners, {statuses}, "
            f"{len(self.violations)} violations, {self.seconds:.1f} s"
        )


Report = Callable[[Figures], None]
