"""/export and /import: a project with all that is in it, as one document."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from chassis.authentication import principal_of
from chassis.problems import Problem
from chassis.query import bad_query
from chassis.rights import Role
from flagbit.api.resources import Resources, project_of
from flagbit.models import Export, ExportDocument, ImportReport
from flagbit.transfer import FlagTransfer
from ifmatch import ETag, canonical
from ifmatch.server.fastapi import ConditionalRoute, Guarded, TaggedResponse
from ifmatch.server.openapi import problem_doc

DRY_RUN = {
    "name": "dry_run",
    "in": "query",
    "required": False,
    "schema": {"type": "boolean"},
    "description": "Says what an import would change, and changes nothing. Needs no condition.",
}

NO_PROJECT: dict[int | str, dict[str, Any]] = {404: problem_doc("There is no such project.")}
"""A key may be bound to a project that is not there."""


def router(resources: Resources) -> APIRouter:
    """The routes of export and import. An import takes an admin key."""
    transfer = FlagTransfer(resources.db)
    routes = APIRouter(route_class=ConditionalRoute, tags=["transfer"])

    def tag(request: Request) -> ETag:
        return transfer.project(project_of(request)).etag

    @routes.get("/export", response_model=ExportDocument, responses=NO_PROJECT)
    @resources.reads(tag)
    def export_project(request: Request) -> Response:
        """Everything that people set in the project, to keep or to bring elsewhere."""
        key = project_of(request)
        headers = {"Content-Disposition": f'attachment; filename="flagbit-{key}.json"'}
        return TaggedResponse(transfer.project(key), headers=headers)

    declared = resources.writes(tag, role=Role.ADMIN, takes=["dry_run"])
    required = declared.required

    def needs_condition(request: Request) -> bool:
        return not _is_dry(request) and (required(request) if callable(required) else required)

    @routes.post(
        "/import",
        response_model=ImportReport,
        responses=NO_PROJECT,
        openapi_extra={"parameters": [DRY_RUN]},
    )
    @replace(declared, required=needs_condition)
    def import_project(request: Request, new: Export, guard: Guarded) -> Response:
        """Bring an export in: all of it or nothing; nothing is deleted.

        If-Match takes the tag of the export, so that nobody's change since then is overwritten.
        """
        key, dry_run = project_of(request), _is_dry(request)
        _refuse_other_projects(new, key)

        def current(connection: Connection) -> ETag:
            return transfer.project_on(connection, key).etag

        report = transfer.bring(
            principal_of(request),
            new,
            dry_run=dry_run,
            first=resources.declare.judging(guard, current),
        )
        body = canonical(
            {
                "dry_run": dry_run,
                "created": report.count("created"),
                "changed": report.count("changed"),
                "unchanged": report.unchanged,
                "changes": [asdict(one) for one in report.changes],
                "etag": str(tag(request)),
            }
        )
        response = Response(body, media_type="application/json")
        response.headers["Cache-Control"] = "no-store"
        return response

    return routes


def _is_dry(request: Request) -> bool:
    asked = request.query_params.get("dry_run", "false")
    if asked not in ("true", "false"):
        raise bad_query("dry_run", "Send true or false.")
    return asked == "true"


def _refuse_other_projects(new: Export, key: str) -> None:
    found = [project.key for project in new.projects]
    if found != [key]:
        detail = f"This key is for the project {key}. Send that project alone."
        raise Problem(
            422,
            "key-mismatch",
            f"Not accepted: /projects. {detail} Nothing was changed.",
            errors=[{"pointer": "/projects", "detail": detail}],
        )
