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
from ifmatch.server.openapi import operation
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
            success = options.get("status_code") or 200
            documented, also = operation(declared, methods, path, success)
            options["responses"] = documented | (options.get("responses") or {})
            extra = dict(options.get("openapi_extra") or {})
            parameters = [*extra.get("parameters", ()), *also.pop("parameters")]
            options["openapi_extra"] = also | extra | {"parameters": parameters}
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
