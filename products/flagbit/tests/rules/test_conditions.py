"""Each operator, case by case, and what a context can do to it: nothing."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagbit.rules.conditions import OPERATORS, answers, compile_condition, reader

CASES: list[dict[str, Any]] = json.loads(
    files("flagbit.rules").joinpath("vectors/conditions.json").read_text()
)["cases"]


def case_name(case: dict[str, Any]) -> str:
    return f"{case['op']} {case['values']}: {case['attribute']!r:.40}"


def told(condition: dict[str, Any], found: object) -> str:
    holds, fails = (test(found) for test in answers(condition))
    assert not (holds and fails)
    return "holds" if holds else "does not hold" if fails else "cannot tell"


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_the_published_cases_hold(case: dict[str, Any]) -> None:
    assert told(case, case["attribute"]) == case["answer"]


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_negation_swaps_two_answers_and_leaves_the_third(case: dict[str, Any]) -> None:
    opposite = {"holds": "does not hold", "does not hold": "holds", "cannot tell": "cannot tell"}
    assert told({**case, "negate": True}, case["attribute"]) == opposite[case["answer"]]


def test_every_operator_has_published_cases_of_each_answer_it_can_give() -> None:
    seen = {(case["op"], case["answer"]) for case in CASES}
    expected = {
        (op, answer) for op in OPERATORS for answer in ("holds", "does not hold", "cannot tell")
    }
    assert seen == expected - {("exists", "cannot tell")}


@pytest.mark.parametrize("negate", [False, True])
@pytest.mark.parametrize("op", [op for op in OPERATORS if op != "exists"])
def test_a_missing_attribute_never_matches_negated_or_not(op: str, negate: bool) -> None:
    """So that "plan is not free" opens nothing to those whose plan was not sent."""
    value = {"before": "2026-01-01T00:00:00Z", "after": "2026-01-01T00:00:00Z"}.get(op, "1.0.0")
    condition = {
        "attribute": "plan",
        "op": op,
        "values": [1] if op in {"lt", "lte", "gt", "gte"} else [value],
        "negate": negate,
    }
    holds = compile_condition(condition)
    assert not holds({})
    assert not holds({"plan": None})


def test_absence_is_asked_for_by_exists_negated() -> None:
    holds = compile_condition({"attribute": "plan", "op": "exists", "values": [], "negate": True})
    assert holds({})
    assert holds({"plan": None})
    assert not holds({"plan": ""})


def test_a_nan_is_neither_below_nor_above_nor_equal_nor_different() -> None:
    nan = float("nan")
    for op in ("equals", "lt", "lte", "gt", "gte"):
        assert told({"op": op, "values": [1]}, nan) == "cannot tell"


class TestReader:
    """Attributes are found by name, then by path."""

    def test_a_plain_name_is_a_member(self) -> None:
        assert reader("plan")({"plan": "pro"}) == "pro"
        assert reader("plan")({}) is None

    def test_a_path_goes_through_objects(self) -> None:
        assert reader("user.address.city")({"user": {"address": {"city": "Linz"}}}) == "Linz"

    @pytest.mark.parametrize("user", [None, "x", 1, [], [{"plan": "pro"}], {}, {"plan": None}])
    def test_a_path_that_leads_nowhere_finds_nothing(self, user: object) -> None:
        assert reader("user.plan")({"user": user}) is None
        assert reader("user.plan")({}) is None

    def test_an_attribute_of_exactly_this_name_comes_before_the_path(self) -> None:
        context = {"user.plan": "flat", "user": {"plan": "nested"}}
        assert reader("user.plan")(context) == "flat"

    def test_a_null_of_exactly_this_name_leaves_the_path(self) -> None:
        assert reader("user.plan")({"user.plan": None, "user": {"plan": "nested"}}) == "nested"


class Hostile:
    """Raises whatever is done to it."""

    def _raise(self, *_: object) -> Any:
        raise RuntimeError("touched")

    __eq__ = __hash__ = __lt__ = __gt__ = __le__ = __ge__ = __len__ = __bool__ = _raise
    __contains__ = __iter__ = __str__ = __repr__ = __getattr__ = _raise


VALUES: dict[str, list[Any]] = {}
for vector in CASES:
    VALUES.setdefault(vector["op"], vector["values"])


def deep(levels: int) -> object:
    nested: object = "leaf"
    for _ in range(levels):
        nested = {"a": nested}
    return nested


ODD = [
    Hostile(),
    [Hostile()],
    {"a": Hostile()},
    set(),
    b"bytes",
    1j,
    float("inf"),
    10**5000,
    "\ud800",
    "x" * 1_000_000,
    [[]] * 10_000,
    deep(100_000),
]


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("found", ODD, ids=lambda found: type(found).__name__)
def test_no_value_of_an_attribute_raises(op: str, found: object) -> None:
    for negate in (False, True):
        for attribute in ("a", "a.b", "b.a"):
            condition = {"attribute": attribute, "op": op, "values": VALUES[op], "negate": negate}
            compile_condition(condition)({"a": found, "b": {"a": found}})


def test_a_very_long_path_is_walked_without_recursion() -> None:
    attribute = ".".join("a" * 128)
    assert reader(attribute)({"a": deep(127)}) == "leaf"


@given(st.lists(st.integers() | st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_any_of_the_numbers_suffices(numbers: list[float]) -> None:
    for found in (*numbers, 0, 0.5, 10**20):
        assert (told({"op": "lt", "values": numbers}, found) == "holds") == any(
            found < number for number in numbers
        )
        assert (told({"op": "gte", "values": numbers}, found) == "holds") == any(
            found >= number for number in numbers
        )
