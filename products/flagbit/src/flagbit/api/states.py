"""/flags/{flag}/environments/{environment}: what a flag does in one environment.

The part of a flag that is edited most, so it is a resource of its own with its own tag: two
people who edit two environments are never in each other's way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from sqlalchemy import Connection

from chassis.authentication import principal_of
from chassis.content import refuse_faults
from chassis.declarations import PATCH_CONTENT, written
from chassis.merge_patch import MEDIA_TYPE
from chassis.problems import Problem
from flagbit import documents
from flagbit.api.flags import state_content
from flagbit.api.resources import Resources, patched, project_of, refuse_other_key
from flagbit.documents import Row
from flagbit.models import StateContent, StateDocument, Toggle
from flagbit.rules import check_state, normal_state
from ifmatch.core.guard import Guard
from ifmatch.server.fastapi import ConditionalRoute, Guarded, TaggedResponse

PATH = "/flags/{flag}/environments/{environment}"


def router(resources: Resources) -> APIRouter:
    """The routes of states."""
    db = resources.db
    routes = APIRouter(route_class=ConditionalRoute, tags=["states"])

    @routes.get(PATH, response_model=StateDocument)
    @resources.reads_row(db.state, "flag", "environment")
    def read_state(request: Request, flag: str, environment: str) -> Response:
        """What a flag does in one environment."""
        found = db.read(db.state, (project_of(request), flag, environment))
        if found is None:
            raise Problem(404, "state-not-found", "The flag was deleted just now. List the flags.")
        return TaggedResponse(found)

    @routes.put(PATH, response_model=StateDocument)
    @resources.writes_row(db.state, "flag", "environment")
    def replace_state(
        request: Request, flag: str, environment: str, new: StateContent, guard: Guarded
    ) -> Response:
        """Replace what a flag does in one environment."""
        refuse_other_key(new.flag, flag, "/flag")
        refuse_other_key(new.environment, environment, "/environment")
        content = state_content(new.model_dump())
        return edit(request, flag, environment, guard, lambda _: content)

    @routes.patch(PATH, response_model=StateDocument, openapi_extra=PATCH_CONTENT)
    @resources.patches_row(db.state, "flag", "environment")
    def patch_state(
        request: Request,
        flag: str,
        environment: str,
        patch: Annotated[dict[str, Any], Body(media_type=MEDIA_TYPE)],
        guard: Guarded,
    ) -> Response:
        """Change some members (JSON Merge Patch, RFC 7396); the rules count as one member."""

        def change(row: Row) -> dict[str, Any]:
            _refuse_mixture(row["fallthrough"], patch.get("fallthrough"))
            new = patched(documents.state(row), patch)
            refuse_other_key(new.pop("flag", None), flag, "/flag")
            refuse_other_key(new.pop("environment", None), environment, "/environment")
            return new

        return edit(request, flag, environment, guard, change)

    @routes.post(f"{PATH}/toggle", response_model=StateDocument)
    @resources.writes_row(db.state, "flag", "environment")
    def toggle(
        request: Request,
        flag: str,
        environment: str,
        guard: Guarded,
        wanted: Annotated[Toggle | None, Body()] = None,
    ) -> Response:
        """Switch a flag on or off; without content, to the other of the two."""

        def change(row: Row) -> dict[str, Any]:
            enabled = None if wanted is None else wanted.enabled
            return state_content(row) | {
                "enabled": not row["enabled"] if enabled is None else enabled
            }

        return edit(request, flag, environment, guard, change)

    def edit(
        request: Request,
        flag: str,
        environment: str,
        guard: Guard,
        change: Callable[[Row], dict[str, Any]],
    ) -> Response:
        project = project_of(request)

        def checked(connection: Connection, row: Row) -> Row:
            content = change(row)
            owner = db.flag.rows.read(connection, (project, flag))
            definition = documents.flag(owner.value) if owner else {}
            refuse_faults(check_state(definition, content))
            if definition.get("archived"):
                raise _archived(flag)
            return normal_state(content)

        made, _ = db.write(
            principal_of(request), db.state, (project, flag, environment), checked, guard
        )
        return written(made, resources.location("flags", flag, "environments", environment))

    return routes


_MEMBERS = {"variant": ("variant",), "split": ("split", "bucket_by")}


def _refuse_mixture(before: Mapping[str, Any], patch: object) -> None:
    """A merge patch adds. Who serves otherwise from now on has to take away what was there."""
    if not isinstance(patch, dict):
        return
    for wanted, other in (("variant", "split"), ("split", "variant")):
        left = [name for name in _MEMBERS[other] if name in before and name not in patch]
        if patch.get(wanted) is not None and left and patch.get(other) is None:
            away = ", ".join(f'"{name}": null' for name in left)
            detail = f'It has "{other}" already, and a patch adds to that. Send {away} with it.'
            raise Problem(
                422,
                "validation-failed",
                f"Not accepted: /fallthrough. {detail} Nothing was changed.",
                errors=[{"pointer": "/fallthrough", "detail": detail}],
            )


def _archived(flag: str) -> Problem:
    return Problem(
        409,
        "flag-archived",
        f"The flag {flag} is archived, and what it does is kept as it was. Nothing was changed. "
        'To edit it, take it out of the archive first (PATCH {"archived": false}).',
    )
