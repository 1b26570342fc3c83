"""The page /keys: an administrator sees, makes, rotates and revokes keys, with or without scripts.

Every change is a form, and every form is refused from another page: the session's cookie alone is
no permission (`Sessions.refuse_forged`, which `Authenticator` calls).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from chassis import key_api
from chassis.authentication import require
from chassis.form import form_of
from chassis.installation import Installation
from chassis.keys import KeyRecord, NotRotatable, Rotated, UnfitKey, instant
from chassis.pages import environment
from chassis.problems import Problem
from chassis.rights import Principal, Role
from ifmatch.core.errors import Missing

_NO_STORE = {"Cache-Control": "no-store"}
_HOUR = 3600
_DAY = 24 * _HOUR
_LONGEST_DAYS = 3660

OVERLAPS = (
    (24, "for a day"),
    (24 * 7, "for a week"),
    (1, "for an hour"),
    (0, "not at all: it is revoked now"),
)
"""For how many hours a key that is rotated stays valid, in words; the first is the usual one."""


def routes(installation: Installation) -> list[Route]:
    """The page and its forms."""
    page = _KeysPage(installation)
    return [
        Route("/keys", page.show, methods=["GET"]),
        Route("/keys", page.posted(page.create), methods=["POST"]),
        Route("/keys/{id}/rotate", page.ask_rotate, methods=["GET"]),
        Route("/keys/{id}/rotate", page.posted(page.rotate), methods=["POST"]),
        Route("/keys/{id}/revoke", page.ask_revoke, methods=["GET"]),
        Route("/keys/{id}/revoke", page.posted(page.revoke), methods=["POST"]),
    ]


Form = dict[str, str]

_FIELDS = ("owner", "role", "product", "project", "environment", "days")
_UNSAID = {"message": None, "made": None, "token": None, "old": None}


class _KeysPage:
    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._keys = installation.keys
        self._prefix = installation.settings.prefix
        self._authenticate = installation.authenticator()
        _, self._place = key_api.of_all_products(installation, self._authenticate, "")
        self._templates = environment()

    # -- pages ----------------------------------------------------------------------------------

    def show(self, request: Request) -> Response:
        """All keys that the one who asks may manage, and the form for a new one."""
        return self._page(self._who(request))

    def ask_rotate(self, request: Request) -> Response:
        """The question for how long the old key stays valid."""
        return self._ask("rotate", request)

    def ask_revoke(self, request: Request) -> Response:
        """The question whether that is meant: a key that is revoked never comes back."""
        return self._ask("revoke", request)

    def _ask(self, what: str, request: Request) -> Response:
        who = self._who(request)
        key = self._key(who, request)
        return self._render("key.html", who, what=what, key=key, overlaps=OVERLAPS)

    # -- forms ----------------------------------------------------------------------------------

    def posted(
        self, change: Callable[[Principal, Request, Form], Response]
    ) -> Callable[[Request], Any]:
        """The endpoint of a form: who sent it is known before its content is read."""

        async def endpoint(request: Request) -> Response:
            who = await run_in_threadpool(self._who, request)
            form = await form_of(request)
            return await run_in_threadpool(self._changed, change, who, request, form)

        return endpoint

    def _changed(
        self,
        change: Callable[[Principal, Request, Form], Response],
        who: Principal,
        request: Request,
        form: Form,
    ) -> Response:
        """What is wrong with the wish is said on the page, above the form that was filled in."""
        try:
            return change(who, request, form)
        except UnfitKey as error:
            return self._page(who, 422, message=str(error), form=form)
        except NotRotatable as error:
            return self._page(who, 409, message=str(error))
        except Problem as problem:
            return self._page(who, problem.status_code, message=str(problem.detail), form=form)

    def create(self, who: Principal, _request: Request, form: Form) -> Response:
        """A new key, shown once."""
        wanted = [form.get(name, "").strip() or None for name in ("product", "project")]
        product, project = wanted
        environment_name = form.get("environment", "").strip() or None
        place = (product, project, environment_name)
        key_api.refuse_wider(who, place)

        def record(key: KeyRecord) -> None:
            self._place.record(who, None, key_api.document(key), key.etag)

        made, token = self._keys.create(
            form.get("owner", "").strip(),
            form.get("role", ""),
            *place,
            lifetime=_lifetime(form.get("days", "")),
            then=record,
        )
        return self._page(who, made=made, token=token)

    def rotate(self, who: Principal, request: Request, form: Form) -> Response:
        """A successor, shown once."""
        old = self._key(who, request)
        hours = form.get("overlap", "24")
        if hours not in {str(known) for known, _ in OVERLAPS}:
            raise UnfitKey("Choose one of the times.", "/overlap")
        if hours == "0" and old.id == who.key_id:
            raise key_api.own_key("ending it before the new one is known")

        def record(done: Rotated) -> None:
            for before, after in key_api.changes(old, done):
                was = None if before is None else key_api.document(before)
                self._place.record(who, was, key_api.document(after), after.etag)

        done = self._keys.rotate(old.id, overlap=int(hours) * _HOUR, then=record)
        return self._page(who, made=done.new, token=done.token, old=done.old)

    def revoke(self, who: Principal, request: Request, _form: Form) -> Response:
        """Refuse a key from now on."""
        old = self._key(who, request)
        if old.id == who.key_id:
            raise key_api.own_key("revoking it")

        def record(key: KeyRecord) -> None:
            self._place.record(who, key_api.document(old), key_api.document(key), key.etag)

        try:
            self._keys.revoke(
                old.id, first=key_api.keeping_an_admin(self._keys, old.id), then=record
            )
        except Missing as error:
            raise _no_such_key() from error
        return RedirectResponse(f"{self._prefix}/keys", 303, _NO_STORE)

    # -- parts ----------------------------------------------------------------------------------

    def _who(self, request: Request) -> Principal:
        return require(Role.ADMIN, self._authenticate.page(request))

    def _key(self, who: Principal, request: Request) -> KeyRecord:
        for key in self._place.visible(who):
            if key.id == request.path_params["id"]:
                return key
        raise _no_such_key()

    def _page(self, who: Principal, status: int = 200, **values: Any) -> Response:
        keys = self._place.visible(who)
        now = self._keys.now()
        valid = [key for key in keys if key.is_valid(now)]
        return self._render(
            "keys.html",
            who,
            status,
            valid=valid,
            over=[key for key in reversed(keys) if not key.is_valid(now)],
            roles=self._keys.roles.of(None),
            products=[one for one in self._installation.products if who.may_enter(one.name)],
            **_UNSAID | values | {"form": dict.fromkeys(_FIELDS, "") | values.get("form", {})},
        )

    def _render(self, template: str, who: Principal, status: int = 200, **values: Any) -> Response:
        html = self._templates.get_template(template).render(
            prefix=self._prefix,
            principal=who,
            instant=instant,
            last_used=self._keys.last_used,
            **values,
        )
        return HTMLResponse(html, status, _NO_STORE)


def _no_such_key() -> Problem:
    return Problem(404, "key-not-found", "There is no such key. The page of keys lists them.")


def _lifetime(days: str) -> int | None:
    """Seconds of a number of days; None for an empty field. Raises UnfitKey."""
    given = days.strip()
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= _LONGEST_DAYS):
        raise UnfitKey(f"Write 1 to {_LONGEST_DAYS} days, or leave the field empty.", "/expires")
    return int(given) * _DAY
