"""What the API's resources share: whose project is meant, and what each route declares of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request

from chassis import content, query
from chassis.authentication import principal_of
from chassis.content import shown
from chassis.declarations import PATCH_TYPES, Declarations, TagSource
from chassis.problems import Problem
from chassis.query import Page, bad_query
from chassis.rights import Role
from flagbit.db import DEFAULT_PROJECT, FlagDatabase, FlagQuery, Key, Kind
from ifmatch import ETag
from ifmatch.server.fastapi import Conditional

KEY = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}")
READ_ONLY = frozenset({"created", "updated", "revision"})


def project_of(request: Request) -> str:
    """The project that the key is for."""
    return principal_of(request).project or DEFAULT_PROJECT


@dataclass(frozen=True)
class Resources:
    """Makes the declarations of the API's routes."""

    db: FlagDatabase
    declare: Declarations
    prefix: str

    # -- where and who -----------------------------------------------------------------------

    def location(self, *parts: str) -> str:
        """The path of a resource, as clients see it."""
        return "/".join([f"{self.prefix}/api/v1", *parts])

    def place(self, kind: Kind, key: Key) -> str:
        """The path of a row."""
        if kind.name == "state":
            return self.location("flags", key[1], "environments", key[2])
        return self.location(_PLURALS[kind.name], key[-1])

    # -- declarations ------------------------------------------------------------------------

    def reads(self, tag: TagSource, role: Role = Role.READ, **options: Any) -> Conditional:
        """A route that reads; options as those of `Declarations.reads`."""
        return self.declare.reads(tag, role, **options)

    def reads_row(self, kind: Kind, *names: str, role: Role = Role.READ) -> Conditional:
        """A route that reads the row that the path parameters `names` lead to."""
        return self.reads(lambda request: self.tag(request, kind, names), role)

    def writes(
        self, tag: TagSource, *, role: Role = Role.WRITE, required: bool = True, **options: Any
    ) -> Conditional:
        """A route that changes something; options as those of `Declarations.writes`.

        With `required`, the project says whether a change needs a condition.
        """
        asked = self._required if required else False
        return self.declare.writes(tag, role=role, required=asked, **options)

    def writes_row(
        self, kind: Kind, *names: str, creates: bool = False, role: Role = Role.WRITE
    ) -> Conditional:
        """A route that changes the row that the path parameters lead to, or may create it."""

        def explain(request: Request) -> Mapping[str, Any]:
            last = self.db.last_change(kind, self.key(request, names))
            return {} if last is None else {"last_change": last}

        return self.writes(
            lambda request: self.tag(request, kind, names, creates=creates),
            role=role,
            explain=explain,
            represent=lambda request: self.db.read(kind, self.key(request, names)),
            location=lambda request: self.place(kind, self.key(request, names)),
        )

    def patches_row(self, kind: Kind, *names: str, role: Role = Role.WRITE) -> Conditional:
        """A route that changes members of that row.

        No other takes a patch: PUT would reset what the patch leaves out.
        """
        return replace(self.writes_row(kind, *names, role=role), accepts=PATCH_TYPES)

    def _required(self, request: Request) -> bool:
        return self.db.requires_conditions(project_of(request))

    def key(self, request: Request, names: Sequence[str]) -> Key:
        """The key of the row: the project first, unless the path names it."""
        parts = [request.path_params[name] for name in names]
        return tuple(parts) if names == ("project",) else (project_of(request), *parts)

    def tag(
        self, request: Request, kind: Kind, names: Sequence[str], *, creates: bool = False
    ) -> ETag | None:
        """The tag of the row; raises 404 where there is none and the request will not make one."""
        key = self.key(request, names)
        self._check_names(request, kind, names, creates=creates)
        bound = principal_of(request).project
        if bound not in (None, key[0]):  # only the path of a project can lead outside
            raise self._not_found(kind, key)
        found = self.db.tag(kind, key)
        if found is None and not (creates and self._may_create(request)):
            raise self._not_found(kind, key, creates=creates)
        return found

    def _not_found(self, kind: Kind, key: Key, *, creates: bool = False) -> Problem:
        """404 for a row that is not there. Of a state it is the flag or the environment."""
        missing, name = kind, key[-1]
        if kind.name == "state":
            missing, name = self.db.environment, key[2]
            if not KEY.fullmatch(key[1]) or self.db.tag(self.db.flag, key[:2]) is None:
                missing, name = self.db.flag, key[1]
        create = " To create it, send If-None-Match: *." if creates else ""
        return Problem(
            404,
            f"{kind.name}-not-found",
            f"There is no {missing.name} {shown(name)}. "
            f"GET {self.location(_PLURALS[missing.name])} lists what there is.{create}",
        )

    def _may_create(self, request: Request) -> bool:
        """Create-only creates; so does a plain PUT, in a project where it needs no condition."""
        asked = request.headers.getlist("if-none-match")
        return [value.strip() for value in asked] == ["*"] or not self._required(request)

    def _check_names(
        self, request: Request, kind: Kind, names: Sequence[str], *, creates: bool
    ) -> None:
        for name in names:
            value = request.path_params[name]
            if not KEY.fullmatch(value):
                if creates:
                    raise malformed_key(name, value)
                raise self._not_found(kind, self.key(request, names))

    def flags_tag(self, request: Request) -> ETag:
        """The tag of the list of flags, as the query selects it; raises 404 or 422."""
        query, project = flag_query(request), project_of(request)
        place = query.environment
        if place is not None and self.db.tag(self.db.environment, (project, place)) is None:
            detail = f"There is no environment {shown(place)}."
            remedy = f"GET {self.location('environments')} lists what there is."
            raise Problem(
                404,
                "environment-not-found",
                f"{detail} {remedy}",
                environment=place,
                errors=[{"in": "query", "name": "environment", "detail": f"{detail} {remedy}"}],
            )
        return self.db.flags_tag(project, query)


