"""An API whose description says how a key is sent, and has a tag."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from fastapi import FastAPI, Request, Response

from chassis.problems import install
from ifmatch import Representation, bytes_tag, canonical
from ifmatch.server.fastapi import PUBLIC, Conditional, ConditionalRoute, TaggedResponse
from ifmatch.server.openapi import document, problem_doc

OPENAPI = "/openapi.json"

KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "field": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
"""How a request says who asks, as the description has it; either is enough."""

EVERYWHERE = {
    429: problem_doc("The key or the address asks too often; `Retry-After` says when again."),
}
"""What any route may answer."""


class DescribedAPI(FastAPI):
    """FastAPI's own route would write the document anew for each request, and know no 304.

    `place` is the path that it is served under, as clients see it; `links`, where to read about
    it, as a Link field; `more`, members of the document besides its routes.
    """

    def __init__(
        self, place: str, *, links: str = "", more: Mapping[str, Any] | None = None, **told: Any
    ) -> None:
        self.links = links
        super().__init__(
            openapi_url=OPENAPI, docs_url=None, redoc_url=None, servers=[{"url": place}], **told
        )
        document(self, security=KEYS, everywhere=EVERYWHERE, more=more)
        install(self)

    def setup(self) -> None:
        @Conditional(authorize=PUBLIC, tag=lambda _: self.description_file.etag, vary=())
        def description(_request: Request) -> Response:
            headers = {"Link": self.links} if self.links else {}
            return TaggedResponse(self.description_file, headers=headers)

        self.router.add_api_route(
            OPENAPI, description, include_in_schema=False, route_class_override=ConditionalRoute
        )

    @cached_property
    def description_file(self) -> Representation[dict[str, Any]]:
        """The document as it is sent, put together once: the same bytes in every process."""
        described = self.openapi()
        body = canonical(described)
        return Representation(described, body, bytes_tag(body))
