"""The playground: two editors of one record, with If-Match and without, and why each answer came.

The record is a real one: a guarded row, served by the same routes as any product's resource, with
one difference: a write may go without a condition, so that people can see what is lost then. A
record belongs to the key that made it; nobody else can tell that it is there. It ends after an
hour, and the oldest makes room where a key has too many.

    POST /playground/records        a new record
    GET, PUT /playground/records/…  the record
    POST /playground/explain        the path of a request through RFC 9110 section 13.2.2
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, delete, func, select
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chassis.authentication import Authenticator
from chassis.database import Database
from chassis.problems import Problem, malformed_json
from chassis.rights import Principal, Role
from chassis.schema import playground_record
from ifmatch import Comparison, ETag, Policy, Representation, Validators
from ifmatch.core.explain import Explanation, explain
from ifmatch.server.starlette import (
    CappedRequest,
    Conditional,
    TaggedResponse,
    check_content,
    condition,
    conditional,
)
from ifmatch.store.sqlalchemy import GuardedTable

LIFE_SECONDS = 3600
PER_KEY = 20
IN_ALL = 2000
MAX_CONTENT = 8192

STATE_BEFORE = "State-Before"
"""The field of an answer that names the tag which the request met, for the explanation."""

_POLICY = Policy(Comparison.STATE)
_SHORT = 120


class Dinner(BaseModel):
    """The record: something that two people plan together."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: str = Field(max_length=_SHORT)
    place: str = Field(max_length=_SHORT)
    guests: int = Field(ge=0, le=10_000)
    note: str = Field(max_length=1000)


START = Dinner(
    title="Dinner on Friday",
    place="Harbour kitchen",
    guests=6,
    note="Somebody brings a cake.",
)

ROWS = GuardedTable(
    playground_record,
    key=(playground_record.c.key_id, playground_record.c.id),
    represent=lambda row: row["content"],
)


class Records:
    """The records of all keys, in the database that all processes share."""

    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now

    def create(self, key_id: str) -> tuple[str, Representation[Any]]:
        """A new record and its id. Raises Problem 429 where there are too many of everybody's."""
        identity = secrets.token_urlsafe(16)
        now = int(self._now())
        values = {"content": START.model_dump(), "expires": now + LIFE_SECONDS}
        with self._database.writing() as connection:
            connection.execute(delete(playground_record).where(playground_record.c.expires <= now))
            _make_room(connection, key_id)
            return identity, ROWS.create(connection, (key_id, identity), values)

    def validators(self, key_id: str, identity: str) -> Validators:
        """The tag of a record. Raises HTTPException 404 where it is not, or not any more."""
        with self._database.reading() as connection:
            self._refuse_ended(connection, key_id, identity)
            found = ROWS.validators(connection, (key_id, identity))
        if found is None:
            raise _gone()
        return found

    def read(self, key_id: str, identity: str) -> Representation[Any]:
        """The record with its tag. Raises HTTPException 404."""
        with self._database.reading() as connection:
            self._refuse_ended(connection, key_id, identity)
            found = ROWS.read(connection, (key_id, identity))
        if found is None:
            raise _gone()
        return found

    def replace(self, key_id: str, identity: str, content: Any, guard: Any) -> Representation[Any]:
        """Put the content there if the guard still holds. Raises Conflict or Missing."""
        with self._database.writing() as connection:
            return ROWS.patch(
                connection, (key_id, identity), lambda _row: {"content": content}, guard
            )

    def _refuse_ended(self, connection: Connection, key_id: str, identity: str) -> None:
        row = playground_record.c
        query = select(row.expires).where(row.key_id == key_id, row.id == identity)
        expires = connection.execute(query).scalar_one_or_none()
        if expires is None or expires <= self._now():
            raise _gone()


def _make_room(connection: Connection, key_id: str) -> None:
    """The oldest records of a key make room; those of others never do."""
    row = playground_record.c
    mine = select(row.id).where(row.key_id == key_id).order_by(row.expires.desc(), row.id)
    old = list(connection.execute(mine.offset(PER_KEY - 1)).scalars())
    connection.execute(delete(playground_record).where(row.key_id == key_id, row.id.in_(old)))
    count = connection.execute(select(func.count()).select_from(playground_record)).scalar_one()
    if count >= IN_ALL:
        raise Problem(
            429,
            "too-many-requests",
            "The playground is full. Records end after an hour: try again a little later.",
            headers={"Retry-After": "60"},
        )


def _gone() -> HTTPException:
    return HTTPException(404, "There is no such record (any more). Begin anew in the playground.")


