"""What counting costs: a metered application beside the bare one, each under uvicorn.

There is no network: bytes are handed to uvicorn's own protocol, and what it writes is dropped. So
the peer is a request as a server pays for it, parsing included, and the least that one can cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from benchmarks.rounds import Line, LongWork, compare
from ifmatch.server.metrics import Exchange, MeteredMiddleware
from ifmatch.server.prometheus import PrometheusMeter

BATCH = 100
TAG = b'W/"0123456789abcdef"'
REQUEST = b"\r\n".join(
    [
        b"GET /api/v1/flags/dark-mode HTTP/1.1",
        b"Host: flags.example.org",
        b"User-Agent: a-poller/1.0",
        b"Accept: application/json",
        b"Authorization: Bearer 0123456789abcdef0123456789abcdef",
        b"If-None-Match: " + TAG,
        b"\r\n",
    ]
)
App = Callable[[Any, Any, Any], Any]


class _Nowhere(asyncio.Transport):
    """A connection whose other end takes everything."""

    def write(self, data: Any) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Connection:
    """One connection that stays open, to an application under uvicorn."""

    def __init__(self, app: App) -> None:
        config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none")
        config.load()
        self._state, self._loop = ServerState(), asyncio.new_event_loop()
        self._protocol = HttpToolsProtocol(config, self._state, {}, self._loop)
        self._protocol.connection_made(_Nowhere())

    def ask(self) -> None:
        """A batch of requests, one after the other."""
        self._loop.run_until_complete(self._ask())

    async def _ask(self) -> None:
        for _ in range(BATCH):
            self._protocol.data_received(REQUEST)
            await next(iter(self._state.tasks))


def bare(status: int, content: bytes) -> App:
    """An application that sends one answer, whatever is asked."""
    fields = [(b"etag", TAG), (b"cache-control", b"private, no-cache")]
    if status == 200:
        fields += [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(content)),
        ]

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": content})

    return app


def lines() -> Iterator[Line]:
    """Counting alone, and into Prometheus' counters."""
    answers = {"304": bare(304, b""), "200 of 10 kB": bare(200, b"x" * 10_000)}
    for name, app in answers.items():
        peer = LongWork("ask()", ask=Connection(app).ask)
        meter = PrometheusMeter(CollectorRegistry()).recorder()
        for what, record in {"counted": _nothing, "in Prometheus' counters": meter}.items():
            metered = MeteredMiddleware(app, record, route=lambda _scope: "/api/v1/flags/{key}")
            ours = LongWork("ask()", ask=Connection(metered).ask)
            yield compare(f"{name}, {what} / the bare app under uvicorn", ours, peer)


def _nothing(_exchange: Exchange) -> None:
    pass