# -- problems ----------------------------------------------------------------------------------

_PLURALS = {"flag": "flags", "environment": "environments", "project": "projects"}


def malformed_key(name: str, value: str) -> Problem:
    """422 for a key that no resource can have."""
    return Problem(
        422,
        "malformed-key",
        f"The {name} {shown(value)} cannot be a key. Use 1 to 128 letters, digits, '.', '_' "
        "and '-', and not '.' or '..'.",
        errors=[{"pointer": f"/{name}", "detail": "Use letters, digits, '.', '_' and '-'."}],
    )


def refuse_other_key(content_key: object, path_key: str, pointer: str = "/key") -> None:
    """Raise 422 where the content names another resource than the path, or what is no name."""
    if content_key is not None and content_key != path_key:
        raise Problem(
            422,
            "key-mismatch",
            f"The content is of {shown(content_key)}, the path of {shown(path_key)}; keys never "
            "change. Leave the key out, or send both the same.",
            errors=[{"pointer": pointer, "detail": f"Send {path_key!r} or leave it out."}],
        )


def patched(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """What a merge patch makes of the members that people edit; raises 422 for the others."""
    return content.patched(document, patch, READ_ONLY)


# -- queries -----------------------------------------------------------------------------------


def page_of(request: Request) -> Page:
    """The page of a list by keys; raises 422."""
    return query.page_of(request, KEY)


def flag_query(request: Request) -> FlagQuery:
    """The query of a list of flags; raises 422."""
    asked = request.query_params
    archived = asked.get("archived", "false")
    if archived not in ("true", "false"):
        raise bad_query("archived", "Send true or false.")
    environment = asked.get("environment")
    if environment is not None and not KEY.fullmatch(environment):
        raise bad_query("environment", "Send the key of an environment.")
    for name in ("tag", "q"):
        if "\0" in asked.get(name, "") or len(asked.get(name, "")) > 200:
            raise bad_query(name, "Send at most 200 characters, none of them NUL.")
    return FlagQuery(
        environment,
        asked.get("tag"),
        asked.get("q"),
        archived == "true",
        page_of(request),
    )
