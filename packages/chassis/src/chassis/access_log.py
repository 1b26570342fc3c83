"""A line for each request, without what must not be in a log."""

from __future__ import annotations

import logging
import time
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from chassis import logs
from chassis.headers import request_id

log = logging.getLogger("chassis.access")

_LONG = 20


class AccessLog:
    """Makes the request known to every line of the log that is written during it.

    With `lines`, also writes one of its own: method, path, status, time; never a query. In JSON
    there are the route, the bytes sent, the product and the key's id besides.
    """

    def __init__(self, app: ASGIApp, *, lines: bool = True) -> None:
        self._app = app
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, request = time.perf_counter(), logs.Request(request_id(scope))
        token = logs.enter(request)
        try:
            await self._app(scope, receive, send)
        finally:
            if self._lines:
                _write(scope, request, (time.perf_counter() - began) * 1000)
            logs.leave(token)


def _write(scope: Scope, request: logs.Request, took: float) -> None:
    path, done = shorten(scope["path"]), request.exchange
    status = 0 if done is None else done.status
    members: dict[str, Any] = {
        "method": scope["method"],
        "path": path,
        "status": status,
        "duration_ms": round(took, 2),
        "product": request.product,
    }
    if done is not None:
        members |= {"route": done.route, "bytes": done.sent}
    if request.key_id is not None:
        members["key"] = request.key_id
    line = "%s %s %d %.1f ms"
    log.info(line, scope["method"], path, status, took, extra={logs.MEMBERS: members})


def shorten(path: str) -> str:
    """The path with long parts cut: ping keys and public links are secrets in a path.

    >>> shorten("/cronping/ping/3b1f0a52-7c0e-4a2b-9b55-0a3f8e6f1c11")
    '/cronping/ping/3b1f…'
    """
    return logs.visible(
        "/".join(f"{part[:4]}…" if len(part) >= _LONG else part for part in path.split("/"))
    )
