"""FlagBit's page in a real browser: nobody's change is lost, and nothing is sent twice."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from e2e.browsing import Person, launched
from e2e.program import API, BIN, Server, serving
from e2e.raw_sql import RawSQL

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with launched(chromium) as one:
        yield one


@pytest.fixture
def people(browser: Browser, quartet: Server) -> Iterator[Any]:
    """Lets people sign in; at the end none of their consoles may have complained."""
    there: list[Person] = []

    def come(owner: str, **options: Any) -> Person:
        person = Person.signs_in(browser, quartet, owner, **options)
        there.append(person)
        return person

    yield come
    said = [complaint for person in there for complaint in person.complaints]
    for person in there:
        person.page.context.close()
    assert said == []


@pytest.fixture
def flag(quartet: Server, request: pytest.FixtureRequest) -> str:
    """A flag of this test alone."""
    key = str(request.node.name).removeprefix("test_").replace("[", ".").rstrip("]")[:60]
    quartet.new_flag(key, description="As it was", tags=["old"])
    return key


def read(server: Server, key: str, environment: str | None = None) -> dict[str, Any]:
    path = f"{API}/flags/{key}"
    if environment:
        path += f"/environments/{environment}"
    found: dict[str, Any] = server.client().get(path).json()
    return found


def history(server: Server, key: str) -> list[dict[str, Any]]:
    """Changes of a flag and its states, the oldest first."""
    listed = server.client().get(f"{API}/audit", params={"flag": key}).json()["items"]
    return list(reversed(listed))


def authors(server: Server, key: str, kind: str = "flag") -> list[str]:
    """Who changed it, the oldest first."""
    entries = history(server, key)
    return [one["actor"] for one in entries if one["kind"] == kind and one["action"] == "changed"]


def is_a_chain(server: Server, key: str, kind: str = "flag") -> bool:
    """Whether each change started from what the one before it had left."""
    entries = [one for one in history(server, key) if one["kind"] == kind]
    return all(later["before"] == earlier["after"] for earlier, later in pairwise(entries))


def with_rules(server: Server, key: str, *names: str) -> None:
    """Give the flag a rule for each name, in production."""
    path = f"{API}/flags/{key}/environments/production"
    found = server.client().get(path)
    rules = [
        {
            "id": name,
            "description": "",
            "conditions": [
                {"attribute": "plan", "op": "equals", "values": [name], "negate": False}
            ],
            "serve": {"variant": "on"},
        }
        for name in names
    ]
    changed = server.client().patch(
        path,
        json={"rules": rules},
        headers={
            "If-Match": found.headers["etag"],
            "Content-Type": "application/merge-patch+json",
        },
    )
    assert changed.status_code == 200, changed.text


# -- changes that fit together ---------------------------------------------------------------------


def test_different_fields_of_two_people_are_merged_and_said(
    people: Any, quartet: Server, flag: str
) -> None:
    ada, grace = people("Ada"), people("Grace")
    for person in (ada, grace):
        person.opens(flag)
    ada.label("Description").fill("As Ada wants it")
    ada.saved()
    grace.label("Tags").fill("old, new")
    grace.label("Value").first.select_option("true")
    sent = grace.requests("PUT", flag)
    grace.saved()

    status = grace.page.locator("#status")
    expect(status).to_contain_text("merged with what Ada changed")
    expect(grace.merged).to_contain_text("Ada saved first")
    expect(grace.merged.get_by_text("Ada saved first")).to_be_in_viewport()
    described = grace.field_in_merge("description")
    for text in ("Description", "changed by Ada at", "As it was", "As Ada wants it"):
        expect(described).to_contain_text(text)
    expect(grace.merged.locator("[data-field]")).to_have_count(1)  # mine needs no mention
    expect(grace.conflict).to_have_count(0)
    expect(grace.label("Description")).to_have_value("As Ada wants it")
    now = read(quartet, flag)
    assert now["description"] == "As Ada wants it"
    assert now["tags"] == ["old", "new"]
    assert now["variants"] == {"off": True, "on": True}
    assert authors(quartet, flag) == ["Ada", "Grace"]
    assert is_a_chain(quartet, flag)

    assert [one.response().status for one in sent] == [412, 200]
    grace.label("Tags").fill("old, new, newer")
    grace.saved()
    expect(grace.merged).to_have_count(0)
    tags = [one.headers["if-match"] for one in sent]
    assert len(set(tags)) == 3, "each save carries the tag of what it was made from"
    assert [one.response().status for one in sent][2:] == [200]


def test_a_page_that_saved_under_the_newest_tag_would_undo_what_others_did(
    people: Any, quartet: Server, flag: str
) -> None:
    """The twin: the same two people, and a save that does not name what it was made from."""
    ada, grace = people("Ada"), people("Grace")
    for person in (ada, grace):
        person.opens(flag)

    def forge(route: Any) -> None:
        newest = quartet.client().get(f"{API}/flags/{flag}").headers["etag"]
        route.continue_(headers=route.request.headers | {"if-match": newest})

    ada.label("Description").fill("As Ada wants it")
    ada.saved()
    grace.page.route(f"**/flags/{flag}", lambda route: forge(route))
    grace.label("Tags").fill("old, new")
    grace.saved()
    assert read(quartet, flag)["description"] == "As it was"
    assert authors(quartet, flag) == ["Ada", "Grace"]


def test_different_rules_of_two_people_are_merged_and_said(
    people: Any, quartet: Server, flag: str
) -> None:
    with_rules(quartet, flag, "alpha", "beta")
    ada, grace = people("Ada"), people("Grace")
    for person in (ada, grace):
        person.opens(flag, "In production")
    ada.label("Values").first.fill("paid")
    ada.page.get_by_role("button", name="Add a rule").click()
    ada.label("Attribute").last.fill("country")
    ada.label("Values").last.fill("FR")
    ada.saved()
    grace.label("Serve").last.select_option("off")
    grace.page.get_by_role("button", name="Add a rule").click()
    grace.label("Attribute").last.fill("country")
    grace.label("Values").last.fill("NZ")
    grace.saved()

    expect(grace.field_in_merge("rules/id=alpha")).to_contain_text("Rule alpha changed by Ada")
    for text in ('if plan is "alpha"', 'if plan is "paid"'):
        expect(grace.field_in_merge("rules/id=alpha")).to_contain_text(text)
    expect(grace.merged.locator("[data-field]")).to_have_count(2)
    now = read(quartet, flag, "production")["rules"]
    values = [rule["conditions"][0]["values"][0] for rule in now]
    assert values[:2] == ["paid", "beta"]
    assert sorted(values[2:]) == ["FR", "NZ"], "two new rules are two, whatever they are called"
    assert [rule["serve"]["variant"] for rule in now][:2] == ["on", "off"]
    assert authors(quartet, flag, "state")[-2:] == ["Ada", "Grace"]
    assert is_a_chain(quartet, flag, "state")


@pytest.mark.full
def test_a_merge_that_is_refused_is_in_the_form_with_what_is_wrong(
    people: Any, quartet: Server, flag: str
) -> None:
    """Both fit together as JSON, and not as a flag: Ada removes what Grace wants to serve."""
    key = f"{flag}-three"
    variants = {"a": "1", "b": "2", "c": "3"}
    quartet.new_flag(key, type="string", variants=variants, default_variant="a", off_variant="a")
    quartet.client().get(f"{API}/flags/{key}")
    ada, grace = people("Ada"), people("Grace")
    for person in (ada, grace):
        person.opens(key)
    ada.page.get_by_role("button", name="Remove the variant c").click()
    ada.saved()
    grace.label("Default variant").select_option("c")
    grace.saves()
    expect(grace.label("Default variant")).to_have_attribute("aria-invalid", "true")
    expect(grace.page.get_by_role("button", name="Remove the variant c")).to_have_count(0)
    assert read(quartet, key)["default_variant"] == "a"
    grace.label("Default variant").select_option("b")
    grace.saved()
    now = read(quartet, key)
    assert (now["default_variant"], list(now["variants"])) == ("b", ["a", "b"])
    assert authors(quartet, key) == ["Ada", "Grace"]
    grace.complaints = [one for one in grace.complaints if "status of 422" not in one]


@pytest.mark.full
def test_what_is_typed_while_a_merge_is_under_way_stays(
    people: Any, quartet: Server, flag: str
) -> None:
    ada, grace = people("Ada"), people("Grace")
    for person in (ada, grace):
        person.opens(flag)
    ada.label("Client keys may see it (browsers, apps)").check()
    ada.saved()
    held: list[Any] = []
    grace.page.route(f"**/flags/{flag}", lambda route: held.append(route), times=1)
    grace.label("Tags").fill("old, grace")
    grace.saves()
    grace.label("Description").fill("Typed meanwhile")
    held[0].continue_()
    expect(grace.page.locator("#status")).to_contain_text("merged with what Ada changed")
    expect(grace.label("Description")).to_have_value("Typed meanwhile")
    expect(grace.label("Client keys may see it (browsers, apps)")).to_be_checked()
    expect(grace.page.get_by_text("Unsaved changes").locator("visible=true")).to_be_visible()
    assert read(quartet, flag)["description"] == "As it was"
    grace.saved()
    now = read(quartet, flag)
    assert now["description"] == "Typed meanwhile"
    assert (now["tags"], now["client_visible"]) == (["old", "grace"], True)
    assert authors(quartet, flag) == ["Ada", "Grace", "Grace"]


def test_a_save_whose_answer_was_lost_is_done_once(people: Any, quartet: Server, flag: str) -> None:
    ada = people("Ada").opens(flag)
    lost: list[int] = []

    def lose(route: Any) -> None:
        if route.request.method != "PUT" or lost:
            route.continue_()
            return
        lost.append(route.fetch().status)
        route.abort()

    ada.page.route(f"**/flags/{flag}", lose)
    ada.label("Description").fill("Once is enough")
    ada.saves()
    expect(ada.page.locator("#status")).to_contain_text("Saved")
    assert lost == [200]
    assert authors(quartet, flag) == ["Ada"]
    assert read(quartet, flag)["description"] == "Once is enough"
    ada.complaints = [one for one in ada.complaints if "ERR_FAILED" not in one]


# -- conflicts ------------------------------------------------------------------------------------


def test_one_field_of_two_people_is_chosen_field_by_field(
    people: Any, quartet: Server, flag: str
) -> None:
    ada, grace = people("Ada"), people("Grace")
    for person in (ada, grace):
        person.opens(flag)
        person.label("Description").fill(f"As {person.owner} wants it")
        person.label("Tags").fill(f"old, {person.owner.lower()}")
    ada.saved()
    grace.saves()

    for name in ("description", "tags"):
        expect(grace.field_in_conflict(name)).to_contain_text("changed by both")
    expect(grace.field_in_conflict("description")).to_contain_text("As Ada wants it")
    expect(grace.field_in_conflict("description")).to_contain_text("As Grace wants it")
    save = grace.conflict.locator('[data-choice="save"]')
    expect(save).to_have_text("Keep mine on top of theirs and save")
    grace.field_in_conflict("tags").get_by_label("Keep Ada’s").check()
    expect(save).to_have_text("Save with these choices")
    save.click()
    expect(grace.page.locator("#status")).to_contain_text("Saved")
    now = read(quartet, flag)
    assert (now["description"], now["tags"]) == ("As Grace wants it", ["old", "ada"])
    assert authors(quartet, flag) == ["Ada", "Grace"]


@pytest.mark.full
def test_taking_theirs_keeps_mine_at_hand(people: Any, quartet: Server, flag: str) -> None:
    ada, grace = people("Ada"), people("Grace")
    for person in (ada, grace):
        person.opens(flag)
        person.label("Description").fill(f"As {person.owner} wants it")
    ada.saved()
    grace.saves()
    grace.chooses("theirs")
    expect(grace.label("Description")).to_have_value("As Ada wants it")
    grace.page.get_by_role("button", name="Put my changes back").click()
    expect(grace.label("Description")).to_have_value("As Grace wants it")
    grace.saved()
    assert read(quartet, flag)["description"] == "As Grace wants it"
    assert is_a_chain(quartet, flag)


@pytest.mark.full
def test_going_on_overwrites_nothing_and_shows_both_again(
    people: Any, quartet: Server, flag: str
) -> None:
    ada, grace = people("Ada"), people("Grace")
    for person in (ada, grace):
        person.opens(flag)
        person.label("Description").fill(f"As {person.owner} wants it")
    ada.saved()
    grace.saves()
    grace.chooses("back")
    expect(grace.page.get_by_role("alert").locator("visible=true")).to_contain_text("Ada")
    expect(grace.label("Description")).to_have_value("As Grace wants it")
    grace.label("Description").fill("As both might like it")
    grace.saves()
    expect(grace.field_in_conflict("description")).to_contain_text("As both might like it")
    assert read(quartet, flag)["description"] == "As Ada wants it"
    grace.chooses("save")
    expect(grace.page.locator("#status")).to_contain_text("Saved")
    assert read(quartet, flag)["description"] == "As both might like it"


@pytest.mark.full
def test_who_is_late_twice_is_asked_twice(people: Any, quartet: Server, flag: str) -> None:
    """While the conflict is on the screen, somebody else saves once more."""
    ada, grace = people("Ada"), people("Grace")
    for person in (ada, grace):
        person.opens(flag)
    ada.label("Description").fill("First")
    ada.saved()
    grace.label("Description").fill("As Grace wants it")
    grace.label("Tags").fill("old, grace")
    grace.saves()
    expect(grace.conflict).to_be_visible()
    ada.label("Description").fill("Second")
    ada.saved()
    grace.chooses("save")
    described = grace.field_in_conflict("description")
    for text in ("First", "As Grace wants it", "Second"):
        expect(described).to_contain_text(text)
    assert read(quartet, flag)["description"] == "Second"
    grace.chooses("save")
    expect(grace.page.locator("#status")).to_contain_text("Saved")
    now = read(quartet, flag)
    assert (now["description"], now["tags"]) == ("As Grace wants it", ["old", "grace"])
    assert authors(quartet, flag) == ["Ada", "Ada", "Grace"]
    assert is_a_chain(quartet, flag)


@pytest.mark.full
def test_who_saves_elsewhere_while_a_conflict_is_decided_is_merged_along(
    people: Any, quartet: Server, flag: str
) -> None:
    """A third writer, between the question and the answer."""
    ada, grace = people("Ada"), people("Grace")
    for person in (ada, grace):
        person.opens(flag)
        person.label("Description").fill(f"As {person.owner} wants it")
    ada.saved()
    grace.saves()
    expect(grace.conflict).to_be_visible()
    done = set_by_command(quartet, flag, "client_visible=true", owner="Lin")
    assert done.returncode == 0, done.stderr
    grace.chooses("save")
    expect(grace.page.locator("#status")).to_contain_text("merged with what Lin changed")
    expect(grace.field_in_merge("client_visible")).to_contain_text("changed by Lin")
    now = read(quartet, flag)
    assert (now["description"], now["client_visible"]) == ("As Grace wants it", True)
    assert authors(quartet, flag) == ["Ada", "Lin", "Grace"]
    assert is_a_chain(quartet, flag)


def test_the_same_change_of_two_people_is_no_conflict(
    people: Any, quartet: Server, flag: str
) -> None:
    ada, grace = people("Ada"), people("Grace")
    for person in (ada, grace):
        person.opens(flag)
        person.label("Description").fill("What both want")
    ada.saved()
    grace.saves()
    expect(grace.page.locator("#status")).to_contain_text("Ada made the same change already")
    expect(grace.conflict).to_have_count(0)
    assert authors(quartet, flag) == ["Ada"]


def set_by_command(
    server: Server, key: str, *words: str, owner: str = "the command"
) -> subprocess.CompletedProcess[str]:
    """`flagbit flags set`, as somebody at a terminal runs it."""
    environment = os.environ | {
        "FLAGBIT_URL": f"{server.url}/flagbit",
        "FLAGBIT_API_KEY": server.new_key("write", owner=owner),
    }
    command = [str(BIN / "flagbit"), "flags", "set", key, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_two_browser_tabs_and_the_cli_edit_one_flag_and_nobodys_change_is_lost(
    people: Any, quartet: Server, flag: str
) -> None:
    ada, grace = people("Ada"), people("Grace")
    for person in (ada, grace):
        person.opens(flag)
    # Somebody printed the flag to a file before all this, and changes it only now.
    before = quartet.client().get(f"{API}/flags/{flag}")
    held = before.headers["etag"]

    ada.label("Description").fill("Ada's description")
    grace.label("Tags").fill("old, grace")
    ada.saved()
    late = set_by_command(quartet, flag, "client_visible=true", "--if-match", held)
    assert late.returncode == 3, late.stderr  # a conflict, and nothing written
    done = set_by_command(quartet, flag, "client_visible=true", owner="Lin")
    assert done.returncode == 0, done.stderr
    grace.saved()
    expect(grace.merged).to_contain_text("saved first")
    described = grace.field_in_merge("description")
    for text in ("changed by Ada", "Ada's description"):
        expect(described).to_contain_text(text)
    for text in ("changed by Lin", "yes"):
        expect(grace.field_in_merge("client_visible")).to_contain_text(text)

    now = read(quartet, flag)
    assert now["description"] == "Ada's description"
    assert now["tags"] == ["old", "grace"]
    assert now["client_visible"] is True
    assert authors(quartet, flag) == ["Ada", "Lin", "Grace"]
    assert is_a_chain(quartet, flag)


def test_one_rule_of_two_people_is_chosen_by_keyboard(
    people: Any, quartet: Server, flag: str
) -> None:
    """A rule is one sentence: a mixture of two would be one that nobody wrote."""
    with_rules(quartet, flag, "alpha", "beta")
    ada, grace = people("Ada"), people("Grace")
    for person in (ada, grace):
        person.opens(flag, "In production")
    ada.label("Serve").first.select_option("off")
    ada.label("Switched on here").check()
    ada.saved()
    page = grace.page
    grace.label("Comparison").first.select_option(label="is not")
    grace.label("Values").first.fill('free\n42\n"42"')
    grace.label("Values").last.fill("gamma")
    grace.saves()

    expect(grace.conflict.get_by_role("heading", name="Ada saved first")).to_be_focused()
    expect(grace.conflict).to_contain_text("You both changed Rule alpha.")
    asked = grace.conflict.get_by_role("group", name="Rule alpha changed by both")
    assert asked.evaluate("node => node.tagName") == "FIELDSET"
    for text in ('if plan is not "free" or 42 or "42"', 'if plan is "alpha"', "serve off"):
        expect(asked).to_contain_text(text)
    expect(grace.field_in_conflict("enabled")).to_contain_text("changed by Ada")
    expect(grace.field_in_conflict("rules/id=beta")).to_contain_text("changed by you")
    page.keyboard.press("Tab")
    expect(asked.get_by_label("Keep yours")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(asked.get_by_label("Keep Ada’s")).to_be_checked()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Save with these choices")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Saved")
    now = read(quartet, flag, "production")
    assert now["enabled"] is True
    alpha, beta = now["rules"]
    assert (alpha["conditions"][0]["values"], alpha["serve"]) == (["alpha"], {"variant": "off"})
    assert beta["conditions"][0]["values"] == ["gamma"]
    assert authors(quartet, flag, "state")[-2:] == ["Ada", "Grace"]
    assert is_a_chain(quartet, flag, "state")


# -- the list -------------------------------------------------------------------------------------


@pytest.mark.full
def test_a_poll_of_what_did_not_change_costs_no_bytes(people: Any, flag: str) -> None:
    ada = people("Ada")
    polls = ada.requests("GET", "/flags?environment=production")
    poll = ada.page.locator("#poll")
    expect(poll).to_contain_text("304, 0 bytes", timeout=15_000)
    expect(poll).to_contain_text("saved")
    answer = polls[-1].response()
    assert answer is not None
    assert answer.status == 304
    assert polls[-1].headers["if-none-match"].startswith('W/"')


@pytest.mark.full
def test_a_change_arrives_without_taking_the_focus_or_what_is_typed(
    people: Any, quartet: Server, flag: str
) -> None:
    ada = people("Ada").opens(flag)
    ada.label("Description").fill("Half a sen")
    found = quartet.client().get(f"{API}/flags/{flag}")
    changed = quartet.client().patch(
        f"{API}/flags/{flag}",
        json={"tags": ["from-elsewhere"]},
        headers={
            "If-Match": found.headers["etag"],
            "Content-Type": "application/merge-patch+json",
        },
    )
    assert changed.status_code == 200, changed.text
    expect(ada.row(flag)).to_contain_text("from-elsewhere", timeout=15_000)
    expect(ada.label("Description")).to_be_focused()
    expect(ada.label("Description")).to_have_value("Half a sen")
    ada.page.get_by_role("button", name="Show both").click()
    expect(ada.conflict).to_contain_text("from-elsewhere")
    ada.chooses("back")
    expect(ada.label("Description")).to_have_value("Half a sen")


LOOK = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.mark.full
def test_polling_pauses_while_nobody_looks(people: Any, flag: str) -> None:
    ada = people("Ada")
    ada.page.evaluate(LOOK, True)
    expect(ada.page.locator("#poll")).to_contain_text("Paused")
    polls = ada.requests("GET", "/flags?environment=")
    ada.page.wait_for_timeout(6000)
    assert polls == []
    ada.page.evaluate(LOOK, False)
    expect(ada.page.locator("#poll")).to_contain_text("304")


def test_a_switch_switches_what_it_shows(people: Any, quartet: Server, flag: str) -> None:
    ada = people("Ada")
    ada.switch(flag).click()
    expect(ada.switch(flag)).to_have_attribute("aria-checked", "true")
    expect(ada.switch(flag)).to_be_focused()
    assert read(quartet, flag, "production")["enabled"] is True
    assert read(quartet, flag, "development")["enabled"] is False


def test_a_switch_that_shows_an_old_state_does_nothing(
    people: Any, quartet: Server, flag: str
) -> None:
    ada = people("Ada")
    ada.page.route("**/flags?*", lambda route: route.abort())  # the list stays as it is
    path = f"{API}/flags/{flag}/environments/production"
    tag = quartet.client().get(path).headers["etag"]
    quartet.client().post(f"{path}/toggle", headers={"If-Match": tag})
    ada.switch(flag).click()
    expect(ada.page.locator("#status")).to_contain_text("was not switched")
    assert read(quartet, flag, "production")["enabled"] is True
    ada.complaints.clear()  # of the requests that this test refused


def test_environments_and_search_choose_what_is_listed(
    people: Any, quartet: Server, flag: str
) -> None:
    quartet.new_flag("found-by-words", description="Quokkas only")
    ada = people("Ada")
    ada.page.get_by_label("Environment", exact=True).select_option("development")
    expect(ada.switch(flag)).to_have_attribute("aria-label", f"{flag} in development")
    ada.page.get_by_role("searchbox", name="Search").fill("quokka")
    expect(ada.row("found-by-words")).to_be_visible()
    expect(ada.row(flag)).to_have_count(0)
    assert "q=quokka" in ada.page.url
    ada.page.reload()
    expect(ada.row("found-by-words")).to_be_visible()
    expect(ada.page.get_by_label("Environment", exact=True)).to_have_value("development")


# -- the editor -----------------------------------------------------------------------------------


def test_the_keyboard_alone_opens_edits_and_saves(people: Any, quartet: Server, flag: str) -> None:
    ada = people("Ada")
    press = ada.page.keyboard.press
    link = ada.row(flag).get_by_role("link")
    stops = 2 * ada.page.locator("#flags > li").count() + 20  # the flags of other tests, too
    for _ in range(stops):
        if link.evaluate("node => node === document.activeElement"):
            break
        press("Tab")
    expect(link).to_be_focused()
    press("Enter")
    expect(ada.page.get_by_role("heading", name=flag)).to_be_focused()
    press("Tab")  # the button that closes
    press("Tab")
    expect(ada.page.get_by_role("tab", name="In production")).to_be_focused()
    press("ArrowRight")
    expect(ada.page.get_by_role("tab", name="Flag")).to_be_focused()
    press("Tab")
    expect(ada.label("Description")).to_be_focused()
    press("Control+a")
    ada.page.keyboard.type("Typed, not clicked")
    press("Control+s")
    expect(ada.page.locator("#status")).to_contain_text("Saved")
    assert read(quartet, flag)["description"] == "Typed, not clicked"


def test_a_refusal_stands_at_its_field(people: Any, quartet: Server, flag: str) -> None:
    ada = people("Ada").opens(flag, "In production")
    ada.page.get_by_role("button", name="Add a rule").click()
    ada.page.get_by_label("Comparison").select_option(label="is before")
    ada.page.get_by_label("Attribute").fill("a..b")
    ada.page.get_by_label("Values").fill("soon")
    refused = ada.requests("PUT", flag)
    ada.saves()
    attribute, values = ada.page.get_by_label("Attribute"), ada.page.get_by_label("Values")
    expect(attribute).to_have_attribute("aria-invalid", "true")
    expect(attribute).to_be_focused()
    expect(ada.page.locator(".condition")).to_contain_text("is no instant of RFC 3339")
    assert len(refused) == 1
    attribute.fill("since")
    values.fill("2026-03-01T09:00:00Z")
    ada.saved()
    assert read(quartet, flag, "production")["rules"][0]["conditions"][0]["op"] == "before"
    ada.complaints = [one for one in ada.complaints if "status of 422" not in one]


def test_what_is_no_value_is_not_even_sent(people: Any, quartet: Server) -> None:
    quartet.new_flag(
        "a-number", type="integer", variants={"a": 1}, default_variant="a", off_variant="a"
    )
    ada = people("Ada").opens("a-number")
    sent = ada.requests("PUT", "a-number")
    ada.label("Value").fill("many")
    ada.saves()
    expect(ada.page.locator(".variant")).to_contain_text("This is no number")
    assert sent == []


def test_a_variant_that_is_served_cannot_go(people: Any, quartet: Server, flag: str) -> None:
    ada = people("Ada").opens(flag)
    ada.page.get_by_role("button", name="Remove the variant off").click()
    ada.label("Default variant").select_option("on")
    ada.label("Off variant").select_option("on")
    ada.saves()
    expect(ada.page.get_by_role("alert").locator("visible=true")).to_contain_text("is served")
    assert read(quartet, flag)["variants"] == {"off": False, "on": True}
    ada.complaints = [one for one in ada.complaints if "status of 409" not in one]


def test_without_a_connection_nothing_is_lost(people: Any, quartet: Server, flag: str) -> None:
    ada = people("Ada").opens(flag)
    ada.label("Description").fill("Written in a tunnel")
    ada.page.context.set_offline(True)
    ada.saves()
    expect(ada.page.get_by_role("alert").locator("visible=true")).to_contain_text("did not answer")
    expect(ada.label("Description")).to_have_value("Written in a tunnel")
    ada.page.context.set_offline(False)
    ada.saved()
    assert read(quartet, flag)["description"] == "Written in a tunnel"
    ada.complaints = [one for one in ada.complaints if "ERR_INTERNET_DISCONNECTED" not in one]


def test_who_was_signed_out_signs_in_elsewhere_and_saves(
    people: Any, quartet: Server, flag: str
) -> None:
    ada = people("Ada").opens(flag)
    ada.label("Description").fill("Written before")
    kept = ada.page.context.cookies()
    ada.page.context.clear_cookies()
    ada.saves()
    alert = ada.page.get_by_role("alert").locator("visible=true")
    expect(alert).to_contain_text("You are signed out")
    with ada.page.context.expect_page() as opened:
        alert.get_by_role("link").click()
    opened.value.get_by_label("Key").fill(ada.key)
    opened.value.get_by_role("button", name="Sign in").click()
    expect(opened.value.get_by_role("heading", name=flag, exact=True)).to_be_visible()
    ada.saved()
    assert kept
    assert read(quartet, flag)["description"] == "Written before"
    ada.complaints = [one for one in ada.complaints if "status of 401" not in one]


def test_a_flag_that_somebody_deleted_can_be_made_again(
    people: Any, quartet: Server, flag: str
) -> None:
    ada = people("Ada").opens(flag)
    ada.label("Description").fill("It was worth something")
    tag = quartet.client().get(f"{API}/flags/{flag}").headers["etag"]
    gone = quartet.client().delete(f"{API}/flags/{flag}", headers={"If-Match": tag})
    assert gone.status_code == 204
    ada.saves()
    expect(ada.page.get_by_role("alert").locator("visible=true")).to_contain_text("deleted")
    ada.page.get_by_role("button", name="Create it again").click()
    expect(ada.page.locator("#status")).to_contain_text("Saved")
    assert read(quartet, flag)["description"] == "It was worth something"
    ada.complaints = [one for one in ada.complaints if "status of 404" not in one]


@pytest.mark.full
@pytest.mark.parametrize("filtered", [False, True])
def test_that_somebody_deleted_the_open_flag_is_said_within_a_poll(
    people: Any, quartet: Server, flag: str, filtered: bool
) -> None:
    ada = people("Ada").opens(flag)
    ada.label("Description").fill("Ada is still writing")
    if filtered:  # then the list does not change when it is deleted
        ada.page.get_by_role("searchbox").fill("no flag has this")
        expect(ada.row(flag)).to_have_count(0)
        ada.page.wait_for_timeout(5500)
    expect(ada.page.get_by_text("deleted this flag")).to_have_count(0)
    tag = quartet.client().get(f"{API}/flags/{flag}").headers["etag"]
    gone = quartet.client().delete(f"{API}/flags/{flag}", headers={"If-Match": tag})
    assert gone.status_code == 204
    notice = ada.page.locator(".notice:visible")
    expect(notice).to_contain_text("administrator deleted this flag at", timeout=7000)
    expect(notice).to_contain_text("What you wrote is kept on this page.")
    expect(ada.label("Description")).to_have_value("Ada is still writing")
    ada.page.get_by_role("tab", name="In production").click()
    expect(notice).to_contain_text("To create it again, go to the tab Flag.")
    ada.page.get_by_role("tab", name="Flag", exact=True).click()
    ada.page.get_by_role("button", name="Create it again").click()
    expect(ada.page.locator("#status")).to_contain_text("Saved")
    assert read(quartet, flag)["description"] == "Ada is still writing"
    for tab in ("Flag", "In production"):
        ada.page.get_by_role("tab", name=tab, exact=True).click()
        expect(notice).to_have_count(0)


@pytest.mark.full
def test_a_flag_that_is_made_again_elsewhere_is_shown(
    people: Any, quartet: Server, flag: str
) -> None:
    ada = people("Ada").opens(flag)
    tag = quartet.client().get(f"{API}/flags/{flag}").headers["etag"]
    quartet.client().delete(f"{API}/flags/{flag}", headers={"If-Match": tag})
    notice = ada.page.locator(".notice:visible")
    expect(notice).to_contain_text("Its last version is kept on this page.", timeout=7000)
    quartet.new_flag(flag, description="Made again")
    expect(ada.label("Description")).to_have_value("Made again", timeout=7000)
    expect(notice).to_have_count(0)


def test_a_flag_is_made_changed_archived_and_deleted(people: Any, quartet: Server) -> None:
    ada = people("Ada")
    page = ada.page
    page.get_by_role("button", name="New flag").click()
    ada.label("Key").fill("made-here")
    ada.label("Type").select_option("string")
    ada.label("Description").fill("Made on the page")
    page.get_by_role("button", name="Create the flag").click()
    expect(page.get_by_role("heading", name="made-here")).to_be_visible()
    expect(ada.row("made-here")).to_be_visible()
    ada.switch("made-here").click()
    expect(ada.label("Switched on here")).to_be_checked()

    page.get_by_role("tab", name="Flag").click()
    page.get_by_role("button", name="Delete the flag").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Delete it").click()
    expect(dialog).to_contain_text("Archive the flag first")
    dialog.get_by_role("button", name="Keep it").click()
    page.get_by_label("Archived: clients get").check()
    ada.saved()
    expect(ada.row("made-here")).to_have_count(0)
    page.get_by_role("button", name="Delete the flag").click()
    dialog.get_by_role("button", name="Delete it").click()
    expect(page.locator("#status")).to_contain_text("Deleted")
    assert quartet.client().get(f"{API}/flags/made-here").status_code == 404
    ada.complaints = [one for one in ada.complaints if "status of 409" not in one]


def test_rules_are_ordered_split_and_seen_as_json(people: Any, quartet: Server, flag: str) -> None:
    ada = people("Ada").opens(flag, "In production")
    page = ada.page
    for attribute in ("first", "second"):
        page.get_by_role("button", name="Add a rule").click()
        page.get_by_label("Attribute").last.fill(attribute)
        page.get_by_label("Comparison").last.select_option(label="is there")
    page.get_by_role("button", name="Move rule 2 up").click()
    expect(page.get_by_role("button", name="Move rule 1 up")).to_be_focused()
    ada.label("Everybody else gets").select_option(label="A split by weight…")
    ada.label("on").last.fill("25")
    ada.label("off").last.fill("75")
    page.get_by_text("JSON", exact=True).locator("visible=true").click()
    text = page.get_by_label("The same as JSON").locator("visible=true")
    expect(text).not_to_have_value("")  # it is filled in when the browser says that it is open
    shown = json.loads(text.input_value())
    assert [one["conditions"][0]["attribute"] for one in shown["rules"]] == ["second", "first"]
    shown["rules"].pop()
    page.get_by_label("The same as JSON").locator("visible=true").fill(json.dumps(shown))
    page.get_by_role("button", name="Put into the form").locator("visible=true").click()
    expect(page.get_by_label("Attribute")).to_have_count(1)
    ada.saved()
    now = read(quartet, flag, "production")
    assert [one["conditions"][0]["attribute"] for one in now["rules"]] == ["second"]
    assert now["fallthrough"] == {"split": {"on": 25, "off": 75}, "bucket_by": "targetingKey"}


def test_what_was_not_edited_stays_to_the_byte(people: Any, quartet: Server) -> None:
    """1.0 would come back as 1 from a browser that reads numbers as its own."""
    value = {"ratio": 1.0, "large": 1e21, "deep": [{"none": None}]}
    quartet.new_flag(
        "with-numbers", type="object", variants={"a": value}, default_variant="a", off_variant="a"
    )
    before = history(quartet, "with-numbers")[-1]["after"]["variants"]
    ada = people("Ada").opens("with-numbers")
    ada.label("Description").fill("Only this")
    ada.saved()
    after = history(quartet, "with-numbers")[-1]["after"]["variants"]
    assert json.dumps(after) == json.dumps(before)


def test_history_says_who_and_what(people: Any, quartet: Server, flag: str) -> None:
    ada = people("Ada").opens(flag)
    ada.label("Description").fill("As Ada wants it")
    ada.saved()
    ada.page.get_by_role("tab", name="History").click()
    entry = ada.page.locator(".entry").first
    for text in ("Ada", "changed the flag", "As it was", "As Ada wants it"):
        expect(entry).to_contain_text(text)


def test_unsaved_changes_wait_while_other_flags_are_looked_at(
    people: Any, quartet: Server, flag: str
) -> None:
    quartet.new_flag(f"{flag}-2")
    ada = people("Ada").opens(flag)
    ada.label("Description").fill("Not saved yet")
    ada.opens(f"{flag}-2")
    expect(ada.row(flag)).to_contain_text("unsaved")
    ada.opens(flag)
    expect(ada.label("Description")).to_have_value("Not saved yet")


def test_readers_read(people: Any, flag: str) -> None:
    reader = people("Rosa", role="read")
    expect(reader.switch(flag)).to_be_disabled()
    reader.opens(flag)
    expect(reader.label("Description")).to_be_disabled()
    expect(reader.page.get_by_role("button", name="New flag")).to_be_hidden()


# -- what others sent, and where it is shown ------------------------------------------------------

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=alert(1)> a\u202eb\u200bc\x07"


def test_what_others_sent_is_text_and_nothing_in_it_is_hidden(
    people: Any, quartet: Server, flag: str
) -> None:
    """Unseen characters are refused; what plain SQL put there is shown by its number."""
    quartet.new_flag("hostile", tags=["<b>bold</b>"])
    statement = "UPDATE flag SET description = %s WHERE key = 'hostile'"
    assert RawSQL(quartet.log.parent).execute("flagbit", statement, HOSTILE) == 1
    ada = people("<i>Ada</i>")
    row = ada.row("hostile")
    expect(row).to_contain_text("<script>document.title")
    expect(row.locator(".unseen")).to_have_text(["U+202E", "U+200B", "U+0007"])
    ada.opens("hostile")
    ada.page.get_by_role("tab", name="History").click()
    expect(ada.page.locator(".entry").first).to_be_visible()
    assert ada.page.title() == "FlagBit"
    assert ada.page.locator("img").count() == 0


LONG = "w" * 120


@pytest.mark.full
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_is_wider_than_the_window(
    people: Any, quartet: Server, flag: str, width: int
) -> None:
    quartet.new_flag(f"{LONG}-{width}", description=LONG * 3, tags=[LONG[:60]])
    ada, grace = (
        people(name, viewport={"width": width, "height": 800}) for name in ("Ada", "Grace " + LONG)
    )
    assert ada.overflowing() == []
    for person in (ada, grace):
        person.opens(f"{LONG}-{width}")
        person.label("Description").fill(f"{person.owner} {LONG}")
    ada.saved()
    grace.saves()
    expect(grace.conflict).to_be_visible()
    assert grace.overflowing() == []
    grace.chooses("back")
    for tab in ("In production", "History", "Flag"):
        grace.page.get_by_role("tab", name=tab).click()
        if tab == "In production":
            grace.page.get_by_role("button", name="Add a rule").click()
            grace.label("Everybody else gets").select_option(label="A split by weight…")
        assert grace.overflowing() == []


def test_on_a_phone_nothing_covers_what_is_to_be_chosen_or_pressed(
    people: Any, quartet: Server, flag: str
) -> None:
    phone = {"width": 360, "height": 720}
    ada, grace = people("Ada"), people("Grace", viewport=phone)
    for person in (ada, grace):
        person.opens(flag)
        person.label("Description").fill(
            f"The new checkout, as {person.owner} would like to see it"
        )
    ada.saved()
    grace.saves()
    expect(grace.conflict).to_be_visible()
    for name in ("Keep yours", "Keep Ada’s"):
        choice = grace.field_in_conflict("description").get_by_label(name)
        expect(choice).to_be_in_viewport()  # without scrolling
        assert choice.evaluate(ON_TOP), name
    grace.field_in_conflict("description").get_by_label("Keep Ada’s").check()
    grace.chooses("save")
    toast = grace.page.locator("#status p")
    expect(toast).to_be_visible()
    box = toast.bounding_box()
    for name in (".top", ".tabs", ".save-bar:visible", ".danger-zone"):
        other = grace.page.locator(name).bounding_box()
        apart = box["y"] + box["height"] <= other["y"] or other["y"] + other["height"] <= box["y"]
        assert apart, (name, box, other)


ON_TOP = """node => {
  const { x, y, width, height } = node.getBoundingClientRect();
  return document.elementFromPoint(x + width / 2, y + height / 2) === node;
}"""


@pytest.mark.full
def test_links_stay_below_the_prefix_of_a_proxy(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    public = {"PUBLIC_URL": "http://127.0.0.1:1/tools"}
    with serving(tmp_path_factory.mktemp("data"), environment=public) as server:
        server.new_flag("below")
        ada = Person.signs_in(browser, server, "Ada", path="/tools/flagbit/?flag=below")
        assert ada.page.url == f"{server.url}/tools/flagbit/?flag=below"
        ada.page.get_by_role("tab", name="Flag").click()
        ada.label("Description").fill("Below a prefix")
        ada.saved()
        ada.page.get_by_role("link", name="FlagBit", exact=True).click()
        assert ada.page.url == f"{server.url}/tools/flagbit/"
        ada.page.context.close()
        assert ada.complaints == []


@pytest.mark.full
def test_with_strict_comparison_changes_that_fit_are_merged_as_well(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    strict = {"FLAGBIT_COMPARISON": "strict"}
    with serving(tmp_path_factory.mktemp("data"), environment=strict) as server:
        server.new_flag("strictly")
        ada, grace = (
            Person.signs_in(browser, server, owner).opens("strictly") for owner in ("Ada", "Grace")
        )
        ada.label("Description").fill("Ada's")
        ada.saved()
        grace.label("Tags").fill("grace")
        grace.saved()
        expect(grace.field_in_merge("description")).to_contain_text("Ada's")
        now = read(server, "strictly")
        assert (now["description"], now["tags"]) == ("Ada's", ["grace"])
        for person in (ada, grace):
            person.page.context.close()
            assert person.complaints == []
