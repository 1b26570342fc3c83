"""Conditional requests for FastAPI: a route class, and a mark on the endpoint.

FastAPI reads and parses the body before any dependency runs. This route class authenticates, looks
the resource up and judges the conditions first, so that 401, 404, 412 and 428 come before 422, and
before a byte of content is asked for.

    router = APIRouter(route_class=ConditionalRoute)

    @router.put("/notes/{id}")
    @Conditional(authorize=who, tag=note_tag, comparison=Comparison.STATE, required=True)
    def replace(id: int, new: Note, guard: Guarded) -> Response:
        return TaggedResponse(notes.replace(id, new.model_dump(), guard))
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from ifmatch.core.guard import Condition
from ifmatch.core.reply import PROBLEM_JSON
from ifmatch.server.starlette import (
    PUBLIC,
    CappedRequest,
    Conditional,
    TaggedResponse,
    condition,
    declaration_of,
    respond,
)

__all__ = ["PUBLIC", "Conditional", "ConditionalRoute", "Guarded", "TaggedResponse"]

Guarded = Annotated[Condition, Depends(condition)]
"""The condition of the request, as a parameter of an endpoint; hand it to the store."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class ConditionalRoute(APIRoute):
    """An APIRoute that honours the `Conditional` mark of its endpoint, and serves HEAD as GET."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        declared = declaration_of(endpoint)
        self.declared = declared
        if declared is not None:
            methods = sorted(options.get("methods") or ["GET"])
            declared.check(methods, path)
            reads = declared.safe or methods == ["GET"]
            documented = _read_responses(declared) if reads else _write_responses(declared)
            options["responses"] = documented | (options.get("responses") or {})
            extra = dict(options.get("openapi_extra") or {})
            parameters = _READ_FIELDS if reads else _WRITE_FIELDS
            extra["parameters"] = [*extra.get("parameters", ()), *parameters]
            options["openapi_extra"] = extra
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        endpoint = super().get_route_handler()
        declared = self.declared
        if declared is None:
            return endpoint

        async def handle(request: Request) -> Response:
            capped = CappedRequest(request.scope, request.receive, request._send)
            capped.max_content = declared.max_content
            return await respond(declared, capped, endpoint)

        return handle

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(self._as_get(scope))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """HEAD is GET without its content, by construction, so that no field can differ."""
        if scope["method"] == "HEAD":
            send = _without_content(send)
        await super().handle(self._as_get(scope), receive, send)

    def _as_get(self, scope: Scope) -> Scope:
        if scope["type"] != "http" or scope["method"] != "HEAD" or "HEAD" in (self.methods or ()):
            return scope
        return {**scope, "method": "GET"}


def _without_content(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong, and what to do next."},
    },
}
_ETAG = {"ETag": {"schema": {"type": "string"}, "description": "The current entity tag."}}


def problem_doc(description: str) -> dict[str, Any]:
    """The OpenAPI description of an answer in problem details."""
    return {"description": description, "content": {PROBLEM_JSON: {"schema": _PROBLEM_SCHEMA}}}


def _read_responses(declared: Conditional) -> dict[int | str, dict[str, Any]]:
    tagged = {"description": "The current representation.", "headers": _ETAG}
    responses: dict[int | str, dict[str, Any]] = {
        200: tagged,
        304: {"description": "What you have is current: If-None-Match matched.", "headers": _ETAG},
        404: problem_doc("There is no such resource."),
        412: problem_doc("If-Match named another state than the current one."),
        422: problem_doc("The request cannot be understood; `errors` names each field."),
    }
    if declared.authorize is not PUBLIC:
        responses[400] = problem_doc("The request contradicts itself: it has two different keys.")
        responses[401] = problem_doc("No key, or one that is not known.")
        responses[403] = problem_doc("The key may not do this.")
    return responses


def _write_responses(declared: Conditional) -> dict[int | str, dict[str, Any]]:
    responses: dict[int | str, dict[str, Any]] = {
        400: problem_doc(
            "A condition is malformed (`position` and `suggestion` help), or there are two keys."
        ),
        401: problem_doc("No key, or one that is not known."),
        403: problem_doc("The key may not do this."),
        404: problem_doc("There is no such resource."),
        409: problem_doc("It does not fit what is there."),
        412: problem_doc("It was changed since you read it; `etag` is the current tag."),
        413: problem_doc("The content is too long."),
        415: problem_doc("The content is of another type than this takes."),
        422: problem_doc("The content is wrong; `errors` names each field and its remedy."),
    }
    if declared.required is not False:  # a function may say so at a request
        responses[428] = problem_doc("A change here needs If-Match, a creation If-None-Match: *.")
    return responses


def _field(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": description,
    }


_READ_FIELDS = [_field("If-None-Match", "The tags you have; answered 304 if one is current.")]
_WRITE_FIELDS = [
    _field("If-Match", "The tag of the state that the change was made on."),
    _field("If-None-Match", "`*` to create, and only to create."),
]
