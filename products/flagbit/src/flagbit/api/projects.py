"""/projects and /projects/{project}: the settings of a project."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from pydantic import ValidationError

from chassis.authentication import principal_of
from chassis.content import refuse_invalid
from chassis.declarations import PATCH_CONTENT, written
from chassis.merge_patch import MEDIA_TYPE
from chassis.problems import Problem
from chassis.query import PAGE_PARAMETERS, PAGE_QUERY
from chassis.rights import Role
from flagbit import documents
from flagbit.api.resources import Resources, page_of, patched, refuse_other_key
from flagbit.documents import Row
from flagbit.models import ProjectContent, ProjectDocument, Projects
from ifmatch import Representation
from ifmatch.core.guard import Guard
from ifmatch.server.fastapi import ConditionalRoute, Guarded, TaggedResponse


def router(resources: Resources) -> APIRouter:
    """The routes of projects. A key that is for one project sees that one."""
    db = resources.db
    routes = APIRouter(route_class=ConditionalRoute, tags=["projects"])

    def listed(request: Request) -> Representation[list[Row]]:
        return db.projects(page_of(request), principal_of(request).project)

    @routes.get("/projects", response_model=Projects, openapi_extra={"parameters": PAGE_PARAMETERS})
    @resources.reads(lambda request: listed(request).etag, takes=PAGE_QUERY)
    def list_projects(request: Request) -> Response:
        """Projects by key, a page at a time."""
        return TaggedResponse(listed(request))

    @routes.get("/projects/{project}", response_model=ProjectDocument)
    @resources.reads_row(db.project, "project")
    def read_project(request: Request, project: str) -> Response:
        """One project."""
        found = db.read(db.project, (project,))
        if found is None:
            raise Problem(404, "project-not-found", "It was deleted just now. List them.")
        return TaggedResponse(found)

    @routes.put("/projects/{project}", response_model=ProjectDocument)
    @resources.writes_row(db.project, "project", role=Role.ADMIN)
    def replace_project(
        request: Request, project: str, new: ProjectContent, guard: Guarded
    ) -> Response:
        """Replace the settings of a project."""
        refuse_other_key(new.key, project)
        return edit(request, project, guard, lambda _: _settings(new))

    @routes.patch(
        "/projects/{project}", response_model=ProjectDocument, openapi_extra=PATCH_CONTENT
    )
    @resources.patches_row(db.project, "project", role=Role.ADMIN)
    def patch_project(
        request: Request,
        project: str,
        patch: Annotated[dict[str, Any], Body(media_type=MEDIA_TYPE)],
        guard: Guarded,
    ) -> Response:
        """Change some settings of a project (JSON Merge Patch, RFC 7396)."""

        def change(row: Row) -> Row:
            document = patched(documents.project(row), patch)
            try:
                new = ProjectContent.model_validate(document)
            except ValidationError as error:
                raise refuse_invalid(error, document) from error
            refuse_other_key(new.key, project)
            return _settings(new)

        return edit(request, project, guard, change)

    def edit(
        request: Request, project: str, guard: Guard, change: Callable[[Row], Row]
    ) -> Response:
        made, _ = db.write(
            principal_of(request), db.project, (project,), lambda _, row: change(row), guard
        )
        return written(made, resources.location("projects", project))

    return routes


def _settings(new: ProjectContent) -> Row:
    return {"name": new.name, "require_conditions": new.require_conditions}
