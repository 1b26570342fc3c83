"""Every type of problem that the server lists is provoked, and leads to its page."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.program import API, Server, serving

OFREP = "/flagbit/ofrep/v1/evaluate/flags"
HERE = Path(__file__).parents[2]


@dataclass(frozen=True)
class Place:
    """A running server with a flag `dark-mode` that is set up in production, and some keys."""

    server: Server
    admin: httpx.Client
    reader: httpx.Client
    evaluating: httpx.Client
    elsewhere: httpx.Client

    def put(self, path: str, content: Any, **fields: str) -> httpx.Response:
        """PUT under the present tag, unless a condition is given."""
        tag = self.admin.get(path).headers.get("etag", "")
        headers = {"If-Match": tag} if not fields else {}
        return self.admin.put(path, json=content, headers={**headers, **fields})

    def patch(self, path: str, content: Any) -> httpx.Response:
        """PATCH under the present tag."""
        headers = {"If-Match": self.admin.get(path).headers["etag"]}
        return self.admin.patch(path, json=content, headers=headers)

    def delete(self, path: str) -> httpx.Response:
        """DELETE under the present tag."""
        headers = {"If-Match": self.admin.get(path).headers["etag"]}
        return self.admin.delete(path, headers=headers)


FLAG = {"type": "boolean", "variants": {"on": True, "off": False}}
FLAG |= {"default_variant": "off", "off_variant": "off"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with serving(tmp_path_factory.mktemp("data")) as server:
        admin = server.client()
        server.new_flag("dark-mode")
        server.new_flag("archived")
        made = Place(
            server,
            admin,
            server.client(server.new_key("read")),
            server.client(server.new_key("server", "production")),
            server.client(server.new_key("admin")),
        )
        assert made.patch(f"{API}/flags/archived", {"archived": True}).status_code == 200
        state = f"{API}/flags/dark-mode/environments/production"
        served = {"enabled": True, "fallthrough": {"variant": "on"}}
        assert made.patch(state, served).status_code == 200
        yield made


def _raw(place: Place, content: bytes) -> httpx.Response:
    """What comes back for bytes that no client would send."""
    with socket.create_connection(("127.0.0.1", place.server.port), 20) as wire:
        wire.sendall(content)
        said = b""
        while chunk := wire.recv(65_536):
            said += chunk
    head, _, body = said.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    return httpx.Response(int(first.split()[1]), headers=fields, content=body)


def _own_key(place: Place) -> httpx.Response:
    keys = place.elsewhere.get(f"{API}/keys").json()["items"]
    (own,) = [one["id"] for one in keys if one["role"] == "admin" and one["owner"] == "a machine"]
    return place.elsewhere.post(f"{API}/keys/{own}/revoke", headers=_tag(place, own))


def _tag(place: Place, key: str) -> dict[str, str]:
    return {"If-Match": place.admin.get(f"{API}/keys/{key}").headers.get("etag", "*")}


# One byte more than is read: a reset for bytes that are left unread could overtake the answer.
_TOO_LONG = b"GET / HTTP/1.1\r\nX-Long: ".ljust(131_073, b"x")
_JSON = {"Content-Type": "application/json"}
PROVOKED: dict[str, Callable[[Place], httpx.Response]] = {
    "malformed-condition": lambda at: at.put(f"{API}/flags/dark-mode", FLAG, **{"If-Match": "x"}),
    "two-keys": lambda at: at.admin.get(f"{API}/flags", headers={"X-API-Key": "another"}),
    "bad-request": lambda at: _raw(at, b"no HTTP at all\r\n\r\n"),
    "fields-too-large": lambda at: _raw(at, _TOO_LONG),
    "bad-form": lambda at: httpx.post(
        f"{at.server.url}/sign-in",
        content=b"key=\xff",
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": at.server.url,
        },
    ),
    "not-authenticated": lambda at: httpx.get(f"{at.server.url}{API}/flags"),
    "cross-site-request": lambda at: httpx.post(
        f"{at.server.url}/sign-in", headers={"Origin": "http://evil.example"}
    ),
    "role-too-low": lambda at: at.reader.get(f"{API}/keys"),
    "not-found": lambda at: at.admin.get("/nowhere"),
    "key-not-found": lambda at: at.admin.get(f"{API}/keys/key_none"),
    "method-not-allowed": lambda at: at.admin.put("/healthz"),
    "own-key": _own_key,
    "not-rotatable": lambda at: at.admin.post("/api/v1/keys/admin/rotate"),
    "precondition-failed": lambda at: at.put(
        f"{API}/flags/dark-mode", FLAG, **{"If-Match": 'W/"0000000000000000"'}
    ),
    "precondition-required": lambda at: at.admin.put(f"{API}/flags/dark-mode", json=FLAG),
    "content-too-large": lambda at: at.admin.post(
        f"{API}/flags", content=b" " * 2_000_000, headers=_JSON
    ),
    "unsupported-media-type": lambda at: at.admin.post(f"{API}/flags", content=b"{}"),
    "malformed-json": lambda at: at.admin.post(f"{API}/flags", content=b"{", headers=_JSON),
    "validation-failed": lambda at: at.admin.post(f"{API}/flags", json={}),
    "malformed-key": lambda at: at.put(f"{API}/flags/a%20b", FLAG, **{"If-None-Match": "*"}),
    "key-mismatch": lambda at: at.put(f"{API}/flags/dark-mode", FLAG | {"key": "light-mode"}),
    "read-only-member": lambda at: at.patch(f"{API}/flags/dark-mode", {"created": "now"}),
    "flag-not-found": lambda at: at.admin.get(f"{API}/flags/dark-mood"),
    "state-not-found": lambda at: at.admin.get(f"{API}/flags/dark-mode/environments/nowhere"),
    "environment-not-found": lambda at: at.admin.get(f"{API}/environments/nowhere"),
    "project-not-found": lambda at: at.admin.get(f"{API}/projects/nowhere"),
    "flag-exists": lambda at: at.admin.post(f"{API}/flags", json=FLAG | {"key": "dark-mode"}),
    "environment-exists": lambda at: at.admin.post(
        f"{API}/environments", json={"key": "production", "name": "Production"}
    ),
    "flag-archived": lambda at: at.patch(
        f"{API}/flags/archived/environments/production", {"enabled": True}
    ),
    "flag-in-use": lambda at: at.delete(f"{API}/flags/dark-mode"),
    "environment-in-use": lambda at: at.delete(f"{API}/environments/production"),
    "variant-in-use": lambda at: at.patch(
        f"{API}/flags/dark-mode",
        {"variants": {"on": None, "dim": False}},
    ),
    "type-is-fixed": lambda at: at.put(
        f"{API}/flags/dark-mode",
        FLAG | {"type": "string", "variants": {"on": "yes", "off": "no"}},
    ),
    "preflight-refused": lambda at: httpx.options(
        f"{at.server.url}{OFREP}",
        headers={"Origin": "http://a.example", "Access-Control-Request-Method": "DELETE"},
    ),
}

ELSEWHERE = {
    "wrong-product": "packages/chassis/tests/test_authentication.py",
    "key-too-wide": "products/flagbit/tests/api/test_keys.py",
    "last-admin": "products/flagbit/tests/api/test_keys.py",
    "too-many-requests": "packages/chassis/tests/test_limits.py",
    "internal-error": "packages/chassis/tests/test_problems.py",
    "database-unavailable": "packages/chassis/tests/test_problems.py",
    "not-ready": "packages/chassis/tests/test_front.py",
    "too-many-listeners": "packages/chassis/tests/test_events.py",
    "environment-gone": "products/flagbit/tests/test_ofrep.py",
    "environment-has-keys": "products/flagbit/tests/test_ofrep.py",
}
"""Types that a healthy server with this data does not send."""

IN_OFREP = {"no-environment": "is for no environment, so there is nothing to evaluate"}
"""Types that are only sent in OFREP's words."""


