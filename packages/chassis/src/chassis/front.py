"""The pages and addresses outside the products: the front page, sign-in, and health."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from chassis import problems
from chassis.authentication import CHALLENGE, Authenticator, require
from chassis.installation import Installation
from chassis.overview import overview
from chassis.pages import SHARED, environment
from chassis.playground import Playground, lessons
from chassis.problems import Problem
from chassis.rights import Principal, Role
from chassis.schema import DATABASE
from ifmatch.server.starlette import Conditional, TaggedResponse, conditional

_LONGEST_FORM = 10_000
_NO_STORE = {"Cache-Control": "no-store"}

_LINK_IS_SPENT = (
    "This link was used already, or is older than 15 minutes. "
    "Start the server again for a new one, or sign in with a key."
)
_KEY_IS_UNKNOWN = "This key is not known, or may not sign in. Check it, or ask for another one."


def front(installation: Installation) -> Starlette:
    """The application for every address that is not a product's."""
    pages = _Front(installation)
    app = Starlette(
        routes=[
            Route("/", pages.index, methods=["GET"]),
            Route("/overview", conditional(pages.looked_over, pages.overview), methods=["GET"]),
            Route("/playground", pages.playground, methods=["GET"]),
            *pages.routes_of_playground(),
            Route("/healthz", pages.alive, methods=["GET"]),
            Route("/readyz", pages.ready, methods=["GET"]),
            Route("/sign-in", pages.sign_in_page, methods=["GET"]),
            Route("/sign-in", pages.sign_in, methods=["POST"]),
            Route("/sign-out", pages.sign_out, methods=["POST"]),
            *SHARED.routes(),
        ]
    )
    problems.install(app)
    return app


class _Front:
    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._sessions = installation.sessions
        self._prefix = installation.settings.prefix
        self._templates = environment()
        self._authenticate = Authenticator(installation.keys, installation.sessions)
        self._reader = self._authenticate.require(Role.READ)
        self.looked_over = Conditional(authorize=self._reader)

    # -- pages ----------------------------------------------------------------------------------

    def index(self, request: Request) -> Response:
        """The products; for who is signed in, with their state and what was saved."""
        who = self._who(request)
        may_look = who is not None and who.may_manage(Role.READ)
        shown = overview(self._installation, who).value if who is not None and may_look else None
        products = {one.name: one for one in self._installation.products}
        return self._page(
            "front.html",
            products=products,
            overview=shown,
            principal=who,
            origin=self._sessions.own_origin(request),
        )

    async def overview(self, request: Request) -> Response:
        """What the front page shows, as JSON with a tag: it is polled."""
        found = await run_in_threadpool(overview, self._installation, request.state.principal)
        return TaggedResponse(found)

    def playground(self, request: Request) -> Response:
        """The page; what it says without scripts is whole by itself."""
        principal = require(Role.READ, self._authenticate.page(request))
        origin = self._sessions.own_origin(request)
        return self._page("playground.html", principal=principal, lessons=lessons(), origin=origin)

    def routes_of_playground(self) -> list[Route]:
        """The record, and what explains each request for it."""
        database = self._installation.databases[DATABASE]
        return Playground(database, self._authenticate, self._prefix).routes()

    def sign_in_page(self, request: Request) -> Response:
        """The form; or, with the token of a link, the way in.

        HEAD and a browser's prefetch do not use a link up. Where a foreign page made the request,
        the person has to confirm: nobody is signed in without wanting it.
        """
        token = request.query_params.get("token")
        there = self._safe_next(request.query_params.get("next"))
        if token is None:
            return self._page("sign_in.html", next=there, principal=self._who(request))
        prefetched = "prefetch" in request.headers.get("sec-purpose", "")
        foreign = request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if request.method == "HEAD" or prefetched or foreign:
            return self._page("sign_in.html", next=there, token=token)
        return self._enter(self._sessions.use_link(token), there, _LINK_IS_SPENT)

    async def sign_in(self, request: Request) -> Response:
        self._sessions.refuse_forged(request)
        return await run_in_threadpool(self._sign_in, await _form(request))

    def _sign_in(self, form: dict[str, str]) -> Response:
        there = self._safe_next(form.get("next"))
        if "token" in form:
            return self._enter(self._sessions.use_link(form["token"]), there, _LINK_IS_SPENT)
        principal = self._installation.keys.authenticate(form.get("key", "").strip())
        if principal is None or not principal.may_manage(Role.READ):
            return self._enter(None, there, _KEY_IS_UNKNOWN)
        return self._enter(self._sessions.begin(principal.key_id), there, "")

    def sign_out(self, request: Request) -> Response:
        self._sessions.refuse_forged(request)
        token = self._sessions.token_of(request)
        if token is not None:
            self._sessions.end(token)
        response = RedirectResponse(f"{self._prefix}/", 303, _NO_STORE)
        self._sessions.clear_cookie(response)
        return response

    def _enter(self, session: str | None, there: str, refusal: str) -> Response:
        if session is None:
            page = self._page("sign_in.html", 401, next=there, message=refusal)
            page.headers.update(CHALLENGE)
            return page
        response = RedirectResponse(there, 303, _NO_STORE)
        self._sessions.set_cookie(response, session)
        return response

    def _who(self, request: Request) -> Principal | None:
        token = self._sessions.token_of(request)
        return None if token is None else self._sessions.principal(token)

    def _safe_next(self, asked: str | None) -> str:
        """A path of ours; anything that a browser could read as another host is not."""
        home = f"{self._prefix}/"
        if not asked or not asked.startswith(home) or asked.startswith("//"):
            return home
        return home if "\\" in asked or not asked.isprintable() else asked

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        html = self._templates.get_template(template).render(prefix=self._prefix, **values)
        return HTMLResponse(html, status, _NO_STORE)

    # -- health -----------------------------------------------------------------------------------

    async def alive(self, _request: Request) -> Response:
        return JSONResponse({"status": "alive"}, headers=_NO_STORE)

    def ready(self, _request: Request) -> Response:
        wrong = self._installation.not_ready()
        if wrong:
            said = ", ".join(f"{name} {what}" for name, what in wrong.items())
            raise Problem(
                503,
                "not-ready",
                f"Not ready: {said}. Start the database, or run the migrations.",
                headers={"Retry-After": "5"},
                databases=wrong,
            )
        return JSONResponse({"status": "ready"}, headers=_NO_STORE)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form. Raises Problem 413 or 415."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Problem(415, "unsupported-media-type", "Send the form as browsers do, URL-encoded.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_FORM:
            raise Problem(413, "content-too-large", "That is no sign-in form. Send less.")
    try:
        fields = parse_qs(body.decode("utf-8"), max_num_fields=10)
    except ValueError as error:
        raise Problem(400, "bad-form", "The form cannot be read. Send it as UTF-8.") from error
    return {name: values[-1] for name, values in fields.items()}
