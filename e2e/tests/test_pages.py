"""Every page, in the states in which people meet it, is good for everybody who opens it.

In light and dark, on a phone and on a wide screen, with nothing in the console, no request to
another origin, and a policy under which no script of somebody else could run.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from e2e import npm
from e2e.browsing import launched
from e2e.faults import Watched, of_markup, of_policy
from e2e.pages import STATES, State, Visits, crawled, kind
from e2e.program import serving

pytestmark = [pytest.mark.browser, pytest.mark.full]


@pytest.fixture(scope="module")
def axe() -> str:
    return npm.axe()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with launched(chromium) as one:
        yield one


@pytest.fixture(scope="module")
def visits(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visits]:
    with (
        serving(tmp_path_factory.mktemp("filled"), "--demo") as filled,
        serving(tmp_path_factory.mktemp("empty")) as empty,
    ):
        for key in ("in-conflict", "to-merge"):
            filled.new_flag(key, description="As it was", tags=["old"])
        yield Visits(browser, filled, empty)


@pytest.mark.parametrize("state", STATES, ids=str)
def test_a_page_is_good_in_each_state(visits: Visits, axe: str, state: State) -> None:
    server = visits.empty if state.empty else visits.filled
    page = visits.page(state.role, empty=state.empty)
    watched = Watched(page, server.url, state.expected)
    page.goto(server.url + state.path)
    state.show(page, server)
    found = watched.faults(axe)
    page.close()
    assert not found, "\n".join(found)


WALKED_OF_MANY = 2
"""Pages below one path are made from one template: so many of them are walked in the browser."""


@pytest.mark.parametrize("role", [None, "read", "admin"])
def test_a_page_that_links_lead_to_is_good_though_nobody_listed_it(
    visits: Visits, axe: str, role: str | None
) -> None:
    """No link is broken, and what they lead to keeps the policy."""
    page = visits.page(role)
    server = visits.filled
    cookies = {str(one["name"]): str(one["value"]) for one in page.context.cookies()}
    client = server.client(cookies=cookies)
    del client.headers["Authorization"]
    listed = {kind(state.path) for state in STATES}
    unlisted: dict[str, list[str]] = defaultdict(list)
    wrong, pages = [], 0
    for one in crawled(client):
        wanted = (401,) if role is None else ()
        if one.answer.status_code != 200 and one.answer.status_code not in wanted:
            wrong.append(f"{one.path}, linked on {one.by}, answers {one.answer.status_code}")
        policy = of_policy(one.answer.headers.get("content-security-policy"))
        wrong += [f"{one.path}: {fault}" for fault in policy]
        if one.is_page and one.answer.status_code == 200:
            pages += 1
            wrong += [f"{one.path}: {fault}" for fault in of_markup(one.answer.text)]
            if kind(one.path) not in listed:
                unlisted[urlsplit(one.path).path.rpartition("/")[0]].append(one.path)
    walked = [path for paths in unlisted.values() for path in paths[:WALKED_OF_MANY]]
    watched = Watched(page, server.url)
    for path in walked:
        page.goto(server.url + path)
        wrong += [f"{path}: {fault}" for fault in watched.faults(axe)]
        watched.found.clear()
    page.close()
    print(f"{pages} pages, {len(walked)} of them walked here: {walked}")
    assert not wrong, "\n".join(wrong)
    assert pages >= (2 if role is None else 3)


# -- and it would be seen -----------------------------------------------------------------------


GOOD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="/icon">
<link rel="stylesheet" href="/style"></head><body><main><h1>A page</h1>%s</main></body></html>"""
STYLE = ".pale { color: #bbb; background: #fff } .wide { width: 700px } a { color: #00e }"
POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
BAD = {
    # what is in the page, and a part of the line that says so
    "/pale": ('<p class="pale">Hardly seen</p>', "1440 px, light: axe color-contrast"),
    "/wide": ('<p class="wide">Cut off</p>', "wider than 360 px"),
    "/unnamed": ("<button></button>", "axe button-name"),
    "/inline-style": ('<p style="margin: 0">A</p>', "inline style on <p>"),
    "/inline-script": ("<script>document.title = 'A'</script>", "inline <script>"),
    "/handler": ('<p onclick="alert(1)">A</p>', "inline onclick on <p>"),
    "/elsewhere": (
        '<img src="http://127.0.0.2:9/a.png" alt="A">',
        "a request to another origin: http://127.0.0.2:9",
    ),
    "/missing": ('<img src="/nothing" alt="A">', "/nothing answered 404"),
    "/unsafe": ("<p>A</p>", "style-src lets 'unsafe-inline' through"),
    "/no-policy": ("<p>A</p>", "there is no Content-Security-Policy"),
}


@pytest.fixture(scope="module")
def badly_made() -> Iterator[str]:
    """A server of a good page at /, and of the same page with one fault each."""

    class Bad(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kinds = {"/style": "text/css", "/icon": "image/svg+xml"}
            body = STYLE if self.path == "/style" else GOOD % BAD.get(self.path, ("",))[0]
            if self.path == "/icon":
                body = '<svg xmlns="http://www.w3.org/2000/svg"/>'
            self.send_response(404 if self.path == "/nothing" else 200)
            self.send_header("Content-Type", kinds.get(self.path, "text/html; charset=utf-8"))
            if self.path != "/no-policy":
                unsafe = "; style-src 'self' 'unsafe-inline'" if self.path == "/unsafe" else ""
                self.send_header("Content-Security-Policy", POLICY + unsafe)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Bad) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("path", ["/", *BAD])
def test_each_fault_would_be_found(browser: Browser, badly_made: str, axe: str, path: str) -> None:
    page = browser.new_page()
    watched = Watched(page, badly_made)
    page.goto(badly_made + path)
    found = watched.faults(axe)
    page.close()
    if path == "/":
        assert not found, "\n".join(found)
    else:
        assert any(BAD[path][1] in line for line in found), found


def test_a_broken_link_would_be_found(badly_made: str) -> None:
    """The crawl reads links as browsers do, each kind once, and leaves other servers alone."""
    import httpx

    class Linked(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path != "/":
                return httpx.Response(404)
            links = ("a?x=1", "a?x=2", "/b#c", "#d", "https://example.test/")
            html = "".join(f'<a href="{one}">A</a>' for one in links)
            return httpx.Response(200, html=html)

    with httpx.Client(base_url="http://here.test", transport=Linked()) as client:
        found = [(one.path, one.by, one.answer.status_code) for one in crawled(client)]
    assert found == [("/", "", 200), ("/a?x=1", "/", 404), ("/b", "/", 404)]
