"""/keys of an API: the keys that are valid there. Only an admin key sees and changes them.

A key that is bound to a product, a project or an environment reaches those that are bound at least
as narrowly. Of others it is told that there are none: whoever could revoke a wider key could lock
out the people who made this one.

    app.include_router(key_api.router(declare, KeyPlace(keys, "flagbit", location, ...)))
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field, create_model
from sqlalchemy import Connection

from chassis.authentication import Authenticator, principal_of
from chassis.content import refused
from chassis.declarations import Declarations, written
from chassis.installation import Installation
from chassis.keys import (
    OVERLAP_SECONDS,
    KeyRecord,
    Keys,
    Look,
    NotRotatable,
    Rotated,
    UnfitKey,
    instant,
)
from chassis.keys import represent as key_document
from chassis.problems import Problem, on_http
from chassis.rights import Principal, Role
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
from ifmatch.core.tags import state_digest
from ifmatch.server.fastapi import ConditionalRoute, Guarded, TaggedResponse

log = logging.getLogger("chassis.keys")

Place = tuple[str | None, str | None, str | None]
"""Product, project and environment; None is all of them."""

_PlaceName = Annotated[
    str, Field(pattern="^[A-Za-z0-9._-]{1,128}$", description="Letters, digits, `.`, `_`, `-`.")
]


def _nothing(*_: Any) -> None:
    """For who has nothing to check, or nothing to write down."""


def _everywhere(_: Principal) -> str | None:
    return None


@dataclass(frozen=True)
class KeyPlace:
    """Where the routes are, and what they need of the product that includes them.

    `product` is None for the keys of all products. `location` makes paths, as clients see them.
    `project_of` is the project that keys are made for; `check` raises Problem where there is no
    such place; `record` writes down who made a key of what (None: it is new), with its tag, and
    raises to undo it.
    """

    keys: Keys
    product: str | None
    location: Callable[..., str]
    project_of: Callable[[Principal], str | None] = _everywhere
    check: Callable[[Place], None] = _nothing
    record: Callable[[Principal, dict[str, Any] | None, dict[str, Any], ETag], None] = _nothing

    def of(self, who: Principal, new: NewKey) -> Place:
        """Where the new key is to be valid."""
        if self.product is not None:
            return (self.product, self.project_of(who), new.environment)
        found = new.model_dump()
        return (found["product"], found["project"], new.environment)

    def visible(self, who: Principal, on: Connection | None = None) -> list[KeyRecord]:
        """The keys that one who asks may see and change."""
        keys = self.keys
        known = (
            keys.list(product=self.product)
            if on is None
            else keys.list_on(on, product=self.product)
        )
        return [key for key in known if who.covers(key.principal)]


# -- content ---------------------------------------------------------------------------------------


class NewKey(BaseModel):
    """Whom a key is for, what it may do, and until when."""

    model_config = ConfigDict(extra="forbid", strict=True)

    owner: Annotated[str, Field(min_length=1, max_length=200)]
    role: str
    environment: _PlaceName | None = None
    expires: str | None = Field(
        None, description="When it ends: an instant of RFC 3339, such as 2027-01-31T00:00:00Z."
    )


class Rotation(BaseModel):
    """How long the old key stays valid, and until when the new one is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    overlap: int = Field(
        default=OVERLAP_SECONDS,
        ge=0,
        le=3660 * 24 * 3600,
        description="Seconds for which the old key stays valid; 0 revokes it now.",
    )
    expires: str | None = Field(default=None, description="When the new key ends, as in a new key.")


class KeyDocument(BaseModel):
    """A key as it is shown."""

    id: str
    prefix: str
    owner: str
    role: str
    product: str | None
    project: str | None
    environment: str | None
    created: str
    expires: str | None
    revoked: str | None
    replaces: str | None = Field(description="The id of the key that it takes over from.")


class NewKeyDocument(KeyDocument):
    """A key that was made just now."""

    token: str = Field(description="The key itself. It is shown this once.")


class KeyList(BaseModel):
    """Keys, the oldest first."""

    items: list[KeyDocument]
    next: str | None


