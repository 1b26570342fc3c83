"""A definition with a fault is told what, where and what instead; one without can be served."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from itertools import count
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagbit.rules import (
    Code,
    Fault,
    TargetingKeyMissing,
    check_flag,
    check_state,
    compile_flag,
    explain,
    new_state,
    normal_flag,
    normal_state,
)

FLAG: dict[str, Any] = {
    "key": "dark-mode",
    "type": "boolean",
    "description": "A dark page",
    "tags": ["ui"],
    "variants": {"on": True, "off": False},
    "default_variant": "off",
    "off_variant": "off",
    "client_visible": True,
    "archived": False,
}
STATE: dict[str, Any] = {
    "enabled": True,
    "rules": [
        {
            "id": "r1",
            "description": "Testers",
            "conditions": [
                {"attribute": "group", "op": "equals", "values": ["test", 1], "negate": True},
                {"attribute": "user.age", "op": "gte", "values": [18]},
                {"attribute": "since", "op": "before", "values": ["2026-01-01T00:00:00Z"]},
                {"attribute": "app", "op": "semver_gt", "values": ["1.0.0"]},
                {"attribute": "mail", "op": "ends_with", "values": ["@example.test"]},
                {"attribute": "plan", "op": "exists", "values": []},
            ],
            "serve": {"variant": "on"},
        },
        {"id": "r2", "conditions": [], "serve": {"split": {"on": 1, "off": 1}}},
    ],
    "fallthrough": {"split": {"on": 5, "off": 95}, "bucket_by": "company.id"},
    "off_variant": None,
}
NO = object()
"""Take the member away."""


def changed(definition: dict[str, Any], pointer: str, value: object) -> Any:
    """The definition with another value at the pointer."""
    if pointer == "":
        return value
    result = copy.deepcopy(definition)
    node: Any = result
    *path, last = pointer.split("/")[1:]
    for name in path:
        node = node[int(name)] if isinstance(node, list) else node[name]
    if value is NO:
        del node[last]
    elif isinstance(node, list):
        node[int(last)] = value
    else:
        node[last] = value
    return result


def nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


FLAG_CASES: list[tuple[str, object, str, Code]] = [
    ("", None, "", "wrong-type"),
    ("", [], "", "wrong-type"),
    ("/key", NO, "/key", "missing-member"),
    ("/type", NO, "/type", "missing-member"),
    ("/variants", NO, "/variants", "missing-member"),
    ("/default_variant", NO, "/default_variant", "missing-member"),
    ("/off_variant", NO, "/off_variant", "missing-member"),
    ("/colour", 1, "/colour", "unknown-member"),
    ("/key", 1, "/key", "wrong-type"),
    ("/key", "", "/key", "malformed-name"),
    ("/key", ".", "/key", "malformed-name"),
    ("/key", "..", "/key", "malformed-name"),
    ("/key", "a b", "/key", "malformed-name"),
    ("/key", "a\n", "/key", "malformed-name"),
    ("/key", "é", "/key", "malformed-name"),
    ("/key", "x" * 129, "/key", "malformed-name"),
    ("/type", "bool", "/type", "unknown-type"),
    ("/type", ["boolean"], "/type", "wrong-type"),
    ("/description", None, "/description", "wrong-type"),
    ("/description", "x" * 2001, "/description", "too-long"),
    ("/description", "a\0b", "/description", "unusable-text"),
    ("/description", "\ud800", "/description", "unusable-text"),
    ("/description", "a\x1bb", "/description", "unusable-text"),
    ("/description", "a\x85b", "/description", "unusable-text"),
    ("/description", "a\u202eb", "/description", "unusable-text"),
    ("/description", "a\u2066b", "/description", "unusable-text"),
    ("/tags", ["\x01"], "/tags/0", "unusable-text"),
    ("/tags", ["ok", "a\nb"], "/tags/1", "unusable-text"),
    ("/tags", ["a\u2029b"], "/tags/0", "unusable-text"),
    ("/tags", ["a\u202db"], "/tags/0", "unusable-text"),
    ("/tags", "ui", "/tags", "wrong-type"),
    ("/tags", [1], "/tags/0", "wrong-type"),
    ("/tags", [""], "/tags/0", "too-few"),
    ("/tags", ["x" * 65], "/tags/0", "too-long"),
    ("/tags", ["a", "b", "a"], "/tags/2", "duplicate"),
    ("/tags", [str(i) for i in range(51)], "/tags", "too-many"),
    ("/variants", [], "/variants", "wrong-type"),
    ("/variants", {}, "/variants", "too-few"),
    ("/variants", {str(i): True for i in range(65)}, "/variants", "too-many"),
    ("/variants/x~1y", True, "/variants/x~01y", "malformed-name"),
    ("/variants/on", 1, "/variants/on", "wrong-type"),
    ("/variants/on", "true", "/variants/on", "wrong-type"),
    ("/variants/on", None, "/variants/on", "wrong-type"),
    ("/default_variant", "onn", "/default_variant", "unknown-variant"),
    ("/default_variant", None, "/default_variant", "wrong-type"),
    ("/off_variant", "offf", "/off_variant", "unknown-variant"),
    ("/off_variant", {}, "/off_variant", "wrong-type"),
    ("/client_visible", 1, "/client_visible", "wrong-type"),
    ("/archived", "no", "/archived", "wrong-type"),
]

VALUE_CASES: list[tuple[str, object, str, Code]] = [
    ("string", 1, "", "wrong-type"),
    ("string", "x" * 10_001, "", "too-long"),
    ("string", "\0", "", "unusable-text"),
    ("integer", 1.0, "", "wrong-type"),
    ("integer", True, "", "wrong-type"),
    ("integer", "1", "", "wrong-type"),
    ("integer", 2**53, "", "out-of-range"),
    ("integer", -(2**53), "", "out-of-range"),
    ("integer", 10**5000, "", "out-of-range"),
    ("float", True, "", "wrong-type"),
    ("float", "1.0", "", "wrong-type"),
    ("float", float("inf"), "", "out-of-range"),
    ("float", float("nan"), "", "out-of-range"),
    ("float", 2**53, "", "out-of-range"),
    ("float", 10**400, "", "out-of-range"),
    ("object", [], "", "wrong-type"),
    ("object", None, "", "wrong-type"),
    ("object", nested(33), "/a" * 32, "too-deep"),
    ("object", {"a": [[float("nan")]]}, "/a/0/0", "out-of-range"),
    ("object", {"a/b": 2**53}, "/a~1b", "out-of-range"),
    ("object", {"a": {"\ud800": 1}}, "/a", "unusable-text"),
    ("object", {"a": "\0"}, "/a", "unusable-text"),
    ("object", {"a": "x" * 10_001}, "/a", "too-long"),
    ("object", {"a": {1: 2}}, "/a", "wrong-type"),
    ("object", {"a": {1, 2}}, "/a", "wrong-type"),
]

STATE_CASES: list[tuple[str, object, str, Code]] = [
    ("", "on", "", "wrong-type"),
    ("/enabled", NO, "/enabled", "missing-member"),
    ("/enabled", 1, "/enabled", "wrong-type"),
    ("/fallthrough", NO, "/fallthrough", "missing-member"),
    ("/fallthrough", "on", "/fallthrough", "wrong-type"),
    ("/off_variant", "gone", "/off_variant", "unknown-variant"),
    ("/revision", 7, "/revision", "unknown-member"),
    ("/rules", {}, "/rules", "wrong-type"),
    ("/rules", [{}] * 101, "/rules", "too-many"),
    ("/rules/0", None, "/rules/0", "wrong-type"),
    ("/rules/0/id", NO, "/rules/0/id", "missing-member"),
    ("/rules/0/id", "a b", "/rules/0/id", "malformed-name"),
    ("/rules/0/id", 1, "/rules/0/id", "wrong-type"),
    ("/rules/1/id", "r1", "/rules/1/id", "duplicate"),
    ("/rules/0/description", 1, "/rules/0/description", "wrong-type"),
    ("/rules/0/segment", "x", "/rules/0/segment", "unknown-member"),
    ("/rules/0/conditions", NO, "/rules/0/conditions", "missing-member"),
    ("/rules/0/conditions", {}, "/rules/0/conditions", "wrong-type"),
    ("/rules/0/conditions", [{}] * 51, "/rules/0/conditions", "too-many"),
    ("/rules/0/conditions/0", [], "/rules/0/conditions/0", "wrong-type"),
    ("/rules/0/conditions/0/attribute", "", "/rules/0/conditions/0/attribute", "too-few"),
    (
        "/rules/0/conditions/0/attribute",
        "a..b",
        "/rules/0/conditions/0/attribute",
        "malformed-name",
    ),
    ("/rules/0/conditions/0/attribute", "x" * 257, "/rules/0/conditions/0/attribute", "too-long"),
    ("/rules/0/conditions/0/attribute", 1, "/rules/0/conditions/0/attribute", "wrong-type"),
    ("/rules/0/conditions/0/op", "matches", "/rules/0/conditions/0/op", "unknown-op"),
    ("/rules/0/conditions/0/op", ["equals"], "/rules/0/conditions/0/op", "wrong-type"),
    ("/rules/0/conditions/0/negat", True, "/rules/0/conditions/0/negat", "unknown-member"),
    ("/rules/0/conditions/0/negate", "yes", "/rules/0/conditions/0/negate", "wrong-type"),
    ("/rules/0/conditions/0/values", NO, "/rules/0/conditions/0/values", "missing-member"),
    ("/rules/0/conditions/0/values", "test", "/rules/0/conditions/0/values", "wrong-type"),
    ("/rules/0/conditions/0/values", [], "/rules/0/conditions/0/values", "too-few"),
    ("/rules/0/conditions/0/values", ["a"] * 1001, "/rules/0/conditions/0/values", "too-many"),
    ("/rules/0/conditions/0/values/1", None, "/rules/0/conditions/0/values/1", "wrong-type"),
    ("/rules/0/conditions/0/values/1", [], "/rules/0/conditions/0/values/1", "wrong-type"),
    ("/rules/0/conditions/0/values/1", "x" * 1001, "/rules/0/conditions/0/values/1", "too-long"),
    ("/rules/0/conditions/0/values/1", "\0", "/rules/0/conditions/0/values/1", "unusable-text"),
    ("/rules/0/conditions/0/values/1", 2**53, "/rules/0/conditions/0/values/1", "out-of-range"),
    ("/rules/0/conditions/1/values/0", "18", "/rules/0/conditions/1/values/0", "wrong-type"),
    ("/rules/0/conditions/1/values/0", True, "/rules/0/conditions/1/values/0", "wrong-type"),
    ("/rules/0/conditions/2/values/0", "soon", "/rules/0/conditions/2/values/0", "unfit-value"),
    ("/rules/0/conditions/2/values/0", 0, "/rules/0/conditions/2/values/0", "wrong-type"),
    ("/rules/0/conditions/2/values/0", "2" * 1001, "/rules/0/conditions/2/values/0", "too-long"),
    ("/rules/0/conditions/3/values/0", "1.0", "/rules/0/conditions/3/values/0", "unfit-value"),
    ("/rules/0/conditions/3/values/0", 1.0, "/rules/0/conditions/3/values/0", "wrong-type"),
    ("/rules/0/conditions/3/values/0", "1" * 1001, "/rules/0/conditions/3/values/0", "too-long"),
    ("/rules/0/conditions/4/values/0", "", "/rules/0/conditions/4/values/0", "too-few"),
    ("/rules/0/conditions/4/values/0", 1, "/rules/0/conditions/4/values/0", "wrong-type"),
    ("/rules/0/conditions/5/values", ["x"], "/rules/0/conditions/5/values/0", "unfit-value"),
    ("/rules/0/serve", {}, "/rules/0/serve", "not-one-of-two"),
    (
        "/rules/0/serve",
        {"variant": "on", "split": {"on": 1}},
        "/rules/0/serve",
        "not-one-of-two",
    ),
    ("/rules/0/serve/variant", "onn", "/rules/0/serve/variant", "unknown-variant"),
    ("/rules/0/serve/variant", None, "/rules/0/serve/variant", "wrong-type"),
    ("/rules/0/serve/bucket_by", "x", "/rules/0/serve/bucket_by", "unknown-member"),
    ("/rules/1/serve/split", [], "/rules/1/serve/split", "wrong-type"),
    ("/rules/1/serve/split", {}, "/rules/1/serve/split", "no-weight"),
    ("/rules/1/serve/split", {"on": 0, "off": 0}, "/rules/1/serve/split", "no-weight"),
    ("/rules/1/serve/split/onn", 1, "/rules/1/serve/split/onn", "unknown-variant"),
    ("/rules/1/serve/split/on", -1, "/rules/1/serve/split/on", "out-of-range"),
    ("/rules/1/serve/split/on", 1_000_001, "/rules/1/serve/split/on", "out-of-range"),
    ("/rules/1/serve/split/on", 1.0, "/rules/1/serve/split/on", "wrong-type"),
    ("/rules/1/serve/split/on", True, "/rules/1/serve/split/on", "wrong-type"),
    ("/rules/1/serve/split/off", 10_000, "/rules/1/serve/split/on", "weight-too-small"),
    ("/fallthrough/bucket_by", "", "/fallthrough/bucket_by", "too-few"),
    ("/fallthrough/bucket_by", None, "/fallthrough/bucket_by", "wrong-type"),
]


def found(faults: list[Fault]) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in faults]


def test_the_examples_are_faultless() -> None:
    assert check_flag(FLAG) == []
    assert check_state(FLAG, STATE) == []


@pytest.mark.parametrize(("change", "value", "pointer", "code"), FLAG_CASES, ids=count())
def test_a_flag_with_one_fault_is_told_it(
    change: str, value: object, pointer: str, code: Code
) -> None:
    faults = found(check_flag(changed(FLAG, change, value)))
    if change == "/variants":  # then the variants that are named are missing as well
        faults = [fault for fault in faults if fault[1] != "unknown-variant"]
    assert faults == [(pointer, code)]


@pytest.mark.parametrize(("type_name", "value", "pointer", "code"), VALUE_CASES, ids=count())
def test_a_value_that_does_not_fit_is_told(
    type_name: str, value: object, pointer: str, code: Code
) -> None:
    flag = {**FLAG, "type": type_name, "variants": {"off": value}}
    assert found(check_flag(flag)) == [("/variants/off" + pointer, code)]


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("boolean", False),
        ("string", ""),
        ("string", "é" * 10_000),
        ("integer", 0),
        ("integer", 2**53 - 1),
        ("integer", -(2**53) + 1),
        ("float", 1),
        ("float", -0.5),
        ("float", 1e308),
        ("object", {}),
        ("object", {"": [None, True, 1, 1.5, "x", {"a": []}]}),
        ("object", nested(32)),
    ],
)
def test_a_value_that_fits_is_taken(type_name: str, value: object) -> None:
    assert check_flag({**FLAG, "type": type_name, "variants": {"off": value}}) == []


@pytest.mark.parametrize(("change", "value", "pointer", "code"), STATE_CASES, ids=count())
def test_a_state_with_one_fault_is_told_it(
    change: str, value: object, pointer: str, code: Code
) -> None:
    assert found(check_state(FLAG, changed(STATE, change, value))) == [(pointer, code)]


def test_one_bucket_is_enough_for_a_weight() -> None:
    state = changed(STATE, "/rules/1/serve/split", {"on": 1, "off": 9999})
    assert check_state(FLAG, state) == []


def test_every_code_is_found_by_some_case() -> None:
    cases = [*FLAG_CASES, *VALUE_CASES, *STATE_CASES]
    assert {code for *_, code in cases} == set(get_args(Code))


def test_the_sentence_says_what_is_there_and_what_could_be() -> None:
    state = changed(STATE, "/rules/0/serve/variant", "onn")
    assert [fault.detail for fault in check_state(FLAG, state)] == [
        'there is no variant "onn"; the variants are "off", "on"'
    ]


def test_every_sentence_can_be_sent_and_is_short() -> None:
    for change, value, *_ in FLAG_CASES:
        for fault in check_flag(changed(FLAG, change, value)):
            assert len(json.dumps(fault.detail, ensure_ascii=False).encode()) < 600
    flag = {**FLAG, "\ud800/": 1}
    assert found(check_flag(flag)) == [("/\\ud800~1", "unknown-member")]
    assert check_flag(flag)[0].detail.encode()


def test_a_variant_that_a_state_serves_cannot_be_removed() -> None:
    """Whoever edits a flag checks its states against the new flag."""
    new = {**FLAG, "variants": {"off": False}}
    assert check_flag(new) == []
    assert found(check_state(new, STATE)) == [
        ("/fallthrough/split/on", "unknown-variant"),
        ("/rules/0/serve/variant", "unknown-variant"),
        ("/rules/1/serve/split/on", "unknown-variant"),
    ]


def test_at_most_a_hundred_faults_are_told() -> None:
    conditions = [{"attribute": "a", "op": "equals", "values": [None] * 1000}] * 50
    state = changed(STATE, "/rules/0/conditions", conditions)
    assert len(check_state(FLAG, state)) == 100


def test_a_new_state_is_off_and_faultless() -> None:
    state = new_state(FLAG)
    assert check_state(FLAG, state) == []
    assert state == normal_state(state)
    assert compile_flag(FLAG, state).evaluate({}).reason == "DISABLED"


def test_the_normal_form_has_every_member() -> None:
    short = {"key": "a", "type": "float", "variants": {"x": 1}}
    flag = {**short, "default_variant": "x", "off_variant": "x"}
    assert check_flag(flag) == []
    assert normal_flag(flag) == {
        **flag,
        "description": "",
        "tags": [],
        "client_visible": False,
        "archived": False,
    }
    assert repr(normal_flag(flag)["variants"]) == "{'x': 1.0}"
    rule = {
        "id": "r",
        "conditions": [{"attribute": "a", "op": "exists"}],
        "serve": {"split": {"x": 1}},
    }
    state = {"enabled": True, "rules": [rule], "fallthrough": {"variant": "x"}}
    assert check_state(flag, state) == []
    assert normal_state(state) == {
        "enabled": True,
        "rules": [
            {
                "id": "r",
                "description": "",
                "conditions": [{"attribute": "a", "op": "exists", "values": [], "negate": False}],
                "serve": {"split": {"x": 1}, "bucket_by": "targetingKey"},
            }
        ],
        "fallthrough": {"variant": "x"},
        "off_variant": None,
    }


# -- properties -------------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**53, -(2**53), 10**400, 10**4000])
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.sampled_from(["on", "off", "equals", "exists", "variant", "\ud800", "\0", "boolean"])
)
NAMES = st.text(st.characters(), max_size=3) | st.sampled_from([*FLAG, *STATE, "id", "split"])
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=15,
)


def pointers(node: object, here: str = "") -> Iterator[str]:
    yield here
    if isinstance(node, dict):
        for name, member in node.items():
            yield from pointers(member, f"{here}/{name}")
    elif isinstance(node, list):
        for i, item in enumerate(node):
            yield from pointers(item, f"{here}/{i}")


@given(JSON, JSON)
def test_no_json_value_raises(flag: object, state: object) -> None:
    check_flag(flag)
    check_state(flag, state)
    check_state(FLAG, state)


@given(st.sampled_from(list(pointers(FLAG))), JSON)
def test_a_flag_with_anything_anywhere_is_faultless_or_told(pointer: str, value: object) -> None:
    flag = changed(FLAG, pointer, value)
    if not check_flag(flag):
        assert check_flag(normal_flag(flag)) == []
        assert normal_flag(normal_flag(flag)) == normal_flag(flag)
        json.dumps(normal_flag(flag), allow_nan=False, ensure_ascii=False).encode()


@given(st.sampled_from(list(pointers(STATE))), JSON, JSON)
def test_a_faultless_state_can_be_evaluated_for_anybody(
    pointer: str, value: object, context: object
) -> None:
    state = changed(STATE, pointer, value)
    if check_state(FLAG, state):
        return
    assert check_state(FLAG, normal_state(state)) == []
    evaluator = compile_flag(FLAG, state)
    asked = context if isinstance(context, dict) else {"group": context, "targetingKey": context}
    try:
        evaluation = evaluator.evaluate(asked)
    except TargetingKeyMissing:
        assert explain(FLAG, state, asked).error is not None
    else:
        assert evaluation in evaluator.outcomes
        assert evaluation.value is FLAG["variants"][evaluation.variant]


def test_depth_beyond_pythons_own_limit_is_a_fault_and_no_crash() -> None:
    deep: Any = 1
    for _ in range(50_000):
        deep = {"a": deep}
    flag = {**FLAG, "type": "object", "variants": {"off": deep}}
    assert found(check_flag(flag)) == [("/variants/off" + "/a" * 32, "too-deep")]
    for pointer in ("", "/rules", "/rules/0/conditions/0/values/0", "/fallthrough/split"):
        assert check_state(FLAG, changed(STATE, pointer, deep))


@pytest.mark.parametrize(
    "text", ["two\nlines\r\n", "a\ttab", "שלום \u200f!", "👩\u200d💻", "não", "a\u2028b"]
)
def test_a_description_is_any_text_that_people_can_read(text: str) -> None:
    """Several lines, and scripts that run from right to left, among them."""
    assert check_flag(FLAG | {"description": text}) == []


@pytest.mark.parametrize("tag", ["שלום", "👩\u200d💻", "a b", "größe", "\u200f!"])
def test_a_tag_is_any_line_that_people_can_read(tag: str) -> None:
    assert check_flag(FLAG | {"tags": [tag]}) == []
