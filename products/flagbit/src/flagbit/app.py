"""FlagBit's application: every route on one screen.

/, /assets           the page and what it loads
/api/v1/...          what people and tools edit: one module of `flagbit.api` for each resource
/ofrep/v1/...        what SDKs evaluate
/api/v1/openapi.json the description of the API
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from chassis import key_api
from chassis.declarations import Declarations
from chassis.described import DescribedAPI
from chassis.problems import install
from chassis.product import Context
from flagbit import ofrep, pages
from flagbit.api import audit, environments, flags, keys, projects, states
from flagbit.api.resources import Resources
from flagbit.db import DEFAULT_PROJECT, FlagDatabase
from flagbit.evaluations import Evaluations
from flagbit.settings import COMPARISON

ENVIRONMENTS = {"development": "Development", "production": "Production"}
"""What a new installation starts with."""

API_VERSION = "0.1.0"


def create(context: Context) -> Starlette:
    """FlagBit on its database, which has been migrated."""
    db = FlagDatabase(context.database, context.settings.of(COMPARISON))
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
    app = DescribedAPI(
        f"{context.prefix}/api/v1",
        title="FlagBit",
        version=API_VERSION,
        summary="Feature flags that several people can edit without losing changes.",
        description=(
            "Every resource has an ETag. Poll with If-None-Match; edit with If-Match: the tag "
            "that you read. A change that somebody else made meanwhile is never overwritten."
        ),
    )
    for module in (flags, states, projects, audit):
        app.include_router(module.router(resources))
    app.include_router(environments.router(resources, context.keys))
    app.include_router(key_api.router(declare, keys.place(resources, context.keys)))
    app.add_exception_handler(405, key_api.on_method(resources.location("keys")))
    return app