class KeyUsage(BaseModel):
    """When a key was used."""

    id: str
    last_used: str | None = Field(description="To about a minute; null if never.")


def _content_of(place: KeyPlace) -> type[NewKey]:
    """The model of a new key: with the roles that there are, and a place where one is chosen."""
    roles = place.keys.roles.of(place.product)
    said = " ".join(f"`{name}` {what}." for name, what in roles.items())
    members: dict[str, Any] = {"role": (Literal[tuple(roles)], Field(description=said))}
    if place.product is None:
        for name in ("product", "project"):
            members[name] = (_PlaceName | None, Field(None, description="null: all of them."))
    return create_model("NewKey", __base__=NewKey, **members)


# -- routes ----------------------------------------------------------------------------------------


def router(declare: Declarations, place: KeyPlace) -> APIRouter:
    """The routes of keys."""
    routes = APIRouter(route_class=ConditionalRoute, tags=["keys"])
    shown = _Shown(place, strong=declare.strong)
    _reading(routes, declare, shown)
    _creating(routes, declare, shown)
    _rotating(routes, declare, shown)
    _revoking(routes, declare, shown)
    return routes


def of_all_products(
    installation: Installation, authenticate: Authenticator, prefix: str
) -> tuple[Declarations, KeyPlace]:
    """What the front has: the keys of every product.

    The products in which a key is valid write down who changed it; and so does the log.
    """

    def location(*parts: str) -> str:
        return "/".join([prefix, *parts])

    def record(
        who: Principal, before: dict[str, Any] | None, after: dict[str, Any], etag: ETag
    ) -> None:
        done = "made" if before is None else "ended" if after["revoked"] else "rotated"
        log.info("key %s was %s by key %s", after["id"], done, who.key_id)
        for product in installation.products:
            if after["product"] in (None, product.name):
                product.record_key(installation.context(product), who, before, after, etag)

    return Declarations(authenticate), KeyPlace(installation.keys, None, location, record=record)


