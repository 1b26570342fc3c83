"""The wish to stop, which open event streams have to hear."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress


class Stopping:
    """Set once, from a signal's handler or any thread; asked by threads, awaited by tasks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set = False
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def is_set(self) -> bool:
        """Whether the server was asked to stop."""
        return self._set

    def set(self) -> None:
        """Ask everybody to stop."""
        self._set = True
        # No lock: a signal's handler may interrupt the thread that holds it.
        for loop, event in tuple(self._waiting):
            with suppress(RuntimeError):  # a loop that has ended; the others must still hear
                loop.call_soon_threadsafe(event.set)

    async def wait(self) -> None:
        """Return when the server was asked to stop."""
        waiter = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._waiting.add(waiter)
        try:
            if not self._set:
                await waiter[1].wait()
        finally:
            with self._lock:
                self._waiting.discard(waiter)
