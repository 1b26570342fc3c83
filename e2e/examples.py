"""The examples on a product's page for its customers, and a wire on which two of them meet."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from harness import node

WITHIN = 30.0
_BETWEEN = {"connection", "content-length", "host", "transfer-encoding", "keep-alive"}
"""Fields of one connection, which are not handed on."""


# -- the page ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """One program of the page, with the name of the file that the page gives it."""

    name: str
    file: str
    source: str


class Page(HTMLParser):
    """What the page has: its examples by name, and of each operation what stands beside it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.examples: dict[str, Example] = {}
        self.operations: dict[str, list[str]] = {}
        self.statuses: dict[str, list[str]] = {}
        self._within: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not self._within:
            return
        tag, has = self._within[-1]
        tags = [name for name, _ in self._within]
        if "data-file" in has:
            self.examples[has["id"]] = Example(has["id"], has["data-file"], data)
        elif has.get("class") == "operation":
            self.operations[data] = []
            self.statuses[data] = []
        elif has.get("class") == "chip" and "summary" in tags:
            self.operations[next(reversed(self.operations))].append(data)
        elif tag == "code" and "dt" in tags and "details" in tags:
            self.statuses[next(reversed(self.statuses))].append(data)


# -- running them ----------------------------------------------------------------------------------


def begin(example: Example, folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Run an example in a folder; what it prints is its output."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / example.file).write_text(example.source + "\n", "utf-8")
    program = {".sh": "sh", ".py": sys.executable, ".mjs": str(node.executable())}
    words = [program[Path(example.file).suffix], example.file]
    return subprocess.Popen(
        words,
        cwd=folder,
        env=os.environ | dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(running: subprocess.Popen[str]) -> list[str]:
    """The lines that it printed; AssertionError with what it said where it failed."""
    printed, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    return printed.splitlines()


# -- where two meet --------------------------------------------------------------------------------


@dataclass
class Wire:
    """Hands requests on. In a `meeting` no edit is sent on before all have read."""

    url: str
    target: str = ""
    _meeting: threading.Barrier | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _waiting: int = 0

    @contextmanager
    def meeting(self, writers: int) -> Iterator[None]:
        """The first edits of so many writers meet: each has read what the others will change."""
        self._meeting, self._waiting = threading.Barrier(writers), writers
        yield
        self._meeting = None

    def arrive(self, method: str) -> None:
        """Wait for the others, if this is the first edit of one of them."""
        with self._lock:
            barrier = self._meeting if method == "PUT" and self._waiting > 0 else None
            self._waiting -= barrier is not None
        if barrier is not None:
            barrier.wait(WITHIN)


@contextmanager
def wire() -> Iterator[Wire]:
    """A wire that listens; set its `target` before anybody uses it."""
    with httpx.Client(timeout=WITHIN) as client, _listening(client) as made:
        yield made


@contextmanager
def _listening(client: httpx.Client) -> Iterator[Wire]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _hand_on(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)
            made.arrive(self.command)
            fields = [(k, v) for k, v in self.headers.items() if k.lower() not in _BETWEEN]
            answer = client.request(
                self.command, made.target + self.path, content=content, headers=fields
            )
            self.send_response_only(answer.status_code)
            kept = _BETWEEN | {"content-encoding"}
            for name, value in answer.headers.multi_items():
                if name.lower() not in kept:
                    self.send_header(name, value)
            if answer.status_code not in (204, 304):
                self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            if answer.status_code not in (204, 304):
                self.wfile.write(answer.content)

        do_GET = do_PUT = do_POST = _hand_on  # noqa: N815 (the names that it is called by)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Wire(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()
