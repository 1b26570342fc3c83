"""/keys: the API keys that are valid in FlagBit. Only an admin key sees and changes them.

A key that is bound to a product, a project or an environment reaches those that are bound at least
as narrowly. Of others it is told that there are none: whoever could revoke a wider key could lock
out the people who made this one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from chassis.keys import KeyRecord, Keys, Look, Told, UnfitKey
from chassis.keys import represent as key_document
from chassis.problems import Problem, on_http
from chassis.rights import Principal, Role
from flagbit.api.resources import Resources, principal_of, project_of, written
from flagbit.models import KeyDocument, KeyList, NewKey, NewKeyDocument
from ifmatch import (
    Conflict,
    ETag,
    Representation,
    Validators,
    Verdict,
    bytes_tag,
    canonical,
    composed_tag,
)
from ifmatch.core.guard import Guard
from ifmatch.server.fastapi import ConditionalRoute, Guarded, TaggedResponse

PRODUCT = "flagbit"


def router(resources: Resources, keys: Keys) -> APIRouter:
    """The routes of keys."""
    routes = APIRouter(route_class=ConditionalRoute, tags=["keys"])
    strong = resources.db.strong

    def represent(key: KeyRecord) -> Representation[KeyRecord]:
        return Representation(key, canonical(document(key)), _tag(key.etag, strong=strong))

    def visible(request: Request, on: Connection | None = None) -> list[KeyRecord]:
        who = principal_of(request)
        known = keys.list(product=PRODUCT) if on is None else keys.list_on(on, product=PRODUCT)
        return [key for key in known if who.covers(key.principal)]

    def listed(request: Request, on: Connection | None = None) -> Representation[list[KeyRecord]]:
        found = visible(request, on)
        body = canonical({"items": [document(key) for key in found], "next": None})
        etag = bytes_tag(body) if strong else composed_tag("keys", [key.etag for key in found])
        return Representation(found, body, etag)

    def one(request: Request) -> KeyRecord:
        wanted = request.path_params["id"]
        for key in visible(request):
            if key.id == wanted:
                return key
        lists = resources.location("keys")
        raise Problem(404, "key-not-found", f"There is no such key. GET {lists} lists them.")

    @routes.get("/keys", response_model=KeyList)
    @resources.reads(lambda request: listed(request).etag, role=Role.ADMIN)
    def list_keys(request: Request) -> Response:
        """Keys, the oldest first; never the keys themselves."""
        return TaggedResponse(listed(request))

    @routes.post("/keys", response_model=NewKeyDocument, status_code=201)
    @resources.writes(lambda request: listed(request).etag, role=Role.ADMIN, required=False)
    def create_key(request: Request, new: NewKey, guard: Guarded) -> Response:
        """A new key. Its `token` is in this answer and nowhere else."""
        project = project_of(request)
        _check_environment(resources, project, new)
        _refuse_wider(principal_of(request), project, new)
        judge = resources.judging(guard, lambda connection: listed(request, connection).etag)
        record = _recording(resources, principal_of(request))

        def look_again(key: KeyRecord) -> None:
            """Nobody deletes the environment from here to the commit: that takes the keys' lock."""
            _check_environment(resources, project, new)
            record(key)

        place = (PRODUCT, project, new.environment)
        try:
            key, token = keys.create(
                new.owner, Role(new.role), *place, first=judge, then=look_again
            )
        except UnfitKey as error:
            raise _unfit_owner(str(error)) from error
        body = canonical(document(key) | {"token": token})
        response = Response(body, 201, media_type="application/json")
        # The token must not be kept anywhere on the way, so there is no tag to ask with again.
        response.headers["Cache-Control"] = "no-store"
        response.headers["Location"] = resources.location("keys", key.id)
        return response

    @routes.get("/keys/{id}", response_model=KeyDocument)
    @resources.reads(lambda request: represent(one(request)).etag, role=Role.ADMIN)
    def read_key(request: Request, id: str) -> Response:  # noqa: A002 (the path's name for it)
        """One key: whom it is for and what it may do."""
        return TaggedResponse(represent(one(request)))

    @routes.post("/keys/{id}/revoke", response_model=KeyDocument)
    @resources.writes(
        lambda request: represent(one(request)).etag,
        role=Role.ADMIN,
        required=False,  # a key that leaked is revoked at once, whoever edited it meanwhile
    )
    def revoke_key(request: Request, id: str, guard: Guarded) -> Response:  # noqa: A002
        """Refuse a key from now on; in other processes within a second."""
        if one(request).id == principal_of(request).key_id:
            raise Problem(
                409,
                "own-key",
                "This is the key of this request; revoking it could lock everybody out. "
                "Revoke it with another admin key.",
            )
        keep, record = _keeping_an_admin(keys, id), _recording(resources, principal_of(request))
        try:
            revoked = keys.revoke(id, _Shown(guard, strong), first=keep, then=record)
        except Conflict as conflict:
            current = None if conflict.current is None else _tag(conflict.current, strong=strong)
            raise Conflict(current, conflict.verdict) from conflict
        return written(represent(revoked), resources.location("keys", id))

    return routes


