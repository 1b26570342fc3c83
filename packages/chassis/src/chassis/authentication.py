"""Who a request comes from: a key in a field, or a session in a cookie."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from chassis.keys import Keys
from chassis.limits import Limits
from chassis.logs import note_key
from chassis.problems import Problem
from chassis.rate import UNLIMITED
from chassis.rights import Principal, includes
from chassis.sessions import Sessions

CHALLENGE = {"WWW-Authenticate": "Bearer"}


def principal_of(request: Request) -> Principal:
    """Who asks, as the declaration of a conditional route found out."""
    found: Principal = request.state.principal
    return found


class Authenticator:
    """Says who a request comes from, or refuses it. A function of the request.

    A key is taken from `Authorization: Bearer`, then `X-API-Key`, then the session from the
    cookie. A cookie beside a key is no contradiction, since browsers send it by themselves; two
    different keys are.

    With `product`, keys of other products are refused with 403.
    """

    def __init__(
        self,
        keys: Keys,
        sessions: Sessions,
        product: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._keys = keys
        self._sessions = sessions
        self._product = product
        self._limits = limits or Limits(UNLIMITED, UNLIMITED)

    def __call__(self, request: Request) -> Principal:
        """The principal. Raises Problem 400, 401, 403 or 429. May ask the database."""
        host = host_of(request)
        self._limits.of_address(host)
        return self._asked(request, host)

    async def awaited(self, request: Request) -> Principal:
        """The same for `async` code: from memory, or in a thread where the database is asked."""
        host = host_of(request)
        self._limits.of_address(host)
        token = key_of(request)
        found = None if token is None else self._keys.remembered(token)
        if found is not None:
            return self._admitted(found)
        return await run_in_threadpool(self._asked, request, host)

    def _asked(self, request: Request, host: str | None) -> Principal:
        token = key_of(request)
        if token is None:
            return self._admitted(self._of_session(request))
        return self._admitted(self.of_key(token, host))

    def of_key(self, token: str, host: str | None) -> Principal | None:
        """Whose key that is; a guess is paid for by the address. Raises Problem 429."""
        if not self._keys.was_right(token):
            self._limits.before_guess(host)
        found = self._keys.authenticate(token)
        if found is None:
            self._limits.after_guess(host)
        return found

    def require(self, role: str) -> Callable[[Request], Principal]:
        """A function like this one that also refuses, with 403, who may not do as `role` does."""

        def required(request: Request) -> Principal:
            return require(role, self(request))

        return required

    def page(self, request: Request) -> Principal:
        """For pages: who is not signed in is sent to the sign-in page, and back afterwards."""
        try:
            return self(request)
        except Problem as problem:
            if problem.status_code != 401 or request.method not in ("GET", "HEAD"):
                raise
        there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        headers = {
            "Location": f"{self._sessions.sign_in_path}?next={quote(there, safe='/')}",
            "Cache-Control": "no-store",
        }
        raise HTTPException(303, headers=headers)

    def _of_session(self, request: Request) -> Principal | None:
        token = self._sessions.token_of(request)
        if token is None:
            return None
        found = self._sessions.principal(token)
        if found is not None:
            self._sessions.refuse_forged(request)
        return found

    def _admitted(self, found: Principal | None) -> Principal:
        if found is None:
            # One answer for none, unknown, malformed and revoked: it tells a guesser nothing.
            raise Problem(
                401,
                "not-authenticated",
                "No key that is valid here came with the request. Send one as 'Authorization: "
                "Bearer <key>' or 'X-API-Key: <key>', or sign in.",
                headers=CHALLENGE,
            )
        if self._product is not None and not found.may_enter(self._product):
            raise Problem(
                403,
                "wrong-product",
                f"This key is for {found.product}. Use one for {self._product}.",
            )
        note_key(found.key_id)
        self._limits.of_key(found.key_id)
        return found


def require(role: str, principal: Principal) -> Principal:
    """The principal itself if it may do as `role` does; raises Problem 403.

    `role` is a Role, or the name of one that a product adds.
    """
    if not includes(principal.role, role):
        raise Problem(
            403,
            "role-too-low",
            f"This needs a key with the role {role}; yours has {principal.role}. "
            "Ask an administrator for one.",
            needed=str(role),
        )
    return principal


def host_of(request: Request) -> str | None:
    """The address that a request comes from: behind a trusted proxy, the one that it names."""
    return None if request.client is None else request.client.host


def key_of(request: Request) -> str | None:
    """The key that a request carries in a field; None where it carries none.

    Raises Problem 400 for two different ones. `Authorization: <key>` without a scheme is what
    clients of feature-flag servers send. An empty `X-API-Key` is none: templates leave it behind.
    """
    found = {
        *(_of_authorization(value) for value in request.headers.getlist("authorization")),
        *(value.strip() for value in request.headers.getlist("x-api-key") if value.strip()),
    }
    if len(found) > 1:
        raise Problem(
            400,
            "two-keys",
            "Authorization and X-API-Key carry different keys. Send one of them.",
        )
    return found.pop() if found else None


def _of_authorization(value: str) -> str:
    scheme, _, rest = value.strip().partition(" ")
    if not rest:
        return scheme
    # Another scheme is no key of ours: it is answered as an unknown one.
    return rest.strip() if scheme.lower() == "bearer" else ""
