"""OFREP, the OpenFeature Remote Evaluation Protocol (0.2): what SDKs of any language ask.

    POST /ofrep/v1/evaluate/flags/{key}     one flag; carries no tag
    POST /ofrep/v1/evaluate/flags           all flags; a safe read, answered 304 to its own tag

The key of the request names the environment. A server key sees every flag, a client key those that
are marked for clients; what is not seen is as if it did not exist.

What clients lean on: `variant` and `reason` are in every success, `errorCode` and `errorDetails`
in every failure, whoever refused, and `key` in those of a single flag; a float travels as `1.0`; a
flag that is off has a value, with the reason DISABLED.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from json import JSONDecodeError
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.described import EVERYWHERE
from chassis.problems import Problem, install
from chassis.product import Context
from chassis.rights import Principal
from flagbit.db import DEFAULT_PROJECT
from flagbit.evaluations import CompiledFlag, Evaluations
from flagbit.product import CLIENT, SERVER
from flagbit.rules import TargetingKeyMissing
from flagbit.settings import COMPARISON
from ifmatch import Representation, canonical, composed_tag
from ifmatch.core.reply import PROBLEM_JSON
from ifmatch.core.tags import state_digest
from ifmatch.server.openapi import description
from ifmatch.server.starlette import (
    CappedRequest,
    Conditional,
    TaggedResponse,
    check_content,
    conditional,
)

TITLE, PROTOCOL = "Evaluation (OFREP)", "0.2"
ALL, ONE = "/v1/evaluate/flags", "/v1/evaluate/flags/{key}"
MAX_CONTEXT = 65_536
BUILD = "1"
"""Part of the bulk tag: raised by whoever changes what an evaluation answers."""

_FIELDS = ("Authorization", "Content-Type", "If-None-Match", "X-API-Key")
"""What pages of other origins may send beside what they always may."""


def application(
    evaluations: Evaluations, context: Context, origins: Iterable[str] = ("*",)
) -> Starlette:
    """The two routes, with CORS: browsers of other origins may ask, and see the tag."""
    asking = _Asking(evaluations, context)
    declared = Conditional(
        authorize=asking.who,
        roles=(SERVER.name, CLIENT.name),
        safe=True,
        max_content=MAX_CONTEXT,
        comparison=context.settings.of(COMPARISON),
    )

    async def evaluate_all(request: Request) -> Response:
        """All flags that the key sees."""
        about = await _context(request)
        return await run_in_threadpool(asking.for_all, request.state.principal, about)

    async def evaluate_one(request: Request) -> Response:
        """One flag."""
        principal = await run_in_threadpool(asking.who, request)
        check_content(declared, request)
        capped = CappedRequest(request.scope, request.receive)
        capped.max_content = MAX_CONTEXT
        about = await _context(capped)
        return await run_in_threadpool(asking.for_one, principal, request.path_params["key"], about)

    app = Starlette(
        routes=[
            Route(ALL, conditional(declared, evaluate_all), methods=["POST"]),
            Route(ONE, evaluate_one, methods=["POST"]),
        ],
    )
    install(app)
    # CORS is outermost, so that 304, 401 and 500 carry its fields too: a browser takes an answer
    # without them for a network error.
    app.user_middleware[:0] = [_cors(origins), Middleware(_InOFREP)]
    return app


def described(served: Starlette, security: Mapping[str, Any]) -> dict[str, Any]:
    """The description of the two routes in OpenAPI; what is refused is in OFREP's words."""
    told: Any = {"security": security, "everywhere": EVERYWHERE}
    made = description(served, title=TITLE, version=PROTOCOL, **told)
    bulk, single = (made["paths"][path]["post"] for path in (ALL, ONE))
    del bulk["responses"]["422"]  # what it has to say of the content is 400
    for status, answer in bulk["responses"].items():
        if int(status) >= 400:
            answer["content"] = {"application/json": {"schema": _FAILURE}}
    for one in (bulk, single):
        one["responses"]["200"]["content"] = {"application/json": {"schema": {"type": "object"}}}
    single["security"] = bulk["security"]
    single["responses"] |= {
        status: one for status, one in bulk["responses"].items() if int(status) >= 400
    }
    del single["responses"]["412"]  # it has no tag
    said = "There is no such flag, or the key does not see it."
    single["responses"]["404"] = {**bulk["responses"]["400"], "description": said}
    single["responses"] = dict(sorted(single["responses"].items()))
    return made


_FAILURE = {
    "type": "object",
    "required": ["errorCode", "errorDetails"],
    "properties": {name: {"type": "string"} for name in ("key", "errorCode", "errorDetails")},
}


