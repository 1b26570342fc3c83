"""Takes the pictures of the documentation: `python -m e2e.shots docs/images`.

It starts a server of its own with the samples, and lets Ada and Grace edit one flag. The gallery
shows states of `pages`, each in a theme and at a width.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from e2e.browsing import Person, launched
from e2e.pages import STATES, Visits
from e2e.program import Server, serving
from harness.programs import CHROMIUM

FLAG = "checkout-redesign"


def take(chromium: Browser, server: Server, folder: Path) -> None:
    """All pictures, in the order in which the guide shows them."""
    window = {"width": 1200, "height": 720}
    ada = Person.signs_in(chromium, server, "Ada", viewport=window)
    expect(ada.page.locator("#poll")).to_contain_text("304, 0 bytes", timeout=30_000)
    ada.page.screenshot(path=folder / "flagbit-list.png")

    grace = Person.signs_in(chromium, server, "Grace", viewport=window)
    for person in (ada, grace):
        person.opens(FLAG)
    ada.label("Tags").fill("checkout, experiment, q4")
    ada.saved()
    grace.label("Client keys may see it (browsers, apps)").uncheck()
    grace.saved()
    expect(grace.merged).to_be_visible()
    expect(grace.page.locator("#status p")).to_have_count(0, timeout=20_000)
    grace.page.evaluate("scrollTo(0, 0)")
    grace.page.wait_for_function("scrollY === 0")
    grace.page.screenshot(path=folder / "flagbit-merged.png")
    ada.page.get_by_role("button", name="Show it").click(timeout=20_000)
    ada.label("Description").fill("The new checkout, for a fifth of the customers.")
    ada.label("Tags").fill("checkout, experiment, q4, q1")
    ada.saved()
    grace.label("Description").fill("The new checkout, for half of the customers.")
    grace.label("Client keys may see it (browsers, apps)").check()
    grace.saves()
    expect(grace.conflict).to_be_visible()
    grace.page.set_viewport_size({"width": 1200, "height": 900})
    grace.page.mouse.wheel(0, -1000)
    grace.page.wait_for_function("scrollY === 0")
    grace.page.screenshot(path=folder / "flagbit-conflict.png")
    grace.chooses("save")
    expect(grace.page.locator("#status")).to_contain_text("Saved")
    grace.page.get_by_role("tab", name="History").click()
    expect(grace.page.locator(".entry").first).to_contain_text("Grace")
    expect(grace.page.locator("#status p")).to_have_count(0, timeout=20_000)
    grace.page.screenshot(path=folder / "flagbit-history.png")

    take_front(ada.page, server, folder)
    lin = Person.signs_in(chromium, server, "Lin", viewport=window, color_scheme="dark")
    lin.opens(FLAG, "In production")
    lin.page.set_viewport_size({"width": 1200, "height": 1000})
    lin.page.screenshot(path=folder / "flagbit-rules-dark.png")

    small = {"width": 360, "height": 720}
    phone = Person.signs_in(chromium, server, "Mira", viewport=small, device_scale_factor=2)
    phone.page.screenshot(path=folder / "flagbit-phone.png")


def take_front(page: Page, server: Server, folder: Path) -> None:
    """The front page, with figures of what happened so far, and the playground after a merge."""
    page.set_viewport_size({"width": 1200, "height": 900})
    page.goto(f"{server.url}/")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".cost strong")).to_contain_text("304, 0 bytes", timeout=30_000)
    page.screenshot(path=folder / "front.png", full_page=True)
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("link", name="Open the playground").click()
    page.get_by_role("button", name="Show me: two changes that fit").click()
    expect(page.locator(".outcome")).to_contain_text("Grace was refused")
    expect(page.locator(".step.is-fails").first).to_be_visible()
    page.set_viewport_size({"width": 1200, "height": 1900})
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_function("scrollY === 0")
    page.screenshot(path=folder / "playground.png")


@dataclass(frozen=True)
class Picture:
    """One of the gallery: a state, in a theme, at a width; `height` cuts off what is below."""

    name: str
    state: str
    width: int = 1200
    dark: bool = False
    height: int = 800


PHONE = 360
GALLERY = (
    Picture("sign-in", "sign-in", 720, height=480),
    Picture("sign-in-spent-dark", "sign-in with a spent link", 720, dark=True, height=560),
    Picture("front-dark", "front, signed in", dark=True, height=1100),
    Picture("front-phone", "front, signed in", PHONE, height=900),
    Picture("front-nobody", "front, not signed in", height=520),
    Picture("playground-lost-dark", "playground, a change is lost", dark=True, height=1100),
    Picture("playground-phone", "playground, to decide", PHONE, height=2400),
    Picture("flagbit-empty", "flags, none yet", height=420),
    Picture("flagbit-new", "flag, new", height=860),
    Picture("flagbit-refused", "flag, a field refused", height=1500),
    Picture("flagbit-conflict-phone-dark", "flag, a conflict", PHONE, dark=True, height=1500),
    Picture("flagbit-delete", "flag, about to be deleted", height=700),
    Picture("flagbit-reading-dark", "flag, with a key that reads", dark=True),
    Picture("keys", "keys", height=1300),
    Picture("keys-phone-dark", "keys, a new one", PHONE, dark=True, height=1100),
    Picture("sessions", "sessions", height=600),
    Picture("programs", "for programs", height=1100),
    Picture("programs-phone-dark", "for programs", PHONE, dark=True, height=1100),
    Picture("problems", "problems", height=900),
    Picture("problem-phone-dark", "a problem", PHONE, dark=True, height=900),
)


def take_gallery(chromium: Browser, filled: Server, empty: Server, folder: Path) -> None:
    """Each picture of the gallery, of a page that nothing was done to but what the state needs."""
    states = {state.name: state for state in STATES}
    visits = Visits(chromium, filled, empty)
    for number, picture in enumerate(GALLERY):
        state = states[picture.state]
        server = empty if state.empty else filled
        if number == 0:
            for key in ("in-conflict", "to-merge"):
                server.new_flag(key, description="As it was", tags=["old"])
        page = visits.page(state.role, empty=state.empty)
        page.emulate_media(
            color_scheme="dark" if picture.dark else "light", reduced_motion="reduce"
        )
        page.goto(server.url + state.path)
        state.show(page, server)
        page.set_viewport_size({"width": picture.width, "height": picture.height})
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_function("scrollY === 0")
        page.screenshot(path=folder / f"{picture.name}.png")
        page.close()


def main() -> None:
    """Write the pictures into the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    path = CHROMIUM.find()
    if path is None:
        sys.exit(f"no browser: {CHROMIUM.how_to_get}")
    with (
        tempfile.TemporaryDirectory() as data,
        serving(Path(data) / "samples", "--demo") as server,
        serving(Path(data) / "empty") as empty,
        launched(path) as chromium,
    ):
        take(chromium, server, folder)
        take_gallery(chromium, server, empty, folder)


if __name__ == "__main__":
    main()
