"""The keyboard alone does everything, and who uses it always sees where they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.browsing import Person, launched
from e2e.keyboard import Keyboard
from e2e.pages import FLAG, desk, edited_elsewhere, playing
from e2e.program import API, Server, serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with launched(chromium) as one:
        yield one


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("data"), "--demo") as server:
        yield server


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 860})
    yield context.new_page()
    context.close()


def signs_in(page: Page, server: Server, path: str, role: str = "write") -> Keyboard:
    hands = Keyboard(page)
    page.goto(server.url + path)
    expect(page.get_by_label("Key")).to_be_focused()  # the page begins where one types
    hands.type(server.new_key(role, owner="Ada")).press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return hands


def test_who_has_no_mouse_signs_in_meets_a_conflict_chooses_and_saves(
    page: Page, samples: Server
) -> None:
    hands = signs_in(page, samples, "/sign-in")
    hands.to(page.get_by_role("link", name="FlagBit").first).press("Enter")
    ada = Person(page, "Ada", "")
    ada.polled()
    hands.to(ada.row(FLAG).get_by_role("link", name=FLAG, exact=True)).press("Enter")
    expect(page.get_by_role("heading", name=FLAG, exact=True)).to_be_focused()
    hands.to(page.get_by_role("tab", name="In production")).press("ArrowRight")
    expect(page.get_by_role("tab", name="Flag", exact=True)).to_be_focused()
    hands.looks().to(ada.label("Description")).type("As Ada wants it")
    edited_elsewhere(samples, FLAG, description="As somebody else wants it")
    hands.to(page.locator(".draft:visible .save-bar button.first")).press("Enter")

    expect(ada.conflict.get_by_role("heading").first).to_be_focused()
    keep = ada.field_in_conflict("description")
    hands.looks().to(keep.get_by_label("Keep yours")).press("ArrowRight").looks()
    expect(keep.get_by_label("Keep administrator’s")).to_be_checked()
    hands.press("ArrowLeft")
    expect(keep.get_by_label("Keep yours")).to_be_checked()
    hands.to(ada.conflict.locator('[data-choice="save"]')).press("Enter")
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    hands.looks()  # what had the focus is gone, and the focus is not

    saved = samples.client().get(f"{API}/flags/{FLAG}").json()
    assert saved["description"] == "As Ada wants it"
    hands.to(page.get_by_role("button", name="Close the editor")).press("Enter")
    expect(ada.row(FLAG).get_by_role("link", name=FLAG, exact=True)).to_be_focused()
    hands.to(page.get_by_role("button", name="Sign out")).press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
    assert hands.faults == []
    assert len(hands.stops) > 20


def test_a_dialog_keeps_the_focus_and_gives_it_back(page: Page, samples: Server) -> None:
    samples.new_flag("to-be-kept")
    hands = signs_in(page, samples, "/flagbit/?flag=to-be-kept")
    page.get_by_role("tab", name="Flag", exact=True).click()
    delete = page.get_by_role("button", name="Delete the flag")
    hands.to(delete).press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()  # the harmless one
    for key in ["Tab"] * 4 + ["Shift+Tab"] * 4:
        hands.press(key)
        # Between its last and its first stop the browser's own bar may have it.
        assert page.evaluate("document.activeElement.matches('body, dialog *')"), key
    hands.press("Escape")
    expect(dialog).to_have_count(0)
    expect(delete).to_be_focused()
    assert samples.client().get(f"{API}/flags/to-be-kept").status_code == 200
    assert hands.faults == []


def test_the_playground_is_played_without_a_mouse(page: Page, samples: Server) -> None:
    """Without If-Match a change is lost; with it the second writer decides."""
    hands = signs_in(page, samples, "/sign-in")
    hands.to(page.get_by_role("link", name="Open the playground")).press("Enter")
    playing(page)
    guard = page.get_by_role("switch", name="Save with If-Match")

    def write(who: str, text: str) -> None:
        hands.to(desk(page, who).get_by_label("Place", exact=True)).type(text)
        hands.to(desk(page, who).get_by_role("button", name=f"Save as {who}")).press("Enter")
        playing(page)

    hands.to(guard).press("Space")
    expect(guard).not_to_be_checked()
    write("Ada", "Lake")
    write("Grace", "Roof")
    expect(page.locator(".outcome")).to_contain_text("Ada's change is gone")
    hands.to(page.get_by_role("button", name="Begin anew")).press("Enter")
    expect(desk(page, "Ada").get_by_label("Title", exact=True)).to_be_focused()
    hands.to(guard).press("Space")
    expect(guard).to_be_checked()
    write("Ada", "Lake")
    write("Grace", "Roof")
    expect(page.get_by_role("heading", name="412: decide by field")).to_be_focused()
    hands.to(page.get_by_role("radio", name="Ada's")).press("ArrowDown").looks()
    expect(page.get_by_role("radio", name="Grace's")).to_be_checked()
    hands.to(page.get_by_role("button", name="Save with these")).press("Enter")
    expect(page.locator(".stored")).to_contain_text("Roof")
    hands.looks()
    assert hands.faults == []


def test_a_key_is_made_and_revoked_without_a_mouse(page: Page, samples: Server) -> None:
    hands = signs_in(page, samples, "/sign-in", "admin")
    hands.to(page.get_by_role("link", name="Keys", exact=True)).press("Enter")
    hands.to(page.get_by_label("Whose is it?")).type("A machine of Ada")
    hands.to(page.get_by_role("button", name="Make the key")).press("Enter")
    expect(page.get_by_role("heading", name="The new key of A machine of Ada")).to_be_visible()
    made = page.get_by_role("row").filter(has_text="A machine of Ada")
    hands.to(made.get_by_role("link", name="Revoke")).press("Enter")
    hands.to(page.get_by_role("button", name="Revoke it")).press("Enter")
    expect(page.get_by_role("heading", name="Valid keys")).to_be_visible()
    expect(made.get_by_role("link", name="Revoke")).to_have_count(0)
    assert hands.faults == []


def polling(page: Page) -> None:
    """Wait until the page has asked once: what its modules put in place is there."""
    expect(page.locator(".cost, #poll").first).to_contain_text("poll")


PAGES = {"/": polling, "/flagbit/": polling, "/playground": playing}


@pytest.mark.parametrize("path", PAGES)
def test_the_first_stop_leads_past_the_top_to_the_content(
    page: Page, samples: Server, path: str
) -> None:
    hands = signs_in(page, samples, f"/sign-in?next={path}")
    page.goto(samples.url + path)
    PAGES[path](page)
    hands.press("Tab").looks()
    skip = page.get_by_role("link", name="To the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    hands.press("Enter")
    expect(page.locator("main")).to_be_focused()
    hands.press("Tab").looks()
    assert page.evaluate("document.activeElement.closest('main') !== null")
    assert hands.faults == []


# -- and it would be seen -------------------------------------------------------------------------

FOCUS = "button { position: fixed; top: 4em } button:focus, a:focus { outline: none } "


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ("<button>A</button>", "nothing shows that <button> A has the focus"),
        ("<a href='#' onfocus='blur()'>A</a>", "the focus was lost"),
        (
            "<a href='#'>A</a><div style='position: fixed; inset: 0; background: red'></div>",
            "<a> A has the focus and is covered or out of sight",
        ),
    ],
)
def test_a_focus_that_is_not_seen_would_be_found(page: Page, html: str, fault: str) -> None:
    page.set_content(f"<style>{FOCUS}</style><main>{html}</main>")
    hands = Keyboard(page).press("Tab").looks()
    assert any(fault in one for one in hands.faults), hands.faults


def test_what_the_keyboard_does_not_reach_is_no_way(page: Page) -> None:
    page.set_content("<p><a href='#'>A</a></p><p><span id='mouse-only' onclick=''>B</span></p>")
    with pytest.raises(AssertionError, match="does not reach"):
        Keyboard(page).to(page.locator("#mouse-only"))
