"""Conditional requests for a whole ASGI application, whatever framework it is made with.

Two ways to a tag, the cheap one first:

    early   a source that the application gives knows the tag before the body exists: one look-up,
            and a match is answered without calling the application at all
    late    the finished body is hashed: it costs as much as sending it, and needs no work

What happens to an answer of the application to GET or HEAD:

    status other than 200        left alone: conditions count only where the plain answer is 2xx
    it has an ETag               judged on that, and a 304 does not wait for the body
    HEAD without one             no tag: the tag is that of the GET, whose body is not here
    Cache-Control: no-store      no tag: nobody may keep what the tag would validate
    one piece within the limit   tagged with the hash of the body, and judged
    a stream, a file, too long   no tag, no waiting; judged by its Last-Modified, if it has one

Running the application as GET to tag a HEAD was turned down: it would pay for a body that nobody
sees, and 9.3.2 lets a HEAD leave out what only making the content would tell. An answer that sets
a cookie is tagged as well: the cookie is no part of the body, and goes out with the 304, too.

Put this inside of whatever codes bodies (gzip), so that it sees them as they are, and inside of
whatever must see every answer (CORS, security fields, logs): what stands further in than this has
no part in an early answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any

from ifmatch.core.conditions import NO_CONDITIONS, Comparison, Conditions
from ifmatch.core.decide import (
    DEFAULT_POLICY,
    IGNORING_METHODS,
    SAFE_METHODS,
    Policy,
    Validators,
    evaluate,
)
from ifmatch.core.errors import ImpossibleDeclaration, MalformedField
from ifmatch.core.etag import ETag
from ifmatch.core.guard import Condition
from ifmatch.core.httpdate import parse_http_date
from ifmatch.core.reply import PROBLEM_JSON, not_modified_raw, problem
from ifmatch.core.tags import bytes_tag, state_digest
from ifmatch.core.verdict import PROCEED, Outcome, Verdict

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
RawFields = list[tuple[bytes, bytes]]

CONDITION = "ifmatch_condition"
"""Where `scope["state"]` holds the Condition of a writing request, for the application's store."""

LIMIT = 1_048_576
"""Bytes of a body that are hashed at most, unless the middleware is told otherwise."""