def on_method(resources: Resources) -> Callable[[Request, Exception], Awaitable[Response]]:
    """The handler of 405: whoever would delete a key wants it refused, which is another address."""
    keys = resources.location("keys")

    async def handle(request: Request, error: Exception) -> Response:
        above, _, _ = request.scope["path"].rpartition("/")
        if request.method == "DELETE" and above == keys:
            error = Problem(
                405,
                "method-not-allowed",
                f"A key is never deleted, since the audit names it. Use POST {keys}/{{id}}/revoke "
                "to have it refused from now on.",
                headers=getattr(error, "headers", None),
            )
        return await on_http(request, error)

    return handle


def document(key: KeyRecord) -> dict[str, Any]:
    """What is shown of a key: what people edit of it, and never the key itself."""
    return key_document(asdict(key))


def _tag(etag: ETag, *, strong: bool) -> ETag:
    """The tag as FlagBit shows it: strong where that was asked for, since the body is its bytes."""
    return ETag(etag.opaque, weak=not strong)


@dataclass(frozen=True)
class _Shown:
    """Judges a guard on the tag as it was shown."""

    guard: Guard
    strong: bool

    def judge(self, current: Validators | None) -> Verdict:
        if current is None or current.etag is None:
            return self.guard.judge(current)
        return self.guard.judge(Validators(_tag(current.etag, strong=self.strong)))


def _unfit_owner(detail: str) -> Problem:
    """422 for what the model lets through and a key's record does not take, such as blanks."""
    return Problem(
        422,
        "validation-failed",
        f"{detail} Nothing was changed. Send a name that people can read.",
        errors=[{"pointer": "/owner", "detail": detail}],
    )


def _recording(resources: Resources, who: Principal) -> Told:
    """Writes down in the audit that a key was made or revoked, and by whom."""

    def record(key: KeyRecord) -> None:
        after = document(key)
        before = None if key.revoked is None else after | {"revoked": None}
        etag = _tag(key.etag, strong=resources.db.strong)
        resources.db.record_key(who, before, after, etag)

    return record


def _keeping_an_admin(keys: Keys, key_id: str) -> Look:
    """Raises 409 where nobody could manage everything any more without that key."""

    def keep(connection: Connection) -> None:
        if keys.is_last_admin(connection, key_id):
            raise Problem(
                409,
                "last-admin",
                "This is the last key that may do everything. Nothing was changed. Make "
                "another one first: quartet keys create --role admin.",
            )

    return keep


def _refuse_wider(who: Principal, project: str, new: NewKey) -> None:
    """An admin for one environment makes keys for that one."""
    wanted = Principal("", new.owner, Role(new.role), PRODUCT, project, new.environment)
    if not who.covers(wanted):
        raise Problem(
            403,
            "key-too-wide",
            f"Your key is for the environment {who.environment}, and the new one would be valid "
            "elsewhere, too. Make a server or client key of that one, or ask an administrator.",
        )


def _check_environment(resources: Resources, project: str, new: NewKey) -> None:
    evaluates = new.role in (Role.SERVER, Role.CLIENT)
    if evaluates != (new.environment is not None):
        remedy = "Name the environment it evaluates." if evaluates else "Leave the environment out."
        raise Problem(
            422,
            "validation-failed",
            f"A key of the role {new.role} {'needs' if evaluates else 'has no'} environment. "
            f"{remedy}",
            errors=[{"pointer": "/environment", "detail": remedy}],
        )
    db = resources.db
    if new.environment and db.tag(db.environment, (project, new.environment)) is None:
        raise Problem(
            422,
            "validation-failed",
            f"There is no environment {new.environment}. "
            f"GET {resources.location('environments')} lists them.",
            errors=[{"pointer": "/environment", "detail": "Name one that exists."}],
        )
