"""/flags and /flags/{key}: what a flag is, the same in all environments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from sqlalchemy import Connection

from chassis.authentication import principal_of
from chassis.content import refuse_faults
from chassis.declarations import PATCH_CONTENT, written
from chassis.merge_patch import MEDIA_TYPE
from chassis.problems import Problem
from flagbit import documents
from flagbit.api.resources import Resources, flag_query, patched, project_of, refuse_other_key
from flagbit.documents import Row
from flagbit.models import FlagContent, FlagDocument, Flags, NewFlag
from flagbit.rules import check_flag, check_state, new_state, normal_flag, normal_state
from flagbit.rules.values import TYPES
from ifmatch import CREATE_ONLY, Conflict, ETag
from ifmatch.server.fastapi import ConditionalRoute, Guarded, TaggedResponse
from ifmatch.server.openapi import problem_doc

LIST_PARAMETERS = [
    {"name": name, "in": "query", "required": False, "schema": schema, "description": text}
    for name, schema, text in (
        ("environment", {"type": "string"}, "Adds each flag's `state` there."),
        ("tag", {"type": "string"}, "Only flags with this tag."),
        ("q", {"type": "string"}, "Only flags with this in key or description."),
        ("archived", {"type": "boolean"}, "The archived flags instead of the others."),
        ("limit", {"type": "integer", "minimum": 1, "maximum": 500}, "Items a page; 100."),
        ("cursor", {"type": "string"}, "`next` of the page before."),
    )
]
LIST_QUERY = [str(one["name"]) for one in LIST_PARAMETERS]


def router(resources: Resources) -> APIRouter:
    """The routes of flags."""
    db = resources.db
    routes = APIRouter(route_class=ConditionalRoute, tags=["flags"])

    @routes.get(
        "/flags",
        response_model=Flags,
        openapi_extra={"parameters": LIST_PARAMETERS},
        responses={404: problem_doc("There is no such environment.")},
    )
    @resources.reads(resources.flags_tag, takes=LIST_QUERY)
    def list_flags(request: Request) -> Response:
        """Flags by key, a page at a time."""
        return TaggedResponse(db.flags(project_of(request), flag_query(request)))

    @routes.post("/flags", response_model=FlagDocument, status_code=201)
    @resources.writes(
        lambda request: db.flags_tag(project_of(request), flag_query(request)),
        required=False,
        takes=LIST_QUERY,
    )
    def create_flag(request: Request, new: NewFlag, guard: Guarded) -> Response:
        """A new flag; it is off in every environment. 409 where the key is taken.

        If-Match takes the tag of the list, in the view that the query of this address selects.
        """
        values = values_of(new.model_dump(), new.key)

        def listed(connection: Connection) -> ETag:
            return db.flags_tag_on(connection, project_of(request), flag_query(request))

        try:
            made, _ = db.write(
                principal_of(request),
                db.flag,
                (project_of(request), new.key),
                lambda _connection, _row: values,
                CREATE_ONLY,
                insert=values,
                first=resources.declare.judging(guard, listed),
            )
        except Conflict as conflict:
            if conflict.verdict.field != "If-None-Match":
                raise
            raise Problem(
                409,
                "flag-exists",
                f"There is a flag {new.key} already. Take another key, or edit that one with "
                "If-Match.",
            ) from conflict
        return written(made, resources.location("flags", new.key), created=True, own=False)

    @routes.get("/flags/{key}", response_model=FlagDocument)
    @resources.reads_row(db.flag, "key")
    def read_flag(request: Request, key: str) -> Response:
        """One flag."""
        found = db.read(db.flag, (project_of(request), key))
        if found is None:
            raise Problem(404, "flag-not-found", f"The flag {key} was deleted just now.")
        return TaggedResponse(found)

    @routes.put(
        "/flags/{key}",
        response_model=FlagDocument,
        responses={201: {"model": FlagDocument, "description": "It was created."}},
    )
    @resources.writes_row(db.flag, "key", creates=True)
    def replace_flag(request: Request, key: str, new: FlagContent, guard: Guarded) -> Response:
        """Replace a flag, or create it with `If-None-Match: *`."""
        refuse_other_key(new.key, key)
        values = values_of(new.model_dump(), key)

        def edit(_connection: Connection, row: Row) -> Row:
            return _same_type(row, values)

        made, created = db.write(
            principal_of(request),
            db.flag,
            (project_of(request), key),
            edit,
            guard,
            insert=values,
            check=_check_states,
        )
        return written(made, resources.location("flags", key), created=created)

    @routes.patch("/flags/{key}", response_model=FlagDocument, openapi_extra=PATCH_CONTENT)
    @resources.patches_row(db.flag, "key")
    def patch_flag(
        request: Request,
        key: str,
        patch: Annotated[dict[str, Any], Body(media_type=MEDIA_TYPE)],
        guard: Guarded,
    ) -> Response:
        """Change some members of a flag (JSON Merge Patch, RFC 7396)."""

        def edit(_connection: Connection, row: Row) -> Row:
            new = patched(documents.flag(row), patch)
            refuse_other_key(new.get("key"), key)
            if new.get("type") in TYPES:  # first: of another type, its values would be at fault
                _same_type(row, new)
            return values_of(new, key)

        made, _ = db.write(
            principal_of(request),
            db.flag,
            (project_of(request), key),
            edit,
            guard,
            check=_check_states,
        )
        return written(made, resources.location("flags", key))

    @routes.delete("/flags/{key}", status_code=204)
    @resources.writes_row(db.flag, "key")
    def delete_flag(request: Request, key: str, guard: Guarded) -> Response:
        """Delete a flag for good. What was edited in an environment must be archived first."""

        def check(connection: Connection, row: Row) -> None:
            _refuse_to_lose_states(resources, connection, row)

        db.delete(principal_of(request), db.flag, (project_of(request), key), guard, check)
        return Response(status_code=204)

    def _check_states(connection: Connection, row: Row) -> None:
        """No state may serve a variant that the flag does not have any more."""
        flag = documents.flag(row)
        for state in db.states_of(connection, row["project"], flag=row["key"]):
            place = f" (in the environment {state['environment']})"
            faults = check_state(flag, state_content(state))
            if faults:
                raise Problem(
                    409,
                    "variant-in-use",
                    f"A variant that would go is served{place}: {faults[0].pointer}, "
                    f"{faults[0].detail}. Nothing was changed. Change that state first.",
                    environment=state["environment"],
                    errors=[{"pointer": one.pointer, "detail": one.detail} for one in faults],
                )

    return routes


def values_of(new: dict[str, Any], key: str) -> dict[str, Any]:
    """The columns of a flag's content; raises 422 for what is wrong with it."""
    flag = {
        name: value
        for name, value in new.items()
        if name not in ("created", "updated", "revision", "key")
    } | {"key": key}
    refuse_faults(check_flag(flag))
    values = normal_flag(flag)
    del values["key"]
    return values


