"""The query of a request: which of it is known, and which page of a list it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.requests import Request

from chassis.problems import Problem

PAGE = 100
LONGEST_PAGE = 500
PAGE_PARAMETERS = [
    {
        "name": "limit",
        "in": "query",
        "required": False,
        "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_PAGE},
        "description": f"Items a page; {PAGE}.",
    },
    {
        "name": "cursor",
        "in": "query",
        "required": False,
        "schema": {"type": "string"},
        "description": "`next` of the page before.",
    },
]
"""How a description (OpenAPI) has them."""

PAGE_QUERY = [str(one["name"]) for one in PAGE_PARAMETERS]

_LIMIT = re.compile("[1-9][0-9]{0,2}")
_NUMBER = re.compile("[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: at most `limit` items with keys after `after`."""

    limit: int = PAGE
    after: str | None = None


def page_of(request: Request, cursor: re.Pattern[str] = _NUMBER) -> Page:
    """`?limit=` and `?cursor=`, which has to look as `cursor` says; raises 422."""
    limit = request.query_params.get("limit", str(PAGE))
    if not _LIMIT.fullmatch(limit) or int(limit) > LONGEST_PAGE:
        raise bad_query("limit", f"Send a whole number from 1 to {LONGEST_PAGE}.")
    after = request.query_params.get("cursor")
    if after is not None and not cursor.fullmatch(after):
        raise bad_query("cursor", "Send the `next` of the page before, or leave it out.")
    return Page(int(limit), after)


def refuse_unknown(request: Request, known: Iterable[str]) -> None:
    """Raise 422 for a parameter that would be passed over, or that could be meant in two ways."""
    takes = tuple(known)
    asked = [name for name, _ in request.query_params.multi_items()]
    for name in asked:
        if name not in takes:
            remedy = f"Send only {', '.join(takes)}." if takes else "Send none here."
            raise bad_query(name, f"It is not known. {remedy}")
        if asked.count(name) > 1:
            raise bad_query(name, "It occurs more than once. Send it once.")


def bad_query(name: str, remedy: str) -> Problem:
    """422 for a query parameter."""
    return Problem(
        422,
        "validation-failed",
        f"The query parameter {name[:60]!a} is not accepted. {remedy}",
        errors=[{"in": "query", "name": name[:60], "detail": remedy}],
    )