class ConditionalMiddleware:
    """Adds ETags to an ASGI application and answers its conditional requests.

    - `early(scope)` gives the current tag of what the request is about: the one that a GET of it
      carries. It returns None where it knows of nothing: then the application decides, and so it
      should for a method that the path does not have (405) and for what is not there (404).
    - `public` says for which requests anybody may learn of a tag: True, or a function of the
      scope. `authorize(scope)` says it for the others; where it returns False the application
      answers, with a 401 or 403 of its own.
    - `fields` are what the 200 answers carry and an early 304 must repeat (15.4.5), such as
      Cache-Control and Vary: the application is not asked.
    - `writes` says whether `early` judges writing methods as well: 412, 428 and 400 before a byte
      of content is asked for.
    - `policy` is how conditions are read. `strong` says that tags are of the very bytes that are
      sent, so that nothing further out changes them; hashes of bodies are then strong, too.
    - `limit` is how many bytes of a body are hashed at most.

    A verdict given here on a write is an early refusal and no more: between it and the write
    somebody else may have written. Only a store's guard closes that gap, so the application finds
    the `Condition` at `scope["state"]["ifmatch_condition"]` and hands it to its store. Without
    `early`, that is all that happens to a write.

    Raises ImpossibleDeclaration for a declaration that could never work, or would tell strangers.

    >>> async def app(scope, receive, send):
    ...     fields = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    ...     await send({"type": "http.response.start", "status": 200, "headers": fields})
    ...     await send({"type": "http.response.body", "body": b"hello"})
    >>> async def show(message):
    ...     print(message)
    >>> asked = [(b"if-none-match", b'W/"2cf24dba5fb0a30e"')]
    >>> request = {"type": "http", "method": "GET", "path": "/", "headers": asked}
    >>> asyncio.run(ConditionalMiddleware(app)(request, None, show))
    {'type': 'http.response.start', 'status': 304, 'headers': [(b'etag', b'W/"2cf24dba5fb0a30e"')]}
    {'type': 'http.response.body', 'body': b''}
    """

    def __init__(  # noqa: PLR0913 - settings, each given by its name
        self,
        app: ASGIApp,
        *,
        early: Callable[[Scope], Awaitable[ETag | Validators | None]] | None = None,
        public: bool | Callable[[Scope], bool] = False,
        authorize: Callable[[Scope], Awaitable[bool]] | None = None,
        fields: Sequence[tuple[str, str]] = (),
        writes: bool = True,
        policy: Policy = DEFAULT_POLICY,
        strong: bool = False,
        limit: int = LIMIT,
    ) -> None:
        if early is None:
            _refuse_protection_of_nothing(public, authorize)
        else:
            _refuse_oracle(public, authorize)
            _refuse_hopeless_writes(writes, policy, strong)
        self.app = app
        self.policy = policy
        self.strong = strong
        self.limit = limit
        self._early = early
        self._public = public
        self._authorize = authorize
        # As those of an early 304, whose ETag comes from the source.
        self._fields = not_modified_raw(
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in fields
            if name.lower() != "etag"
        )
        self._writes = writes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in IGNORING_METHODS:
            await self.app(scope, receive, send)
            return
        method = scope["method"]
        conditions = Conditions.from_raw(scope["headers"])
        current = await self._known_early(scope, conditions)
        if current is not None:
            verdict = evaluate(method, conditions, current, self.policy)
            if not verdict.proceeds:
                known = [] if current.etag is None else [(b"etag", _octets(current.etag))]
                fields = self._fields + known
                await _send_verdict(send, method, verdict, current.etag, fields)
                return
        if method in SAFE_METHODS:
            # An early tag is never put on the body that follows: that one may be newer already,
            # and a client would keep it under the old tag for ever.
            await _Answer(self, method, conditions, send).of(scope, receive)
        else:
            # In place, as Starlette does: what stands further out may look at the same state.
            state = scope.setdefault("state", {})
            state[CONDITION] = Condition(method, conditions, self.policy)
            await self.app(scope, receive, send)

    async def _known_early(self, scope: Scope, conditions: Conditions) -> Validators | None:
        """What the early source says; None where it is not asked, or says nothing."""
        if self._early is None:
            return None
        reading = scope["method"] in SAFE_METHODS
        if conditions is NO_CONDITIONS and (reading or not self.policy.required):
            return None
        if not (reading or self._writes) or not await self._may_know(scope):
            return None
        found = await self._early(scope)
        return Validators(found) if isinstance(found, ETag) else found

    async def _may_know(self, scope: Scope) -> bool:
        public = self._public(scope) if callable(self._public) else self._public
        return public or (self._authorize is not None and await self._authorize(scope))


def _refuse_protection_of_nothing(public: object, authorize: object) -> None:
    if public or authorize:
        raise ImpossibleDeclaration(
            "public= and authorize= say who may learn of an early tag, but there is no early "
            "source; they do not protect the application. Give early=..., or leave them out."
        )


def _refuse_oracle(public: object, authorize: object) -> None:
    if not public and authorize is None:
        raise ImpossibleDeclaration(
            "An early tag source would answer before the application knows who asks, and so tell "
            "strangers what exists and when it changes. Give authorize=..., which says whether "
            "the caller may know; or public=True, or a function of the scope, for what anybody "
            "may know; or leave early out, and tags are taken from the application's answers."
        )
    if public is True and authorize is not None:
        raise ImpossibleDeclaration(
            "With public=True nobody is ever asked for, so authorize= would not be called. Leave "
            "one of them out, or give public= a function that says which requests are public."
        )


def _refuse_hopeless_writes(writes: bool, policy: Policy, strong: bool) -> None:
    if writes and not strong and policy.comparison is Comparison.STRICT:
        raise ImpossibleDeclaration(
            "The early tags are weak and writes compare them strictly: under strong comparison a "
            "weak tag never matches, so every If-Match would fail (RFC 9110 section 13.1.1). "
            "Either compare states with policy=Policy(Comparison.STATE), where the tag covers all "
            "that a write replaces; or give strong tags of the bytes that are sent and "
            "strong=True. Where nothing is written, say writes=False."
        )


