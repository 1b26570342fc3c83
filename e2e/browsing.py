"""People at browsers: each has a context of their own, is signed in, and hears the console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Locator, Page, Request, expect, sync_playwright

from e2e.program import Server
from harness.browser import ARGUMENTS

_OVERFLOWING = """() => [document.documentElement, ...document.body.querySelectorAll("*")]
  .filter((node) => node.checkVisibility() && !node.closest(".heard, .skip, .tabs, .who > span *"))
  .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5
    || node === document.documentElement && node.scrollWidth > innerWidth)
  .map((node) => node.outerHTML.slice(0, 200))"""

QUIET = ("log", "info", "debug", "verbose")


@contextmanager
def launched(path: str) -> Iterator[Browser]:
    """The system's Chromium for a block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Person:
    """Somebody who is signed in, and their page of FlagBit."""

    page: Page
    owner: str
    key: str
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def signs_in(
        cls,
        browser: Browser,
        server: Server,
        owner: str,
        *,
        role: str = "write",
        path: str = "/flagbit/",
        key: str | None = None,
        **context: Any,
    ) -> Person:
        """A new key, a new browser context, and the way in by the sign-in page."""
        context = {"viewport": {"width": 1280, "height": 860}, "locale": "en-GB"} | context
        page = browser.new_context(**context).new_page()
        token = key or server.new_key(role, owner=owner)
        person = cls(page, owner, token)
        page.on("console", person._heard)
        page.on("pageerror", lambda error: person.complaints.append(str(error)))
        page.goto(server.url + path)
        page.get_by_label("Key").fill(person.key)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("html.live")).to_be_visible()
        person.polled()
        return person

    def _heard(self, message: Any) -> None:
        # Chromium writes an error for each refusal, and a 412 is what a conflict is.
        if message.type not in QUIET and "status of 412" not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    def polled(self) -> None:
        """Wait until the list was answered."""
        expect(self.page.locator("#poll")).to_contain_text("poll")

    def row(self, key: str) -> Locator:
        """A flag's row in the list."""
        return self.page.locator(f'#flags > li[data-key="{key}"]')

    def switch(self, key: str) -> Locator:
        """Its switch."""
        return self.row(key).get_by_role("switch")

    def opens(self, key: str, tab: str = "Flag") -> Person:
        """Open a flag in the editor, at one of its tabs."""
        self.row(key).get_by_role("link", name=key, exact=True).click()
        expect(self.page.get_by_role("heading", name=key, exact=True)).to_be_visible()
        self.page.get_by_role("tab", name=tab).click()
        if tab != "History":
            expect(self.page.locator(".draft:visible .version-line")).to_contain_text("tag")
        return self

    def saves(self) -> None:
        """Press the button that saves, without waiting for what comes of it."""
        self.page.locator(".draft:visible .save-bar button.first").click()

    def saved(self) -> None:
        """Press it, and see that it was saved."""
        self.saves()
        expect(self.page.locator("#status")).to_contain_text("Saved")

    def label(self, name: str) -> Locator:
        """A field of the editor that is open."""
        return self.page.locator("#editor").get_by_label(name, exact=True)

    @property
    def conflict(self) -> Locator:
        """The view of a conflict."""
        return self.page.locator(".conflict")

    def field_in_conflict(self, name: str) -> Locator:
        """One place of it."""
        return self.conflict.locator(f'[data-field="{name}"]')

    @property
    def merged(self) -> Locator:
        """What is told of others' changes that a save was merged with."""
        return self.page.locator(".merged:visible")

    def field_in_merge(self, name: str) -> Locator:
        """One place of it."""
        return self.merged.locator(f'[data-field="{name}"]')

    def chooses(self, choice: str) -> None:
        """Press one of the ways out of a conflict: save, theirs or back."""
        self.conflict.locator(f'[data-choice="{choice}"]').click()

    def overflowing(self) -> list[str]:
        """What is wider than the window, also where it is cut off."""
        found: list[str] = self.page.evaluate(_OVERFLOWING)
        return found

    def requests(self, method: str, part: str) -> list[Request]:
        """From now on: the requests whose address has `part` in it."""
        seen: list[Request] = []

        def note(request: Request) -> None:
            if request.method == method and part in request.url:
                seen.append(request)

        self.page.on("request", note)
        return seen