class _Asking:
    """Who asks, and what is evaluated for them."""

    def __init__(self, evaluations: Evaluations, context: Context) -> None:
        self._evaluations = evaluations
        self._authenticate = context.authenticate
        self._keys = context.path("/api/v1/keys")

    def who(self, request: Request) -> Principal:
        """403 for a key that is for no environment."""
        principal = self._authenticate(request)
        if principal.role not in (SERVER.name, CLIENT.name) or principal.environment is None:
            raise Problem(
                403,
                "no-environment",
                f"A key with the role {principal.role} is for no environment, so there is nothing "
                f"to evaluate. Make a server or client key: POST {self._keys}.",
            )
        return principal

    def for_all(self, principal: Principal, about: dict[str, Any]) -> Response:
        """Every flag that the key sees, with the tag of that set."""
        known = self._flags(principal)
        flags = [_answer(flag, about) for flag in known.values() if _sees(principal, flag)]
        body = canonical({"flags": flags, "metadata": {"environment": principal.environment}})
        # The evaluated set is in the body, and so is the context as far as it matters.
        etag = composed_tag("ofrep", BUILD, principal.project, state_digest(body))
        return TaggedResponse(Representation(None, body, etag))

    def for_one(self, principal: Principal, key: str, about: dict[str, Any]) -> Response:
        """One flag, if the key sees it."""
        flag = self._flags(principal).get(key)
        if flag is None or not _sees(principal, flag):
            raise _Failure(
                404,
                "FLAG_NOT_FOUND",
                f"There is no flag {key[:60]!a} here. Correct its name; for a client key, mark "
                "the flag with client_visible.",
            )
        answer = _answer(flag, about)
        return _json(400 if "errorCode" in answer else 200, answer)

    def _flags(self, principal: Principal) -> Mapping[str, CompiledFlag]:
        """403 where the environment is gone: no flags at all would look like an answer."""
        environment = principal.environment or ""
        flags = self._evaluations.current(principal.project or DEFAULT_PROJECT, environment).flags
        if flags is None:
            raise Problem(
                403,
                "environment-gone",
                f"This key is for the environment {environment}, which is not there any more. Make "
                f"a key for another one: POST {self._keys}.",
            )
        return flags


# -- what is sent ----------------------------------------------------------------------------------


async def _context(request: Request) -> dict[str, Any]:
    """The evaluation context; raises what is wrong with it."""
    try:
        content = await request.body()
        sent = await request.json() if content else {}
    except JSONDecodeError as error:
        where = f" at line {error.lineno}, column {error.colno}" if error.doc else ""
        raise _Failure(
            400, "PARSE_ERROR", f"The content is not JSON: {error.msg}{where}. Send JSON."
        ) from error
    context = sent.get("context", {}) if isinstance(sent, dict) else None
    if not isinstance(context, dict):
        remedy = 'Send {"context": {"targetingKey": "..."}}.'
        raise _Failure(400, "INVALID_CONTEXT", f"The context is not an object. {remedy}")
    return context


# -- what is answered ------------------------------------------------------------------------------


def _sees(principal: Principal, flag: CompiledFlag | None) -> bool:
    return flag is not None and (principal.role == SERVER.name or flag.client_visible)


def _answer(flag: CompiledFlag, context: dict[str, Any]) -> dict[str, Any]:
    try:
        outcome = flag.evaluator.evaluate(context)
    except TargetingKeyMissing as error:
        return {"key": flag.key, "errorCode": error.code, "errorDetails": str(error)}
    metadata = {} if outcome.rule is None else {"rule": outcome.rule}
    return {
        "key": flag.key,
        "value": outcome.value,
        "reason": outcome.reason,
        "variant": outcome.variant,
        "metadata": metadata,
    }


def _json(status: int, content: dict[str, Any]) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(canonical(content), status, headers, "application/json")


# -- what is refused -------------------------------------------------------------------------------


class _Failure(Problem):
    """A refusal with one of OFREP's own codes."""

    foreign = True

    def __init__(self, status: int, code: str, details: str) -> None:
        super().__init__(status, code.lower().replace("_", "-"), details, errorCode=code)


CODES = {413: "INVALID_CONTEXT", 415: "PARSE_ERROR"}
OTHER = "GENERAL"
"""OFREP's codes of what is refused by others, by status."""


class _InOFREP:
    """Says in OFREP's words what was refused in problem details, whoever refused it.

    Clients look for `errorCode`, show `errorDetails`, and take an answer about one flag for a
    failure only if it has its `key`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message | None = None
        content = b""

        async def translate(message: Message) -> None:
            nonlocal start, content
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is None:
                await send(message)
            else:
                content += message.get("body", b"")
                if not message.get("more_body", False):
                    fields, said = _in_own_words(scope, start, content)
                    await send({**start, "headers": fields})
                    await send({"type": "http.response.body", "body": said})

        await self._app(scope, receive, translate)


def _is_problem(start: Message) -> bool:
    return Headers(raw=start["headers"]).get("content-type") == PROBLEM_JSON


def _in_own_words(
    scope: Scope, start: Message, content: bytes
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    problem = json.loads(content)
    _, _, key = scope["path"].partition("/v1/evaluate/flags/")
    failure = {"key": key} if key else {}
    failure["errorCode"] = problem.get("errorCode") or CODES.get(problem["status"], OTHER)
    failure["errorDetails"] = problem["detail"]
    said = json.dumps(failure, separators=(",", ":")).encode()  # a key may be any text
    ours = {b"content-type": b"application/json", b"content-length": b"%d" % len(said)}
    kept = [field for field in start["headers"] if field[0] not in ours]
    return [*kept, *ours.items()], said


# -- pages of other origins ------------------------------------------------------------------------


def _cors(origins: Iterable[str]) -> Middleware:
    return Middleware(
        _CORS,
        allow_origins=list(origins),
        allow_methods=["POST"],
        allow_headers=_FIELDS,
        expose_headers=["ETag", "Retry-After"],
        max_age=3600,
    )


class _CORS(CORSMiddleware):
    """Starlette's, with a refusal that says what would be allowed."""

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            return answer
        fields = dict(answer.headers)
        del fields["content-type"], fields["content-length"]
        refused = bytes(answer.body).decode().removeprefix("Disallowed CORS ")
        return Problem(
            400,
            "preflight-refused",
            f"Pages of other origins may not do that ({refused}). Use POST, and of the fields that "
            f"need leave only {', '.join(_FIELDS)}.",
            headers=fields,
        ).response()
