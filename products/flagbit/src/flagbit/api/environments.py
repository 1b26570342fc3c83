"""/environments and /environments/{environment}."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from pydantic import ValidationError
from sqlalchemy import Connection

from chassis.authentication import principal_of
from chassis.content import refuse_invalid
from chassis.declarations import PATCH_CONTENT, written
from chassis.keys import KeyRecord, Keys
from chassis.merge_patch import MEDIA_TYPE
from chassis.problems import Problem
from chassis.query import PAGE_PARAMETERS, PAGE_QUERY
from chassis.rights import Role
from flagbit import documents
from flagbit.api.flags import state_content
from flagbit.api.resources import (
    KEY,
    Resources,
    malformed_key,
    page_of,
    patched,
    project_of,
    refuse_other_key,
)
from flagbit.db import DEFAULT_PROJECT
from flagbit.documents import Row
from flagbit.models import EnvironmentContent, EnvironmentDocument, Environments, NewEnvironment
from flagbit.rules import new_state, normal_state
from ifmatch import CREATE_ONLY, Conflict, ETag, Representation
from ifmatch.core.guard import Guard
from ifmatch.server.fastapi import ConditionalRoute, Guarded, TaggedResponse


def router(resources: Resources, keys: Keys) -> APIRouter:
    """The routes of environments. Changing them takes an admin key."""
    db = resources.db
    routes = APIRouter(route_class=ConditionalRoute, tags=["environments"])

    def listed(request: Request) -> Representation[list[Row]]:
        return db.environments(project_of(request), page_of(request))

    @routes.get(
        "/environments", response_model=Environments, openapi_extra={"parameters": PAGE_PARAMETERS}
    )
    @resources.reads(lambda request: listed(request).etag, takes=PAGE_QUERY)
    def list_environments(request: Request) -> Response:
        """Environments by key, a page at a time."""
        return TaggedResponse(listed(request))

    @routes.post("/environments", response_model=EnvironmentDocument, status_code=201)
    @resources.writes(
        lambda request: listed(request).etag, role=Role.ADMIN, required=False, takes=PAGE_QUERY
    )
    def create_environment(request: Request, new: NewEnvironment, guard: Guarded) -> Response:
        """A new environment, in which every flag is off. 409 where the key is taken.

        If-Match takes the tag of the list, in the view that the query of this address selects.
        """
        if not KEY.fullmatch(new.key):
            raise malformed_key("key", new.key)

        def tag(connection: Connection) -> ETag:
            return db.environments_on(connection, project_of(request), page_of(request)).etag

        try:
            made, _ = db.write(
                principal_of(request),
                db.environment,
                (project_of(request), new.key),
                lambda _connection, _row: {"name": new.name},
                CREATE_ONLY,
                insert={"name": new.name},
                first=resources.declare.judging(guard, tag),
            )
        except Conflict as conflict:
            if conflict.verdict.field != "If-None-Match":
                raise
            raise Problem(
                409,
                "environment-exists",
                f"There is an environment {new.key} already. Take another key, or edit that one.",
            ) from conflict
        place = resources.location("environments", new.key)
        return written(made, place, created=True, own=False)

    @routes.get("/environments/{environment}", response_model=EnvironmentDocument)
    @resources.reads_row(db.environment, "environment")
    def read_environment(request: Request, environment: str) -> Response:
        """One environment."""
        found = db.read(db.environment, (project_of(request), environment))
        if found is None:
            raise Problem(404, "environment-not-found", "It was deleted just now. List them.")
        return TaggedResponse(found)

    @routes.put(
        "/environments/{environment}",
        response_model=EnvironmentDocument,
        responses={201: {"model": EnvironmentDocument, "description": "It was created."}},
    )
    @resources.writes_row(db.environment, "environment", creates=True, role=Role.ADMIN)
    def replace_environment(
        request: Request, environment: str, new: EnvironmentContent, guard: Guarded
    ) -> Response:
        """Replace an environment, or create it with `If-None-Match: *`."""
        refuse_other_key(new.key, environment)
        return edit(request, environment, guard, lambda _: {"name": new.name}, {"name": new.name})

    @routes.patch(
        "/environments/{environment}",
        response_model=EnvironmentDocument,
        openapi_extra=PATCH_CONTENT,
    )
    @resources.patches_row(db.environment, "environment", role=Role.ADMIN)
    def patch_environment(
        request: Request,
        environment: str,
        patch: Annotated[dict[str, Any], Body(media_type=MEDIA_TYPE)],
        guard: Guarded,
    ) -> Response:
        """Change some members of an environment (JSON Merge Patch, RFC 7396)."""

        def change(row: Row) -> Row:
            document = patched(documents.environment(row), patch)
            try:
                new = EnvironmentContent.model_validate(document)
            except ValidationError as error:
                raise refuse_invalid(error, document) from error
            refuse_other_key(new.key, environment)
            return {"name": new.name}

        return edit(request, environment, guard, change, None)

    @routes.delete("/environments/{environment}", status_code=204)
    @resources.writes_row(db.environment, "environment", role=Role.ADMIN)
    def delete_environment(request: Request, environment: str, guard: Guarded) -> Response:
        """Delete an environment in which no flag has been set up, and that no key evaluates."""
        # Held until the environment is gone: who makes a key looks for it under the same lock.
        with keys.unchanging() as held:

            def check(connection: Connection, row: Row) -> None:
                _refuse_to_lose_states(resources, connection, row)
                _refuse_while_evaluated(resources, keys.list_on(held, product="flagbit"), row)

            key = (project_of(request), environment)
            db.delete(principal_of(request), db.environment, key, guard, check)
        return Response(status_code=204)

    def edit(
        request: Request, environment: str, guard: Guard, change: Any, insert: Row | None
    ) -> Response:
        made, created = db.write(
            principal_of(request),
            db.environment,
            (project_of(request), environment),
            lambda _, row: change(row),
            guard,
            insert=insert,
        )
        place = resources.location("environments", environment)
        return written(made, place, created=created)

    return routes


def _refuse_to_lose_states(resources: Resources, connection: Connection, environment: Row) -> None:
    """An environment's tag does not cover what was edited in it, so that must be undone first."""
    db = resources.db
    project = environment["project"]
    for state in db.states_of(connection, project, environment=environment["key"]):
        flag = db.flag.rows.read(connection, (project, state["flag"]))
        if flag and normal_state(state_content(state)) != new_state(flag.value):
            raise Problem(
                409,
                "environment-in-use",
                f"The flag {state['flag']} has been set up in this environment, and deleting it "
                "would lose that. Nothing was changed. Switch the flag off there and remove its "
                "rules, or delete the flag, then delete the environment.",
                flag=state["flag"],
            )


def _refuse_while_evaluated(
    resources: Resources, keys: Iterable[KeyRecord], environment: Row
) -> None:
    """Machines would be refused from one moment to the next, or see what comes under that key."""
    living = [
        key.id
        for key in keys
        if key.is_valid(time.time())
        and key.environment == environment["key"]
        and (key.project or DEFAULT_PROJECT) == environment["project"]
    ]
    if living:
        raise Problem(
            409,
            "environment-has-keys",
            f"Keys that are valid evaluate this environment ({len(living)}; 'keys' names up to "
            f"20). Nothing was changed. Revoke them first (POST {resources.location('keys')}"
            "/{id}/revoke), then delete the environment.",
            keys=living[:20],
        )
