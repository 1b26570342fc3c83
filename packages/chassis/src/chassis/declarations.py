"""What the routes of an API declare: who may, which tag guards it, what it takes.

declare = Declarations(context.authenticate, context.settings.comparison)

@routes.get("/notes", response_model=Notes)
@declare.reads(lambda request: listed(request).etag, takes=PAGE_QUERY)
def list_notes(request: Request) -> Response: ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from chassis.authentication import Authenticator
from chassis.merge_patch import MEDIA_TYPE
from chassis.query import refuse_unknown
from chassis.rights import Principal, Role
from ifmatch import ETag, Representation, Validators
from ifmatch.core.conditions import Comparison
from ifmatch.core.guard import Condition, enforce
from ifmatch.server.fastapi import Conditional, TaggedResponse

JSON = "application/json"
PATCH_TYPES = (JSON, MEDIA_TYPE)
"""A merge patch (RFC 7396), under its own name or as plain JSON."""

PATCH_CONTENT = {"requestBody": {"content": {JSON: {"schema": {"type": "object"}}}}}
"""What the description of a PATCH has besides the merge patch that its parameter declares."""

TagSource = Callable[[Request], ETag | None]


@dataclass(frozen=True)
class Declarations:
    """Makes the declarations of one API's routes.

    `comparison` is how If-Match compares: by state, with weak tags, or strictly, with strong ones.
    """

    authenticate: Authenticator
    comparison: Comparison = Comparison.STATE

    @property
    def strong(self) -> bool:
        """Whether tags are strong: of the very bytes that are sent."""
        return self.comparison is Comparison.STRICT

    def needs(self, role: str) -> Callable[[Request], Principal]:
        """A function that returns who asks, or raises 401 or 403."""
        return self.authenticate.require(role)

    def reads(
        self, tag: TagSource, role: str = Role.READ, *, takes: Iterable[str] = ()
    ) -> Conditional:
        """A route that reads; `takes` are the query parameters that select what is read."""
        return Conditional(
            authorize=self.needs(role),
            roles=(str(role),),
            tag=_of_known(tag, takes),
            comparison=self.comparison,
            weak=not self.strong,
        )

    def writes(
        self,
        tag: TagSource,
        *,
        role: str = Role.WRITE,
        required: bool | Callable[[Request], bool] = True,
        accepts: tuple[str, ...] = (JSON,),
        explain: Callable[[Request], Mapping[str, Any]] | None = None,
        represent: Callable[[Request], Any] | None = None,
        location: Callable[[Request], str] | None = None,
        takes: Iterable[str] = (),
    ) -> Conditional:
        """A route that changes something whose tag `tag` gives; `takes` as in `reads`."""
        return Conditional(
            authorize=self.needs(role),
            roles=(str(role),),
            tag=_of_known(tag, takes),
            comparison=self.comparison,
            weak=not self.strong,
            required=required,
            accepts=accepts,
            explain=explain,
            represent=represent,
            location=location,
        )

    @staticmethod
    def judging(
        guard: Condition, tag: Callable[[Connection], ETag]
    ) -> Callable[[Connection], None] | None:
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


def _of_known(tag: TagSource, takes: Iterable[str]) -> TagSource:
    """The tag source, which refuses queries that the route would read otherwise than was meant."""
    known = tuple(takes)

    def source(request: Request) -> ETag | None:
        found = tag(request)  # 404 comes first
        refuse_unknown(request, known)
        return found

    return source


def written(
    made: Representation[Any], location: str, *, created: bool = False, own: bool = True
) -> Response:
    """The fresh state after a write. `own` is False where `location` is not what was asked for."""
    headers = {"Location": location} if created and not own else {}
    return TaggedResponse(made, 201 if created else 200, content_location=location, headers=headers)
