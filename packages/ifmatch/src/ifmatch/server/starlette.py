"""Conditional requests for Starlette endpoints; `ifmatch.server.fastapi` builds on it.

One request to a declared endpoint goes through these steps, in this order, and stops at the first
that answers:

1. `authorize` says who asks: 401, 403;
2. `tag` finds the resource and its current tag, early, without its body: 404;
3. the conditions are judged (RFC 9110 section 13.2.2): 304, 400, 412, 428;
4. the content is looked at: 413, 415, and what the endpoint says of it, 422;
5. the endpoint runs. A write takes `condition(request)` to its store, which judges it again in the
   statement that writes; a `Conflict` there is the 412 of a writer who came late.

No byte of content is asked for before step 4, so a client that sends `Expect: 100-continue` never
sends content in vain.

There is one exception, 13.1.1's: where If-Match fails but the wish is already fulfilled, a write
may answer 2xx. To see that, the content has to be read. It is read only if the client is sending
it anyway (no `Expect`), it is announced as small, and it comes at once; if it is broken or slow
the 412 stands.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ifmatch.core.canonical import parse
from ifmatch.core.conditions import NO_CONDITIONS, Comparison, Conditions
from ifmatch.core.decide import SAFE_METHODS, Policy, Validators, evaluate
from ifmatch.core.errors import Conflict, ImpossibleDeclaration, MalformedField, Missing
from ifmatch.core.etag import ETag
from ifmatch.core.guard import CREATE_ONLY, Condition
from ifmatch.core.moment import cache_control, utc_now
from ifmatch.core.reply import PROBLEM_JSON, not_modified_raw, problem
from ifmatch.core.representation import Representation
from ifmatch.core.tags import state_digest
from ifmatch.core.verdict import Outcome, Verdict

T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]

MAX_CONTENT = 1_048_576
"""Bytes of request content that are read at most, unless a declaration says otherwise."""

_APPLIED_CONTENT = 65_536
_APPLIED_SECONDS = 1.0
_REVALIDATE = "private, no-cache"
_KEEP_OUT = "no-store"


class _Public:
    def __repr__(self) -> str:
        return "PUBLIC"


PUBLIC = _Public()
"""In place of `authorize`: anybody may know whether the resource exists and when it changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional:
    """What an endpoint declares about its resource; use it as a decorator.

    - `authorize(request)` returns who asks, or raises; `PUBLIC` where nobody needs to be known.
      Its answer is at `request.state.principal`. `roles` are what it asks for, any of them, in
      words for the description of the API.
    - `tag(request)` returns the current tag early, without building the body; None where there is
      nothing but a write may create it; raises (404) where there is nothing to speak of. Give
      `Validators` with `until` where time alone changes what is served (`store.validators`). A read
      may leave it out: then the tag is taken from the answer, which costs as much as sending it.
      An early 304 does not know what else the endpoint would have set, such as Expires.
    - `comparison`, `weak`: how If-Match compares, and whether `tag` gives weak tags.
    - `required`: whether a write must carry a condition (428); a value or a function.
    - `any_satisfies`, `refuse_malformed`: as in `Policy`.
    - `safe`: marks a POST as a safe read, which a match answers with 304.
    - `represent(request)`: what a GET would send now, for a 412 under
      `Prefer: return=representation`; only give it where whoever may write may also read.
    - `location(request)`: where that is, if not at the path of the request.
    - `explain(request)`: members to add to the problem details of a 412, such as whose change came
      first.
    - `accepts`: media types of the content; `max_content`: its bytes.
    - `already_applied`: whether a PUT whose If-Match fails, but whose wish is fulfilled already,
      may answer 2xx; the store must allow it too. Right where nobody counts what they acknowledged
      (two writers of one value both get a 2xx).
    - `vary`: request fields that select the answer.
    - `max_age`: seconds for which a cache may answer a GET without asking, said in 200 and 304, and
      never beyond the instant until which the tag holds. Without, it asks each time. `clock` gives
      the instant: the one of the facts.

    Functions may be `async def` or plain; plain ones run in a thread.
    Raises ImpossibleDeclaration for a combination that could never work.
    """

    authorize: Callable[[Request], Any] | _Public
    tag: Callable[[Request], Any] | None = None
    comparison: Comparison = Comparison.STRICT
    weak: bool = True
    required: bool | Callable[[Request], bool] = False
    any_satisfies: bool = False
    refuse_malformed: bool = True
    safe: bool = False
    represent: Callable[[Request], Any] | None = None
    location: Callable[[Request], str] | None = None
    explain: Callable[[Request], Any] | None = None
    accepts: tuple[str, ...] = ("application/json",)
    max_content: int = MAX_CONTENT
    already_applied: bool = False
    vary: tuple[str, ...] = ("Authorization", "X-API-Key", "Cookie")
    max_age: int | None = None
    clock: Callable[[], datetime] = utc_now
    roles: tuple[str, ...] = ()

    def __call__(self, endpoint: T) -> T:
        """Mark an endpoint; a `ConditionalRoute` finds the mark."""
        endpoint.__ifmatch__ = self  # type: ignore[attr-defined]
        return endpoint

    def check(self, methods: Sequence[str], path: str) -> None:
        """Refuse a declaration that could never do what it says on these methods."""
        refuse_max_age(self.max_age)
        writes = sorted(set(methods) - SAFE_METHODS - {"OPTIONS"}) if not self.safe else []
        if not writes:
            return
        where = f"{'/'.join(writes)} {path}"
        if self.tag is None:
            raise ImpossibleDeclaration(
                f"{where} changes something, so If-Match must be judged, but no tag source is "
                "declared. Give tag=..., or mark a POST that changes nothing with safe=True."
            )
        if self.weak and self.comparison is Comparison.STRICT:
            raise ImpossibleDeclaration(
                f"{where} has weak tags and compares strictly: under strong comparison a weak tag "
                "never matches, so every If-Match would fail (RFC 9110 section 13.1.1). Either "
                "compare states with comparison=Comparison.STATE, where the tag covers all that "
                "the write replaces, or give strong tags of the bytes that are sent and weak=False."
            )

    def policy(self, *, required: bool) -> Policy:
        return Policy(self.comparison, required, self.any_satisfies, self.refuse_malformed)


