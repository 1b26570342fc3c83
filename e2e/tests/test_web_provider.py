"""OpenFeature's web provider, unchanged, in a page of another origin in a real browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, Response

from e2e import npm
from e2e.browsing import launched
from e2e.program import API, Server, serving

BULK = "/flagbit/ofrep/v1/evaluate/flags"

pytestmark = [pytest.mark.browser, pytest.mark.full]


@pytest.fixture(scope="module")
def packages() -> Path:
    """The npm packages of the lock."""
    return npm.installed()


@pytest.fixture(scope="module")
def other_origin(packages: Path) -> Iterator[str]:
    """A server of its own for the page: another port, so another origin."""

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(packages))) as pages:
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{pages.server_port}"
        pages.shutdown()


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a flag that client keys see, on in production, and one that they do not."""
    with serving(tmp_path_factory.mktemp("data")) as server:
        server.new_flag("banner", client_visible=True)
        server.new_flag("secret")
        yield server


@contextmanager
def page_of(chromium: str, address: str) -> Iterator[tuple[Page, list[Response]]]:
    """The page, and the answers of the bulk evaluation that it has got so far."""
    with launched(chromium) as browser:
        page = browser.new_page()
        answers: list[Response] = []
        page.on(
            "response",
            lambda answer: (
                answers.append(answer)
                if answer.url.endswith(BULK) and answer.request.method == "POST"
                else None
            ),
        )
        page.goto(address)
        page.wait_for_function("window.loaded")
        yield page, answers


def wait_for(page: Page, happened: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        page.wait_for_timeout(50)


def switch_on(server: Server, flag: str) -> None:
    client = server.client()
    state = f"{API}/flags/{flag}/environments/production"
    tag = client.get(state).headers["etag"]
    content = {"enabled": True, "fallthrough": {"variant": "on"}}
    saved = client.patch(state, json=content, headers={"If-Match": tag})
    assert saved.status_code == 200, saved.text


def address(origin: str, server: Server, key: str) -> str:
    return f"{origin}/?{urlencode({'server': f'{server.url}/flagbit', 'key': key})}"


def test_it_polls_200_then_304_and_sees_an_edit_at_the_next_poll(
    chromium: str, other_origin: str, flags: Server
) -> None:
    key = flags.new_key("client", "production")
    with page_of(chromium, address(other_origin, flags, key)) as (page, answers):
        assert page.evaluate("start({targetingKey: 'user-1'})") == "ready"
        assert page.evaluate("flags.getBooleanValue('banner', true)") is False
        assert page.evaluate("flags.getBooleanDetails('secret', false).errorCode") == (
            "FLAG_NOT_FOUND"
        )
        wait_for(page, lambda: [answer.status for answer in answers[:3]] == [200, 304, 304])
        first, second = answers[0], answers[1]
        assert second.request.headers["if-none-match"] == first.headers["etag"]
        assert second.headers["etag"] == first.headers["etag"]
        assert second.headers["access-control-allow-origin"]

        switch_on(flags, "banner")
        before = len(answers)
        wait_for(page, lambda: 200 in [answer.status for answer in answers[before:]])
        page.wait_for_function("flags.getBooleanValue('banner', false) === true")
        wait_for(page, lambda: answers[-1].status == 304)
        details = page.evaluate("flags.getBooleanDetails('banner', false)")
        assert (details["variant"], details["reason"]) == ("on", "STATIC")


def test_a_wrong_key_is_an_answer_that_the_page_can_read(
    chromium: str, other_origin: str, flags: Server
) -> None:
    with page_of(chromium, address(other_origin, flags, "x" * 40)) as (page, answers):
        said = page.evaluate("start({targetingKey: 'user-1'})")
        assert "Fatal" in said, said  # a network error, which it would try again, is none
        assert answers[0].status == 401
        assert answers[0].headers["access-control-allow-origin"]
