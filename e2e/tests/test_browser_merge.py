"""The library's merge in a real browser, as a page of a real server loads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Page

from e2e.browsing import launched
from e2e.program import Server

pytestmark = pytest.mark.browser

CASES = files("ifmatch.testing").joinpath("vectors/merge/cases.json")

# Numbers stay as the file has them, on the way in and on the way out.
MERGED = """async ([folder, text]) => {
  const { merge, pointer } = await import(`${folder}/merge.js`);
  const { parse, stringify } = await import(`${folder}/json.js`);
  return stringify(parse(text).cases.map(({ base, mine, theirs, whole }) => {
    const made = merge(base, mine, theirs, { whole });
    const clashes = made.clashes.map(
      ({ path, order, ...rest }) => order ? { ...rest, order } : rest);
    const [own, other] = [made.mine, made.theirs].map((paths) => paths.map(pointer));
    return { merged: made.merged, clashes, mine: own, theirs: other };
  }));
}"""


@pytest.fixture(scope="module")
def page(chromium: str, quartet: Server) -> Iterator[Page]:
    """A page that anybody may see."""
    with launched(chromium) as browser:
        page = browser.new_page()
        page.goto(f"{quartet.url}/sign-in")
        yield page


def modules(page: Page) -> str:
    """Where this version of the pages has the library's modules."""
    sheet = page.locator('link[rel="stylesheet"]').first.get_attribute("href") or ""
    return f"{sheet.partition('/shared/')[0]}/ifmatch"


def sorted_out(made: dict[str, Any]) -> str:
    """The same text where nothing but an order that is left open differs."""
    lists = {
        name: sorted(json.dumps(one, sort_keys=True) for one in made[name])
        for name in ("clashes", "mine", "theirs")
    }
    return json.dumps(made | lists, sort_keys=True)


def test_each_vector_holds_in_the_browser(page: Page) -> None:
    text = CASES.read_text("utf-8")
    cases = json.loads(text)["cases"]
    made = json.loads(page.evaluate(MERGED, [modules(page), text]))
    assert len(made) == len(cases) > 80
    for case, found in zip(cases, made, strict=True):
        assert sorted_out(found) == sorted_out(case["expect"]), case["id"]


def test_a_merge_that_takes_theirs_everywhere_does_not_pass(page: Page) -> None:
    """The twin: the vectors tell a wrong merge from a right one."""
    text = CASES.read_text("utf-8")
    wrong = MERGED.replace("merge(base, mine, theirs, { whole })", "merge(base, base, theirs)")
    made = json.loads(page.evaluate(wrong, [modules(page), text]))
    cases = json.loads(text)["cases"]
    failing = [
        case["id"]
        for case, found in zip(cases, made, strict=True)
        if sorted_out(found) != sorted_out(case["expect"])
    ]
    assert len(failing) > len(cases) / 2
