"""FlagBit's application: every route on one screen.

/, /assets           the page and what it loads
/api/v1/...          what people and tools edit: one module of `flagbit.api` for each resource
/ofrep/v1/...        what SDKs evaluate
/developers          how to use both, for people
.../openapi.json     and for machines
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from chassis import customers, key_api
from chassis.declarations import Declarations
from chassis.described import KEYS, OPENAPI, DescribedAPI
from chassis.problems import install
from chassis.product import Context
from chassis.query import Page
from chassis.rights import Principal
from flagbit import ofrep, pages
from flagbit.api import audit, environments, flags, keys, projects, states, transfer
from flagbit.api.resources import Resources
from flagbit.db import DEFAULT_PROJECT, FlagDatabase, FlagQuery
from flagbit.evaluations import Evaluations
from flagbit.settings import COMPARISON

ENVIRONMENTS = {"development": "Development", "production": "Production"}
"""What a new installation starts with."""

API_VERSION = "0.1.0"
API, OFREP = "/api/v1", "/ofrep"


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
    declare = Declarations(context.authenticate, db.comparison)
    resources = Resources(db, declare, context.prefix)
    app = DescribedAPI(
        context.path(API),
        title="FlagBit",
        version=API_VERSION,
        summary="Feature flags that several people can edit without losing changes.",
        description=(
            "Every resource has an ETag. Poll with If-None-Match; edit with If-Match: the tag "
            "that you read. A change that somebody else made meanwhile is never overwritten."
        ),
        links=customers.links(context, f"{API}{OPENAPI}"),
        more={"externalDocs": {"url": context.path(customers.PATH)}},
    )
    for module in (flags, states, projects, audit, transfer):
        app.include_router(module.router(resources))
    app.include_router(environments.router(resources, context.keys))
    app.include_router(key_api.router(declare, keys.place(resources, context.keys)))
    app.add_exception_handler(405, key_api.on_method(resources.location("keys")))
    return app
