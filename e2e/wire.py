"""HTTP over a bare socket, for what no client library would send, or would not show.

answer = ask(server.port, "PUT", path, fields, announced=2_000_000)   # and never sent
answer.status, answer.interim                                        # 412, no 100 Continue
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO

PATIENCE = 20.0
"""Seconds after which an answer counts as not given."""

Fields = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """What came back: `interim` are the statuses before the last one, such as 100."""

    status: int
    fields: tuple[tuple[str, str], ...]
    content: bytes
    interim: tuple[int, ...]
    seconds: float

    def field(self, name: str) -> str | None:
        """The value of a field, its lines joined; None where there is none."""
        values = [value for known, value in self.fields if known == name.lower()]
        return ", ".join(values) if values else None


def head(method: str, path: str, fields: Fields) -> bytes:
    """The head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def ask(
    port: int,
    method: str,
    path: str,
    fields: Fields = (),
    content: bytes = b"",
    *,
    announced: int | None = None,
) -> Answer:
    """Send one request and wait for its answer.

    `announced` is the Content-Length, where it is not that of the content that is sent.
    """
    length = len(content) if announced is None else announced
    more = [] if length == 0 and not content else [("Content-Length", str(length))]
    request = head(method, path, [*fields, *more]) + content
    return exchange(port, lambda line: line.sendall(request), to_head=method == "HEAD")


def exchange(port: int, send: Callable[[socket.socket], None], *, to_head: bool = False) -> Answer:
    """Whatever `send` sends, and the first answer to it."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        begun = time.monotonic()
        send(line)
        with line.makefile("rb") as stream:
            return _read(stream, begun, to_head=to_head)


def _read(stream: IO[bytes], begun: float, *, to_head: bool) -> Answer:
    interim: list[int] = []
    while True:
        status_line = stream.readline()
        if not status_line.startswith(b"HTTP/1.1 "):
            raise ConnectionError(f"no answer, but {status_line!r}")
        status = int(status_line.split()[1])
        fields = tuple(_fields(stream))
        if status >= 200:
            break
        interim.append(status)
    known = dict(fields)
    if to_head or status in (204, 304):
        content = b""
    elif "content-length" in known:
        content = stream.read(int(known["content-length"]))
    elif known.get("transfer-encoding") == "chunked":
        content = b"".join(_chunks(stream))
    else:
        content = b""
    return Answer(status, fields, content, tuple(interim), time.monotonic() - begun)


def _fields(stream: IO[bytes]) -> Iterable[tuple[str, str]]:
    while (line := stream.readline().rstrip(b"\r\n")) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        yield name.lower(), value.strip()


def _chunks(stream: IO[bytes]) -> Iterable[bytes]:
    while size := int(stream.readline(), 16):
        yield stream.read(size)
        stream.readline()


def until_closed(port: int, request: bytes) -> bytes:
    """Everything that comes back until the server closes; the request should ask it to."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        line.sendall(request)
        parts = []
        while part := line.recv(65536):
            parts.append(part)
        return b"".join(parts)
