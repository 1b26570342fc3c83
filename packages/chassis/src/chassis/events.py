"""Event streams (server-sent events) that let the server stop.

    changes = Channel(context.stopping)

    @app.get("/events")
    async def events(request: Request) -> Response:
        return await changes.listen(request, context.authenticate.awaited)

    changes.publish('{"invoice": 7}', kind="changed")

A stream begins after authentication and ends by itself: when the server is asked to stop, when the
key is not valid any more, when the client has gone, or when it reads too slowly. A browser then
connects again, and says by Last-Event-ID what it had last. What it missed is sent if it is kept;
where it is not, or another process gave the id, an event of the kind `reset` says: read everything
anew.

A channel is of one process. With several, each process publishes what it learns of its database.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chassis.problems import Problem
from chassis.rights import Principal
from chassis.stopping import Stopping

LONGEST = 65_536
"""Characters of an event's data: it says what has changed, not all that there is."""

RESET = "reset"
"""The kind of the event which says that some were missed."""

Authorize = Callable[[Request], Awaitable[Principal]]

_RECHECK_SECONDS = 0.5  # and a key is remembered for as long: together, what a revoked one may hear
_SOONEST_RETRY, _LATEST_RETRY = 1000, 3000  # milliseconds; all at once would be a stampede
_FAREWELL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Event:
    """What listeners are told. Raises ValueError for what the format cannot say."""

    data: str
    kind: str
    id: str

    def __post_init__(self) -> None:
        if len(self.data) > LONGEST:
            said = (
                f"An event of {len(self.data)} characters. Send {LONGEST} at most, or an address."
            )
            raise ValueError(said)
        for name, text in (("kind", self.kind), ("id", self.id)):
            if not text or not text.isprintable():
                raise ValueError(f"The {name} of an event is {text!r}. Give printable characters.")

    def encode(self) -> bytes:
        """The event as it is sent; line ends within the data cannot end it."""
        lines = self.data.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        data = "".join(f"data: {line}\n" for line in lines)
        return f"id: {self.id}\nevent: {self.kind}\n{data}\n".encode("utf-8", "replace")


class Channel:
    """Tells events of one subject to everybody who listens in this process.

    - `kept` events are sent again to who missed them;
    - a listener who is `waiting` events behind, or takes none for `patience` seconds, is dropped;
    - `most` may listen at once;
    - every `heartbeat` seconds something is sent, so that proxies keep the connection.
    """

    def __init__(
        self,
        stopping: Stopping,
        *,
        kept: int = 1000,
        waiting: int = 100,
        most: int = 1000,
        heartbeat: float = 15.0,
        patience: float = 30.0,
    ) -> None:
        self._stopping = stopping
        self._waiting, self._most = waiting, most
        self._heartbeat, self._patience = heartbeat, patience
        self._lock = threading.Lock()
        self._kept: deque[Event] = deque(maxlen=kept)
        self._listeners: set[_Listener] = set()
        self._name = secrets.token_hex(4)
        self._count = 0

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    def publish(self, data: str, kind: str = "message", id: str | None = None) -> Event:  # noqa: A002
        """Tell everybody, from any thread; returns at once. Raises ValueError.

        `id` is for who can find the events after it again, in any process; without, one is made.
        """
        with self._lock:
            self._count += 1
            event = Event(data, kind, id or f"{self._name}-{self._count}")
            self._kept.append(event)
            for listener in self._listeners:
                listener.tell(event)
        return event

    async def listen(self, request: Request, authorize: Authorize) -> Response:
        """The answer that streams the events. Raises what `authorize` raises, and Problem 503.

        `authorize` is asked again while the stream is open: it ends when a key is revoked.
        """
        await authorize(request)
        if len(self._listeners) >= self._most:
            raise Problem(
                503,
                "too-many-listeners",
                f"{self._most} listen already. Close a stream, or try again in a minute.",
                headers={"Retry-After": "60"},
            )
        return _Stream(self, request, authorize)

    def _join(self, last: str | None) -> tuple[_Listener, list[Event]]:
        """A new listener, and what it missed since the event that it had last."""
        listener = _Listener(asyncio.get_running_loop(), self._waiting)
        with self._lock:
            missed = [] if last is None else self._since(last)
            self._listeners.add(listener)
        return listener, missed

    def _since(self, last: str) -> list[Event]:
        kept = [*self._kept]
        for at, event in enumerate(kept):
            if event.id == last:
                return kept[at + 1 :]
        newest = kept[-1].id if kept else f"{self._name}-{self._count}"
        return [Event("", RESET, newest)]

    def _leave(self, listener: _Listener) -> None:
        with self._lock:
            self._listeners.discard(listener)