def declaration_of(endpoint: Any) -> Conditional | None:
    """The declaration that an endpoint carries, if any."""
    found = getattr(endpoint, "__ifmatch__", None)
    return found if isinstance(found, Conditional) else None


def condition(request: Request) -> Condition:
    """The condition of this request, for the store that writes.

    Raises ImpossibleDeclaration where the endpoint is not served as declared: nobody has asked who
    is calling, and nothing has been judged.
    """
    found: Condition | None = getattr(request.state, "ifmatch_condition", None)
    if found is None:
        raise ImpossibleDeclaration(
            f"{request.method} {request.url.path} takes its condition, but is not served as it was "
            "declared. With FastAPI mark it with @Conditional(...) and make the router with "
            "route_class=ConditionalRoute; with Starlette route to conditional(declared, endpoint)."
        )
    return found


class TaggedResponse(Response):
    """The representation that a store read or wrote, with its tag.

    A write that answers the fresh state of another URL than its own names it in
    `content_location`.
    """

    media_type = "application/json"

    def __init__(
        self,
        representation: Representation[Any],
        status_code: int = 200,
        *,
        content_location: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(representation.body, status_code, headers)
        self.until = representation.until
        self.headers["ETag"] = str(representation.etag)
        if content_location is not None:
            self.headers["Content-Location"] = content_location


class CappedRequest(Request):
    """A request whose content is read up to a limit and parsed without mercy.

    `body` raises 413. `json` refuses what JSON does not allow or what two readers could read in
    two ways: NaN, names that occur twice, lone surrogates, numbers out of range, deep nesting.
    """

    max_content = MAX_CONTENT

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            chunks: list[bytes] = []
            size = 0
            async for chunk in self.stream():
                size += len(chunk)
                if size > self.max_content:
                    raise too_large(self.max_content)
                chunks.append(chunk)
            self._body = b"".join(chunks)
        return self._body

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = parse_json(await self.body())
        return self._json


parse_json = parse
"""Reads the content of a request, or of anything else; see `ifmatch.core.canonical.parse`."""


def conditional(
    declared: Conditional, endpoint: Endpoint, methods: Sequence[str] = ("GET",)
) -> Endpoint:
    """An endpoint for a Starlette `Route` that answers as declared.

    Raises ImpossibleDeclaration for a declaration that could never work on `methods`: give those
    of the route. A request of another method raises it, too, if that could never work.
    """
    declared.check(methods, "")

    async def answer(request: Request) -> Response:
        if request.method not in methods:
            declared.check([request.method], request.url.path)
        capped = CappedRequest(request.scope, request.receive, request._send)
        capped.max_content = declared.max_content
        return await respond(declared, capped, endpoint)

    answer.__doc__ = endpoint.__doc__  # for `ifmatch.server.openapi`
    answer.__name__ = getattr(endpoint, "__name__", answer.__name__)
    return declared(answer)


async def respond(declared: Conditional, request: Request, endpoint: Endpoint) -> Response:
    """Answer one request to a declared endpoint; see the module for the order of steps."""
    try:
        response = await _answer(declared, request, endpoint)
    except HTTPException as error:  # 401, 404 and the like are of the moment, too
        error.headers = {"Cache-Control": _KEEP_OUT} | dict(error.headers or {})
        raise
    _say_how_to_cache(declared, request, response)
    return response


async def _answer(declared: Conditional, request: Request, endpoint: Endpoint) -> Response:
    safe = declared.safe or request.method in SAFE_METHODS
    current, required = await _locate(declared, request, safe=safe)
    request.state.ifmatch_current = current
    conditions = Conditions.from_raw(request.scope["headers"])
    policy = declared.policy(required=required)
    asked = Condition(request.method, conditions, policy)
    request.state.ifmatch_condition = asked if current else _create_only(asked)
    if not safe:
        return await _write(declared, request, endpoint, current, asked.judge(current))
    if declared.tag is None:
        return await _read_late(declared, request, endpoint, conditions, policy)
    verdict = evaluate(request.method, conditions, current, policy, safe=True)
    if verdict.proceeds or current is None:  # 13.2.1: where there is nothing, it is 404
        return await _perform(declared, request, endpoint)
    return await _refuse(declared, request, verdict, current)


def _create_only(asked: Condition) -> Condition:
    """A PUT without conditions that found nothing may create, and not overwrite who was quicker."""
    if asked.method != "PUT" or asked.conditions != NO_CONDITIONS:
        return asked
    return replace(asked, conditions=CREATE_ONLY.conditions)


async def _locate(
    declared: Conditional, request: Request, *, safe: bool
) -> tuple[Validators | None, bool]:
    """Who asks, for what, and whether a condition is required.

    Plain functions may ask a database, so all of them run in one thread, off the event loop.
    """
    authorize, source = declared.authorize, declared.tag
    required = declared.required if not safe else False

    def locate(request: Request) -> tuple[Any, bool]:
        if not isinstance(authorize, _Public):
            request.state.principal = authorize(request)
        found = source(request) if source is not None else None
        return found, required(request) if callable(required) else required

    if all(map(_is_plain, (authorize, source, required))):
        found, needed = await run_in_threadpool(locate, request)
    else:
        if not isinstance(authorize, _Public):
            request.state.principal = await _call(authorize, request)
        found = await _call(source, request) if source is not None else None
        needed = await _call(required, request) if callable(required) else required
    return Validators(found) if isinstance(found, ETag) else found, needed


def _is_plain(function: Any) -> bool:
    asynchronous = inspect.iscoroutinefunction
    return not (asynchronous(function) or asynchronous(getattr(function, "__call__", None)))  # noqa: B004


async def _call(function: Callable[[Request], Any], request: Request) -> Any:
    if _is_plain(function):
        return await run_in_threadpool(function, request)
    return await function(request)


async def _read_late(
    declared: Conditional,
    request: Request,
    endpoint: Endpoint,
    conditions: Conditions,
    policy: Policy,
) -> Response:
    """A read without an early tag: the finished answer is tagged, then judged."""
    response = await _perform(declared, request, endpoint)
    etag = _tag_answer(response) if response.status_code == 200 else None
    if etag is None:
        return response
    current = Validators(etag)
    verdict = evaluate(request.method, conditions, current, policy, safe=True)
    if verdict.proceeds:
        return response
    if verdict.outcome is not Outcome.NOT_MODIFIED:
        return await _refuse(declared, request, verdict, current)
    unchanged = _Unchanged(getattr(response, "until", _UNKNOWN))
    # Before anybody asks for its `headers`, which go on showing the list that they began with.
    unchanged.raw_headers = not_modified_raw(response.raw_headers)
    return unchanged


_UNKNOWN: Any = object()
"""Until when it holds is not known: so not a second."""


class _Unchanged(Response):
    """304, and until when the tag holds that it was judged on."""

    def __init__(self, until: datetime | None) -> None:
        super().__init__(status_code=304)
        self.until = until


def _tag_answer(response: Response) -> ETag | None:
    """The tag that the endpoint gave, else one of the finished body; None for a stream.

    It is weak: something further out may still code the body.
    """
    given = response.headers.get("etag")
    if given is not None:
        try:
            return ETag.parse(given)
        except MalformedField:  # what the endpoint says is its own; it is only not judged
            return None
    body = getattr(response, "body", None)
    if not isinstance(body, bytes) or hasattr(response, "body_iterator"):
        return None
    etag = ETag(state_digest(body), weak=True)
    response.headers["ETag"] = str(etag)
    return etag


async def _write(
    declared: Conditional,
    request: Request,
    endpoint: Endpoint,
    current: Validators | None,
    verdict: Verdict,
) -> Response:
    if verdict.proceeds:
        return await _perform(declared, request, endpoint)
    refuse = functools.partial(_refuse, declared, request, verdict, current)
    if not (declared.already_applied and current and verdict.excused_when_applied):
        return await refuse()
    if not await _content_is_at_hand(request):
        return await refuse()
    try:
        # The store sees the old condition, so it answers only where there is nothing to change.
        response = await _perform(declared, request, endpoint)
    except Exception as error:
        if _blames_request(error):
            return await refuse()
        raise
    return await refuse() if response.status_code in _OUTRANKED else response


async def _content_is_at_hand(request: Request) -> bool:
    """Whether small content is being sent anyway, and is here within a second."""
    length = _announced(request)
    if "expect" in request.headers or length is None or length > _APPLIED_CONTENT:
        return False
    if "transfer-encoding" in request.headers:
        return False
    with anyio.move_on_after(_APPLIED_SECONDS):
        await request.body()
        return True
    return False


_OUTRANKED = (400, 409, 413, 415, 422)
"""Answers to the content: the condition was due before it, and it has failed."""


def _blames_request(error: Exception) -> bool:
    """422 as FastAPI raises it, before it becomes an answer, and its like with a status."""
    status = getattr(error, "status_code", None)
    return status in _OUTRANKED or type(error).__name__ == "RequestValidationError"


async def _perform(declared: Conditional, request: Request, endpoint: Endpoint) -> Response:
    if request.method not in SAFE_METHODS:
        check_content(declared, request)
    try:
        return await endpoint(request)
    except Conflict as conflict:
        current = None if conflict.current is None else Validators(conflict.current)
        return await _refuse(declared, request, conflict.verdict, current)
    except Missing as missing:
        raise HTTPException(
            404, "There is nothing here any more. Create it anew, or leave it."
        ) from missing


def check_content(declared: Conditional, request: Request) -> None:
    """Whether the content may be what was declared, by its fields alone. Raises 413 or 415.

    Who is served as declared needs no other check; this is for those who are not.
    """
    length = _announced(request)
    if length is not None and length > declared.max_content:
        raise too_large(declared.max_content)
    if not length and "transfer-encoding" not in request.headers:
        return  # no content, so no type either
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in declared.accepts:
        accepted = " or ".join(declared.accepts)
        raise HTTPException(
            415,
            f"The content is {media_type or 'of no declared type'}. Send Content-Type: {accepted}",
            # RFC 9110 15.5.16, RFC 5789 section 2.2.
            {
                "Accept-Patch" if request.method == "PATCH" else "Accept": ", ".join(
                    declared.accepts
                )
            },
        )


def _announced(request: Request) -> int | None:
    """Content-Length, or None where there is none; a number of any length."""
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdecimal()):
        return None
    return int(length) if len(length) < 19 else sys.maxsize


