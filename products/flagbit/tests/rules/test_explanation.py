"""The explain page tells the way that evaluation went, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from flagbit.rules import bucket, compile_flag, explain

FLAG: dict[str, Any] = {
    "key": "checkout",
    "type": "boolean",
    "variants": {"on": True, "off": False},
    "default_variant": "off",
    "off_variant": "off",
}
STATE: dict[str, Any] = {
    "enabled": True,
    "rules": [
        {
            "id": "austria",
            "conditions": [
                {"attribute": "country", "op": "equals", "values": ["AT"]},
                {"attribute": "user.plan", "op": "equals", "values": ["free"], "negate": True},
            ],
            "serve": {"variant": "on"},
        },
        {
            "id": "adults",
            "conditions": [{"attribute": "age", "op": "gte", "values": [18]}],
            "serve": {"split": {"on": 1, "off": 3}, "bucket_by": "company"},
        },
        {"id": "never seen", "conditions": [], "serve": {"variant": "off"}},
    ],
    "fallthrough": {"split": {"on": 1}},
    "off_variant": None,
}


def test_each_condition_says_what_was_found_and_what_that_means() -> None:
    told = explain(FLAG, STATE, {"country": "AT", "age": 17})
    austria, adults, last = told.rules
    assert [(step.found, step.answer) for step in austria.conditions] == [
        ("AT", "holds"),
        (None, "cannot tell"),
    ]
    assert austria.conditions[0].condition is STATE["rules"][0]["conditions"][0]
    assert not austria.matched
    assert [(step.found, step.answer) for step in adults.conditions] == [(17, "does not hold")]
    assert (last.id, last.matched, last.conditions) == ("never seen", True, ())


def test_rules_after_the_one_that_decided_were_not_looked_at() -> None:
    told = explain(FLAG, STATE, {"country": "AT", "user": {"plan": "pro"}})
    assert [step.id for step in told.rules] == ["austria"]
    assert told.split is None
    assert told.evaluation is not None
    assert told.evaluation.rule == "austria"


def test_a_split_says_whose_bucket_and_how_the_buckets_lie() -> None:
    told = explain(FLAG, STATE, {"age": 18, "company": 7})
    assert told.split is not None
    assert told.split.bucket_by == "company"
    assert told.split.text == "7"
    assert told.split.bucket == bucket("checkout", "7")
    assert dict(told.split.shares) == {"off": 7500, "on": 2500}


def test_a_split_that_had_nothing_to_go_by_says_so() -> None:
    told = explain(FLAG, STATE, {"age": 18})
    assert told.split is not None
    assert (told.split.text, told.split.bucket) == (None, None)
    assert told.evaluation is not None
    assert told.evaluation.reason == "DEFAULT"


def test_a_missing_targeting_key_is_told_and_not_raised() -> None:
    told = explain(FLAG, {**STATE, "rules": []}, {})
    assert told.evaluation is None
    assert told.error is not None
    assert told.error.code == "TARGETING_KEY_MISSING"
    assert told.split is not None


def test_of_a_disabled_flag_no_rule_was_looked_at() -> None:
    told = explain(FLAG, {**STATE, "enabled": False}, {"country": "AT"})
    assert told.rules == ()
    assert told.split is None
    assert told.evaluation is not None
    assert told.evaluation.reason == "DISABLED"


@pytest.mark.parametrize("country", ["AT", "DE", None])
@pytest.mark.parametrize("plan", ["free", "pro", None])
@pytest.mark.parametrize("age", [17, 18, "18", None])
@pytest.mark.parametrize("company", ["a", "b", None])
def test_the_way_told_leads_to_what_is_served(
    country: object, plan: object, age: object, company: object
) -> None:
    context = {"country": country, "user": {"plan": plan}, "age": age, "company": company}
    evaluation = compile_flag(FLAG, STATE).evaluate(context)
    told = explain(FLAG, STATE, context)
    assert told.evaluation is not None
    assert (told.evaluation.variant, told.evaluation.reason, told.evaluation.rule) == (
        evaluation.variant,
        evaluation.reason,
        evaluation.rule,
    )
    assert told.rules[-1].matched
    assert told.rules[-1].id == evaluation.rule
