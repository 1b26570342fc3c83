"""FlagBit's application: every route on one screen.

/, /assets           the page and what it loads
/api/v1/...          what people and tools edit: one module of `flagbit.api` for each resource
/ofrep/v1/...        what SDKs evaluate
/api/v1/openapi.json the description of the API
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from chassis import key_api
from chassis.declarations import Declarations
from chassis.problems import install
from chassis.product import Context
from flagbit import ofrep, pages
from flagbit.api import audit, environments, flags, keys, projects, states
from flagbit.api.resources import Resources
from flagbit.db import DEFAULT_PROJECT, FlagDatabase
from flagbit.evaluations import Evaluations
from ifmatch import Representation, bytes_tag, canonical
from ifmatch.server.fastapi import PUBLIC, Conditional, ConditionalRoute, TaggedResponse

ENVIRONMENTS = {"development": "Development", "production": "Production"}
"""What a new installation starts with."""

API_VERSION = "0.1.0"
OPENAPI = "/openapi.json"

KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "field": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
"""How a request says who asks, as the description has it; either is enough."""


def create(context: Context) -> Starlette:
    """FlagBit on its database, which has been migrated."""
    db = FlagDatabase(context.database, context.settings.comparison)
    db.ensure_project(DEFAULT_PROJECT, ENVIRONMENTS)
    routes: list[BaseRoute] = [
        Mount("/api/v1", api(context, db)),
        Mount("/ofrep", ofrep.application(Evaluations(db), context)),
        *pages.routes(context, db),
    ]
    app = Starlette(routes=routes)
    install(app)
    return app


def api(context: Context, db: FlagDatabase) -> FastAPI:
    """The management API."""
    declare = Declarations(context.authenticate, db.comparison)
    resources = Resources(db, declare, context.prefix)
    app = _Described(
        title="FlagBit",
        version=API_VERSION,
        summary="Feature flags that several people can edit without losing changes.",
        description=(
            "Every resource has an ETag. Poll with If-None-Match; edit with If-Match: the tag "
            "that you read. A change that somebody else made meanwhile is never overwritten."
        ),
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
        servers=[{"url": f"{context.prefix}/api/v1"}],
    )
    install(app)
    for module in (flags, states, projects, audit):
        app.include_router(module.router(resources))
    app.include_router(environments.router(resources, context.keys))
    app.include_router(key_api.router(declare, keys.place(resources, context.keys)))
    app.add_exception_handler(405, key_api.on_method(resources.location("keys")))
    return app


class _Described(FastAPI):
    """An API whose description says how a key is sent, and has a tag.

    FastAPI's own route would write the document anew for each request, and know no 304.
    """

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
        return document
