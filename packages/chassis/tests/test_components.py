"""The components and the front's pages in a browser, on the sample product."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

pytest.importorskip("playwright")

from playwright.sync_api import Browser, Page, expect, sync_playwright

from chassis.headers import CONTENT_SECURITY_POLICY
from harness.browser import ARGUMENTS

pytestmark = pytest.mark.browser

ADMIN = "an-admin-key-of-more-than-32-characters"
OVERFLOWING = """() => [...document.body.querySelectorAll("*")]
  .filter((node) => node.checkVisibility() && !node.closest(".heard, .skip, .who strong, thead"))
  .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5)
  .map((node) => node.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield one
        one.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page without animations, whose console stays empty but for Chromium's line on a refusal."""
    context = browser.new_context(
        locale="en-GB", reduced_motion="reduce", permissions=["clipboard-read", "clipboard-write"]
    )
    page, complaints = context.new_page(), list[str]()
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    yield page
    context.close()
    refusal = re.compile("responded with a status of (401|404|412|503)")
    assert [one for one in complaints if not refusal.search(one)] == []


@pytest.fixture
def components(served: Any, page: Page) -> Page:
    page.goto(f"{served.url}/notebook/components")
    expect(page.locator("poll-table .poll")).to_contain_text("unchanged")
    return page


def put_row(served: Any, name: str, cups: int) -> None:
    httpx2.put(f"{served.url}/notebook/rows/{name}", params={"cups": cups}).raise_for_status()


# -- components -----------------------------------------------------------------------------------


def test_a_polling_table_says_what_polls_cost_and_shows_what_changed(
    served: Any, components: Page
) -> None:
    row = components.locator('tr[data-key="tea"]')
    row.evaluate("(node) => { node.kept = true; }")
    expect(components.locator(".poll strong")).to_have_text("304, 0 bytes")
    expect(components.locator(".poll")).to_contain_text("saved")
    put_row(served, "tea", 1300)
    expect(row.locator("td").first).to_have_text("1\u202f300")
    put_row(served, "new", 3)
    expect(components.locator("tbody tr")).to_have_count(3)
    assert row.evaluate("(node) => node.kept"), "a row stays the same element"
    httpx2.delete(f"{served.url}/notebook/rows/new").raise_for_status()
    expect(components.locator("tbody tr")).to_have_count(2)
    expect(components.get_by_role("rowheader", name="<b>cake</b>")).to_be_visible()


def test_a_polling_table_can_be_paused(served: Any, components: Page) -> None:
    components.get_by_role("button", name="Pause").press("Enter")
    expect(components.locator(".poll strong")).to_have_text("Paused")
    components.wait_for_timeout(300)  # what was under way has come
    expect(components.locator(".poll strong")).to_have_text("Paused")
    asked: list[str] = []
    components.on("request", lambda request: asked.append(request.url))
    components.wait_for_timeout(500)
    assert asked == []
    put_row(served, "tea", 77)
    components.get_by_role("button", name="Go on").press("Enter")
    expect(components.locator('tr[data-key="tea"] td').first).to_have_text("77")


def test_a_polling_table_outlives_a_server_that_does_not_answer(components: Page) -> None:
    components.route("**/rows", lambda route: route.fulfill(status=503))
    expect(components.locator(".poll")).to_contain_text("No answer.")
    components.unroute("**/rows")
    expect(components.locator(".poll strong")).to_have_text("304, 0 bytes")


def test_a_chart_is_a_picture_with_a_name_and_no_style_of_its_own(components: Page) -> None:
    put = "(cups) => fetch(`rows/tea?cups=${cups}`, { method: 'PUT' })"
    components.evaluate(put, 10)
    expect(components.locator('tr[data-key="tea"] td').first).to_have_text("10")
    components.evaluate("() => document.querySelector('bar-chart').draw()")
    picture = components.locator("bar-chart svg")
    expect(picture).to_have_attribute("role", "img")
    expect(picture).to_have_attribute("aria-label", re.compile("tea: 10 cups, 40 left\\."))
    assert components.locator("[style]").count() == 0


def test_code_is_copied_with_a_button(components: Page) -> None:
    components.get_by_role("button", name="Copy").press("Enter")
    expect(components.get_by_role("status")).to_contain_text("Copied.")
    assert components.evaluate("() => navigator.clipboard.readText()") == "curl /notebook/rows"


def test_a_message_is_announced_escaped_and_goes_or_stays(components: Page) -> None:
    components.evaluate(
        """async () => {
          const at = document.querySelector('script[src*="toast"]').src;
          const { say } = await import(at);
          await say("saved"); // makes the area
          document.querySelector("toast-area").setAttribute("shown-for", "100");
          await say("<b>gone</b> soon");
          await say("stays", { bad: true });
        }"""
    )
    area = components.get_by_role("status")
    expect(area).to_have_attribute("aria-live", "polite")
    expect(area.locator("b")).to_have_count(0)
    expect(area.get_by_text("soon")).to_have_count(0)
    expect(area.get_by_text("stays")).to_be_visible()
    area.locator(".bad").get_by_role("button").press("Enter")
    expect(area.get_by_text("stays")).to_have_count(0)


def test_where_one_message_is_shown_it_takes_the_place_of_the_one_before(components: Page) -> None:
    components.evaluate(
        """async () => {
          const { say } = await import(document.querySelector('script[src*="toast"]').src);
          const area = document.createElement("toast-area");
          area.setAttribute("single", "");
          document.body.append(area);
          await say("first");
          await say("second");
        }"""
    )
    area = components.get_by_role("status")
    expect(area).to_have_text("second")
    expect(area.get_by_role("button")).to_have_count(0)


# -- the front page -------------------------------------------------------------------------------


def sign_in(page: Page, served: Any, path: str = "/") -> None:
    page.goto(f"{served.url}/sign-in?next={path}")
    page.get_by_label("Key").fill(ADMIN)
    page.keyboard.press("Enter")
    page.wait_for_url(served.url + path)


def ask_again(page: Page) -> None:
    """Without waiting for the next round: who goes on after a pause is answered at once."""
    page.get_by_role("button", name="Pause").press("Enter")
    page.get_by_role("button", name="Go on").press("Enter")


def test_the_figures_follow_what_happens(served: Any, page: Page) -> None:
    sign_in(page, served)
    row = page.locator('tr[data-key="second"] td').first
    before = int(row.inner_text())
    served.get("/second/whoami", ADMIN)
    ask_again(page)
    expect(row).to_have_text(str(before + 1))
    expect(page.locator(".product").first).to_contain_text("Notes")
    ask_again(page)
    expect(page.locator(".poll strong")).to_have_text("304, 0 bytes")
    policy = page.request.get(served.url).headers["content-security-policy"]
    assert policy == CONTENT_SECURITY_POLICY


def test_who_is_signed_out_meanwhile_is_led_back(served: Any, page: Page) -> None:
    sign_in(page, served)
    expect(page.locator(".poll strong")).to_be_visible()
    page.context.clear_cookies()
    ask_again(page)
    expect(page.locator(".poll")).to_contain_text("You are signed out.")
    page.locator(".poll").get_by_role("link", name="Sign in").press("Enter")
    expect(page.get_by_label("Key")).to_be_focused()


def test_a_newcomer_comes_by_the_link_to_a_product_with_two_keys(served: Any, page: Page) -> None:
    page.goto(served.link)
    expect(page.get_by_role("heading", name="Tools that lose nobody's change")).to_be_visible()
    page.get_by_role("link", name="Open Notebook").focus()
    with page.expect_navigation(url="**/notebook/"):
        page.keyboard.press("Enter")


# -- the playground -------------------------------------------------------------------------------


@pytest.fixture
def playground(served: Any, page: Page) -> Page:
    sign_in(page, served, "/playground")
    expect(page.locator("html.live")).to_be_visible()
    return page


def desk(page: Page, name: str) -> Any:
    return page.locator(f'.desk[data-who="{name}"]')


def save(page: Page, who: str, **fields: str) -> None:
    """Fill and save with the keyboard alone."""
    for label, text in fields.items():
        desk(page, who).get_by_label(label).focus()
        page.keyboard.press("Control+A")
        page.keyboard.type(text)
    desk(page, who).get_by_role("button", name=f"Save as {who}").press("Enter")


def stored(page: Page, field: str) -> Any:
    return page.locator(f'.stored tr[data-field="{field}"]')


def test_with_if_match_two_changes_that_fit_are_merged(playground: Page) -> None:
    save(playground, "Ada", Place="Lake")
    expect(playground.locator(".outcome")).to_contain_text("Ada saved under the tag")
    save(playground, "Grace", Guests="9")
    expect(playground.locator(".outcome")).to_contain_text("Grace was refused with 412")
    expect(playground.locator(".outcome")).to_contain_text("Ada had saved Place")
    expect(stored(playground, "place")).to_contain_text("LakeAda")
    expect(stored(playground, "guests")).to_contain_text("9Grace")
    refused = playground.locator(".exchange", has_text="412").first
    expect(refused.locator(".step.is-fails")).to_contain_text("is not among its tags")
    expect(refused.locator(".request")).to_contain_text('If-Match: W/"')


def test_with_if_match_a_clash_is_asked_by_field(playground: Page) -> None:
    save(playground, "Ada", Place="Lake", Guests="7")
    expect(stored(playground, "place")).to_contain_text("Lake")
    save(playground, "Grace", Place="Roof", Note="Bring chairs")
    heading = desk(playground, "Grace").get_by_role("heading", name="412: decide by field")
    expect(heading).to_be_focused()
    expect(stored(playground, "place")).to_contain_text("LakeAda")
    choice = desk(playground, "Grace").get_by_role("group", name="Place")
    choice.get_by_role("radio", name="Ada's").focus()
    playground.keyboard.press("ArrowDown")
    expect(choice.get_by_role("radio", name="Grace's")).to_be_checked()
    desk(playground, "Grace").get_by_role("button", name="Save with these").press("Enter")
    expect(stored(playground, "place")).to_contain_text("RoofGrace")
    expect(stored(playground, "guests")).to_contain_text("7Ada")
    expect(stored(playground, "note")).to_contain_text("Bring chairsGrace")


def test_without_if_match_a_change_vanishes_and_the_page_says_whose(playground: Page) -> None:
    playground.get_by_role("switch", name="Save with If-Match").press("Space")
    save(playground, "Ada", Place="Lake")
    expect(stored(playground, "place")).to_contain_text("LakeAda")
    save(playground, "Grace", Guests="9")
    expect(playground.locator(".outcome.bad")).to_contain_text("Ada's change is gone.")
    expect(playground.locator(".outcome.bad")).to_contain_text("Lake was saved by Ada")
    expect(stored(playground, "place")).to_contain_text("Harbour kitchenGrace")
    newest = playground.locator(".exchange").first
    expect(newest.locator("summary")).to_contain_text("no condition")
    expect(newest.locator(".verdict")).to_contain_text("perform the method")


def test_who_only_looks_gets_304_and_the_page_explains_it(playground: Page) -> None:
    polls = playground.locator('.exchange[data-under="poll"]')
    expect(polls.locator("summary")).to_contain_text("304 Not Modified")
    polls.locator("summary").press("Enter")
    expect(polls.locator(".step.is-fails")).to_contain_text("If-None-Match")
    expect(playground.locator(".stored .poll")).to_contain_text("unchanged")


def test_a_third_writer_at_a_terminal_is_seen_and_not_overwritten(playground: Page) -> None:
    playground.locator(".stored summary").press("Enter")
    line = playground.locator(".stored code-block code").inner_text()
    url = re.findall(r"http://\S+", line)[0]
    tag = re.findall(r"If-Match: (\S+)'", line)[0]
    content = re.findall(r"-d '(.+)'", line)[0]
    fields = {"X-API-Key": ADMIN, "If-Match": tag, "Content-Type": "application/json"}
    assert httpx2.put(url, content=content, headers=fields).status_code == 200
    save(playground, "Ada", Place="Lake")
    expect(playground.locator(".outcome")).to_contain_text("Ada was refused with 412")
    expect(stored(playground, "guests")).to_contain_text("12Somebody else")
    expect(stored(playground, "place")).to_contain_text("LakeAda")


def test_a_record_that_has_ended_is_said_and_another_is_made(playground: Page) -> None:
    playground.route("**/playground/records/*", lambda route: route.fulfill(status=404))
    save(playground, "Ada", Place="Lake")
    expect(playground.get_by_role("alert")).to_contain_text("The record has ended")
    playground.unroute("**/playground/records/*")
    playground.get_by_role("button", name="Begin anew").press("Enter")
    expect(playground.get_by_role("alert")).to_be_hidden()
    expect(desk(playground, "Ada").get_by_label("Title")).to_be_focused()


@pytest.mark.parametrize("shown", ["two changes that fit", "both change the place"])
def test_it_plays_by_itself_and_fits_a_phone(playground: Page, shown: str) -> None:
    playground.set_viewport_size({"width": 360, "height": 740})
    playground.get_by_role("button", name=f"Show me: {shown}").press("Enter")
    expect(playground.locator(".exchange", has_text="412")).to_have_count(1)
    expect(playground.locator(".step.is-fails").first).to_be_visible()
    assert playground.evaluate(OVERFLOWING) == []


def test_a_number_that_is_none_is_refused_before_it_is_sent(playground: Page) -> None:
    sent: list[str] = []
    playground.on("request", lambda request: sent.append(request.method))
    save(playground, "Ada", Guests="many")
    expect(playground.get_by_text("Guests should be a whole number")).to_be_visible()
    assert "PUT" not in sent


def test_a_session_that_ended_is_said(playground: Page) -> None:
    playground.context.clear_cookies()
    playground.route("**/playground/records/**", lambda route: route.fulfill(status=401))
    save(playground, "Ada", Place="Lake")
    expect(playground.get_by_role("alert")).to_contain_text("You are signed out.")
