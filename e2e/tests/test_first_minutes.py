"""Somebody who has never seen quartet gets from its first lines to an edited flag.

They read what the program prints, open the link in it, and follow what they see: visible links,
buttons and labels. They know no address, no key and no documentation.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.browsing import QUIET, launched
from e2e.program import BIN

pytestmark = pytest.mark.browser


@dataclass
class Terminal:
    """What a person sees of the program: the lines that it prints."""

    process: subprocess.Popen[str]

    def line(self, what: str) -> str:
        """The first word behind `what`, on the next line that begins with it."""
        output: IO[str] | None = self.process.stdout
        assert output is not None
        for line in output:
            if line.startswith(what):
                return line.removeprefix(what).split()[0]
        raise AssertionError(f"the program ended without a line {what!r}")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    known = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("QUARTET_") and name != "DATABASE_URL"
    }
    command = [str(BIN / "quartet"), "serve", "--port", "0", "--data", str(tmp_path / "new")]
    log = tmp_path / "errors"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, env=known, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        yield Terminal(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with launched(chromium) as one:
        yield one


def start_here(page: Page) -> None:
    """From where the link leads to FlagBit."""
    page.get_by_role("link", name="FlagBit").first.click()
    expect(page.get_by_role("heading", name="Flags")).to_be_visible()
    expect(page.get_by_text("There is no flag yet")).to_be_visible()


def make_a_flag(page: Page, key: str) -> None:
    page.get_by_role("button", name="New flag").click()
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Create the flag").click()
    expect(page.get_by_role("heading", name=key)).to_be_visible()


def save(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Save")).locator("visible=true").click()
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()


def test_the_lines_that_are_printed_lead_to_an_edited_flag(
    terminal: Terminal, browser: Browser
) -> None:
    link = terminal.line("Sign in")
    page = browser.new_context(locale="en-GB").new_page()
    said: list[str] = []
    page.on("console", lambda one: said.append(one.text) if one.type not in QUIET else None)
    page.goto(link)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert "token" not in page.url  # a link that signs in does not stay in the address bar
    start_here(page)

    make_a_flag(page, "first-flag")
    page.get_by_label("Switched on here").check()
    save(page)
    page.get_by_role("tab", name="Flag", exact=True).click()
    page.get_by_label("Description", exact=True).fill("My first flag")
    save(page)

    page.reload()  # it is kept, and not only on the screen
    row = page.get_by_role("listitem").filter(has_text="first-flag").first
    expect(row).to_contain_text("My first flag")
    expect(row.get_by_role("switch")).to_be_checked()
    expect(row.locator(".does p")).to_have_text("on")  # and switching it on has changed something
    page.context.close()
    assert said == []


def test_the_key_that_is_printed_signs_in_as_well_and_the_link_only_once(
    terminal: Terminal, browser: Browser
) -> None:
    link, key = terminal.line("Sign in"), terminal.line("Admin key")
    first, second = (browser.new_context().new_page() for _ in range(2))
    first.goto(link)
    expect(first.get_by_role("button", name="Sign out")).to_be_visible()
    second.goto(link)
    expect(second.get_by_role("alert")).to_contain_text("used already")
    second.get_by_label("Key").fill(key)
    second.get_by_role("button", name="Sign in").click()
    expect(second.get_by_role("button", name="Sign out")).to_be_visible()
    for page in (first, second):
        page.context.close()
