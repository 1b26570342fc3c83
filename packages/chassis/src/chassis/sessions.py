"""Signing in with a browser: one-time links, sessions, and the cookie that carries them.

Links and sessions are kept as digests. Each belongs to a key: when the key is revoked, they end.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Database
from chassis.keys import living
from chassis.problems import Problem
from chassis.rights import Principal
from chassis.schema import api_key, session, sign_in_link
from chassis.secret import digest
from chassis.settings import Settings

LINK_SECONDS = 15 * 60
SESSION_SECONDS = 7 * 24 * 3600
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "QUERY", "TRACE"})

_LONGEST = 200
_SHOWN = 16
"""Characters of a digest that name a session to its owner: too few to say anything of its token."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What may be shown of a session. `agent` is what its browser called itself, or None."""

    id: str
    created: int
    expires: int
    agent: str | None


class Sessions:
    """The sessions of one installation."""

    def __init__(
        self,
        database: Database,
        secret: bytes,
        settings: Settings,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._secret = secret
        self._settings = settings
        self._now = now

    # -- links and sessions -------------------------------------------------------------------

    def create_link(self, key_id: str) -> str:
        """The token of a link that signs in once, as that key, within 15 minutes."""
        token = secrets.token_urlsafe(32)
        values = {
            "digest": self._digest("link", token),
            "key_id": key_id,
            "expires": int(self._now()) + LINK_SECONDS,
        }
        with self._database.writing() as connection:
            connection.execute(insert(sign_in_link).values(values))
        return token

    def use_link(self, token: str, agent: str | None = None) -> str | None:
        """The token of a new session; None where the link is unknown, used up or expired.

        `agent` is what the browser calls itself. The DELETE is the guard: of two uses at once, one
        deletes the row.
        """
        statement = (
            delete(sign_in_link)
            .where(
                sign_in_link.c.digest == self._digest("link", token),
                sign_in_link.c.expires > int(self._now()),
            )
            .returning(sign_in_link.c.key_id)
        )
        with self._database.writing() as connection:
            key_id = connection.execute(statement).scalar_one_or_none()
            return None if key_id is None else self._begin(connection, key_id, agent)

    def begin(self, key_id: str, agent: str | None = None) -> str:
        """The token of a new session that belongs to that key."""
        with self._database.writing() as connection:
            return self._begin(connection, key_id, agent)

    def _begin(self, connection: Connection, key_id: str, agent: str | None = None) -> str:
        token, now = secrets.token_urlsafe(32), int(self._now())
        for table in (session, sign_in_link):
            connection.execute(delete(table).where(table.c.expires <= now))
        values = {
            "digest": self._digest("session", token),
            "key_id": key_id,
            "created": now,
            "expires": now + SESSION_SECONDS,
            "agent": None if agent is None else _readable(agent),
        }
        connection.execute(insert(session).values(values))
        return token

    def principal(self, token: str) -> Principal | None:
        """Who signed in with that session; None where it ended, or its key did."""
        if len(token) > _LONGEST:
            return None
        key = api_key.c
        query = (
            select(key.id, key.owner, key.role, key.product, key.project, key.environment)
            .join_from(session, api_key, session.c.key_id == key.id)
            .where(
                session.c.digest == self._digest("session", token),
                session.c.expires > int(self._now()),
                living(self._now()),
            )
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        key_id, owner, role, *place = row
        return Principal(key_id, owner, role, *place)

    def end(self, token: str) -> None:
        """Forget a session."""
        statement = delete(session).where(session.c.digest == self._digest("session", token))
        with self._database.writing() as connection:
            connection.execute(statement)

    def of_key(self, key_id: str) -> list[SessionRecord]:
        """The sessions of a key that have not expired, the newest first."""
        query = (
            select(session.c.digest, session.c.created, session.c.expires, session.c.agent)
            .where(session.c.key_id == key_id, session.c.expires > int(self._now()))
            .order_by(session.c.created.desc(), session.c.digest)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [SessionRecord(mark[:_SHOWN], *rest) for mark, *rest in rows]

    def id_of(self, token: str) -> str:
        """The id that `of_key` lists the session of that token under."""
        return self._digest("session", token)[:_SHOWN]

    def end_one(self, key_id: str, session_id: str) -> None:
        """Forget the session of that id, if it is the key's."""
        mine = (session.c.key_id == key_id) & session.c.digest.startswith(
            session_id, autoescape=True
        )
        if len(session_id) == _SHOWN:
            with self._database.writing() as connection:
                connection.execute(delete(session).where(mine))

    def end_all(self, key_id: str) -> None:
        """Forget every session of a key, and the links that would begin another."""
        with self._database.writing() as connection:
            for table in (session, sign_in_link):
                connection.execute(delete(table).where(table.c.key_id == key_id))

    def _digest(self, purpose: str, token: str) -> str:
        return digest(self._secret, purpose, token)

    # -- the cookie -----------------------------------------------------------------------------

    @property
    def sign_in_path(self) -> str:
        """Where people sign in, as browsers see it."""
        return f"{self._settings.prefix}/sign-in"

    @property
    def cookie_name(self) -> str:
        """With https a prefix makes browsers refuse the cookie from anywhere else.

        `__Host-` asks for the path "/", which behind a prefix would be another application's.
        """
        if not self._settings.is_https:
            return "quartet_session"
        return f"{'__Secure-' if self._settings.prefix else '__Host-'}quartet_session"

    def token_of(self, request: Request) -> str | None:
        """The session's token that a request carries."""
        return request.cookies.get(self.cookie_name) or None

    def set_cookie(self, response: Response, token: str) -> None:
        """Let the browser carry the session."""
        response.set_cookie(self.cookie_name, token, max_age=SESSION_SECONDS, **self._attributes())

    def clear_cookie(self, response: Response) -> None:
        """Let the browser forget it."""
        response.delete_cookie(self.cookie_name, **self._attributes())

    def _attributes(self) -> dict[str, Any]:
        return {
            "path": self._settings.prefix or "/",
            "secure": self._settings.is_https,
            "httponly": True,
            "samesite": "strict",
        }

    # -- requests that a foreign page made ------------------------------------------------------

    def refuse_forged(self, request: Request) -> None:
        """Raise Problem 403 for an unsafe request that did not come from our own pages.

        The browser says where it comes from: Sec-Fetch-Site, or on plain http only Origin.
        """
        if request.method in SAFE_METHODS:
            return
        if request.headers.get("sec-fetch-site") == "same-origin":
            return
        origin = request.headers.get("origin", "").lower()
        if origin and origin == self.own_origin(request):
            return
        raise Problem(
            403,
            "cross-site-request",
            "A change with the session's cookie has to come from our own pages. Repeat it there, "
            "or send a key as 'Authorization: Bearer <key>' in place of the cookie.",
        )

    def own_origin(self, request: Request) -> str:
        """Our scheme and host as browsers write them."""
        return self._settings.origin or f"{request.url.scheme}://{request.url.netloc}".lower()


def _readable(agent: str) -> str:
    """What a browser calls itself, cut, in characters that can be stored and seen."""
    return "".join(one for one in agent if one.isprintable())[:_LONGEST]
