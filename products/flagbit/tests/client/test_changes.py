"""What differs between two documents, and when two changes are in each other's way."""

from __future__ import annotations

import copy
import doctest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagbit.client import assignments, changes, terminal
from flagbit.client.changes import ABSENT, Change, Clash, Keep, rebase

FLAG: dict[str, Any] = {
    "key": "dark-mode",
    "description": "",
    "tags": ["ui"],
    "variants": {"on": True, "off": False},
    "revision": 1,
}

NAMES = st.sampled_from(["on", "off", "third", "v1.0"])
VALUES = st.sampled_from([None, True, 1, 1.0, "a", "b", [], ["a"], {"a": 1}])
DOCUMENTS = st.fixed_dictionaries(
    {"variants": st.dictionaries(NAMES, VALUES)},
    optional={
        "description": VALUES,
        "tags": VALUES,
        "rules": VALUES,
        "revision": st.integers(),
    },
)


def changed(**more: Any) -> dict[str, Any]:
    return copy.deepcopy(FLAG) | more


@pytest.mark.parametrize("module", [changes, assignments, terminal])
def test_the_examples_in_docstrings_run(module: Any) -> None:
    assert doctest.testmod(module).failed == 0


def test_variants_are_compared_by_name_and_everything_else_as_a_whole() -> None:
    new = changed(variants={"on": 1, "third": None}, tags=["ui", "x"])
    assert changes.changes(FLAG, new) == {
        ("tags",): Change(["ui"], ["ui", "x"]),
        ("variants", "off"): Change(False, ABSENT),
        ("variants", "on"): Change(True, 1),
        ("variants", "third"): Change(ABSENT, None),
    }


def test_what_the_server_sets_is_no_change() -> None:
    assert changes.changes(FLAG, changed(revision=2, updated="now")) == {}


def test_edits_of_different_variants_are_not_in_each_others_way() -> None:
    mine = changed(variants={"on": True, "off": False, "mine": 1})
    theirs = changed(variants={"on": True, "off": False, "theirs": 2}, description="x")
    found = rebase(FLAG, mine, theirs)
    assert found.clashes == {}
    assert found.document["variants"] == {"on": True, "off": False, "mine": 1, "theirs": 2}
    assert found.document["description"] == "x"


def test_the_same_field_with_two_values_is_a_clash_of_three() -> None:
    found = rebase(FLAG, changed(tags=["mine"]), changed(tags=["theirs"]))
    assert found.clashes == {("tags",): Clash(["ui"], ["mine"], ["theirs"])}


def test_the_same_field_with_one_value_is_no_clash() -> None:
    assert rebase(FLAG, changed(tags=["x"]), changed(tags=["x"])).clashes == {}


@pytest.mark.parametrize(("keep", "tags"), [(Keep.MINE, ["mine"]), (Keep.THEIRS, ["theirs"])])
def test_whose_value_stays_can_be_said_and_the_rest_of_both_stays_anyway(
    keep: Keep, tags: list[str]
) -> None:
    mine = changed(tags=["mine"], description="mine")
    theirs = changed(tags=["theirs"], client_visible=True)
    found = rebase(FLAG, mine, theirs, keep)
    assert found.document["tags"] == tags
    assert found.document["description"] == "mine"
    assert found.document["client_visible"] is True


def test_removing_and_changing_the_same_variant_clash() -> None:
    mine, theirs = changed(variants={"on": True}), changed(variants={"on": True, "off": 0})
    assert rebase(FLAG, mine, theirs).clashes == {("variants", "off"): Clash(False, ABSENT, 0)}


@given(DOCUMENTS, DOCUMENTS)
def test_a_change_made_anew_on_an_untouched_state_gives_what_was_wanted(
    base: dict[str, Any], wanted: dict[str, Any]
) -> None:
    found = rebase(base, wanted, base)
    assert changes.changes(found.document, wanted) == {}
    assert not found.theirs
    assert not found.clashes


@given(DOCUMENTS, DOCUMENTS, DOCUMENTS, st.sampled_from([None, *Keep]))
def test_nothing_is_lost_that_is_not_named_as_a_clash(
    base: dict[str, Any], wanted: dict[str, Any], fresh: dict[str, Any], keep: Keep | None
) -> None:
    found = rebase(base, wanted, fresh, keep)
    for path, one in {**found.theirs, **found.mine}.items():
        if path not in found.clashes:
            assert changes.same(value_at(found.document, path), one.after)
    for path, clash in found.clashes.items():
        expected = clash.theirs if keep is Keep.THEIRS else clash.mine
        assert changes.same(value_at(found.document, path), expected)


@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_documents_that_are_compared_stay_as_they_were(
    base: dict[str, Any], wanted: dict[str, Any], fresh: dict[str, Any]
) -> None:
    before = copy.deepcopy((base, wanted, fresh))
    rebase(base, wanted, fresh)
    assert before == (base, wanted, fresh)


def value_at(document: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = document
    for name in path:
        value = value.get(name, ABSENT) if isinstance(value, dict) else ABSENT
    return value
