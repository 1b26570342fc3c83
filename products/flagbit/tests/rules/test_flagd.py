"""flagd's own evaluator decides as ours does, wherever both can say the same rule.

What differs by design is left out: flagd compares loosely, guesses at versions such as "v1.2",
takes a negated condition on a missing attribute for true, and hashes with murmur3.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

from flagbit.rules import check_flag, check_state, compile_flag

FLAG: dict[str, Any] = {
    "key": "shared",
    "type": "string",
    "variants": {"x": "one", "y": "two", "z": "three"},
    "default_variant": "z",
    "off_variant": "z",
}
WORDS = st.sampled_from(["", "a", "ab", "abc", "ba", "b", "é"])
NUMBERS = st.integers(-3, 3) | st.sampled_from([-0.5, 0.5, 1.0, 2.5])
VERSIONS = st.from_regex(r"[0-2]\.(0|9|10)\.[0-1](-(a|1|10|rc\.1))?(\+b)?", fullmatch=True)
NAMES = st.sampled_from(["x", "y", "z"])

# Each attribute has one type, because flagd converts what we keep apart.
BY_ATTRIBUTE: dict[str, tuple[st.SearchStrategy[Any], list[str]]] = {
    "word": (WORDS, ["equals", "contains", "starts_with", "ends_with"]),
    "user.word": (WORDS, ["equals", "contains", "starts_with", "ends_with"]),
    "number": (NUMBERS, ["equals", "lt", "lte", "gt", "gte"]),
    "app": (VERSIONS, ["semver_eq", "semver_lt", "semver_gt"]),
}
CONDITIONS = st.sampled_from(
    [(attribute, op) for attribute, (_, ops) in BY_ATTRIBUTE.items() for op in ops]
).flatmap(
    lambda pair: st.fixed_dictionaries(
        {
            "attribute": st.just(pair[0]),
            "op": st.just(pair[1]),
            "values": st.lists(
                BY_ATTRIBUTE[pair[0]][0].filter(lambda value: value != ""), min_size=1, max_size=3
            ),
            "negate": st.booleans(),
        }
    )
)
RULES = st.lists(
    st.fixed_dictionaries(
        {"conditions": st.lists(CONDITIONS, min_size=1, max_size=3), "variant": NAMES}
    ),
    min_size=1,
    max_size=3,
)
CONTEXTS = st.fixed_dictionaries(
    {
        "word": WORDS,
        "number": NUMBERS,
        "app": VERSIONS,
        "user": st.fixed_dictionaries({"word": WORDS}),
    }
)


IN_FLAGD = {
    "equals": ["=="],
    "contains": ["in"],
    "starts_with": ["starts_with"],
    "ends_with": ["ends_with"],
    "lt": ["<"],
    "lte": ["<="],
    "gt": [">"],
    "gte": [">="],
    "semver_eq": ["sem_ver", "="],
    "semver_lt": ["sem_ver", "<"],
    "semver_gt": ["sem_ver", ">"],
}


def in_flagd(condition: dict[str, Any]) -> dict[str, Any]:
    """The condition in JsonLogic."""
    attribute, op = {"var": condition["attribute"]}, condition["op"]
    name, *order = IN_FLAGD[op]
    written = [{name: [attribute, *order, value]} for value in condition["values"]]
    if op == "contains":  # JsonLogic asks whether the part is in the whole
        written = [{name: [value, attribute]} for value in condition["values"]]
    some = {"or": written}
    return {"!": [some]} if condition["negate"] else some


def flagd(rules: list[dict[str, Any]]) -> FlagdCore:
    """A core with our rules; null where none holds, so that flagd says DEFAULT as we do."""
    branches: list[Any] = []
    for rule in rules:
        branches += [{"and": [in_flagd(each) for each in rule["conditions"]]}, rule["variant"]]
    core = FlagdCore()
    written = {
        "state": "ENABLED",
        "variants": FLAG["variants"],
        "defaultVariant": "z",
        "targeting": {"if": [*branches, None]},
    }
    core.set_flags(json.dumps({"flags": {"shared": written}}))
    return core


@settings(max_examples=200)
@given(RULES, st.lists(CONTEXTS, min_size=1, max_size=5))
def test_flagd_serves_the_same_for_the_same_reason(
    rules: list[dict[str, Any]], contexts: list[dict[str, Any]]
) -> None:
    state = {
        "enabled": True,
        "rules": [
            {"id": str(i), "conditions": rule["conditions"], "serve": {"variant": rule["variant"]}}
            for i, rule in enumerate(rules)
        ],
        "fallthrough": {"variant": "z"},
    }
    assert check_flag(FLAG) == []
    assert check_state(FLAG, state) == []
    ours, theirs = compile_flag(FLAG, state), flagd(rules)
    for context in contexts:
        found = ours.evaluate(context)
        expected = theirs.resolve_string_value("shared", "", EvaluationContext("u", context))
        assert (found.value, found.variant, found.reason) == (
            expected.value,
            expected.variant,
            expected.reason,
        )