def listed(place: Place) -> set[str]:
    """The types that the server has pages for."""
    return set(re.findall(r'href="/problems/([a-z-]+)"', place.admin.get("/problems").text))


def test_every_type_of_the_server_is_provoked_here_or_elsewhere(place: Place) -> None:
    """Next, if not: a request for it in PROVOKED, or the test that provokes it in ELSEWHERE."""
    assert listed(place) == {*PROVOKED, *ELSEWHERE, *IN_OFREP}
    assert not {*PROVOKED} & {*ELSEWHERE}


@pytest.mark.parametrize("slug", sorted(IN_OFREP))
def test_ofrep_says_it_in_its_own_words(place: Place, slug: str) -> None:
    answer = place.admin.post(OFREP, json={})
    assert answer.headers["content-type"] == "application/json"
    assert "link" not in answer.headers
    assert IN_OFREP[slug] in answer.json()["errorDetails"]


@pytest.mark.parametrize("slug", sorted(ELSEWHERE))
def test_the_test_that_is_said_to_provoke_it_does(slug: str) -> None:
    tests = (HERE / ELSEWHERE[slug]).read_text("utf-8")
    assert slug in tests


@pytest.mark.parametrize("slug", sorted(PROVOKED))
def test_each_problem_has_the_one_shape_and_leads_to_its_page(place: Place, slug: str) -> None:
    answer = PROVOKED[slug](place)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    details = json.loads(answer.content)
    assert details["type"] == f"urn:ifmatch:problem:{slug}", details
    assert details["status"] == answer.status_code
    page = place.admin.get(f"/problems/{slug}")
    assert details["title"] in page.text
    for member in details.keys() - {"type", "title", "status", "detail"}:
        assert f"<code>{member}</code>" in page.text, member
    if slug not in ("bad-request", "fields-too-large"):  # answered before there is a request
        assert answer.headers["link"] == f'</problems/{slug}>; rel="help"'
        assert answer.headers["x-request-id"]
