"""The compiled evaluation against one typed out step by step, which shares nothing with it.

The oracle is slow and plain on purpose: it walks every value of every condition, reads instants
with `datetime`, compares versions part by part and counts buckets out one by one.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flagbit.rules import TargetingKeyMissing, check_flag, check_state, compile_flag

Answer = bool | None  # None: cannot be told


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def find(attribute: str, context: dict[str, Any]) -> Any:
    if attribute in context and context[attribute] is not None:
        return context[attribute]
    node: Any = context
    for name in attribute.split("."):
        if not isinstance(node, dict) or name not in node:
            return None
        node = node[name]
    return node


def equal(one: object, two: object) -> bool:
    if is_number(one) and is_number(two):
        return one == two
    return type(one) is type(two) and one == two


def version_is_less(one: str, two: str) -> bool:
    (core_1, _, early_1), (core_2, _, early_2) = (
        text.split("+")[0].partition("-") for text in (one, two)
    )
    for number_1, number_2 in zip(core_1.split("."), core_2.split("."), strict=True):
        if int(number_1) != int(number_2):
            return int(number_1) < int(number_2)
    if not early_1 or not early_2:
        return bool(early_1) and not early_2
    parts_1, parts_2 = early_1.split("."), early_2.split(".")
    for part_1, part_2 in zip(parts_1, parts_2, strict=False):
        if part_1 == part_2:
            continue
        if part_1.isdigit() and part_2.isdigit():
            return int(part_1) < int(part_2)
        if part_1.isdigit() or part_2.isdigit():
            return part_1.isdigit()
        return part_1 < part_2
    return len(parts_1) < len(parts_2)


def is_version(value: object) -> bool:
    return isinstance(value, str) and value.count(".") >= 2 and value[0].isdigit()


def when(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def one_value(op: str, found: Any, value: Any) -> bool:
    if op == "equals":
        return equal(found, value)
    if op == "contains":
        if isinstance(found, list):
            return any(equal(member, value) for member in found)
        return isinstance(value, str) and value in found
    if op == "starts_with":
        return bool(found[: len(value)] == value)
    if op == "ends_with":
        return bool(found[len(found) - len(value) :] == value) and len(found) >= len(value)
    if op == "lt":
        return bool(found < value)
    if op == "lte":
        return bool(found <= value)
    if op == "gt":
        return bool(found > value)
    if op == "gte":
        return bool(found >= value)
    if op == "before":
        return bool(when(found) < when(value))  # type: ignore[operator]
    if op == "after":
        return bool(when(found) > when(value))  # type: ignore[operator]
    if op == "semver_lt":
        return version_is_less(found, value)
    if op == "semver_gt":
        return version_is_less(value, found)
    assert op == "semver_eq"
    return not version_is_less(found, value) and not version_is_less(value, found)


def can_tell(op: str, found: Any) -> bool:
    if op == "equals":
        return isinstance(found, (str, bool, int, float))
    if op == "contains":
        return isinstance(found, (str, list))
    if op in {"starts_with", "ends_with"}:
        return isinstance(found, str)
    if op in {"lt", "lte", "gt", "gte"}:
        return is_number(found)
    if op in {"before", "after"}:
        return when(found) is not None
    return is_version(found)


def answer(condition: dict[str, Any], context: dict[str, Any]) -> Answer:
    found, op = find(condition["attribute"], context), condition["op"]
    result: bool
    if op == "exists":
        result = found is not None
    elif not can_tell(op, found):
        return None
    else:
        result = any(one_value(op, found, value) for value in condition["values"])
    return not result if condition.get("negate") else result


def split(key: str, weights: dict[str, int], text: str) -> str:
    position = int(hashlib.sha256(f"{key}:{text}".encode()).hexdigest()[:8], 16) % 10_000
    total, passed = sum(weights.values()), 0
    for name in sorted(weights):
        passed += weights[name]
        if position + 1 <= Fraction(passed, total) * 10_000:
            return name
    raise AssertionError("no variant has this bucket")


def oracle(flag: dict[str, Any], state: dict[str, Any], context: dict[str, Any]) -> tuple[str, ...]:
    if not state["enabled"]:
        return (state["off_variant"] or flag["off_variant"], "DISABLED")
    chosen, plain_reason = state["fallthrough"], "DEFAULT" if state["rules"] else "STATIC"
    for rule in state["rules"]:
        if all(answer(condition, context) is True for condition in rule["conditions"]):
            chosen, plain_reason = rule["serve"], "TARGETING_MATCH"
            break
    if "variant" in chosen:
        return (chosen["variant"], plain_reason)
    found = find(chosen["bucket_by"], context)
    if is_number(found) and found == int(found):
        found = str(int(found))
    if isinstance(found, str) and found:
        return (split(flag["key"], chosen["split"], found), "SPLIT")
    if chosen["bucket_by"] == "targetingKey":
        return ("TARGETING_KEY_MISSING",)
    return (flag["default_variant"], "DEFAULT")


# -- few names and few values, so that rules hold about as often as not -----------------------

WORDS = st.sampled_from(["", "a", "ab", "abc", "b", "bc", "é", "1"])
NUMBERS = st.sampled_from([-1, 0, 0.5, 1, 1.0, 2, 10, 10.5])
INSTANTS = st.sampled_from(
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00+01:00",
        "2026-01-01T00:00:00.5Z",
        "2025-12-31T23:59:59-00:30",
    ]
)
VERSIONS = st.sampled_from(
    ["1.0.0", "1.0.0+b", "1.0.0-a", "1.0.0-a.1", "1.0.0-2", "1.0.0-10", "1.10.0", "1.9.0", "2.0.0"]
)
SCALARS = st.one_of(WORDS, NUMBERS, st.booleans(), INSTANTS, VERSIONS)
FOUND = st.one_of(SCALARS, st.none(), st.lists(SCALARS, max_size=3), st.just({"a": "b"}))
ATTRIBUTES = st.sampled_from(["a", "b", "u.a", "u.v.a", "targetingKey"])
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "a": FOUND,
        "b": FOUND,
        "u.a": FOUND,
        "u": st.one_of(
            FOUND,
            st.fixed_dictionaries(
                {}, optional={"a": FOUND, "v": st.fixed_dictionaries({"a": FOUND})}
            ),
        ),
        "targetingKey": st.sampled_from(["u1", "u2", "u3", "", 7, None]),
    },
)
TEXTS = WORDS.filter(bool)
TAKES: dict[str, st.SearchStrategy[Any]] = {
    "equals": SCALARS,
    "contains": SCALARS.filter(lambda value: value != ""),
    "starts_with": TEXTS,
    "ends_with": TEXTS,
    **dict.fromkeys(["lt", "lte", "gt", "gte"], NUMBERS),
    **dict.fromkeys(["before", "after"], INSTANTS),
    **dict.fromkeys(["semver_eq", "semver_lt", "semver_gt"], VERSIONS),
}
CONDITIONS = st.sampled_from([*TAKES, "exists"]).flatmap(
    lambda op: st.fixed_dictionaries(
        {
            "attribute": ATTRIBUTES,
            "op": st.just(op),
            "values": st.lists(TAKES[op], min_size=1, max_size=3) if op in TAKES else st.just([]),
            "negate": st.booleans(),
        }
    )
)
NAMES = st.sampled_from(["x", "y", "z"])
SERVES = st.one_of(
    st.fixed_dictionaries({"variant": NAMES}),
    st.fixed_dictionaries(
        {
            "split": st.dictionaries(NAMES, st.integers(0, 100), min_size=1).filter(
                lambda weights: sum(weights.values()) > 0
            ),
            "bucket_by": ATTRIBUTES,
        }
    ),
)
RULES = st.lists(
    st.fixed_dictionaries(
        {"conditions": st.lists(CONDITIONS, max_size=3), "serve": SERVES},
    ),
    max_size=4,
).map(lambda rules: [{"id": str(i), **rule} for i, rule in enumerate(rules)])
STATES = st.fixed_dictionaries(
    {
        "enabled": st.sampled_from([True, True, True, False]),
        "rules": RULES,
        "fallthrough": SERVES,
        "off_variant": st.none() | NAMES,
    }
)
FLAG: dict[str, Any] = {
    "key": "oracle",
    "type": "integer",
    "variants": {"x": 1, "y": 2, "z": 3},
    "default_variant": "y",
    "off_variant": "z",
}


def compiled(state: dict[str, Any], context: dict[str, Any]) -> tuple[str, ...]:
    try:
        found = compile_flag(FLAG, state).evaluate(context)
    except TargetingKeyMissing as error:
        return (error.code,)
    assert found.value == FLAG["variants"][found.variant]
    return (found.variant, found.reason)


@settings(max_examples=500)
@given(STATES, st.lists(CONTEXTS, min_size=1, max_size=5))
def test_compiled_rules_decide_as_the_oracle(
    state: dict[str, Any], contexts: list[dict[str, Any]]
) -> None:
    assert check_flag(FLAG) == []
    assert check_state(FLAG, state) == []
    for context in contexts:
        assert compiled(state, context) == oracle(FLAG, state, context)


@settings(max_examples=500)
@given(CONDITIONS, FOUND)
def test_each_condition_decides_as_the_oracle(condition: dict[str, Any], found: object) -> None:
    state = {
        "enabled": True,
        "rules": [{"id": "r", "conditions": [condition], "serve": {"variant": "x"}}],
        "fallthrough": {"variant": "z"},
        "off_variant": None,
    }
    context: dict[str, Any] = {condition["attribute"]: found}
    assert compiled(state, context) == oracle(FLAG, state, context)
