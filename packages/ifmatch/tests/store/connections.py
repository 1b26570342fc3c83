"""Connections of psycopg that are used again, as in a pool, and a loop for what is awaited."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg


class Connections:
    """A block with a connection commits at its end, and the next block has the same one."""

    def __init__(self, address: str, **options: Any) -> None:
        self._address = address
        self._options = options
        self._idle: list[psycopg.Connection[Any]] = []

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            taken = self._idle.pop()
        except IndexError:
            taken = psycopg.connect(self._address, **self._options)
        try:
            with taken.transaction():
                yield taken
        finally:
            self._idle.append(taken)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


class AsyncConnections:
    """The same where it is awaited, on one loop."""

    def __init__(self, address: str, **options: Any) -> None:
        self._address = address
        self._options = options
        self._idle: list[psycopg.AsyncConnection[Any]] = []

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        connect = psycopg.AsyncConnection.connect
        taken = self._idle.pop() if self._idle else await connect(self._address, **self._options)
        try:
            async with taken.transaction():
                yield taken
        finally:
            self._idle.append(taken)

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()


class Loop:
    """An event loop that runs in a thread of its own; any thread has it await something."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, made: Coroutine[Any, Any, Any]) -> Any:
        """What it comes to, when it has."""
        return asyncio.run_coroutine_threadsafe(made, self._loop).result()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