@dataclass(frozen=True)
class _Shown:
    """Keys as one who asks is shown them, with their tags."""

    place: KeyPlace
    strong: bool

    def list(
        self, request: Request, on: Connection | None = None
    ) -> Representation[list[KeyRecord]]:
        found = self.place.visible(principal_of(request), on)
        body = canonical({"items": [document(key) for key in found], "next": None})
        etag = bytes_tag(body) if self.strong else composed_tag("keys", [one.etag for one in found])
        return Representation(found, body, etag)

    def one(self, request: Request) -> KeyRecord:
        """The key of the path; raises 404."""
        wanted = request.path_params["id"]
        for key in self.place.visible(principal_of(request)):
            if key.id == wanted:
                return key
        lists = self.place.location("keys")
        raise Problem(404, "key-not-found", f"There is no such key. GET {lists} lists them.")

    def usage(self, request: Request) -> Representation[KeyRecord]:
        key = self.one(request)
        body = canonical({"id": key.id, "last_used": instant(key.last_used)})
        etag = bytes_tag(body) if self.strong else ETag(state_digest(body), weak=True)
        return Representation(key, body, etag)

    def represent(self, key: KeyRecord) -> Representation[KeyRecord]:
        return Representation(key, canonical(document(key)), self.tag(key))

    def tag(self, key: KeyRecord) -> ETag:
        """Strong where that was asked for, since the body is its bytes."""
        return ETag(key.etag.opaque, weak=not self.strong)

    def tag_of_one(self, request: Request) -> ETag:
        return self.tag(self.one(request))

    def record(self, who: Principal, before: KeyRecord | None, after: KeyRecord) -> None:
        was = None if before is None else document(before)
        self.place.record(who, was, document(after), self.tag(after))

    def with_token(self, key: KeyRecord, token: str) -> Response:
        response = Response(canonical(document(key) | {"token": token}), 201)
        response.headers["Content-Type"] = "application/json"
        # The token must not be kept anywhere on the way, so there is no tag to ask with again.
        response.headers["Cache-Control"] = "no-store"
        response.headers["Location"] = self.place.location("keys", key.id)
        return response

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Turns what the keys say into problems, and a tag into the one that was shown."""
        try:
            yield
        except UnfitKey as error:
            raise _unfit(error) from error
        except NotRotatable as error:
            raise Problem(409, "not-rotatable", f"{error} Nothing was changed.") from error
        except Conflict as conflict:
            current = conflict.current
            if current is not None:
                current = ETag(current.opaque, weak=not self.strong)
            raise Conflict(current, conflict.verdict) from conflict


@dataclass(frozen=True)
class _AsShown:
    """Judges a guard on the tag as it was shown."""

    guard: Guard
    strong: bool

    def judge(self, current: Validators | None) -> Verdict:
        if current is None or current.etag is None:
            return self.guard.judge(current)
        return self.guard.judge(Validators(ETag(current.etag.opaque, weak=not self.strong)))


def _reading(routes: APIRouter, declare: Declarations, shown: _Shown) -> None:
    @routes.get("/keys", response_model=KeyList)
    @declare.reads(lambda request: shown.list(request).etag, role=Role.ADMIN)
    def list_keys(request: Request) -> Response:
        """Keys, the oldest first; never the keys themselves."""
        return TaggedResponse(shown.list(request))

    @routes.get("/keys/{id}", response_model=KeyDocument)
    @declare.reads(shown.tag_of_one, role=Role.ADMIN)
    def read_key(request: Request, id: str) -> Response:  # noqa: A002 (the path's name for it)
        """One key: whom it is for and what it may do."""
        return TaggedResponse(shown.represent(shown.one(request)))

    @routes.get("/keys/{id}/usage", response_model=KeyUsage)
    @declare.reads(lambda request: shown.usage(request).etag, role=Role.ADMIN)
    def read_usage(request: Request, id: str) -> Response:  # noqa: A002
        """When it was used last. It merely happens, so it has an address and a tag of its own."""
        return TaggedResponse(shown.usage(request))


def _creating(routes: APIRouter, declare: Declarations, shown: _Shown) -> None:
    place, keys = shown.place, shown.place.keys

    def create_key(request: Request, new: NewKey, guard: Guarded) -> Response:
        """A new key. Its `token` is in this answer and nowhere else."""
        who = principal_of(request)
        wanted = place.of(who, new)
        if place.product is not None:
            _check_environment(keys, new, place.product)
        place.check(wanted)
        refuse_wider(who, wanted)

        def look_again(key: KeyRecord) -> None:
            """Nobody deletes the place from here to the commit: that takes the keys' lock."""
            place.check(wanted)
            shown.record(who, None, key)

        judge = declare.judging(guard, lambda connection: shown.list(request, connection).etag)
        lifetime = _lifetime(new.expires)
        with shown.refusing():
            key, token = keys.create(
                new.owner, new.role, *wanted, lifetime=lifetime, first=judge, then=look_again
            )
        return shown.with_token(key, token)

    # FastAPI reads the model from the annotation; which roles there are is known only here.
    create_key.__annotations__["new"] = _content_of(place)
    guarded = declare.writes(
        lambda request: shown.list(request).etag, role=Role.ADMIN, required=False
    )
    routes.post("/keys", response_model=NewKeyDocument, status_code=201)(guarded(create_key))


def _rotating(routes: APIRouter, declare: Declarations, shown: _Shown) -> None:
    @routes.post("/keys/{id}/rotate", response_model=NewKeyDocument, status_code=201)
    @declare.writes(shown.tag_of_one, role=Role.ADMIN, required=False)
    def rotate_key(
        request: Request,
        id: str,  # noqa: A002
        guard: Guarded,
        how: Annotated[Rotation | None, Body()] = None,
    ) -> Response:
        """A second key that may do the same. The first stays valid for `overlap` seconds.

        Where the answer was lost, ask again: a successor that was never used is revoked, and the
        end of the first key does not move.
        """
        old, who, asked = shown.one(request), principal_of(request), how or Rotation()
        if asked.overlap == 0 and old.id == who.key_id:
            raise own_key("ending it before the new one is known")

        def record(done: Rotated) -> None:
            for before, after in changes(old, done):
                shown.record(who, before, after)

        with shown.refusing():
            done = shown.place.keys.rotate(
                id,
                _AsShown(guard, shown.strong),
                overlap=asked.overlap,
                lifetime=_lifetime(asked.expires),
                then=record,
            )
        return shown.with_token(done.new, done.token)


