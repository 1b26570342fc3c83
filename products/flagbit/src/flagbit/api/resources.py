"""What the API's resources share: who may, what is meant, and what each route declares of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from chassis.authentication import Authenticator, require
from chassis.problems import Problem
from chassis.rights import Principal, Role
from flagbit.db import (
    DEFAULT_PROJECT,
    LONGEST_PAGE,
    PAGE,
    Before,
    FlagDatabase,
    FlagQuery,
    Key,
    Kind,
    Page,
)
from flagbit.merge_patch import MEDIA_TYPE, merge_patch
from flagbit.rules import Fault
from ifmatch import ETag, Representation, Validators
from ifmatch.core.guard import Condition, enforce
from ifmatch.server.fastapi import Conditional, TaggedResponse

KEY = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}")
JSON = "application/json"
PATCH_TYPES = (JSON, MEDIA_TYPE)
"""A merge patch (RFC 7396), under its own name or as plain JSON."""

PATCH_CONTENT = {"requestBody": {"content": {JSON: {"schema": {"type": "object"}}}}}
"""What the description of a PATCH has besides the merge patch that its parameter declares."""

_LIMIT = re.compile("[1-9][0-9]{0,2}")
READ_ONLY = frozenset({"created", "updated", "revision"})

TagSource = Callable[[Request], ETag | None]


def principal_of(request: Request) -> Principal:
    """Who asks, as the route's declaration found out."""
    found: Principal = request.state.principal
    return found


def project_of(request: Request) -> str:
    """The project that the key is for."""
    return principal_of(request).project or DEFAULT_PROJECT


@dataclass(frozen=True)
class Resources:
    """Makes the declarations of the API's routes."""

    db: FlagDatabase
    authenticate: Authenticator
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

    def needs(self, role: Role) -> Callable[[Request], Principal]:
        """A function that returns who asks, or raises 401 or 403."""

        def authorize(request: Request) -> Principal:
            return require(role, self.authenticate(request))

        return authorize

    # -- declarations ------------------------------------------------------------------------

    def reads(
        self, tag: TagSource, role: Role = Role.READ, *, takes: Iterable[str] = ()
    ) -> Conditional:
        """A route that reads; `takes` are the query parameters that select what is read."""
        return Conditional(
            authorize=self.needs(role),
            roles=(role.value,),
            tag=_of_known(tag, takes),
            comparison=self.db.comparison,
            weak=not self.db.strong,
        )

    def reads_row(self, kind: Kind, *names: str, role: Role = Role.READ) -> Conditional:
        """A route that reads the row that the path parameters `names` lead to."""
        return self.reads(lambda request: self.tag(request, kind, names), role)

    def writes(
        self,
        tag: TagSource,
        *,
        role: Role = Role.WRITE,
        required: bool = True,
        accepts: tuple[str, ...] = (JSON,),
        explain: Callable[[Request], Mapping[str, Any]] | None = None,
        represent: Callable[[Request], Any] | None = None,
        location: Callable[[Request], str] | None = None,
        takes: Iterable[str] = (),
    ) -> Conditional:
        """A route that changes something whose tag `tag` gives; `takes` as in `reads`."""
        return Conditional(
            authorize=self.needs(role),
            roles=(role.value,),
            tag=_of_known(tag, takes),
            comparison=self.db.comparison,
            weak=not self.db.strong,
            required=self._required if required else False,
            accepts=accepts,
            explain=explain,
            represent=represent,
            location=location,
        )

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
            f"There is no {missing.name} {_shown(name)}. "
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
            detail = f"There is no environment {_shown(place)}."
            remedy = f"GET {self.location('environments')} lists what there is."
            raise Problem(
                404,
                "environment-not-found",
                f"{detail} {remedy}",
                environment=place,
                errors=[{"in": "query", "name": "environment", "detail": f"{detail} {remedy}"}],
            )
        return self.db.flags_tag(project, query)

    # -- conditions on a collection ----------------------------------------------------------

    @staticmethod
    def judging(guard: Condition, tag: Callable[[Connection], ETag]) -> Before | None:
        """Judges a POST to a list once more, in the transaction that adds to it.

        `tag` is that of the list, in the view that was judged early. Only If-Match is judged, and
        only where it was sent: a list is always there, so that the early refusal is all that
        If-None-Match can say of it.
        """
        if guard.conditions.if_match is None:
            return None

        def judge(connection: Connection) -> None:
            enforce(guard, Validators(tag(connection)))

        return judge


# -- answers -----------------------------------------------------------------------------------


