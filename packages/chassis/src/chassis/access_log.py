"""A line for each request, without what must not be in a log."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.headers import request_id

log = logging.getLogger("chassis.access")

_LONG = 20


class AccessLog:
    """Logs method, path, status, time and the request's number; never a query."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.perf_counter(), 0

        async def noticing(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noticing)
        finally:
            took = (time.perf_counter() - began) * 1000
            shown = shorten(scope["path"])
            number = request_id(scope)
            log.info("%s %s %d %.1f ms %s", scope["method"], shown, status, took, number)


def shorten(path: str) -> str:
    """The path with long parts cut: ping keys and public links are secrets in a path.

    >>> shorten("/cronping/ping/3b1f0a52-7c0e-4a2b-9b55-0a3f8e6f1c11")
    '/cronping/ping/3b1f…'
    """
    parts = (f"{part[:4]}…" if len(part) >= _LONG else part for part in path.split("/"))
    return "/".join(parts).encode("unicode_escape" if not path.isprintable() else "utf-8").decode()
