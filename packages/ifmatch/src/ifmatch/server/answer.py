"""The answer of an ASGI application on its way out: tagged, judged, cut, or left alone.

To GET or HEAD, or to what is marked as a read:

    status other than 200        left alone: conditions count only where the plain answer is 2xx
    it has an ETag               judged on that, and a 304 does not wait for the body
    HEAD without one             no tag: the tag is that of the GET, whose body is not here
    Cache-Control: no-store      no tag: nobody may keep what the tag would validate
    one piece within the limit   tagged with the hash of the body, and judged
    a stream, a file, too long   no tag, no waiting; judged by its Last-Modified, if it has one

Without `hashes` nothing is tagged here: what has no ETag then has no entity tag, and is judged so.
With `ranges`, an answer in one piece within the limit is cut as Range asks (206, 416). An answer
that speaks of ranges itself, by Accept-Ranges or Content-Range, is left alone.

Running the application as GET to tag a HEAD was turned down: it would pay for a body that nobody
sees, and 9.3.2 lets a HEAD leave out what only making the content would tell. An answer that sets
a cookie is tagged as well: the cookie is no part of the body, and goes out with the 304, too.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ifmatch.core.conditions import NO_CONDITIONS, Conditions
from ifmatch.core.decide import Policy, Validators, evaluate
from ifmatch.core.errors import MalformedField
from ifmatch.core.etag import ETag
from ifmatch.core.httpdate import format_http_date, parse_http_date
from ifmatch.core.ranges import Selection, select
from ifmatch.core.reply import (
    PROBLEM_JSON,
    not_modified_raw,
    partial_content,
    problem,
    range_problem,
)
from ifmatch.core.tags import bytes_tag, state_digest
from ifmatch.core.verdict import Outcome, Verdict

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
RawFields = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the middleware was told of its answers; see there."""

    policy: Policy
    strong: bool
    hashes: bool
    ranges: bool
    strong_dates: bool
    limit: int
    clock: Callable[[], float] = time.time


