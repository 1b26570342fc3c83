"""A page for each type of problem, and one that lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.pages import environment
from chassis.problem_links import PATH
from chassis.problem_types import ProblemType
from ifmatch import ETag, bytes_tag
from ifmatch.server.starlette import PUBLIC, Conditional, conditional


@dataclass(frozen=True, slots=True)
class _Page:
    content: bytes
    etag: ETag


class ProblemPages:
    """The pages, for everybody: they say nothing of what is kept here."""

    def __init__(self, types: Mapping[str, ProblemType], prefix: str) -> None:
        templates = environment()

        def render(template: str, **values: object) -> _Page:
            html = templates.get_template(template).render(prefix=prefix, **values).encode()
            return _Page(html, bytes_tag(html))

        self._index = render("problems.html", problems=list(types.values()))
        self._pages = {slug: render("problem.html", problem=one) for slug, one in types.items()}

    def routes(self) -> list[Route]:
        """What serves them, with a tag."""
        declared = Conditional(
            authorize=PUBLIC, tag=lambda request: self._page(request).etag, vary=()
        )
        answer = conditional(declared, self._send)
        return [
            Route(PATH, answer, methods=["GET"]),
            Route(f"{PATH}/{{slug}}", answer, methods=["GET"]),
        ]

    async def _send(self, request: Request) -> Response:
        page = self._page(request)
        headers = {"ETag": str(page.etag), "Cache-Control": "public, no-cache"}
        return Response(page.content, 200, headers, "text/html")

    def _page(self, request: Request) -> _Page:
        slug = request.path_params.get("slug")
        if slug is None:
            return self._index
        if slug not in self._pages:
            raise HTTPException(404)
        return self._pages[slug]
