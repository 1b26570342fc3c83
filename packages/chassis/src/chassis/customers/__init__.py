"""The page for the customers of a product's API: how to poll it, and how to edit without loss.

It is made from the descriptions of the product's APIs, which are made from the routes. Anybody may
read it: it says what the API is, and nothing of what is in it. Who is signed in finds examples
about something of their own.

    routes = page(context, "FlagBit", {"/api/v1": described}, sample)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from chassis.customers.examples import FETCH, MODULE, PYTHON, SHELL, Example, Sample, examples
from chassis.customers.promises import api
from chassis.pages import SHARED, environment
from chassis.product import GUIDE, Context
from chassis.rights import Principal
from ifmatch import Representation, bytes_tag, canonical
from ifmatch.server.starlette import PUBLIC, Conditional, TaggedResponse, conditional

__all__ = ["PATH", "Sample", "description", "links", "page"]

PATH = GUIDE

Descriptions = Mapping[str, Callable[[], Mapping[str, Any]]]
"""The product's APIs: the path of each below the product's, and what makes its description."""

_OWN = Conditional(authorize=PUBLIC, vary=("Cookie",))


def links(context: Context, described: str) -> str:
    """A Link field (RFC 8631) to the page, and to the description at the path `described`."""
    page, description = context.path(PATH), context.path(described)
    return f'<{page}>; rel="service-doc", <{description}>; rel="service-desc"'


def page(
    context: Context,
    title: str,
    descriptions: Descriptions,
    sample: Callable[[Principal | None], Sample],
) -> list[Route]:
    """The route of the page. `sample` finds what a person's examples are about; None is nobody."""
    shown = _Page(context, title, descriptions, sample)
    return [Route(PATH, conditional(_OWN, shown.show), methods=["GET"])]


def description(path: str, made: Callable[[], Mapping[str, Any]]) -> Route:
    """A route for a description in OpenAPI, which is made once, has a tag, and is for anybody."""

    @cache
    def file() -> Representation[Any]:
        document = made()
        body = canonical(document)
        return Representation(document, body, bytes_tag(body))

    declared = Conditional(authorize=PUBLIC, tag=lambda _: file().etag, vary=())

    async def answer(_request: Request) -> Response:
        return TaggedResponse(file())

    return Route(path, conditional(declared, answer), methods=["GET"], include_in_schema=False)


class _Page:
    def __init__(
        self,
        context: Context,
        title: str,
        descriptions: Descriptions,
        sample: Callable[[Principal | None], Sample],
    ) -> None:
        self._context = context
        self._title = title
        self._descriptions = descriptions
        self._sample = sample
        self._template = environment().get_template("customers.html")

    async def show(self, request: Request) -> Response:
        return await run_in_threadpool(self._show, request)

    def _show(self, request: Request) -> Response:
        context = self._context
        principal = self._who(request)
        apis = [api(made(), path) for path, made in self._descriptions.items()]

        def address(path: str) -> str:
            return context.url(path, request)

        origin = context.sessions.own_origin(request)
        modules = f"{origin}{context.settings.prefix}{SHARED.path('ifmatch/client.js')}"
        shown = list(examples(self._sample(principal), address, modules.rpartition("/")[0]))
        html = self._template.render(
            prefix=context.settings.prefix,
            here=context.prefix,
            product=self._title,
            principal=principal,
            apis=apis,
            weak=all(one.weak for one in apis),
            examples=_by_subject(shown),
            languages=(SHELL, PYTHON, FETCH, MODULE),
            address=address,
        )
        first = next(iter(self._descriptions))
        fields = {
            "Link": links(context, f"{first}/openapi.json"),
            "Cache-Control": "private, no-cache",  # it may have somebody's name on it
        }
        return HTMLResponse(html, headers=fields)

    def _who(self, request: Request) -> Principal | None:
        """Who is signed in and may look at this product. A page needs no key, and takes none."""
        token = self._context.sessions.token_of(request)
        found = None if token is None else self._context.sessions.principal(token)
        name = self._context.prefix.rpartition("/")[2]
        return found if found is not None and found.may_enter(name) else None


def _by_subject(shown: list[Example]) -> dict[str, list[Example]]:
    return {about: [one for one in shown if one.about == about] for about in _SUBJECTS}


_SUBJECTS = ("poll", "edit", "ask", "fetch")
