"""Every error is one shape: problem details (RFC 9457), never cached, ending with the next step.

    raise Problem(404, "flag-not-found", f"There is no flag {key!r}. List them at …/flags.")

`install(app)` gives an application the handlers that make it so for errors of every other origin:
routing, validation, conditions, the database, and what nobody foresaw.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http.client import responses as PHRASES  # noqa: N812 (a constant)
from typing import Any, ClassVar

from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.headers import request_id, with_security
from chassis.problem_links import ProblemLinks
from chassis.problem_types import ProblemType
from chassis.validation import MalformedJSON, describe
from ifmatch.core.errors import Conflict, Missing
from ifmatch.core.reply import PROBLEM_JSON, PROBLEM_TYPE
from ifmatch.core.reply import problem as problem_of_verdict

log = logging.getLogger("chassis.problems")


class Problem(HTTPException):
    """An answer that refuses; `detail` ends with what the caller can do next.

    `slug` names the kind of problem in its `type`, which is a row of a table of problem types, so
    that it has a page; `extensions` become members of their own.
    """

    expected: ClassVar[Mapping[str, ProblemType] | None] = None
    """For tests: the types that there are. Raising another one is a mistake of the code then."""

    foreign: ClassVar[bool] = False
    """Of a class whose problems are sent in another protocol's shape: they have no type of ours."""

    def __init__(
        self,
        status: int,
        slug: str,
        detail: str,
        *,
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.slug = slug
        self.title = title or slug.replace("-", " ").capitalize()
        self.extensions = extensions
        if self.expected is not None and not self.foreign:
            self._check(self.expected)

    def _check(self, expected: Mapping[str, ProblemType]) -> None:
        row = expected.get(self.slug)
        if row is None or self.status_code not in row.statuses:
            raise ValueError(f"No table has the problem {self.slug} with {self.status_code}.")
        if self.title != row.title or not self.extensions.keys() <= row.members.keys():
            raise ValueError(f"The problem {self.slug} is not as its row says: {self.members()}")

    def members(self) -> dict[str, Any]:
        """The problem details as they are sent."""
        return {
            "type": self.type,
            "title": self.title,
            "status": self.status_code,
            "detail": self.detail,
        } | self.extensions

    @property
    def type(self) -> str:
        """The URI that names the type."""
        return PROBLEM_TYPE + self.slug

    def response(self) -> Response:
        """The answer, for plain ASGI code that has no handlers around it."""
        return problem_response(self.members(), self.headers)


def problem_response(
    members: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    """An answer of problem details that are already put together."""
    content = json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()
    fields = {"cache-control": "no-store"} | {k.lower(): v for k, v in (headers or {}).items()}
    return Response(content, members["status"], fields, PROBLEM_JSON)


# -- problems that are not ours: what each status says when its raiser said nothing -------------

_PLAIN = {
    400: ("bad-request", "The request could not be understood. Correct it and send it again."),
    404: ("not-found", "There is nothing at this address. Check the path."),
    405: ("method-not-allowed", "This address does not take that method. See the Allow field."),
    413: ("content-too-large", "The content is too large. Send less."),
    415: ("unsupported-media-type", "This content type is not understood. Send application/json."),
}
_STRAY_SLASH = "There is nothing at this address. Check the path, and the slash at its end."
_FASTAPI_UNREADABLE = "There was an error parsing the body"
_UNREADABLE = (
    "The body could not be read as JSON: it is not UTF-8, or it is nested too deeply. "
    "Nothing was changed. Send JSON in UTF-8."
)


class _Untyped(Problem):
    """A status that somebody raised and no type of ours goes with: RFC 9457 section 4.2.1."""

    foreign = True
    type = "about:blank"


def _plain(error: HTTPException) -> Problem:
    """A Problem of an HTTPException that Starlette, FastAPI or somebody's code raised."""
    status = error.status_code
    if status == 400 and error.detail == _FASTAPI_UNREADABLE:
        return Problem(422, "malformed-json", _UNREADABLE, title="Malformed JSON")
    slug, detail = _PLAIN.get(status, ("", "Correct the request and try again."))
    said = str(error.detail) if error.detail not in ("", PHRASES.get(status)) else detail
    if slug:
        return Problem(status, slug, said, headers=error.headers)
    return _Untyped(status, "", said, title=PHRASES.get(status, "Error"), headers=error.headers)


async def on_http(request: Request, error: Exception) -> Response:
    """The answer to an HTTPException, ours or not; where handlers of one's own end."""
    assert isinstance(error, HTTPException)  # noqa: S101 (what it is registered for)
    if error.status_code < 400:  # a redirect that was raised
        return Response(status_code=error.status_code, headers=error.headers)
    known = error if isinstance(error, Problem) else _plain(error)
    if known.status_code == 404 and known.detail == _PLAIN[404][1] and _ends_with_slash(request):
        known.detail = _STRAY_SLASH
    if known.status_code == 405:
        known = _with_allow(known, request.scope)
    return known.response()


def _ends_with_slash(request: Request) -> bool:
    path: str = request.scope["path"]
    return path.endswith("/")


def _with_allow(error: Problem, scope: Scope) -> Problem:
    """All the methods of the address: a router names those of the first route that it met."""
    given = (error.headers or {}).get("Allow", "")
    allowed = {method.strip() for method in given.split(",") if method.strip()}
    routes = getattr(getattr(scope.get("app"), "router", None), "routes", ())
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"):
        asked = dict(scope, method=method)
        if any(route.matches(dict(asked))[0] is Match.FULL for route in routes):
            allowed.add(method)
    if "GET" in allowed:
        allowed.add("HEAD")
    error.headers = dict(error.headers or {}) | {"Allow": ", ".join(sorted(allowed))}
    return error


# -- the other origins ----------------------------------------------------------------------------


async def _on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = describe(error.errors(), error.body)
    if isinstance(found, MalformedJSON):
        return malformed_json(found.reason, found.place).response()
    places = ", ".join(one.get("pointer") or one.get("name", "") for one in found.errors[:5])
    details: dict[str, Any] = {"errors": found.errors}
    if found.more:
        details["more"] = found.more
    return Problem(
        422,
        "validation-failed",
        f"Not accepted: {places or 'the whole body'}. Nothing was changed. "
        "Correct what 'errors' names and send the request again.",
        title="Validation failed",
        headers=None,
        **details,
    ).response()


def malformed_json(reason: str, place: tuple[int, int] | None) -> Problem:
    """The answer to a body that is no JSON; `place` is line and column, where they are known."""
    where, there, members = "", "", {}
    if place is not None:
        members = {"line": place[0], "column": place[1]}
        where, there = f" at line {place[0]}, column {place[1]}", " there"
    return Problem(
        422,
        "malformed-json",
        f"The body is not JSON: {reason}{where}. Nothing was changed. "
        f"Correct it{there} and send the request again.",
        title="Malformed JSON",
        headers=None,
        **members,
    )


async def _on_conflict(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Conflict)  # noqa: S101
    headers = {"ETag": str(error.current)} if error.current else {}
    return problem_response(problem_of_verdict(error.verdict, error.current), headers)


async def _on_missing(_request: Request, _error: Exception) -> Response:
    return Problem(
        404,
        "not-found",
        "There is nothing here: it was deleted, or never existed. Create it, or correct the name.",
    ).response()


async def _on_database(request: Request, error: Exception) -> Response:
    """The database is away or overloaded. Whether a commit got through is then not known."""
    number = request_id(request.scope)
    log.error("the database failed in request %s", number, exc_info=error)
    return Problem(
        503,
        "database-unavailable",
        "The database did not answer. If this was a change, it is not known to be saved: read it "
        "again before you repeat it.",
        headers={"Retry-After": "1"},
        request=number,
    ).response()


class Unhandled:
    """Turns what nobody foresaw into a 500 that says nothing but its number.

    The traceback goes to the log under that number. Starlette's own handler would raise the error
    again after the answer, and the server would log it a second time.

    With `outermost`, it also gives every answer its number and the security fields, and problems
    the link to their page: one layer around a request costs half of two.
    """

    def __init__(
        self, app: ASGIApp, *, outermost: bool = False, links: ProblemLinks | None = None
    ) -> None:
        self._app = app
        self._outermost = outermost
        self._links = links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        held: Message | None = None
        if self._outermost:
            request_id(scope)  # before the scope is copied, so that all layers see one number

        async def noticing(message: Message) -> None:
            nonlocal started, held
            if message["type"] == "http.response.start":
                if self._outermost:
                    message = with_security(message, request_id(scope))
                if self._links is not None and self._links.concern(message["headers"]):
                    held = message  # until its content says which page it is
                    return
            elif held is not None and self._links is not None:
                link = self._links.link(message.get("body", b""))
                await send({**held, "headers": [*held["headers"], *link]})
                held = None
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noticing)
        except ClientDisconnect:
            log.debug("the client left before its request was read")
        except Exception:
            number = request_id(scope)
            log.exception("request %s failed", number)
            if started:
                raise  # the connection has to break: half an answer must not look whole
            await unexpected(number).response()(scope, receive, noticing)


def unexpected(number: str) -> Problem:
    """The 500 of the request with that number."""
    return Problem(
        500,
        "internal-error",
        f"Something went wrong here, and it is not your fault. Try again; if it stays, report "
        f"request {number}.",
        request=number,
    )


def install(app: Starlette) -> None:
    """Give an application (FastAPI is one) the handlers that make every error a problem.

    An address with a slash too many is one: Starlette would send the client on, to the host that
    its Host field names, which may be anybody's.
    """
    app.router.redirect_slashes = False
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Conflict, _on_conflict)
    app.add_exception_handler(Missing, _on_missing)
    app.add_exception_handler(OperationalError, _on_database)
    app.add_exception_handler(PoolTimeout, _on_database)
    app.add_middleware(Unhandled)
