"""OFREP, the OpenFeature Remote Evaluation Protocol (0.2): what SDKs of any language ask.

    POST /ofrep/v1/evaluate/flags/{key}     one flag; carries no tag
    POST /ofrep/v1/evaluate/flags           all flags; a safe read, answered 304 to its own tag

The key of the request names the environment. A server key sees every flag, a client key those that
are marked for clients; what is not seen is as if it did not exist.

What clients lean on: `variant` and `reason` are in every success, `errorDetails` in every failure;
a float travels as `1.0`; a flag that is off has a value, with the reason DISABLED.
"""

from __future__ import annotations

from collections.abc import Iterable
from json import JSONDecodeError
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.authentication import Authenticator
from chassis.problems import Problem, install
from chassis.rights import Principal, Role
from flagbit.db import DEFAULT_PROJECT
from flagbit.evaluations import CompiledFlag, Evaluations, Snapshot
from flagbit.rules import TargetingKeyMissing
from ifmatch import Representation, canonical, composed_tag
from ifmatch.core.tags import state_digest
from ifmatch.server.starlette import CappedRequest, Conditional, TaggedResponse, conditional

MAX_CONTEXT = 65_536
BUILD = "1"
"""Part of the bulk tag: raised by whoever changes what an evaluation answers."""


def application(
    evaluations: Evaluations, authenticate: Authenticator, origins: Iterable[str] = ("*",)
) -> Starlette:
    """The two routes, with CORS: browsers of other origins may ask, and see the tag."""
    caller = _Caller(authenticate)
    bulk = Conditional(authorize=caller, safe=True, max_content=MAX_CONTEXT)

    async def evaluate_all(request: Request) -> Response:
        principal: Principal = request.state.principal
        context = await _context(request)
        if isinstance(context, Response):
            return context
        return await run_in_threadpool(_bulk, evaluations, principal, context)

    async def evaluate_one(request: Request) -> Response:
        principal = await run_in_threadpool(caller, request)
        capped = CappedRequest(request.scope, request.receive)
        capped.max_content = MAX_CONTEXT
        key = request.path_params["key"]
        context = await _context(capped, key)
        if isinstance(context, Response):
            return context
        return await run_in_threadpool(_single, evaluations, principal, key, context)

    app = Starlette(
        routes=[
            Route("/v1/evaluate/flags", conditional(bulk, evaluate_all), methods=["POST"]),
            Route("/v1/evaluate/flags/{key}", evaluate_one, methods=["POST"]),
        ],
    )
    install(app)
    app.user_middleware.insert(0, _cors(origins))
    return app


def _cors(origins: Iterable[str]) -> Middleware:
    """Outermost, so that 304, 401 and 500 carry its fields too: a browser takes an answer without
    them for a network error.
    """
    return Middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["POST"],
        allow_headers=["Authorization", "Content-Type", "If-None-Match", "X-API-Key"],
        expose_headers=["ETag", "Retry-After"],
        max_age=3600,
    )


class _Caller:
    """Who asks; 403 for a key that is for no environment."""

    def __init__(self, authenticate: Authenticator) -> None:
        self._authenticate = authenticate

    def __call__(self, request: Request) -> Principal:
        principal = self._authenticate(request)
        if principal.role not in (Role.SERVER, Role.CLIENT) or principal.environment is None:
            raise Problem(
                403,
                "no-environment",
                f"A key with the role {principal.role} is for no environment, so there is nothing "
                "to evaluate. Make a server or client key: POST /api/v1/keys.",
            )
        return principal


async def _context(request: Request, key: str | None = None) -> dict[str, Any] | Response:
    """The evaluation context; or the answer that says what is wrong with it."""
    try:
        content = await request.body()
        sent = await request.json() if content else {}
    except JSONDecodeError as error:
        return _failure(
            400, "PARSE_ERROR", f"The content is not JSON: {error.msg}. Send JSON.", key
        )
    except HTTPException as error:
        return _failure(error.status_code, "INVALID_CONTEXT", str(error.detail), key)
    context = sent.get("context", {}) if isinstance(sent, dict) else None
    if not isinstance(context, dict):
        remedy = 'Send {"context": {"targetingKey": "..."}}.'
        return _failure(400, "INVALID_CONTEXT", f"The context is not an object. {remedy}", key)
    return context


def _snapshot(evaluations: Evaluations, principal: Principal) -> Snapshot:
    assert principal.environment is not None  # noqa: S101 (_Caller saw to it)
    return evaluations.current(principal.project or DEFAULT_PROJECT, principal.environment)


def _sees(principal: Principal, flag: CompiledFlag | None) -> bool:
    return flag is not None and (principal.role is Role.SERVER or flag.client_visible)


def _single(
    evaluations: Evaluations, principal: Principal, key: str, context: dict[str, Any]
) -> Response:
    flag = _snapshot(evaluations, principal).flags.get(key)
    if flag is None or not _sees(principal, flag):
        return _failure(404, "FLAG_NOT_FOUND", f"There is no flag {key[:60]!a} here.", key)
    answer = _answer(flag, context)
    return _json(400 if "errorCode" in answer else 200, answer)


def _bulk(evaluations: Evaluations, principal: Principal, context: dict[str, Any]) -> Response:
    snapshot = _snapshot(evaluations, principal)
    flags = [_answer(flag, context) for flag in snapshot.flags.values() if _sees(principal, flag)]
    body = canonical({"flags": flags, "metadata": {"environment": principal.environment}})
    # The evaluated set is in the body, and so is the context as far as it matters.
    etag = composed_tag("ofrep", BUILD, principal.project, state_digest(body))
    return TaggedResponse(Representation(None, body, etag))


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


def _failure(status: int, code: str, details: str, key: str | None) -> Response:
    failure = {"errorCode": code, "errorDetails": details}
    return _json(status, failure if key is None else {"key": key} | failure)


def _json(status: int, content: dict[str, Any]) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(canonical(content), status, headers, "application/json")