def written(
    made: Representation[Any], location: str, *, created: bool = False, own: bool = True
) -> Response:
    """The fresh state after a write. `own` is False where `location` is not what was asked for."""
    headers = {"Location": location} if created and not own else {}
    return TaggedResponse(made, 201 if created else 200, content_location=location, headers=headers)


# -- problems ----------------------------------------------------------------------------------

_PLURALS = {"flag": "flags", "environment": "environments", "project": "projects"}


def _shown(name: object) -> str:
    """What was sent as a name, cut; a patch may send anything."""
    return ascii(name[:60]) if isinstance(name, str) else ascii(name)[:60]


def malformed_key(name: str, value: str) -> Problem:
    """422 for a key that no resource can have."""
    return Problem(
        422,
        "malformed-key",
        f"The {name} {_shown(value)} cannot be a key. Use 1 to 128 letters, digits, '.', '_' "
        "and '-', and not '.' or '..'.",
        errors=[{"pointer": f"/{name}", "detail": "Use letters, digits, '.', '_' and '-'."}],
    )


def refuse_faults(faults: Iterable[Fault], at: str = "") -> None:
    """Raise 422 for what `flagbit.rules` found wrong, if anything; `at` says where it was found."""
    errors = [
        {"pointer": at + fault.pointer, "code": fault.code, "detail": fault.detail}
        for fault in faults
    ]
    if errors:
        places = ", ".join(error["pointer"] or "the whole body" for error in errors[:5])
        raise Problem(
            422,
            "validation-failed",
            f"Not accepted: {places}. Nothing was changed. Correct what 'errors' names and send "
            "the request again.",
            errors=errors,
        )


def refuse_invalid(error: ValidationError, document: Mapping[str, Any]) -> RequestValidationError:
    """422 for a document that a patch made, as for content that was sent whole."""
    return RequestValidationError(
        [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)],
        body=document,
    )


def refuse_other_key(content_key: object, path_key: str, pointer: str = "/key") -> None:
    """Raise 422 where the content names another resource than the path, or what is no name."""
    if content_key is not None and content_key != path_key:
        raise Problem(
            422,
            "key-mismatch",
            f"The content is of {_shown(content_key)}, the path of {_shown(path_key)}; keys never "
            "change. Leave the key out, or send both the same.",
            errors=[{"pointer": pointer, "detail": f"Send {path_key!r} or leave it out."}],
        )


def patched(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """What a merge patch makes of the members that people edit; raises 422 for the others."""
    errors = [
        {"pointer": f"/{name}", "detail": "The server sets this. Leave it out of a patch."}
        for name in sorted(READ_ONLY & set(patch))
    ]
    if errors:
        raise Problem(
            422,
            "read-only-member",
            "The patch changes what the server sets. Nothing was changed. Leave it out.",
            errors=errors,
        )
    editable = {name: value for name, value in document.items() if name not in READ_ONLY}
    merged: dict[str, Any] = merge_patch(editable, patch)
    return merged


# -- queries -----------------------------------------------------------------------------------


def _of_known(tag: TagSource, takes: Iterable[str]) -> TagSource:
    """The tag source, which refuses queries that the route would read otherwise than was meant."""
    known = tuple(takes)

    def source(request: Request) -> ETag | None:
        found = tag(request)  # 404 comes first
        asked = [name for name, _ in request.query_params.multi_items()]
        for name in asked:
            if name not in known:
                remedy = f"Send only {', '.join(known)}." if known else "Send none here."
                raise bad_query(name, f"It is not known. {remedy}")
            if asked.count(name) > 1:
                raise bad_query(name, "It occurs more than once. Send it once.")
        return found

    return source


def page_of(request: Request, *, numbered: bool = False) -> Page:
    """`?limit=` and `?cursor=`; raises 422."""
    limit = request.query_params.get("limit", str(PAGE))
    if not _LIMIT.fullmatch(limit) or int(limit) > LONGEST_PAGE:
        raise bad_query("limit", f"Send a whole number from 1 to {LONGEST_PAGE}.")
    after = request.query_params.get("cursor")
    fits = after is None or (
        after.isascii() and after.isdigit() and len(after) < 19
        if numbered
        else KEY.fullmatch(after) is not None
    )
    if not fits:
        raise bad_query("cursor", "Send the `next` of the page before, or leave it out.")
    return Page(int(limit), after)


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


def bad_query(name: str, remedy: str) -> Problem:
    """422 for a query parameter."""
    return Problem(
        422,
        "validation-failed",
        f"The query parameter {_shown(name)} is not accepted. {remedy}",
        errors=[{"in": "query", "name": name[:60], "detail": remedy}],
    )