def state_content(row: Row) -> dict[str, Any]:
    """What `flagbit.rules` knows of a state."""
    return {name: row[name] for name in ("enabled", "rules", "fallthrough", "off_variant")}


def _same_type(row: Row, values: Mapping[str, Any]) -> Mapping[str, Any]:
    if values["type"] != row["type"]:
        raise Problem(
            409,
            "type-is-fixed",
            f"The flag is of type {row['type']}, and stays so for good, since clients rely on it. "
            f"Nothing was changed. Make a new flag for the type {values['type']}.",
        )
    return values


def _refuse_to_lose_states(resources: Resources, connection: Connection, flag: Row) -> None:
    """A flag's tag does not cover what was edited in its environments, unless it is archived.

    So somebody's rules, edited since the flag was read, would go unseen. The state of an archived
    flag cannot be edited, and being archived is part of the tag.
    """
    if flag["archived"]:
        return
    for state in resources.db.states_of(connection, flag["project"], flag=flag["key"]):
        if normal_state(state_content(state)) != new_state(flag):
            raise Problem(
                409,
                "flag-in-use",
                f"The flag has been set up in the environment {state['environment']}, and deleting "
                "it would lose that. Nothing was changed. Archive the flag first "
                '(PATCH {"archived": true}), then delete it.',
                environment=state["environment"],
            )
