"""/audit: who changed what, when, from what, to what; keys for admins only, as at /keys."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from chassis.authentication import principal_of
from chassis.query import PAGE_PARAMETERS, PAGE_QUERY, bad_query, page_of
from flagbit.api.resources import KEY, Resources, project_of
from flagbit.documents import Row
from flagbit.models import Audit
from ifmatch import Representation
from ifmatch.server.fastapi import ConditionalRoute, TaggedResponse

PARAMETERS = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "schema": {"type": "string"},
        "description": f"Only changes of this {name}.",
    }
    for name in ("flag", "environment")
]


def router(resources: Resources) -> APIRouter:
    """The route of the audit trail."""
    routes = APIRouter(route_class=ConditionalRoute, tags=["audit"])

    def listed(request: Request) -> Representation[list[Row]]:
        asked = {}
        for name in ("flag", "environment"):
            asked[name] = request.query_params.get(name)
            if asked[name] is not None and not KEY.fullmatch(asked[name] or ""):
                raise bad_query(name, f"Send the key of a {name}.")
        return resources.db.audit(
            principal_of(request),
            project_of(request),
            asked["flag"],
            page_of(request),
            asked["environment"],
        )

    @routes.get(
        "/audit",
        response_model=Audit,
        openapi_extra={"parameters": [*PARAMETERS, *PAGE_PARAMETERS]},
    )
    @resources.reads(
        lambda request: listed(request).etag, takes=["flag", "environment", *PAGE_QUERY]
    )
    def list_changes(request: Request) -> Response:
        """Changes, the newest first, a page at a time."""
        return TaggedResponse(listed(request))

    return routes
