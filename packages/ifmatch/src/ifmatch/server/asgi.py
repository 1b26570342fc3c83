"""Conditional requests for a whole ASGI application, whatever framework it is made with.

Two ways to a tag, the cheap one first:

    early   a source that the application gives knows the tag before the body exists: one look-up,
            and a match is answered without calling the application at all
    late    the finished body is hashed: it costs as much as sending it, and needs no work

What then happens to an answer of the application is told in `answer`.

Put this inside of whatever codes bodies (gzip), so that it sees them as they are, and inside of
whatever must see every answer (CORS, security fields, logs): what stands further in than this has
no part in an early answer.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
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
from ifmatch.core.errors import Conflict, ImpossibleDeclaration, Missing
from ifmatch.core.etag import ETag
from ifmatch.core.guard import Condition
from ifmatch.core.moment import cache_control
from ifmatch.core.reply import not_modified_raw
from ifmatch.server.answer import (
    Answer,
    ASGIApp,
    Message,
    RawFields,
    Receive,
    Scope,
    Send,
    Settings,
    send_problem,
    send_verdict,
    validator_fields,
)

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
    - `hashes` says whether a body without an ETag gets the hash of it. Without, only the tags that
      the application gives count.
    - `ranges` says whether Range is honoured; where it is not said, it is for strong tags. Weak
      tags would leave a client with pieces that it may not put together (15.3.7.3).
    - `strong_dates` says that nothing here changes twice within the second of its Last-Modified,
      so that If-Range may name it by that (8.8.2.2).
    - `safe(scope)` marks requests of other methods as reads, such as a POST that asks a question
      too long for a URL: a match answers them with 304, too. See docs/deviations.md.
    - `limit` is how many bytes of a body are hashed at most.
    - `max_age` is how many seconds a cache may answer a GET without asking. Then every 200 and 304
      that the application gives no Cache-Control gets one: those with the tag that `early` gave for
      as long as that holds (`Validators.until`), the others none. It is asked at each GET.
    - `clock()` gives seconds since the epoch: for `max_age`, for dates whose year has two digits,
      and for a Last-Modified of the future, which becomes the date of the answer (8.8.2.1).
    - `partial_put` says that the application takes a PUT of a part. Without, a PUT with a
      Content-Range is answered 400 (14.5): taken for the whole, it would destroy the rest.

    A verdict given here on a write is an early refusal and no more: between it and the write
    somebody else may have written. Only a store's guard closes that gap, so the application finds
    the `Condition` at `scope["state"]["ifmatch_condition"]` and hands it to its store. What the
    store raises becomes the answer here, if the application lets it pass: `Conflict` 412, `Missing`
    404. Without `early`, that is all that happens to a write.

    Raises ImpossibleDeclaration for a declaration that could never work, or would tell strangers.

    >>> import asyncio
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
        hashes: bool = True,
        ranges: bool | None = None,
        strong_dates: bool = False,
        safe: Callable[[Scope], bool] | None = None,
        limit: int = LIMIT,
        max_age: int | None = None,
        clock: Callable[[], float] | None = None,
        partial_put: bool = False,
    ) -> None:
        if early is None:
            _refuse_protection_of_nothing(public, authorize)
            _refuse_age_of_nothing(max_age)
        else:
            _refuse_two_ages(max_age, fields)
            _refuse_oracle(public, authorize)
            _refuse_hopeless_writes(writes, policy, strong)
        self.app = app
        self.policy = policy
        self._settings = Settings(
            policy,
            strong,
            hashes,
            strong if ranges is None else ranges,
            strong_dates,
            limit,
            clock or time.time,
        )
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
        self._safe = safe
        self._clock = clock
        self._max_age = max_age
        self._partial_put = partial_put

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in IGNORING_METHODS:
            await self.app(scope, receive, send)
            return
        method = scope["method"]
        if method == "PUT" and not self._partial_put and _is_of_a_part(scope):
            await send_problem(send, _PARTIAL_PUT, self._fields)
            return
        now = None if self._clock is None else self._clock()
        conditions = Conditions.from_raw(scope["headers"], now)
        safe = method in SAFE_METHODS or (self._safe is not None and self._safe(scope))
        current = await self._known_early(scope, conditions, safe)
        if current is not None:
            verdict = evaluate(method, conditions, current, self.policy, safe)
            if not verdict.proceeds:
                fields = self._fields + validator_fields(current) + self._freshness(scope, current)
                await send_verdict(send, method, verdict, current.etag, fields)
                return
        if safe:
            if self._max_age is not None:
                send = self._saying_how_fresh(scope, current, send)
            # An early tag is never put on the body that follows: that one may be newer already,
            # and a client would keep it under the old tag for ever.
            await Answer(self._settings, method, conditions, send).of(self.app, scope, receive)
        else:
            # In place, as Starlette does: what stands further out may look at the same state.
            state = scope.setdefault("state", {})
            state[CONDITION] = Condition(method, conditions, self.policy)
            await self._write(scope, receive, send)

    async def _write(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application write; what its store raises before the answer began is answered."""
        started = False

        async def pass_on(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, pass_on)
        except Conflict as conflict:
            if started:
                raise
            verdict, current = conflict.verdict, conflict.current
            await send_verdict(send, scope["method"], verdict, current, list(self._fields))
        except Missing as missing:
            if started:
                raise
            await send_problem(send, _missing_problem(missing), self._fields)

    async def _known_early(
        self, scope: Scope, conditions: Conditions, safe: bool
    ) -> Validators | None:
        """What the early source says; None where it is not asked, or says nothing."""
        if self._early is None:
            return None
        unasked = self._max_age is None or scope["method"] not in SAFE_METHODS
        if conditions is NO_CONDITIONS and unasked and (safe or not self.policy.required):
            return None
        if not (safe or self._writes) or not await self._may_know(scope):
            return None
        found = await self._early(scope)
        return Validators(found) if isinstance(found, ETag) else found

    async def _may_know(self, scope: Scope) -> bool:
        return self._is_public(scope) or (
            self._authorize is not None and await self._authorize(scope)
        )

    def _is_public(self, scope: Scope) -> bool:
        return self._public(scope) if callable(self._public) else self._public

    def _freshness(self, scope: Scope, current: Validators | None) -> RawFields:
        """How long what has this tag may be kept; not at all where none is known."""
        if self._max_age is None or scope["method"] not in SAFE_METHODS:
            return []
        now = datetime.fromtimestamp((self._clock or time.time)(), UTC)
        until, public = (now if current is None else current.until), self._is_public(scope)
        said = cache_control(until, now, self._max_age, public=public)
        return [(b"cache-control", said.encode("ascii"))]

    def _saying_how_fresh(self, scope: Scope, current: Validators | None, send: Send) -> Send:
        async def say(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (200, 304):
                fields = list(message.get("headers", ()))
                sent = {name.lower(): value.decode("latin-1") for name, value in fields}
                if b"cache-control" not in sent:
                    same = current is not None and current.text == sent.get(b"etag")
                    fields += self._freshness(scope, current if same else None)
                    message = {**message, "headers": fields}
            await send(message)

        return say


def _refuse_protection_of_nothing(public: object, authorize: object) -> None:
    if public or authorize:
        raise ImpossibleDeclaration(
            "public= and authorize= say who may learn of an early tag, but there is no early "
            "source; they do not protect the application. Give early=..., or leave them out."
        )


def _refuse_age_of_nothing(max_age: int | None) -> None:
    if max_age is not None:
        raise ImpossibleDeclaration(
            "max_age= says how long what the early tag names may be kept, but there is no early "
            "source. Give early=..., or let the application say Cache-Control itself."
        )


def _refuse_two_ages(max_age: int | None, fields: Sequence[tuple[str, str]]) -> None:
    if max_age is None:
        return
    if max_age < 1:
        raise ImpossibleDeclaration(
            f"max_age={max_age} lets nobody keep anything. Give whole seconds from 1 on, or leave "
            "it out."
        )
    if any(name.lower() == "cache-control" for name, _ in fields):
        raise ImpossibleDeclaration(
            "fields= has a Cache-Control, and max_age= makes one that knows how long the tag "
            "holds. Leave one of them out."
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


def _is_of_a_part(scope: Scope) -> bool:
    return any(name == b"content-range" for name, _ in scope["headers"])


_PARTIAL_PUT = {
    "type": "about:blank",
    "title": "Bad Request",
    "status": 400,
    "detail": "Nothing was changed: a PUT here replaces the whole. Send it without Content-Range.",
    "clause": "RFC 9110 section 14.5",
    "field": "Content-Range",
}


def _missing_problem(missing: Missing) -> dict[str, Any]:
    return {"type": "about:blank", "title": "Not Found", "status": 404, "detail": str(missing)}
