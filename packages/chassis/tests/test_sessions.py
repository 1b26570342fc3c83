"""Signing in with a browser: once per link, for a week, from our own pages only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from sqlalchemy import delete, select, text
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Database
from chassis.keys import Keys, Role
from chassis.problems import Problem
from chassis.schema import sign_in_link
from chassis.sessions import LINK_SECONDS, SESSION_SECONDS, Sessions
from chassis.settings import Settings

SECRET = b"s" * 32
Open = Callable[[], Database]


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def key_id(keys: Keys) -> str:
    return keys.create("Ada", Role.WRITE, "flagbit")[0].id


def test_a_link_gives_a_session_of_its_key(sessions: Sessions, key_id: str) -> None:
    session = sessions.use_link(sessions.create_link(key_id))
    assert session is not None
    principal = sessions.principal(session)
    assert principal is not None
    assert (principal.key_id, principal.owner, principal.role) == (key_id, "Ada", Role.WRITE)
    assert (principal.product, principal.project) == ("flagbit", None)


def test_a_link_works_once(sessions: Sessions, key_id: str) -> None:
    link = sessions.create_link(key_id)
    assert sessions.use_link(link) is not None
    assert sessions.use_link(link) is None


def test_links_and_sessions_have_128_bits_and_are_not_stored(
    open_database: Open, sessions: Sessions, key_id: str
) -> None:
    link = sessions.create_link(key_id)
    with open_database().reading() as connection:
        stored = repr(connection.execute(text("SELECT * FROM sign_in_link")).all())
    session = sessions.use_link(link)
    with open_database().reading() as connection:
        stored += repr(connection.execute(text("SELECT * FROM session")).all())
    assert session is not None
    assert min(len(link), len(session)) >= 43  # 256 bits in base64
    assert link not in stored
    assert session not in stored


def test_a_link_expires(open_database: Open, settings: Settings, key_id: str) -> None:
    now = Clock()
    sessions = Sessions(open_database(), SECRET, settings, now=now)
    in_time, too_late = sessions.create_link(key_id), sessions.create_link(key_id)
    now.time += LINK_SECONDS - 1
    assert sessions.use_link(in_time) is not None
    now.time += 1
    assert sessions.use_link(too_late) is None


def test_a_session_expires_and_is_swept_away(
    open_database: Open, settings: Settings, key_id: str
) -> None:
    now, database = Clock(), open_database()
    sessions = Sessions(database, SECRET, settings, now=now)
    session = sessions.begin(key_id)
    now.time += SESSION_SECONDS - 1
    assert sessions.principal(session) is not None
    now.time += 1
    assert sessions.principal(session) is None
    sessions.begin(key_id)
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM session")).scalar_one() == 1


def test_a_session_ends_with_its_key(sessions: Sessions, keys: Keys, key_id: str) -> None:
    session = sessions.begin(key_id)
    keys.revoke(key_id)
    assert sessions.principal(session) is None


def test_a_session_ends_at_sign_out(sessions: Sessions, key_id: str) -> None:
    session, other = sessions.begin(key_id), sessions.begin(key_id)
    sessions.end(session)
    assert sessions.principal(session) is None
    assert sessions.principal(other) is not None


@pytest.mark.parametrize("token", ["", "x", "x" * 100_000, "\x00"])
def test_what_is_no_session_is_nobody(sessions: Sessions, token: str) -> None:
    assert sessions.principal(token) is None
    assert sessions.use_link(token) is None


# -- one link, used many times at once -----------------------------------------------------------

USES = 8


class Unguarded(Sessions):
    """The twin with the guard taken out: it looks first and deletes afterwards."""

    together = threading.Barrier(USES, timeout=30)

    def use_link(self, token: str, agent: str | None = None) -> str | None:
        mark = self._digest("link", token)
        with self._database.reading() as connection:
            query = select(sign_in_link.c.key_id).where(sign_in_link.c.digest == mark)
            key_id = connection.execute(query).scalar_one_or_none()
        self.together.wait()
        if key_id is None:
            return None
        with self._database.writing() as connection:
            connection.execute(delete(sign_in_link).where(sign_in_link.c.digest == mark))
            return self._begin(connection, key_id, agent)


def winners(sessions: Sessions, key_id: str) -> int:
    link = sessions.create_link(key_id)
    with ThreadPoolExecutor(USES) as pool:
        return sum(made is not None for made in pool.map(sessions.use_link, [link] * USES))


@pytest.mark.race
def test_a_link_used_many_times_at_once_gives_one_session(sessions: Sessions, key_id: str) -> None:
    assert [winners(sessions, key_id) for _ in range(20)] == [1] * 20


@pytest.mark.race
def test_without_the_guard_it_would_give_many(
    open_database: Open, settings: Settings, key_id: str
) -> None:
    assert winners(Unguarded(open_database(), SECRET, settings), key_id) == USES


# -- the cookie ---------------------------------------------------------------------------------


def sessions_at(public_url: str | None) -> Sessions:
    """Sessions that are asked for nothing that is stored."""
    return Sessions(cast(Database, None), SECRET, Settings(public_url=public_url))


@pytest.mark.parametrize(
    ("public_url", "name", "path", "secure"),
    [
        (None, "quartet_session", "/", ""),
        ("http://example.org", "quartet_session", "/", ""),
        ("https://example.org", "__Host-quartet_session", "/", "; Secure"),
        ("https://example.org/tools", "__Secure-quartet_session", "/tools", "; Secure"),
    ],
)
def test_the_cookie_is_as_strict_as_the_address_allows(
    public_url: str | None, name: str, path: str, secure: str
) -> None:
    response = Response()
    sessions_at(public_url).set_cookie(response, "token")
    assert response.headers["set-cookie"] == (
        f"{name}=token; HttpOnly; Max-Age=604800; Path={path}; SameSite=strict{secure}"
    )


# -- forged requests ------------------------------------------------------------------------------


def asked(method: str, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": "/",
            "query_string": b"",
            "server": ("127.0.0.1", 8000),
            "headers": [(b"host", b"127.0.0.1:8000"), *raw],
        }
    )


OURS = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    "request_",
    [
        asked("GET"),
        asked("HEAD", sec_fetch_site="cross-site"),
        asked("POST", sec_fetch_site="same-origin"),
        asked("POST", origin=OURS),
        asked("DELETE", origin=OURS.upper()),
    ],
)
def test_what_comes_from_our_pages_passes(request_: Request) -> None:
    sessions_at(None).refuse_forged(request_)


@pytest.mark.parametrize(
    "request_",
    [
        asked("POST"),
        asked("POST", sec_fetch_site="cross-site"),
        asked("POST", sec_fetch_site="same-site"),
        asked("POST", sec_fetch_site="none"),
        asked("PUT", origin="null"),
        asked("PUT", origin="http://127.0.0.1:8001"),
        asked("PATCH", origin="https://127.0.0.1:8000"),
        asked("DELETE", origin=f"{OURS}.example.org"),
        asked("DELETE", referer=f"{OURS}/"),
    ],
)
def test_what_may_come_from_elsewhere_is_403(request_: Request) -> None:
    with pytest.raises(Problem) as caught:
        sessions_at(None).refuse_forged(request_)
    assert (caught.value.status_code, caught.value.slug) == (403, "cross-site-request")


def test_behind_a_proxy_our_origin_is_the_public_one() -> None:
    sessions = sessions_at("https://example.org/tools")
    sessions.refuse_forged(asked("POST", origin="https://example.org"))
    with pytest.raises(Problem):
        sessions.refuse_forged(asked("POST", origin=OURS))
