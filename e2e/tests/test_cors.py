"""A page of another origin may evaluate: it reads every answer, and sees the tag.

A browser takes an answer without these fields for a network error, a 304 or a 401 as well.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from e2e.program import API, Server

BULK = "/flagbit/ofrep/v1/evaluate/flags"
ORIGIN = {"Origin": "https://app.example.org"}


@pytest.fixture(scope="module")
def flags(quartet: Server) -> Server:
    quartet.new_flag("shown", client_visible=True)
    return quartet


@pytest.mark.parametrize("path", [BULK, f"{BULK}/shown"])
@pytest.mark.parametrize("asked", ["authorization", "x-api-key", "content-type", "if-none-match"])
def test_the_browser_is_allowed_what_the_providers_send(
    flags: Server, path: str, asked: str
) -> None:
    """The preflight has no key, and is answered all the same."""
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}
    answer = httpx.options(flags.url + path, headers=ORIGIN | asks)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert asked in answer.headers["access-control-allow-headers"].lower()


ANSWERS: dict[int, tuple[str, dict[str, str], Any]] = {
    200: (BULK, {}, {}),
    304: (BULK, {"If-None-Match": "*"}, {}),
    400: (BULK, {}, []),
    401: (BULK, {"Authorization": "Bearer " + "x" * 40}, {}),
    403: (BULK, {"Authorization": "Bearer {admin}"}, {}),
    404: (f"{BULK}/nothing", {}, {}),
    412: (BULK, {"If-Match": '"old"'}, {}),
    413: (BULK, {}, {"context": {"text": "x" * 70_000}}),
}


@pytest.mark.parametrize("status", ANSWERS)
def test_every_answer_can_be_read(flags: Server, status: int) -> None:
    path, more, content = ANSWERS[status]
    fields = {"Authorization": f"Bearer {flags.new_key('client', 'production')}"} | {
        name: value.format(admin=flags.admin_key) for name, value in more.items()
    }
    answer = httpx.post(flags.url + path, json=content, headers=fields | ORIGIN)
    assert answer.status_code == status, answer.text
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "etag" in answer.headers["access-control-expose-headers"].lower()
    assert ("etag" in answer.headers) == (status in (200, 304, 412))


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_method_that_is_not_taken_can_be_read_too(flags: Server, method: str) -> None:
    answer = httpx.request(method, flags.url + BULK, headers=ORIGIN)
    assert answer.status_code == 405
    assert answer.headers["access-control-allow-origin"] == "*"


def test_pages_of_other_origins_may_not_manage(flags: Server) -> None:
    """Only what evaluates is open to them."""
    asks = {"Access-Control-Request-Method": "PUT"}
    answer = httpx.options(f"{flags.url}{API}/flags/shown", headers=ORIGIN | asks)
    assert "access-control-allow-origin" not in answer.headers
    read = flags.client().get(f"{API}/flags/shown", headers=ORIGIN)
    assert "access-control-allow-origin" not in read.headers
