"""The page: the list of flags as HTML, which the modules in `assets` then make live.

Without scripts it shows every flag with what it does in each environment. With them, the list asks
for what changed every few seconds, and flags are edited beside it through the API.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from chassis.authentication import require
from chassis.pages import assets
from chassis.pages import environment as templates
from chassis.product import GUIDE, Context
from chassis.query import LONGEST_PAGE, Page
from chassis.rights import Principal, Role
from flagbit.db import DEFAULT_PROJECT, FlagDatabase, FlagQuery
from flagbit.documents import Row

SHOWN = 200
"""Flags on the page at most; who has more searches."""

_HERE = Path(__file__).parent
_LONGEST_SEARCH = 200


def routes(context: Context, db: FlagDatabase) -> list[BaseRoute]:
    """The page and its assets."""
    page = _Page(context, db)
    return [Route("/", page.show, methods=["GET"]), *page.assets.routes()]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the address of the page asks for; nonsense counts as not asked."""

    environment: str | None
    text: str
    archived: bool
    flag: str | None

    @classmethod
    def of(cls, request: Request, environments: list[str]) -> _Asked:
        given = request.query_params
        first = "production" if "production" in environments else None
        fallback = first or next(iter(environments), None)
        environment = given.get("environment")
        return cls(
            environment if environment in environments else fallback,
            given.get("q", "").replace("\0", "").strip()[:_LONGEST_SEARCH],
            given.get("archived") == "true",
            given.get("flag"),
        )

    def query(self, environment: str | None) -> FlagQuery:
        """What the list shows, with the states of one environment."""
        return FlagQuery(
            environment=environment,
            text=self.text or None,
            archived=self.archived,
            page=Page(SHOWN),
        )


class _Page:
    def __init__(self, context: Context, db: FlagDatabase) -> None:
        self._context = context
        self._db = db
        self.assets = assets(_HERE / "assets")
        self._templates = templates(_HERE / "templates")

    def show(self, request: Request) -> Response:
        principal = require(Role.READ, self._context.authenticate.page(request))
        project = principal.project or DEFAULT_PROJECT
        environments = self._db.environments(project, Page(LONGEST_PAGE)).value
        asked = _Asked.of(request, [one["key"] for one in environments])
        lists = {
            one["key"]: self._db.flags(project, asked.query(one["key"])).value
            for one in environments
        }
        flags = _joined(lists)
        opened = next((flag for flag in flags if flag["key"] == asked.flag), None)
        html = self._templates.get_template("flagbit.html").render(
            prefix=self._context.settings.prefix,
            here=self._context.prefix,
            guide=GUIDE,
            assets=self.assets,
            principal=principal,
            can_edit=_can_edit(principal),
            environments=environments,
            asked=asked,
            flags=flags,
            opened=opened,
            shown=SHOWN,
        )
        return HTMLResponse(html, headers={"Cache-Control": "no-store"})


def _can_edit(principal: Principal) -> bool:
    return principal.may_manage(Role.WRITE)


def _joined(lists: dict[str, list[Row]]) -> list[dict[str, Any]]:
    """Each flag once, with `states` by environment."""
    joined: dict[str, dict[str, Any]] = {}
    for environment, flags in lists.items():
        for flag in flags:
            rest = {name: value for name, value in flag.items() if name != "state"}
            one = joined.setdefault(flag["key"], rest | {"states": {}})
            one["states"][environment] = flag.get("state")
    return [joined[key] for key in sorted(joined)]
