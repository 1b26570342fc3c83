"""The ASGI application: the front, and each product under its name."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis import logs
from chassis.access_log import AccessLog
from chassis.front import front
from chassis.installation import Installation
from chassis.lifespan import Lifespan
from chassis.metrics import Metrics
from chassis.problem_links import ProblemLinks
from chassis.problems import Unhandled
from chassis.savings import FRONT
from ifmatch.server.metrics import Exchange, MeteredMiddleware

log = logging.getLogger("chassis.application")

_HOUSEKEEPING_SECONDS = 30.0
_MEASURING_SECONDS = 5.0
STOPS_WITHIN = 10.0
"""Seconds that a product has to clean up in; what still runs then is left behind."""


class Application:
    """Serves an installation; closes it when the server has stopped."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self._prefix = installation.settings.prefix
        self._metrics = Metrics(installation.databases, installation.shared)
        products = {
            product.name: product.create(installation.context(product))
            for product in installation.products
        }
        self._lifespans = {name: Lifespan(app) for name, app in products.items()}
        self._products = {name: self._metered(name, app) for name, app in products.items()}
        self._front = self._metered(FRONT, front(installation, self._metrics))
        self._to_product = self._metered(FRONT, _redirect)
        links = ProblemLinks(installation.problem_types, self._prefix)
        answering = Unhandled(self._dispatch, outermost=True, links=links)
        self._http = AccessLog(answering, lines=installation.settings.access_log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or the whole life of the application."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            raise RuntimeError(f"{scope['type']} is not served here")

    # -- requests -----------------------------------------------------------------------------

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        """To the product whose name is the first part of the path, or to the front.

        A proxy may have taken its prefix off the path or not: both are understood, and within,
        `path` always begins with `root_path`, as ASGI has it.
        """
        prefix, path = self._prefix, scope["path"]
        if prefix and not (path == prefix or path.startswith(f"{prefix}/")):
            path = prefix + path
        name, separator, _ = path[len(prefix) + 1 :].partition("/")
        app = self._products.get(name)
        if app is None:
            await self._front({**scope, "path": path, "root_path": prefix}, receive, send)
            return
        if not separator:
            await self._to_product({**scope, "path": path}, receive, send)
            return
        inner = {
            **scope,
            "path": path,
            "root_path": f"{prefix}/{name}",
            "state": {**self._lifespans[name].state},
        }
        await app(inner, receive, send)

    def _metered(self, name: str, app: ASGIApp) -> MeteredMiddleware:
        savings = self.installation.savings
        count, record = savings.counter(name), self._metrics.recorder(name)

        def done(exchange: Exchange) -> None:
            count(exchange)
            record(exchange)
            request = logs.current()
            if request is not None:
                request.product, request.exchange = name or "front", exchange

        metered = MeteredMiddleware(app, done, lengths=savings.lengths)
        self._metrics.watch_in_flight(name, lambda: metered.in_flight)
        return metered

    # -- starting and stopping ------------------------------------------------------------------

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        started: list[Lifespan] = []
        chores: list[asyncio.Task[None]] = []
        try:
            with _hearing_signals(self.installation):
                try:
                    for lifespan in self._lifespans.values():
                        await lifespan.start()
                        started.append(lifespan)
                    chores = [asyncio.create_task(self._housekeeping())]
                    chores.append(asyncio.create_task(self._measuring()))
                    if multiprocessing.parent_process() is not None:
                        chores.append(
                            asyncio.create_task(_leave_with_parent(self.installation.shared))
                        )
                except Exception as error:
                    log.exception("a product failed to start")
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
                await receive()
        finally:
            await self._stop(started, chores)
        await send({"type": "lifespan.shutdown.complete"})

    async def _stop(self, started: list[Lifespan], chores: list[asyncio.Task[None]]) -> None:
        self.installation.stopping.set()
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)
        # At once, since none needs another: one that hangs does not take the time of the rest.
        ends = (lifespan.stop(STOPS_WITHIN) for lifespan in started)
        for end in await asyncio.gather(*ends, return_exceptions=True):
            if isinstance(end, BaseException):
                log.error("a product failed to stop cleanly", exc_info=end)
        with contextlib.suppress(Exception):  # it is only when keys were used last
            await asyncio.to_thread(self.installation.keys.write_last_used)
        self.installation.close()

    async def _housekeeping(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)
            try:
                await asyncio.to_thread(self.installation.keys.write_last_used)
            except Exception:
                log.exception("could not store when keys were used")
            try:
                await asyncio.to_thread(self.installation.prune_if_due)
            except Exception:
                log.exception("could not delete what is old")

    async def _measuring(self) -> None:
        """Other processes show what this one wrote down."""
        while True:
            self._metrics.refresh()
            await asyncio.sleep(_MEASURING_SECONDS)


async def _redirect(scope: Scope, receive: Receive, send: Send) -> None:
    """To the same path with a slash at its end."""
    await RedirectResponse(f"{scope['path']}/", 307)(scope, receive, send)


@contextmanager
def _hearing_signals(installation: Installation) -> Iterator[None]:
    """Set `stopping` as soon as the signal comes: open streams would hold up the server's stop.

    The server's own handler is called afterwards.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def hear(number: int, frame: Any) -> None:
        installation.stopping.set()
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    ours = [number for number, handler in before.items() if callable(handler)]
    for number in ours:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])


async def _leave_with_parent(shared: Path | None) -> None:
    """A worker whose parent was killed would keep the port for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 (asked before)
    gone, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(parent.sentinel, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(parent.sentinel)
    log.error("the parent process is gone; stopping")
    if shared is not None:
        shutil.rmtree(shared, ignore_errors=True)  # nobody else is left to do it
    os.kill(os.getpid(), signal.SIGTERM)
