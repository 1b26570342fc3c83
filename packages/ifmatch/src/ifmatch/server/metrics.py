"""What conditional requests save and prevent, counted where the answers leave.

`MeteredMiddleware` hands an `Exchange` for each answer to whoever counts: its route, method and
status, how many bytes went out, and how many a 304 did not send.

**Bytes not sent.** A 304 that was judged on an early tag never had a body: nobody knows how long it
would have been. What is known is the length of the 200 that carried the same tag at the same
address, by the same method. `Lengths` remembers these, as many as it has room for, and a 304 whose
200 was never seen here is counted apart, with `unsent` None. So the sum is what surely was not
sent, and less than the truth rather than more. It counts content alone, as it leaves the
application: the fields of the answer are sent either way, and what compresses further out is not
known here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from hashlib import blake2b
from typing import NamedTuple

from ifmatch.server.answer import ASGIApp, Message, RawFields, Receive, Scope, Send

UNMATCHED = "unmatched"
"""The route of a request that met none: a label of its own, since paths are without number."""

OTHER_METHOD = "other"
"""The method of a request whose method is none of `METHODS`: clients may invent any."""

METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)


class Exchange(NamedTuple):
    """One answer, when its last byte goes out.

    `route` is a template such as `/notes/{id}`, or `UNMATCHED`. `seconds` is from the request to
    the end of the answer. `sent` is bytes of content. `unsent` is what a 304 did not send, in bytes
    of content: 0 for every other status, None where that is not known.
    """

    route: str
    method: str
    status: int
    seconds: float
    sent: int
    unsent: int | None


class Lengths:
    """How long the content under a tag was: a table of fixed size that forgets.

    It lives in `buffer`, if given: memory that several processes share (`mmap`) makes one table of
    theirs. Its bytes must be zero at first; each entry takes 16. No lock is needed: an entry holds
    the length, and the length mixed with the key, so that where two writers met there is nothing
    to be read, rather than a wrong number.

    >>> lengths = Lengths()
    >>> key = lengths.key(b"GET /notes/1", b'W/"5f0c"')
    >>> lengths.recall(key)
    >>> lengths.remember(key, 1200)
    >>> lengths.recall(key)
    1200
    """

    ENTRIES = 65_536
    """How many there is room for, unless a buffer says otherwise: 1 MiB."""

    def __init__(self, buffer: memoryview | bytearray | None = None) -> None:
        whole = memoryview(bytearray(self.ENTRIES * 16) if buffer is None else buffer)
        self._words = whole[: len(whole) // 16 * 16].cast("Q")
        self._entries = len(self._words) // 2
        if not self._entries:
            raise ValueError(f"A buffer of {len(whole)} bytes has no room. Give 16 or more.")

    def key(self, address: bytes, tag: bytes) -> int:
        """The name of an entry, the same in every process: of the address and the tag."""
        mixed = blake2b(address, digest_size=8)
        mixed.update(b"\0")
        mixed.update(tag)
        return (
            int.from_bytes(mixed.digest(), "little") | 1
        )  # never 0, which an empty entry reads as

    def remember(self, key: int, length: int) -> None:
        """Keep it, in place of what was there."""
        at = key % self._entries * 2
        self._words[at] = key ^ length
        self._words[at + 1] = length

    def recall(self, key: int) -> int | None:
        """The length, or None where it was never known or is forgotten."""
        at = key % self._entries * 2
        length = self._words[at + 1]
        return length if self._words[at] ^ length == key else None


class MeteredMiddleware:
    """Tells `record` of every answer of an ASGI application.

    Place it right around the application or the framework's own object, so that `route` finds in
    the scope what the router left there, and inside of what compresses.

    - `record(exchange)` is called before the end of the answer is handed on: who has the answer and
      asks for the figures finds it counted. An answer that breaks off is recorded with the status
      that it began with; without one, that is 500 for an error, and 0 for a client that left.
    - `route(scope)` names the route after the application has run; see `route_template`.
    - `lengths` is where the lengths of answers are kept, shared with others if wanted.

    `in_flight` is how many requests are under way.

    >>> import asyncio
    >>> async def app(scope, receive, send):
    ...     await send({"type": "http.response.start", "status": 200, "headers": []})
    ...     await send({"type": "http.response.body", "body": b"hello"})
    >>> async def send(message):
    ...     pass
    >>> seen = []
    >>> metered = MeteredMiddleware(app, seen.append, route=lambda scope: "/")
    >>> asyncio.run(metered({"type": "http", "method": "GET", "path": "/"}, None, send))
    >>> seen[0].route, seen[0].method, seen[0].status, seen[0].sent, seen[0].unsent
    ('/', 'GET', 200, 5, 0)
    """

    def __init__(
        self,
        app: ASGIApp,
        record: Callable[[Exchange], object],
        *,
        route: Callable[[Scope], str] | None = None,
        lengths: Lengths | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.app = app
        self.in_flight = 0
        self._record = record
        self._route = route or route_template
        self._lengths = lengths or Lengths()
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, sent, ended = self._clock(), 0, 0, False
        fields: RawFields = []

        def end() -> None:
            nonlocal ended
            ended = True
            unsent = self._unsent(scope, status, fields, sent)
            method = scope["method"] if scope["method"] in METHODS else OTHER_METHOD
            took = self._clock() - began
            self._record(Exchange(self._route(scope), method, status, took, sent, unsent))

        async def noticing(message: Message) -> None:
            nonlocal status, fields, sent
            if message["type"] == "http.response.start":
                status, fields = message["status"], message.get("headers", fields)
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
                if not message.get("more_body", False) and not ended:
                    self._learn(scope, status, fields, sent)
                    end()
            await send(message)

        self.in_flight += 1
        try:
            await self.app(scope, receive, noticing)
        except Exception:
            status = status or 500
            raise
        finally:
            self.in_flight -= 1
            if not ended:
                end()

    def _learn(self, scope: Scope, status: int, fields: RawFields, sent: int) -> None:
        """Keep how long a whole 200 under a tag was. That of a HEAD has no content to weigh."""
        if status != _OK or scope["method"] == "HEAD":
            return
        tag = _tag(fields)
        if tag is not None:
            self._lengths.remember(self._lengths.key(_address(scope), tag), sent)

    def _unsent(self, scope: Scope, status: int, fields: RawFields, sent: int) -> int | None:
        if status != _NOT_MODIFIED or scope["method"] == "HEAD":
            return 0
        tag = _tag(fields)
        if tag is None or _is_for_a_part(scope):
            return None
        return self._lengths.recall(self._lengths.key(_address(scope), tag))


_OK, _NOT_MODIFIED = 200, 304


def _tag(fields: RawFields) -> bytes | None:
    for name, value in fields:
        if name == b"etag":
            return value
    return None


def _address(scope: Scope) -> bytes:
    """With the method: what a PUT answers under the new tag need not be what a GET would send."""
    asked: str = f"{scope['method']} {scope['path']}?"
    query: bytes = scope.get("query_string", b"")
    return asked.encode("utf-8", "surrogateescape") + query


def _is_for_a_part(scope: Scope) -> bool:
    """Without the 304 it would have been a 206, of some other length."""
    for name, _ in scope["headers"]:  # noqa: SIM110 (three times as quick as any)
        if name == b"range":
            return True
    return False


def route_template(scope: Scope) -> str:
    """The template of the route that Starlette or FastAPI took, such as `/notes/{id}`.

    With the mounts before it, whose parameters are named as well. `UNMATCHED` where there was no
    route, or where a mount cannot be named without what the client sent.
    """
    found = _path_format(scope)
    if found is None:
        return UNMATCHED
    template, own = found
    root: str = scope.get("root_path", "")
    mounted = root.removeprefix(scope.get("app_root_path", root))
    params = scope.get("path_params") or {}
    of_mounts = {str(value): name for name, value in params.items() if name not in own}
    if not of_mounts:
        return mounted + template
    parts = [
        f"{{{of_mounts.pop(part)}}}" if part in of_mounts else part for part in mounted.split("/")
    ]
    return UNMATCHED if of_mounts else "/".join(parts) + template


def _path_format(scope: Scope) -> tuple[str, Collection[str]] | None:
    """The template and the names of its parameters.

    FastAPI's own object has the whole path of a route of an included router; the route, only what
    was written beside it. A mount that nothing inside of it answered is no route.
    """
    known = scope.get("fastapi")
    context = known.get("effective_route_context") if isinstance(known, dict) else None
    for route in (context, scope.get("route")):
        template = getattr(route, "path_format", None)
        if isinstance(template, str) and hasattr(route, "methods"):
            return template, getattr(route, "param_convertors", ())
    return None
