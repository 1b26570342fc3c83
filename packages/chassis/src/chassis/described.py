"""An API whose description says how a key is sent, and has a tag."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from fastapi import FastAPI, Request, Response

from chassis.problems import install
from ifmatch import Representation, bytes_tag, canonical
from ifmatch.server.fastapi import (
    PUBLIC,
    Conditional,
    ConditionalRoute,
    TaggedResponse,
    problem_doc,
)

OPENAPI = "/openapi.json"

KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "field": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
"""How a request says who asks, as the description has it; either is enough."""

TOO_MANY = problem_doc("The key or the address asks too often; `Retry-After` says when again.")


class DescribedAPI(FastAPI):
    """FastAPI's own route would write the document anew for each request, and know no 304.

    `place` is the path that it is served under, as clients see it.
    """

    def __init__(self, place: str, **told: Any) -> None:
        super().__init__(
            openapi_url=OPENAPI, docs_url=None, redoc_url=None, servers=[{"url": place}], **told
        )
        install(self)

    def setup(self) -> None:
        @Conditional(authorize=PUBLIC, tag=lambda _: self.description_file.etag, vary=())
        def description(_request: Request) -> Response:
            return TaggedResponse(self.description_file)

        self.router.add_api_route(
            OPENAPI, description, include_in_schema=False, route_class_override=ConditionalRoute
        )

    @cached_property
    def description_file(self) -> Representation[dict[str, Any]]:
        """The document as it is sent, put together once: the same bytes in every process."""
        document = self.openapi()
        body = canonical(document)
        return Representation(document, body, bytes_tag(body))

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document.setdefault("components", {})["securitySchemes"] = KEYS
        document["security"] = [{name: []} for name in KEYS]
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].setdefault("429", TOO_MANY)
        return document
