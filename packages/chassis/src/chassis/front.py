"""The pages and addresses outside the products: the front page, sign-in, and health."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from chassis import customers, key_api, keys_page, problems, sessions_page
from chassis.authentication import CHALLENGE, host_of, require
from chassis.described import OPENAPI, DescribedAPI
from chassis.form import form_of
from chassis.installation import Installation
from chassis.metrics import Metrics
from chassis.metrics import routes as metrics_routes
from chassis.overview import Overview
from chassis.pages import SHARED, environment
from chassis.playground import Playground, lessons
from chassis.problem_pages import ProblemPages
from chassis.problems import Problem
from chassis.product import Context
from chassis.rights import Principal, Role
from chassis.schema import DATABASE
from ifmatch.server.starlette import Conditional, TaggedResponse, conditional

API_VERSION = "0.1.0"
API = "/api/v1"
SAMPLE = customers.Sample(f"{API}/keys")
"""What the examples are about on the page for the customers of that API."""

_NO_STORE = {"Cache-Control": "no-store"}

_LINK_IS_SPENT = (
    "This link was used already, or is older than 15 minutes. "
    "Start the server again for a new one, or sign in with a key."
)
_KEY_IS_UNKNOWN = "This key is not known, or may not sign in. Check it, or ask for another one."


def front(installation: Installation, metrics: Metrics) -> Starlette:
    """The application for every address that is not a product's."""
    pages = _Front(installation)
    own = installation.own_context()
    managing = api(own, installation)
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
            *keys_page.routes(installation),
            *sessions_page.routes(installation),
            Mount(API, managing),
            *customers.page(own, "quartet", {API: managing.openapi}, lambda _: SAMPLE),
            *ProblemPages(installation.problem_types, installation.settings.prefix).routes(),
            *SHARED.routes(),
            *metrics_routes(installation, metrics),
        ]
    )
    problems.install(app)
    return app


def api(own: Context, installation: Installation) -> DescribedAPI:
    """The API outside of the products: the keys of all of them."""
    place = own.path(API)
    app = DescribedAPI(
        place,
        title="quartet",
        version=API_VERSION,
        summary="The keys of all products.",
        description="Every resource has an ETag. Poll with If-None-Match; edit with If-Match.",
        links=customers.links(own, f"{API}{OPENAPI}"),
        more={"externalDocs": {"url": own.path(customers.PATH)}},
    )
    declare, keys = key_api.of_all_products(installation, own.authenticate, place)
    app.include_router(key_api.router(declare, keys))
    app.add_exception_handler(405, key_api.on_method(f"{place}/keys"))
    return app


class _Front:
    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._sessions = installation.sessions
        self._prefix = installation.settings.prefix
        self._templates = environment()
        self._authenticate = installation.authenticator()
        self._reader = self._authenticate.require(Role.READ)
        self._overview = Overview(installation)
        self.looked_over = Conditional(authorize=self._reader)

    # -- pages ----------------------------------------------------------------------------------

    def index(self, request: Request) -> Response:
        """The products; for who is signed in, with their state and what was saved."""
        who = self._who(request)
        may_look = who is not None and who.may_manage(Role.READ)
        shown = self._overview.of(who).value if who is not None and may_look else None
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
        found = await run_in_threadpool(self._overview.of, request.state.principal)
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
        return self._sign_in(request, {"token": token, "next": there})

    async def sign_in(self, request: Request) -> Response:
        self._sessions.refuse_forged(request)
        form = await form_of(request)
        return await run_in_threadpool(self._sign_in, request, form)

    def _sign_in(self, request: Request, form: dict[str, str]) -> Response:
        there, host = self._safe_next(form.get("next")), host_of(request)
        try:
            return self._signed_in(form, there, host, request.headers.get("user-agent"))
        except Problem as problem:
            if problem.status_code != 429:
                raise
            page = self._page("sign_in.html", 429, next=there, message=str(problem.detail))
            page.headers.update(problem.headers or {})
            return page

    def _signed_in(
        self, form: dict[str, str], there: str, host: str | None, agent: str | None
    ) -> Response:
        if "token" in form:
            limits = self._installation.limits
            limits.before_guess(host)
            session = self._sessions.use_link(form["token"], agent)
            if session is None:
                limits.after_guess(host)
            return self._enter(session, there, _LINK_IS_SPENT)
        principal = self._authenticate.of_key(form.get("key", "").strip(), host)
        if principal is None or not principal.may_manage(Role.READ):
            return self._enter(None, there, _KEY_IS_UNKNOWN)
        return self._enter(self._sessions.begin(principal.key_id, agent), there, "")

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