def too_large(limit: int) -> HTTPException:
    """413, saying how much would have been taken."""
    return HTTPException(413, f"The content is too long. Send at most {limit:,} bytes.")


async def _refuse(
    declared: Conditional, request: Request, verdict: Verdict, current: Validators | None
) -> Response:
    etag = None if current is None else current.etag
    if verdict.outcome is Outcome.NOT_MODIFIED:
        response = Response(status_code=304)
    elif verdict.outcome is Outcome.PRECONDITION_FAILED and _wants_representation(request):
        return await _refuse_with_representation(declared, request, verdict, etag)
    else:
        response = await _problem(declared, request, verdict, etag)
    if etag is not None and verdict.outcome is not Outcome.MALFORMED:
        response.headers["ETag"] = str(etag)
    return response


def _wants_representation(request: Request) -> bool:
    """Prefer: return=representation, RFC 7240 section 4.2; of several the first counts."""
    preferences = ",".join(request.headers.getlist("prefer")).lower().split(",")
    plain = (one.partition(";")[0].translate(_UNADORNED) for one in preferences)
    return next((one for one in plain if one.startswith("return=")), "") == "return=representation"


_UNADORNED = str.maketrans("", "", ' \t"')


async def _refuse_with_representation(
    declared: Conditional, request: Request, verdict: Verdict, etag: ETag | None
) -> Response:
    found = await _call(declared.represent, request) if declared.represent and etag else None
    if found is None:
        response = await _problem(declared, request, verdict, etag)
        if etag is not None:
            response.headers["ETag"] = str(etag)
        return response
    located = await _call(declared.location, request) if declared.location else request.url.path
    return TaggedResponse(
        found,
        412,
        content_location=located,
        headers={"Preference-Applied": "return=representation", "Vary": "Prefer"},
    )