class Answer:
    """One answer to a GET or HEAD on its way out: tagged, judged, or left alone.

    The start is held back until the body shows whether it comes in one piece.
    """

    __slots__ = (
        "_answered",
        "_conditions",
        "_given",
        "_held",
        "_method",
        "_release",
        "_send",
        "_settings",
    )

    def __init__(self, settings: Settings, method: str, conditions: Conditions, send: Send) -> None:
        self._settings = settings
        self._method = method
        self._conditions = conditions
        self._send = send
        self._held: Message | None = None
        self._given = _NOTHING_GIVEN
        self._release: asyncio.Task[None] | None = None
        self._answered = False  # by a verdict: what the application still sends is dropped

    async def of(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        """Let the application answer, and pass its answer on."""
        try:
            await app(scope, receive, self._pass)
        except BaseException:
            self._held = None  # nothing went out yet, so that the server can still answer 500
            raise
        if self._release is not None:
            await self._release
        await self._let_go()

    async def _pass(self, message: Message) -> None:
        if self._release is not None:
            await self._release
        start, self._held = self._held, None
        if start is not None:
            await self._next(start, message)
        elif self._answered:
            return
        elif message["type"] == "http.response.start":
            await self._start(message)
        else:
            await self._send(message)

    async def _start(self, start: Message) -> None:
        if start["status"] != 200:
            await self._send(start)
            return
        given = self._given = _Given(start.get("headers", ()))
        if given.last_modified is not None:
            start = self._not_ahead_of_the_clock(start, given)
        too_long = (given.length or 0) > self._settings.limit
        hold = False
        if given.etag is not None or not (self._settings.hashes or given.tagged or given.no_store):
            if await self._refused(start, self._validators(given.etag)):
                return
            hold = self._conditions.range is not None and self._cuts() and not too_long
        elif not (given.tagged or given.no_store):
            if self._method == "HEAD" or too_long:
                await self._untagged(start)
                return
            hold = True
        if not hold:
            await self._send(start)
            return
        self._held = start
        if given.length is None:
            self._do_not_wait()

    def _not_ahead_of_the_clock(self, start: Message, given: _Given) -> Message:
        """A modification date of the future becomes the date of the answer (8.8.2.1)."""
        now = int(self._settings.clock())
        if given.last_modified is None or given.last_modified <= now:
            return start
        given.last_modified = now
        date = format_http_date(now).encode("ascii")
        fields = [
            (name, date if name.lower() == b"last-modified" else value)
            for name, value in start["headers"]
        ]
        return {**start, "headers": fields}

    def _cuts(self) -> bool:
        return self._settings.ranges and self._method == "GET" and not self._given.ranged

    def _do_not_wait(self) -> None:
        """Let the start go as soon as the application waits for something.

        Without Content-Length this may be a stream, whose first event is minutes away while the
        client waits to hear that it is connected. An answer in one piece sends its body right
        after its start, before the event loop turns.
        """
        # Under another event loop than asyncio's the start waits for the first piece.
        with suppress(RuntimeError):
            asyncio.get_running_loop().call_soon(self._turned)

    def _turned(self) -> None:
        if self._held is not None:
            self._release = asyncio.ensure_future(self._let_go())

    async def _let_go(self) -> None:
        start, self._held = self._held, None
        if start is not None:
            await self._untagged(start)

    async def _next(self, start: Message, message: Message) -> None:
        """Send on a start that was held back, and the first message after it."""
        body = message.get("body", b"")
        if self._is_whole(message, body) and len(body) <= self._settings.limit:
            await self._whole(start, body)
        else:
            await self._untagged(start)
        if not self._answered:
            await self._send(message)

    async def _whole(self, start: Message, body: bytes) -> None:
        """Send on a start whose body is at hand: tagged and judged, then cut if that is asked."""
        fields = list(start.get("headers", ()))
        etag = self._given.etag
        if etag is None and self._settings.hashes:
            etag = bytes_tag(body) if self._settings.strong else ETag(state_digest(body), weak=True)
            fields.append((b"etag", _octets(etag)))
            if await self._refused({**start, "headers": fields}, self._validators(etag)):
                return
        if self._cuts():
            fields.append((b"accept-ranges", b"bytes"))
            current = self._validators(etag)
            selection = select(self._method, self._conditions, current, len(body))
            if selection.outcome is not Outcome.PROCEED:
                self._answered = True
                await self._send_selection(fields, body, selection)
                return
        await self._send({**start, "headers": fields})

    async def _send_selection(self, fields: RawFields, body: bytes, selection: Selection) -> None:
        if selection.outcome is Outcome.RANGE_NOT_SATISFIABLE:
            unsatisfied = (b"content-range", b"bytes */%d" % selection.length)
            sent, body = _problem_answer(range_problem(selection), fields)
            sent.append(unsatisfied)
        else:
            whole = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]
            told = self._conditions.if_range is not None
            boundary = secrets.token_hex(16)
            kept, body = partial_content(whole, body, selection, if_range=told, boundary=boundary)
            sent = [
                (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in kept
            ]
        status = selection.outcome.value
        await self._send({"type": "http.response.start", "status": status, "headers": sent})
        await self._send({"type": "http.response.body", "body": body})

    def _validators(self, etag: ETag | None) -> Validators:
        return Validators(etag, self._given.last_modified, self._settings.strong_dates)

    def _is_whole(self, message: Message, body: bytes) -> bool:
        # Some frameworks end every body with an empty piece: the announced length tells, too.
        return message["type"] == "http.response.body" and (
            not message.get("more_body", False) or len(body) == self._given.length
        )

    async def _untagged(self, start: Message) -> None:
        """Send on what has no tag here; If-Match cannot be judged then, dates can."""
        given, asked = self._given, self._conditions
        judged = given.etag is None and given.last_modified is not None and asked.match is None
        if not (judged and await self._refused(start, self._validators(None))):
            await self._send(start)

    async def _refused(self, start: Message, current: Validators) -> bool:
        """Judge; where the verdict is the answer, send that instead of what `start` begins."""
        if self._conditions is NO_CONDITIONS:
            return False
        policy = self._settings.policy
        verdict = evaluate(self._method, self._conditions, current, policy, safe=True)
        if verdict.proceeds:
            return False
        self._answered = True
        fields = not_modified_raw(start["headers"])
        await send_verdict(self._send, self._method, verdict, current.etag, fields)
        return True


class _Given:
    """What the fields of an answer say about its tag, its date, its length and who may keep it."""

    __slots__ = ("etag", "last_modified", "length", "no_store", "ranged", "tagged")

    def __init__(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        self.etag: ETag | None = None
        self.last_modified: int | None = None
        self.length: int | None = None
        self.no_store = False
        self.ranged = False
        self.tagged = False
        for name, value in fields:
            read = _READERS.get(name.lower())
            if read is not None:
                read(self, value)

    def read_etag(self, value: bytes) -> None:
        try:
            # Two tags, or what is none, are not for us to mend: the answer goes out as it is.
            self.etag = None if self.tagged else ETag.parse(value.decode("latin-1").strip(" \t"))
        except MalformedField:
            self.etag = None
        self.tagged = True

    def read_last_modified(self, value: bytes) -> None:
        self.last_modified = parse_http_date(value.decode("latin-1").strip(" \t"))

    def read_length(self, value: bytes) -> None:
        self.length = int(value) if value.isdigit() else None

    def read_cache_control(self, value: bytes) -> None:
        self.no_store = self.no_store or b"no-store" in value.lower()

    def read_ranged(self, value: bytes) -> None:
        self.ranged = True


_READERS: dict[bytes, Callable[[_Given, bytes], None]] = {
    b"etag": _Given.read_etag,
    b"last-modified": _Given.read_last_modified,
    b"content-length": _Given.read_length,
    b"cache-control": _Given.read_cache_control,
    b"accept-ranges": _Given.read_ranged,
    b"content-range": _Given.read_ranged,
}
_NOTHING_GIVEN = _Given(())

_SAID_ANEW = frozenset({b"age", b"cache-control", b"content-location", b"etag", b"expires"})


async def send_verdict(
    send: Send, method: str, verdict: Verdict, etag: ETag | None, fields: RawFields
) -> None:
    """Answer what a verdict says; `fields` are those of the plain answer that a 304 keeps."""
    if verdict.outcome is Outcome.NOT_MODIFIED:
        body = b""
    else:
        fields, body = _refusal(verdict, etag, fields)
    await send({"type": "http.response.start", "status": verdict.status, "headers": fields})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


def validator_fields(current: Validators) -> RawFields:
    """The tag; without one the date, which a 304 then rests on."""
    if current.etag is not None:
        return [(b"etag", _octets(current.etag))]
    if current.last_modified is not None:
        return [(b"last-modified", format_http_date(current.last_modified).encode("ascii"))]
    return []


async def send_problem(send: Send, details: dict[str, Any], fields: RawFields) -> None:
    """Answer with problem details; `fields` are those of the plain answer."""
    sent, body = _problem_answer(details, fields)
    await send({"type": "http.response.start", "status": details["status"], "headers": sent})
    await send({"type": "http.response.body", "body": body})


def _refusal(verdict: Verdict, etag: ETag | None, fields: RawFields) -> tuple[RawFields, bytes]:
    details = problem(verdict, etag)
    sent, body = _problem_answer(details, fields)
    if "etag" in details:
        sent.append((b"etag", _octets(etag)))
    return sent, body


def _problem_answer(details: dict[str, Any], fields: RawFields) -> tuple[RawFields, bytes]:
    """Problem details; of the plain answer's fields those stay that are not about caching."""
    body = json.dumps(details, ensure_ascii=False).encode("utf-8")
    kept = [
        (name, value) for name, value in not_modified_raw(fields) if name.lower() not in _SAID_ANEW
    ]
    kept += [
        (b"content-type", PROBLEM_JSON.encode("ascii")),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    return kept, body


def _octets(etag: ETag | None) -> bytes:
    return str(etag).encode("latin-1")
