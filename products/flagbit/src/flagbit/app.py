"""FlagBit's application: every route on one screen.

/, /assets           the page and what it loads
/api/v1/...          what people and tools edit: one module of `flagbit.api` for each resource
/ofrep/v1/...        what SDKs evaluate
/developers          how to use both, for people
.../openapi.json     and for machines
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from chassis import customers
from chassis.problems import install
from chassis.product import Context
from chassis.rights import Principal
from flagbit import ofrep, pages
from flagbit.api import audit, environments, flags, keys, projects, states, transfer
from flagbit.api.resources import Resources
from flagbit.db import DEFAULT_PROJECT, FlagDatabase, FlagQuery, Page
from flagbit.evaluations import Evaluations
from flagbit.settings import COMPARISON
from ifmatch import Representation, bytes_tag, canonical
from ifmatch.server.fastapi import PUBLIC, Conditional, ConditionalRoute, TaggedResponse
from ifmatch.server.openapi import document

ENVIRONMENTS = {"development": "Development", "production": "Production"}
"""What a new installation starts with."""

API_VERSION = "0.1.0"
API, OFREP = "/api/v1", "/ofrep"
OPENAPI = "/openapi.json"

KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "field": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
"""How a request says who asks, as the description has it; either is enough."""


def create(context: Context) -> Starlette:
    """FlagBit on its database, which has been migrated."""
    db = FlagDatabase(context.database, context.settings.of(COMPARISON))
    db.ensure_project(DEFAULT_PROJECT, ENVIRONMENTS)
    managing = api(context, db)
    evaluating = ofrep.application(Evaluations(db), context)
    described: dict[str, Callable[[], dict[str, Any]]] = {
        API: managing.openapi,
        OFREP: partial(ofrep.described, evaluating, KEYS),
    }
    routes: list[BaseRoute] = [
        customers.description(f"{OFREP}{OPENAPI}", described[OFREP]),
        Mount(API, managing),
        Mount(OFREP, evaluating),
        *pages.routes(context, db),
        *customers.page(context, "FlagBit", described, partial(sample, db)),
    ]
    app = Starlette(routes=routes)
    install(app)
    return app


def sample(db: FlagDatabase, principal: Principal | None) -> customers.Sample:
    """What the examples are about: a flag that is there, or the first of the samples."""
    key = "dark-mode"
    if principal is not None:
        project = principal.project or DEFAULT_PROJECT
        key = next((one["key"] for one in db.flags(project, FlagQuery(page=Page(1))).value), key)
    return customers.Sample(
        listed=f"{API}/flags",
        edited=f"{API}/flags/{key}",
        member="tags",
        added="reviewed",
        asked=(f"{OFREP}{ofrep.ALL}", {"context": {"targetingKey": "user-1"}}),
    )


def api(context: Context, db: FlagDatabase) -> FastAPI:
    """The management API."""
    resources = Resources(db, context.authenticate, context.prefix)
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
        servers=[{"url": context.path(API)}],
    )
    app.links = customers.links(context, f"{API}{OPENAPI}")
    document(app, security=KEYS, more={"externalDocs": {"url": context.path(customers.PATH)}})
    install(app)
    for module in (flags, states, projects, audit, transfer):
        app.include_router(module.router(resources))
    app.include_router(environments.router(resources, context.keys))
    app.include_router(keys.router(resources, context.keys))
    app.add_exception_handler(405, keys.on_method(resources))
    return app


class _Described(FastAPI):
    """An API whose description says how a key is sent, and has a tag.

    FastAPI's own route would write the document anew for each request, and know no 304.
    """

    links = ""
    """Where to read about it, as a Link field."""

    def setup(self) -> None:
        @Conditional(authorize=PUBLIC, tag=lambda _: self.description_file.etag, vary=())
        def description(_request: Request) -> Response:
            return TaggedResponse(self.description_file, headers={"Link": self.links})

        self.router.add_api_route(
            OPENAPI, description, include_in_schema=False, route_class_override=ConditionalRoute
        )

    @cached_property
    def description_file(self) -> Representation[dict[str, Any]]:
        """The document as it is sent, put together once: the same bytes in every process."""
        document = self.openapi()
        body = canonical(document)
        return Representation(document, body, bytes_tag(body))
