"""The page /sessions: where one's key is signed in, and how to end that."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from chassis.authentication import require
from chassis.form import form_of
from chassis.installation import Installation
from chassis.keys import instant
from chassis.pages import environment
from chassis.rights import Principal, Role

_NO_STORE = {"Cache-Control": "no-store"}


def routes(installation: Installation) -> list[Route]:
    """The page and its forms."""
    page = _SessionsPage(installation)
    return [
        Route("/sessions", page.show, methods=["GET"]),
        Route("/sessions/end", page.end, methods=["POST"]),
        Route("/sessions/end-all", page.end_all, methods=["POST"]),
    ]


class _SessionsPage:
    def __init__(self, installation: Installation) -> None:
        self._sessions = installation.sessions
        self._prefix = installation.settings.prefix
        self._authenticate = installation.authenticator()
        self._templates = environment()

    def show(self, request: Request) -> Response:
        """The sessions of the key that one signed in with."""
        who = self._who(request)
        token = self._sessions.token_of(request)
        html = self._templates.get_template("sessions.html").render(
            prefix=self._prefix,
            principal=who,
            instant=instant,
            sessions=self._sessions.of_key(who.key_id),
            own=None if token is None else self._sessions.id_of(token),
        )
        return HTMLResponse(html, 200, _NO_STORE)

    async def end(self, request: Request) -> Response:
        """End one session."""
        who = await run_in_threadpool(self._who, request)
        form = await form_of(request)
        await run_in_threadpool(self._sessions.end_one, who.key_id, form.get("id", ""))
        return RedirectResponse(f"{self._prefix}/sessions", 303, _NO_STORE)

    def end_all(self, request: Request) -> Response:
        """End all of them, this one too."""
        self._sessions.end_all(self._who(request).key_id)
        response = RedirectResponse(f"{self._prefix}/sign-in", 303, _NO_STORE)
        self._sessions.clear_cookie(response)
        return response

    def _who(self, request: Request) -> Principal:
        return require(Role.READ, self._authenticate.page(request))
