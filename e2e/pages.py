"""Every page of quartet, and the states in which people meet it.

A state is shown as a person gets there: by links, fields and buttons. Pages that are in no state
here are found by `crawled`, which follows the links from the front.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from e2e.browsing import Person
from e2e.program import API, Server

FLAG = "checkout-redesign"
"""A flag of the samples that has a rule and a split."""


@dataclass
class Visits:
    """The two servers that states are shown on, and who is signed in there: once for each role."""

    browser: Browser
    filled: Server
    empty: Server
    _contexts: dict[tuple[str, bool], BrowserContext] = field(default_factory=dict)

    def page(self, role: str | None, *, empty: bool = False) -> Page:
        """A new page of somebody with this role; None is somebody who is not signed in."""
        if role is None:
            return self._context().new_page()
        if (role, empty) not in self._contexts:
            self._contexts[role, empty] = self._signed_in(
                role, self.empty if empty else self.filled
            )
        return self._contexts[role, empty].new_page()

    def _context(self, **options: Any) -> BrowserContext:
        # Where nothing moves, colours are judged as they end.
        return self.browser.new_context(
            reduced_motion="reduce", viewport={"width": 1280, "height": 900}, **options
        )

    def _signed_in(self, role: str, server: Server) -> BrowserContext:
        context = self._context(locale="en-GB")
        page = context.new_page()
        page.goto(f"{server.url}/sign-in")
        page.get_by_label("Key").fill(
            server.admin_key if role == "admin" else server.new_key(role, owner=f"Ada ({role})")
        )
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        page.close()
        return context


@dataclass(frozen=True)
class State:
    """A page as somebody meets it. `show` begins at `path`, which is loaded already."""

    name: str
    path: str
    role: str | None = "write"
    show: Callable[[Page, Server], object] = lambda _page, _server: None
    expected: tuple[int, ...] = ()
    """Answers of 400 and more that belong to it."""
    empty: bool = False
    """On a server that has nothing yet."""

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


# -- ways to a state ------------------------------------------------------------------------------


def _wrong_key(page: Page, _server: Server) -> None:
    page.get_by_label("Key").fill("nobody-has-this-key-" + "x" * 20)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()


def _listed(page: Page, _server: Server) -> Person:
    person = Person(page, "Ada", "")
    person.polled()
    return person


def _opened(tab: str) -> Callable[[Page, Server], None]:
    def show(page: Page, server: Server) -> None:
        _listed(page, server).opens(FLAG, tab)
        if tab == "History":
            expect(page.locator(".entry").first).to_be_visible()

    return show


def _new_flag(page: Page, _server: Server) -> None:
    page.get_by_role("button", name="New flag").click()
    expect(page.get_by_label("Key", exact=True)).to_be_focused()


def _refused(page: Page, server: Server) -> None:
    """The server refuses what a rule compares with, and its field says so."""
    person = _listed(page, server).opens(FLAG, "In production")
    page.get_by_role("button", name="Add a rule").click()
    page.get_by_label("Comparison").last.select_option(label="is before")
    page.get_by_label("Attribute").last.fill("a..b")
    page.get_by_label("Values").last.fill("soon")
    person.saves()
    expect(page.get_by_label("Attribute").last).to_have_attribute("aria-invalid", "true")


def edited_elsewhere(server: Server, key: str, **changes: Any) -> None:
    """Somebody else edits a flag, through the API."""
    client = server.client()
    path = f"{API}/flags/{key}"
    fields = {
        "If-Match": client.get(path).headers["etag"],
        "Content-Type": "application/merge-patch+json",
    }
    answer = client.patch(path, json=changes, headers=fields)
    assert answer.status_code == 200, answer.text


def _conflict(page: Page, server: Server) -> None:
    person = _listed(page, server).opens("in-conflict")
    edited_elsewhere(server, "in-conflict", description="As somebody else wants it", tags=["x"])
    person.label("Description").fill("As Ada wants it")
    person.label("Client keys may see it (browsers, apps)").check()
    person.saves()
    expect(person.conflict).to_be_visible()


def _merged(page: Page, server: Server) -> None:
    person = _listed(page, server).opens("to-merge")
    edited_elsewhere(server, "to-merge", tags=["from-elsewhere"])
    person.label("Description").fill("As Ada wants it")
    person.saved()
    expect(person.merged).to_be_visible()
    # What is said lies over the form for a moment.
    expect(page.locator("#status p")).to_have_count(0, timeout=15_000)


def _to_delete(page: Page, server: Server) -> None:
    _listed(page, server).opens(FLAG, "Flag")
    page.get_by_role("button", name="Delete the flag").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def _read_only(page: Page, server: Server) -> None:
    _listed(page, server).opens(FLAG)
    expect(page.get_by_label("Description", exact=True)).to_be_disabled()


def playing(page: Page) -> None:
    """Wait until both of the playground have read the record."""
    expect(page.get_by_role("region", name="How they save")).to_be_visible()
    expect(page.get_by_role("button", name="Begin anew")).not_to_have_attribute(
        "aria-disabled", "true"
    )


def desk(page: Page, who: str) -> Locator:
    """The editor of one of the two in the playground."""
    return page.locator(f'.desk[data-who="{who}"]')


def saves_at_desk(page: Page, who: str, label: str, text: str) -> None:
    """One of the two writes something and saves."""
    desk(page, who).get_by_label(label, exact=True).fill(text)
    desk(page, who).get_by_role("button", name=f"Save as {who}").click()
    playing(page)


def _playground(page: Page, _server: Server) -> None:
    playing(page)


def _change_lost(page: Page, _server: Server) -> None:
    playing(page)
    page.get_by_role("switch", name="Save with If-Match").uncheck()
    saves_at_desk(page, "Ada", "Place", "Lake")
    saves_at_desk(page, "Grace", "Place", "Roof")
    expect(page.locator(".outcome")).to_contain_text("change is gone")


def _fits_together(page: Page, _server: Server) -> None:
    playing(page)
    saves_at_desk(page, "Ada", "Place", "Lake")
    saves_at_desk(page, "Grace", "Guests", "9")
    expect(page.locator(".outcome")).to_contain_text("were merged")


def _to_decide(page: Page, _server: Server) -> None:
    playing(page)
    saves_at_desk(page, "Ada", "Place", "Lake")
    saves_at_desk(page, "Grace", "Place", "Roof")
    expect(page.get_by_role("heading", name="412: decide by field")).to_be_focused()
    page.locator(".exchanges summary").first.click()


def _unfolded(page: Page, _server: Server) -> None:
    """An example that is not the first, and what a route answers."""
    page.get_by_text("JavaScript, client.js").first.click()
    route = page.locator("details", has_text="PUT /flags/{key}")
    route.locator("summary").click()
    expect(route.get_by_text("428", exact=True)).to_be_visible()


def _new_key(page: Page, _server: Server) -> None:
    page.get_by_label("Whose is it?").fill("The build machine")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("heading", name="The new key of The build machine")).to_be_visible()


def _to_rotate(page: Page, _server: Server) -> None:
    page.get_by_role("link", name="Rotate").first.click()
    expect(page.get_by_role("heading", name="Rotate a key?")).to_be_visible()


def _to_revoke(page: Page, server: Server) -> None:
    server.new_key("read", owner="Somebody who left")
    page.reload()
    page.get_by_role("link", name="Revoke").first.click()
    expect(page.get_by_role("heading", name="Revoke a key?")).to_be_visible()


STATES = (
    State("front, not signed in", "/", None),
    State("front, signed in", "/"),
    State("front, an administrator", "/", "admin"),
    State("front, of a server that has nothing yet", "/", "admin", empty=True),
    State("playground", "/playground", show=_playground),
    State("playground, not signed in", "/playground", None, expected=(401,)),
    State("playground, a change is lost", "/playground", show=_change_lost),
    State("playground, two changes fit", "/playground", show=_fits_together, expected=(412,)),
    State("playground, to decide", "/playground", show=_to_decide, expected=(412,)),
    State("for programs", "/flagbit/developers"),
    State("for programs, not signed in", "/flagbit/developers", None),
    State("problems", "/problems", None),
    State("a problem", "/problems/precondition-failed", None),
    State("keys", "/keys", "admin"),
    State("keys, a new one", "/keys", "admin", _new_key),
    State("keys, to rotate one", "/keys", "admin", _to_rotate),
    State("keys, to revoke one", "/keys", "admin", _to_revoke),
    State("sessions", "/sessions"),
    State("sign-in", "/sign-in", None),
    State("sign-in refused", "/sign-in", None, _wrong_key, (401,)),
    State("sign-in with a spent link", "/sign-in?token=spent", None, expected=(401,)),
    State("flags", "/flagbit/", show=_listed),
    State("flags, not signed in", "/flagbit/", None, expected=(401,)),
    State("flags, none yet", "/flagbit/", show=_listed, empty=True),
    State("flags, none found", "/flagbit/?q=quokka", show=_listed),
    State("flags, none archived", "/flagbit/?archived=true", show=_listed),
    State("flag, new", "/flagbit/", show=_new_flag),
    State("flag, its rules", "/flagbit/", show=_opened("In production")),
    State("flag, itself", "/flagbit/", show=_opened("Flag")),
    State("flag, its history", "/flagbit/", show=_opened("History")),
    State("flag, a field refused", "/flagbit/", show=_refused, expected=(422,)),
    State("flag, a conflict", "/flagbit/", show=_conflict, expected=(412,)),
    State("flag, two changes merged", "/flagbit/", show=_merged, expected=(412,)),
    State("flag, about to be deleted", "/flagbit/", show=_to_delete),
    State("for customers, not signed in", "/flagbit/developers", None),
    State("for customers, unfolded", "/flagbit/developers", show=_unfolded),
    State("flag, with a key that reads", "/flagbit/", "read", _read_only),
)


# -- pages that links lead to ---------------------------------------------------------------------


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        to = dict(attrs).get("href")
        if tag == "a" and to is not None:
            self.found.append(to)


@dataclass(frozen=True)
class Found:
    """A page that a link leads to, and the first page that has such a link."""

    path: str
    by: str
    answer: httpx.Response

    @property
    def is_page(self) -> bool:
        kind_sent: str = self.answer.headers.get("content-type", "")
        return kind_sent.startswith("text/html")


def kind(address: str) -> tuple[str, tuple[str, ...]]:
    """Pages of one kind have one path, and ask with the same names: a flag is like another."""
    parts = urlsplit(address)
    return parts.path, tuple(sorted({name for name, _ in parse_qsl(parts.query)}))


def crawled(client: httpx.Client, start: str = "/") -> Iterator[Found]:
    """Each kind of address of this server that links lead to from `start`; once each."""
    home = urlsplit(str(client.base_url))
    waiting = deque([(start, "")])
    seen = {kind(start)}
    while waiting:
        path, by = waiting.popleft()
        answer = client.get(path, follow_redirects=True)
        found = Found(path, by, answer)
        yield found
        if not found.is_page:
            continue
        links = _Links()
        links.feed(answer.text)
        for link in links.found:
            to = urlsplit(urljoin(str(answer.url), link))
            address = to.path + (f"?{to.query}" if to.query else "")
            if to.netloc == home.netloc and kind(address) not in seen:
                seen.add(kind(address))
                waiting.append((address, path))