async def _problem(
    declared: Conditional, request: Request, verdict: Verdict, etag: ETag | None
) -> Response:
    failed = verdict.outcome is Outcome.PRECONDITION_FAILED
    more = await _call(declared.explain, request) if failed and declared.explain else {}
    details = problem(verdict, etag, **more)
    reads = declared.safe or request.method in SAFE_METHODS
    if failed and reads and verdict.field == "If-Match" and verdict.malformed is None:
        details["detail"] = _why_not_read(declared, etag)
    return Response(
        json.dumps(details, ensure_ascii=False), verdict.status, media_type=PROBLEM_JSON
    )


def _why_not_read(declared: Conditional, etag: ETag | None) -> str:
    """A reader loses nothing and has nothing to make anew; what failed is what was asked."""
    if etag is not None and etag.weak and declared.comparison is Comparison.STRICT:
        return (
            "If-Match compares strongly here, and the tag of this resource is weak: a weak tag "
            "never matches strongly, not even itself (RFC 9110 section 8.8.3.2). To read it, "
            "leave If-Match out."
        )
    return "It is not in the state that If-Match names. To read it as it is, leave If-Match out."


def _say_how_to_cache(declared: Conditional, request: Request, response: Response) -> None:
    """Revalidate each time, or when the tag may be another; refusals are kept by nobody."""
    public = isinstance(declared.authorize, _Public)
    said = ("no-cache" if public else _REVALIDATE) if response.status_code < 400 else _KEEP_OUT
    if declared.max_age is not None and request.method in SAFE_METHODS:
        until = _holds_until(request, response) if response.status_code in (200, 304) else _UNKNOWN
        if until is not _UNKNOWN:
            said = cache_control(until, declared.clock(), declared.max_age, public=public)
    response.headers.setdefault("Cache-Control", said)
    for name in declared.vary:
        response.headers.add_vary_header(name)


def _holds_until(request: Request, response: Response) -> Any:
    """Until when the tag that is sent holds: the answer says it, or else the source of that tag."""
    current: Validators | None = getattr(request.state, "ifmatch_current", None)
    if hasattr(response, "until"):
        return response.until
    sent = response.headers.get("etag")
    return _UNKNOWN if current is None or current.text != sent else current.until


def refuse_max_age(max_age: int | None) -> None:
    """Raise ImpossibleDeclaration for seconds that no cache understands."""
    if max_age is not None and max_age < 1:
        raise ImpossibleDeclaration(
            f"max_age={max_age} lets nobody keep anything. Give whole seconds from 1 on, or leave "
            "it out: then caches ask each time."
        )