def _revoking(routes: APIRouter, declare: Declarations, shown: _Shown) -> None:
    place = shown.place

    @routes.post("/keys/{id}/revoke", response_model=KeyDocument)
    @declare.writes(
        shown.tag_of_one,
        role=Role.ADMIN,
        required=False,  # a key that leaked is revoked at once, whoever edited it meanwhile
    )
    def revoke_key(request: Request, id: str, guard: Guarded) -> Response:  # noqa: A002
        """Refuse a key from now on; in other processes within a second."""
        who = principal_of(request)
        if shown.one(request).id == who.key_id:
            raise own_key("revoking it")

        def record(key: KeyRecord) -> None:
            shown.record(who, replace(key, revoked=None), key)

        with shown.refusing():
            revoked = place.keys.revoke(
                id,
                _AsShown(guard, shown.strong),
                first=keeping_an_admin(place.keys, id),
                then=record,
            )
        return written(shown.represent(revoked), place.location("keys", id))


def on_method(keys: str) -> Callable[[Request, Exception], Awaitable[Response]]:
    """The handler of 405: whoever would delete a key wants it refused, which is another address.

    `keys` is the path of the list.
    """

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


# -- what is shown ---------------------------------------------------------------------------------


def document(key: KeyRecord) -> dict[str, Any]:
    """What is shown of a key: what people edit of it, and never the key itself."""
    return key_document(asdict(key))


def changes(old: KeyRecord, done: Rotated) -> list[tuple[KeyRecord | None, KeyRecord]]:
    """What a rotation did, each key before and after, where it did anything."""
    found: list[tuple[KeyRecord | None, KeyRecord]] = []
    if done.discarded is not None:
        found.append((replace(done.discarded, revoked=None), done.discarded))
    if done.old.etag != old.etag:
        found.append((old, done.old))
    found.append((None, done.new))
    return found


# -- what is refused -------------------------------------------------------------------------------


def own_key(what: str) -> Problem:
    """409 for who would lock themselves out."""
    return Problem(
        409,
        "own-key",
        f"This is the key of this request; {what} could lock everybody out. "
        "Do it with another admin key.",
    )


def keeping_an_admin(keys: Keys, key_id: str) -> Look:
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


def _unfit(error: UnfitKey) -> Problem:
    """422 for what the model lets through and a key's record does not take, such as blanks."""
    return Problem(
        422,
        "validation-failed",
        f"{error} Nothing was changed. Correct it and send it again.",
        errors=[{"pointer": error.pointer, "detail": str(error)}],
    )


def refuse_wider(who: Principal, wanted: Place) -> None:
    """An admin for one environment makes keys for that one."""
    if not who.covers(Principal("", "", "", *wanted)):
        own = "/".join(filter(None, (who.product, who.project, who.environment)))
        raise Problem(
            403,
            "key-too-wide",
            f"Your key is for {own}, and the new one would be valid elsewhere, too. Make one that "
            "is bound at least as narrowly, or ask an administrator.",
        )


def _check_environment(keys: Keys, new: NewKey, product: str) -> None:
    """In a product, who manages manages all of its environments; a role of its own may need one."""
    added = dict(keys.roles.added(new.role)).get(product)
    needed = added is not None and added.bound == "environment"
    if needed != (new.environment is not None):
        remedy = "Name the environment it is for." if needed else "Leave the environment out."
        said = f"A key of the role {new.role} {'needs' if needed else 'has no'} environment."
        raise refused("/environment", remedy, said)


def _lifetime(expires: str | None) -> int | None:
    """Seconds from now to an instant; raises 422 for what is none, or lies in the past."""
    if expires is None:
        return None
    try:
        when = datetime.fromisoformat(expires)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise refused("/expires", "Write an instant with its zone, such as 2027-01-31T00:00:00Z.")
    seconds = int((when - datetime.now(UTC)).total_seconds())
    if seconds <= 0:
        raise refused("/expires", "Name an instant that is still to come.")
    return seconds
