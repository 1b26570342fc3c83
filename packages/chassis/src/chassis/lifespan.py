"""Starting and stopping an application that is served within another one.

Starlette's Mount leaves the lifespan of what it mounts to somebody else: to us.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp, Message

_HEARS_WITHIN = 1.0
"""Seconds that a cancelled application has to end."""


class StartFailed(RuntimeError):
    """An application said that it cannot start."""


class StopHangs(RuntimeError):
    """An application did not stop in time, and was left behind."""


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

    async def stop(self, within: float | None = None) -> None:
        """Return when the application has cleaned up; raises StartFailed, or what it raised.

        Raises StopHangs after `within` seconds, when it was cancelled and did not even hear that.
        """
        assert self._task is not None  # noqa: S101 (start comes first)
        try:
            async with asyncio.timeout(within):
                await self._ask("shutdown")
                await asyncio.wait({self._task})
        except TimeoutError:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_HEARS_WITHIN)
            raise StopHangs(f"An application did not stop within {within:g} seconds.") from None
        self._task.result()  # raises what the application raised

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        await self._app(scope, self._to_app.get, self._from_app.put)

    async def _ask(self, what: str) -> None:
        assert self._task is not None  # noqa: S101 (start comes first)
        await self._to_app.put({"type": f"lifespan.{what}"})
        answer = asyncio.create_task(self._from_app.get())
        try:
            await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not answer.done():
                answer.cancel()
        if not answer.done():
            self._task.result()  # raises what the application raised
            return
        if answer.result()["type"] != f"lifespan.{what}.complete":
            message = answer.result().get("message") or "it gave no reason"
            raise StartFailed(f"An application failed at its {what}: {message}")
