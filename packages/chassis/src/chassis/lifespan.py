"""Starting and stopping an application that is served within another one.

Starlette's Mount leaves the lifespan of what it mounts to somebody else: to us.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp, Message


class StartFailed(RuntimeError):
    """An application said that it cannot start."""


class Lifespan:
    """The lifespan protocol of one application, seen from the server's side.

    `state` is what the application's requests get as their state.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when the application is ready; raises StartFailed, or what it raised."""
        self._task = asyncio.create_task(self._run())
        await self._ask("startup")

    async def stop(self) -> None:
        """Return when the application has cleaned up; raises StartFailed, or what it raised."""
        await self._ask("shutdown")
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        await self._app(scope, self._to_app.get, self._from_app.put)

    async def _ask(self, what: str) -> None:
        assert self._task is not None  # noqa: S101 (start comes first)
        await self._to_app.put({"type": f"lifespan.{what}"})
        answer = asyncio.create_task(self._from_app.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            self._task.result()  # raises what the application raised
            return
        if answer.result()["type"] != f"lifespan.{what}.complete":
            message = answer.result().get("message") or "it gave no reason"
            raise StartFailed(f"An application failed at its {what}: {message}")