class _Answer:
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

    def __init__(
        self, settings: ConditionalMiddleware, method: str, conditions: Conditions, send: Send
    ) -> None:
        self._settings = settings
        self._method = method
        self._conditions = conditions
        self._send = send
        self._held: Message | None = None
        self._given = _NOTHING_GIVEN
        self._release: asyncio.Task[None] | None = None
        self._answered = False  # by a verdict: what the application still sends is dropped

    async def of(self, scope: Scope, receive: Receive) -> None:
        try:
            await self._settings.app(scope, receive, self._pass)
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
        if given.etag is not None:
            await self._judge(start, given.validators)
        elif given.tagged or given.no_store:
            await self._send(start)
        elif self._method == "HEAD" or (given.length or 0) > self._settings.limit:
            await self._untagged(start)
        else:
            self._held = start
            if given.length is None:
                self._do_not_wait()

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
            etag = bytes_tag(body) if self._settings.strong else ETag(state_digest(body), weak=True)
            fields = [*start.get("headers", ()), (b"etag", _octets(etag))]
            tagged = {**start, "headers": fields}
            await self._judge(tagged, Validators(etag, self._given.last_modified))
        else:
            await self._untagged(start)
        if not self._answered:
            await self._send(message)

    def _is_whole(self, message: Message, body: bytes) -> bool:
        # Some frameworks end every body with an empty piece: the announced length tells, too.
        return message["type"] == "http.response.body" and (
            not message.get("more_body", False) or len(body) == self._given.length
        )

    async def _untagged(self, start: Message) -> None:
        """Send on what has no tag here; If-Match cannot be judged then, dates can."""
        if self._given.last_modified is None or self._conditions.if_match is not None:
            await self._send(start)
        else:
            await self._judge(start, self._given.validators)

    async def _judge(self, start: Message, current: Validators) -> None:
        verdict = PROCEED
        if self._conditions is not NO_CONDITIONS:
            verdict = evaluate(self._method, self._conditions, current, self._settings.policy)
        if verdict.proceeds:
            await self._send(start)
            return
        self._answered = True
        fields = not_modified_raw(start["headers"])
        await _send_verdict(self._send, self._method, verdict, current.etag, fields)


class _Given:
    """What the fields of an answer say about its tag, its date, its length and who may keep it."""

    __slots__ = ("etag", "last_modified", "length", "no_store", "tagged")

    def __init__(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        self.etag: ETag | None = None
        self.last_modified: int | None = None
        self.length: int | None = None
        self.no_store = False
        self.tagged = False
        for name, value in fields:
            read = _READERS.get(name.lower())
            if read is not None:
                read(self, value)

    @property
    def validators(self) -> Validators:
        return Validators(self.etag, self.last_modified)

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


_READERS: dict[bytes, Callable[[_Given, bytes], None]] = {
    b"etag": _Given.read_etag,
    b"last-modified": _Given.read_last_modified,
    b"content-length": _Given.read_length,
    b"cache-control": _Given.read_cache_control,
}
_NOTHING_GIVEN = _Given(())

_SAID_ANEW = frozenset({b"age", b"cache-control", b"content-location", b"etag", b"expires"})


async def _send_verdict(
    send: Send, method: str, verdict: Verdict, etag: ETag | None, fields: RawFields
) -> None:
    """Answer what a verdict says; `fields` are those of the plain answer that a 304 keeps."""
    if verdict.outcome is Outcome.NOT_MODIFIED:
        body = b""
    else:
        fields, body = _refusal(verdict, etag, fields)
    await send({"type": "http.response.start", "status": verdict.status, "headers": fields})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


def _refusal(verdict: Verdict, etag: ETag | None, fields: RawFields) -> tuple[RawFields, bytes]:
    """Problem details; of the plain answer's fields those stay that are not about caching."""
    details = problem(verdict, etag)
    body = json.dumps(details, ensure_ascii=False).encode("utf-8")
    kept = [(name, value) for name, value in fields if name.lower() not in _SAID_ANEW]
    if "etag" in details:
        kept.append((b"etag", _octets(etag)))
    kept += [
        (b"content-type", PROBLEM_JSON.encode("ascii")),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    return kept, body


def _octets(etag: ETag | None) -> bytes:
    return str(etag).encode("latin-1")