class Playground:
    """The routes of the playground, apart from its page."""

    def __init__(self, database: Database, authenticate: Authenticator, prefix: str) -> None:
        self._records = Records(database)
        self._reader = authenticate.require(Role.READ)
        self._prefix = prefix

    def routes(self) -> list[Route]:
        """What serves them."""
        declared = Conditional(
            authorize=self._reader,
            tag=self._tag,
            comparison=_POLICY.comparison,
            represent=lambda request: self._records.read(*_key(request)),
            max_content=MAX_CONTENT,
        )
        methods = ["GET", "PUT"]
        answer = conditional(declared, self._perform, methods)

        async def record(request: Request) -> Response:
            response = await answer(request)
            met: Validators | None = getattr(request.state, "ifmatch_current", None)
            if met is not None:
                response.headers[STATE_BEFORE] = str(met.etag)
            return response

        return [
            Route("/playground/records", self._create, methods=["POST"]),
            Route("/playground/records/{id}", record, methods=methods),
            Route("/playground/explain", self._explain, methods=["POST"]),
        ]

    # -- the record -----------------------------------------------------------------------------

    def _create(self, request: Request) -> Response:
        principal = self._reader(request)
        identity, made = self._records.create(principal.key_id)
        place = f"{self._prefix}/playground/records/{identity}"
        headers = {"Location": place, "Cache-Control": "no-store"}
        return TaggedResponse(made, 201, content_location=place, headers=headers)

    def _tag(self, request: Request) -> Validators:
        return self._records.validators(*_key(request))

    async def _perform(self, request: Request) -> Response:
        if request.method != "PUT":
            found = await run_in_threadpool(self._records.read, *_key(request))
            return TaggedResponse(found)
        sent = _checked(Dinner, await _content(request)).model_dump()
        guard = condition(request)
        done = await run_in_threadpool(self._records.replace, *_key(request), sent, guard)
        return TaggedResponse(done, content_location=request.url.path)

    # -- why --------------------------------------------------------------------------------------

    async def _explain(self, request: Request) -> Response:
        await run_in_threadpool(self._reader, request)
        capped = CappedRequest(request.scope, request.receive)
        capped.max_content = MAX_CONTENT
        check_content(_EXPLAINED, capped)
        asked = _checked(Asked, await _content(capped))
        told = explained(asked.method, asked.fields, asked.state)
        return JSONResponse(told.as_json(), headers={"Cache-Control": "no-store"})


_EXPLAINED = Conditional(authorize=lambda _request: None, max_content=MAX_CONTENT)


class Asked(BaseModel):
    """A request to be explained: its fields, and the tag of the state that it met."""

    model_config = ConfigDict(extra="forbid")

    method: str = Field(pattern="^(GET|HEAD|PUT)$")
    fields: list[tuple[str, str]] = Field(max_length=20)
    state: str | None = Field(default=None, max_length=200)


def explained(method: str, fields: Sequence[tuple[str, str]], state: str | None) -> Explanation:
    """The path of a request to a record. Raises Problem 422 for a state that is no tag."""
    try:
        current = None if state is None else Validators(ETag.parse(state))
    except ValueError as error:
        raise Problem(
            422, "validation-failed", "/state is no entity tag. Send one as an ETag field has it."
        ) from error
    return explain(method, fields, current, _POLICY)


def lessons() -> list[dict[str, Any]]:
    """What the page tells before anybody has played: four requests, and the path of each."""
    old, new = 'W/"2f6a0c81e94d7b35"', 'W/"9be1d4703c58a26f"'
    cases: list[tuple[str, str, Mapping[str, str], str]] = [
        ("A write without a condition", "PUT", {}, _LOST),
        ("A write that names a state which is no more", "PUT", {"If-Match": old}, _REFUSED),
        ("A write that names the present state", "PUT", {"If-Match": new}, _SAVED),
        ("A poll that names what it has", "GET", {"If-None-Match": new}, _UNCHANGED),
    ]
    return [
        {"title": title, "method": method, "fields": fields, "state": new, "means": means}
        | explained(method, list(fields.items()), new).as_json()
        for title, method, fields, means in cases
    ]


_LOST = "It is performed, whatever is there. What somebody else saved meanwhile is gone."
_REFUSED = "Somebody else was first. Nothing is written; the editor merges, and asks again."
_SAVED = "Nobody came between: it is written, and the answer has the new tag."
_UNCHANGED = "Nothing changed, so nothing is sent: an answer without content."


def _key(request: Request) -> tuple[str, str]:
    principal: Principal = request.state.principal
    return principal.key_id, request.path_params["id"]


async def _content(request: Request) -> Any:
    try:
        return await request.json()
    except json.JSONDecodeError as error:
        place = (error.lineno, error.colno) if error.doc else None
        raise malformed_json(error.msg, place) from error


def _checked(model: type[BaseModel], content: Any) -> Any:
    """The content as the model has it; raises RequestValidationError, which is answered 422."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(found, body=content) from error