@dataclass(eq=False, slots=True)
class _Listener:
    """What is still to be told to one client. Its queue belongs to the loop."""

    loop: asyncio.AbstractEventLoop
    waiting: int
    queue: deque[Event] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    dropped: bool = False

    def tell(self, event: Event) -> None:
        """From any thread."""
        with suppress(RuntimeError):  # its loop has ended, and so will it
            self.loop.call_soon_threadsafe(self._put, event)

    def _put(self, event: Event) -> None:
        if len(self.queue) >= self.waiting:
            self.dropped = True
            self.queue.clear()
        elif not self.dropped:
            self.queue.append(event)
        self.wake.set()

    async def next(self, seconds: float) -> list[Event]:
        """What there is to tell, as soon as there is any; nothing after that time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wake.wait()
        self.wake.clear()
        events = [*self.queue]
        self.queue.clear()
        return events


class _Stream(Response):
    """The answer to one listener."""

    def __init__(self, channel: Channel, request: Request, authorize: Authorize) -> None:
        self._channel, self._request, self._authorize = channel, request, authorize
        self._last = request.headers.get("last-event-id")
        super().__init__(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # nginx would collect events otherwise
            }
        )
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            await self._begin(send)
        else:
            # From here on nothing is missed: who has seen the answer begin may rely on that.
            listener, missed = self._channel._join(self._last)
            try:
                await self._begin(send)
                await self._stream(listener, missed, receive, send)
            finally:
                self._channel._leave(listener)
        with suppress(TimeoutError):  # who does not read does not hear the end, either
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await send({"type": "http.response.body", "body": b""})

    async def _begin(self, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )

    async def _stream(
        self, listener: _Listener, missed: list[Event], receive: Receive, send: Send
    ) -> None:
        """Send until there is a reason to end: whichever comes first."""
        reasons = [
            asyncio.create_task(self._channel._stopping.wait()),
            asyncio.create_task(_gone(receive)),
            asyncio.create_task(self._tell(listener, missed, send)),
        ]
        try:
            await asyncio.wait(reasons, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for reason in reasons:
                reason.cancel()
            ended = await asyncio.gather(*reasons, return_exceptions=True)
        for one in ended:
            if isinstance(one, Exception) and not isinstance(one, TimeoutError | HTTPException):
                raise one

    async def _tell(self, listener: _Listener, missed: Iterable[Event], send: Send) -> None:
        """Everything, until it is dropped. Raises TimeoutError or what `authorize` raises."""
        retry = _SOONEST_RETRY + secrets.randbelow(_LATEST_RETRY - _SOONEST_RETRY)
        await self._send(f"retry: {retry}\n\n".encode() + _together(missed), send)
        checked = time.monotonic()
        while not listener.dropped:
            events = await listener.next(self._channel._heartbeat)
            if not events or time.monotonic() - checked > _RECHECK_SECONDS:
                await self._authorize(self._request)
                checked = time.monotonic()
            await self._send(_together(events) or b":\n\n", send)

    async def _send(self, content: bytes, send: Send) -> None:
        async with asyncio.timeout(self._channel._patience):
            await send({"type": "http.response.body", "body": content, "more_body": True})


def _together(events: Iterable[Event]) -> bytes:
    return b"".join(event.encode() for event in events)


async def _gone(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
