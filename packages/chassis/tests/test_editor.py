"""The editor in a browser, on a record of no product: the playground's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

pytest.importorskip("playwright")

from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

from harness.browser import ARGUMENTS

ADMIN = "an-admin-key-of-more-than-32-characters"
WITH_KEY = {"Authorization": f"Bearer {ADMIN}"}

# A product's part: a form of three fields, their names, and who changed what.
OPEN = """async ({ url, changes, whole }) => {
  const sheet = document.querySelector('link[rel="stylesheet"]').href;
  const folder = sheet.slice(0, sheet.lastIndexOf("/"));
  const { Editor } = await import(`${folder}/editor.js`);
  const { field } = await import(`${folder}/controls.js`);
  const { h } = await import(`${folder}/dom.js`);
  const { newClient } = await import(`${folder}/requests.js`);

  const NAMES = { title: "Title", place: "Place", guests: "Guests" };
  const form = (first) => {
    const fields = {};
    for (const name of Object.keys(NAMES)) fields[name] = field(NAMES[name], h("input"));
    let rest = {};
    const write = (value) => {
      rest = value;
      for (const [name, one] of Object.entries(fields)) one.control.value = String(value[name]);
    };
    const read = () => {
      const { title, place, guests } = fields;
      const value = { ...rest, title: title.control.value, place: place.control.value };
      value.guests = Number(guests.control.value);
      return { value, problems: [] };
    };
    write(first);
    const node = h("div", {}, ...Object.values(fields));
    return { node, read, write, at: ([name]) => fields[name] };
  };

  const said = h("p", { id: "said", role: "status" });
  const page = {
    client: newClient(), canEdit: true, owner: "me", signIn: "/sign-in",
    say: (text) => said.replaceChildren(text), ondirty: () => {}, onsaved: () => {},
  };
  const editor = new Editor(page, {
    url, whole, title: "the dinner", kind: "this dinner", save: "Save dinner", form,
    content: (value) => value,
    label: ({ path }) => NAMES[path[0]],
    lines: (_place, value) => [String(value)],
    about: () => "The dinner",
    changes: async () => { if (!changes) throw new Error("nobody knows"); return changes; },
    recreate: null, elsewhere: "",
  });
  document.getElementById("main").replaceChildren(said, editor.node);
  await editor.load();
}"""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield one
        one.close()


class Dinner:
    """A record on the server, and what others do to it."""

    def __init__(self, base: str) -> None:
        self._client = httpx2.Client(base_url=base, headers=WITH_KEY)
        self.place = self._client.post("/playground/records").headers["Location"]

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = self._client.get(self.place).json()
        return found

    def changed(self, **members: Any) -> list[dict[str, Any]]:
        """Ada changes it; returns the change as an audit trail tells it."""
        found = self._client.get(self.place)
        before, after = found.json(), found.json() | members
        tag = {"If-Match": found.headers["ETag"]}
        self._client.put(self.place, json=after, headers=tag).raise_for_status()
        at = "2026-11-25T12:00:00Z"
        return [{"by": "Ada", "at": at, "before": before, "after": after}]

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def dinner(served: Any) -> Iterator[Dinner]:
    one = Dinner(served.url)
    yield one
    one.close()


Opens = Callable[..., Page]


@pytest.fixture
def opens(browser: Browser, served: Any, dinner: Dinner) -> Iterator[Opens]:
    """Opens the record in the editor; nothing may go wrong in the page."""
    context = browser.new_context(locale="en-GB", extra_http_headers=WITH_KEY)
    page, mistakes = context.new_page(), list[str]()
    page.on("pageerror", lambda error: mistakes.append(str(error)))

    def open_it(changes: list[dict[str, Any]] | None = None, whole: tuple[str, ...] = ()) -> Page:
        page.goto(served.url)
        page.evaluate(OPEN, {"url": dinner.place, "changes": changes, "whole": list(whole)})
        expect(page.locator(".version-line")).to_contain_text("tag")
        return page

    yield open_it
    context.close()
    assert mistakes == []


def save(page: Page) -> None:
    page.get_by_role("button", name="Save dinner").click()


def said(page: Page) -> Locator:
    return page.locator("#said")


TEA = [{"by": "Ada", "at": "2026-11-25T12:00:00Z", "before": {"place": "x"}, "after": {}}]


def test_a_change_that_touches_nothing_of_mine_is_merged_and_told(
    opens: Opens, dinner: Dinner
) -> None:
    page = opens(TEA)
    page.get_by_label("Guests").fill("9")
    dinner.changed(place="Lake")
    save(page)
    expect(said(page)).to_have_text("Saved the dinner, merged with what Ada changed.")
    told = page.locator('.merged [data-field="place"]')
    for text in ("Place changed by Ada at", "Harbour kitchen", "Lake"):
        expect(told).to_contain_text(text)
    expect(page.get_by_label("Place")).to_have_value("Lake")
    assert (dinner.read()["place"], dinner.read()["guests"]) == ("Lake", 9)
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator(".merged")).to_have_count(0)
    expect(page.get_by_role("button", name="Save dinner")).to_be_focused()


def test_where_nobody_knows_who_it_is_merged_all_the_same(opens: Opens, dinner: Dinner) -> None:
    page = opens(None)
    page.get_by_label("Guests").fill("9")
    dinner.changed(place="Lake")
    save(page)
    expect(page.locator(".merged")).to_contain_text("Somebody saved first")
    assert dinner.read()["guests"] == 9


def test_what_is_whole_is_asked_although_the_members_differ(opens: Opens, dinner: Dinner) -> None:
    page = opens(TEA, whole=("",))
    page.get_by_label("Guests").fill("9")
    dinner.changed(place="Lake")
    save(page)
    expect(page.locator(".conflict")).to_be_visible()
    assert dinner.read()["guests"] == 6


@pytest.mark.parametrize(("choice", "place"), [("Keep yours", "Shore"), ("Keep Ada’s", "Lake")])
def test_what_both_changed_is_asked_and_done_as_chosen(
    opens: Opens, dinner: Dinner, choice: str, place: str
) -> None:
    page = opens(TEA)
    page.get_by_label("Place").fill("Shore")
    page.get_by_label("Guests").fill("9")
    dinner.changed(place="Lake", title="Supper")
    save(page)
    expect(page.get_by_role("heading", name="Ada")).to_be_focused()
    asked = page.get_by_role("group", name="Place changed by both")
    for text in ("Harbour kitchen", "Shore", "Lake"):
        expect(asked).to_contain_text(text)
    assert dinner.read()["place"] == "Lake"
    asked.get_by_label(choice).check()
    page.locator('[data-choice="save"]').click()
    expect(said(page)).to_have_text("Saved the dinner.")
    now = dinner.read()
    assert (now["place"], now["title"], now["guests"]) == (place, "Supper", 9)


def test_what_the_server_refuses_is_said_at_its_field(opens: Opens, dinner: Dinner) -> None:
    page = opens(TEA)
    page.get_by_label("Guests").fill("-1")
    save(page)
    expect(page.get_by_label("Guests")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Guests")).to_be_focused()
    assert dinner.read()["guests"] == 6


def test_while_no_answer_comes_it_is_tried_again_and_what_was_written_stays(
    opens: Opens, dinner: Dinner
) -> None:
    page = opens(TEA)
    tries: list[str] = []

    def lose(route: Route) -> None:
        tries.append(route.request.headers.get("if-match", ""))
        route.abort()

    page.route("**/playground/records/**", lose)
    page.get_by_label("Place").fill("Shore")
    save(page)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("it is not known whether this was saved", timeout=15_000)
    assert len(tries) > 1
    assert len(set(tries)) == 1, "each try names the state that it was made from"
    expect(page.get_by_label("Place")).to_have_value("Shore")
    page.unroute("**/playground/records/**")
    save(page)
    expect(said(page)).to_have_text("Saved the dinner.")
    assert dinner.read()["place"] == "Shore"
