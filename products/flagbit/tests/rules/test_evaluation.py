"""What a context is served, for which reason, and that nothing in a context can break it."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping
from typing import Any

import pytest

from flagbit.rules import (
    Evaluation,
    TargetingKeyMissing,
    bucket,
    check_flag,
    check_state,
    compile_flag,
)

FLAG: dict[str, Any] = {
    "key": "checkout",
    "type": "string",
    "variants": {"new": "v2", "old": "v1", "off": "v0"},
    "default_variant": "old",
    "off_variant": "off",
}
AUSTRIA: dict[str, Any] = {"attribute": "country", "op": "equals", "values": ["AT"]}
ADULT: dict[str, Any] = {"attribute": "user.age", "op": "gte", "values": [18]}
STAFF: dict[str, Any] = {"attribute": "mail", "op": "ends_with", "values": ["@example.test"]}


def rule(id_: str, serve: dict[str, Any], *conditions: dict[str, Any]) -> dict[str, Any]:
    return {"id": id_, "conditions": list(conditions), "serve": serve}


def state(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"enabled": True, "rules": list(rules), "fallthrough": {"variant": "old"}, **more}


def served(
    definition: dict[str, Any], context: Mapping[str, object], flag: dict[str, Any] = FLAG
) -> tuple[object, str, str, str | None]:
    assert check_flag(flag) == []
    assert check_state(flag, definition) == []
    found = compile_flag(flag, definition).evaluate(context)
    return found.value, found.variant, found.reason, found.rule


class TestReasons:
    """The names are OpenFeature's."""

    def test_an_environment_that_is_off_serves_the_off_variant(self) -> None:
        off = state(rule("r", {"variant": "new"}), enabled=False)
        assert served(off, {}) == ("v0", "off", "DISABLED", None)

    def test_the_off_variant_of_the_environment_comes_before_the_flags(self) -> None:
        off = state(enabled=False, off_variant="old")
        assert served(off, {}) == ("v1", "old", "DISABLED", None)

    def test_no_rules_and_a_plain_fallthrough_are_static(self) -> None:
        assert served(state(), {}) == ("v1", "old", "STATIC", None)

    def test_a_state_need_not_have_rules(self) -> None:
        short = {"enabled": True, "fallthrough": {"variant": "new"}}
        assert served(short, {}) == ("v2", "new", "STATIC", None)

    def test_a_rule_that_holds_is_a_targeting_match(self) -> None:
        definition = state(rule("r", {"variant": "new"}, AUSTRIA))
        assert served(definition, {"country": "AT"}) == ("v2", "new", "TARGETING_MATCH", "r")

    def test_the_fallthrough_after_rules_is_default(self) -> None:
        definition = state(rule("r", {"variant": "new"}, AUSTRIA))
        assert served(definition, {"country": "DE"}) == ("v1", "old", "DEFAULT", None)

    def test_a_split_in_a_rule_says_split_and_which_rule(self) -> None:
        definition = state(rule("r", {"split": {"new": 1}}, AUSTRIA))
        context = {"country": "AT", "targetingKey": "u"}
        assert served(definition, context) == ("v2", "new", "SPLIT", "r")

    def test_a_split_in_the_fallthrough_says_split(self) -> None:
        definition = state(fallthrough={"split": {"new": 1, "old": 0}})
        assert served(definition, {"targetingKey": "u"}) == ("v2", "new", "SPLIT", None)


class TestRules:
    """The first rule of which all conditions hold decides."""

    def test_order_matters(self) -> None:
        first, second = rule("1", {"variant": "new"}, AUSTRIA), rule("2", {"variant": "off"})
        assert served(state(first, second), {"country": "AT"})[3] == "1"
        assert served(state(second, first), {"country": "AT"})[3] == "2"

    def test_a_rule_without_conditions_always_holds(self) -> None:
        assert served(state(rule("all", {"variant": "new"})), {})[3] == "all"

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_all_conditions_must_hold(self, count: int) -> None:
        conditions = [AUSTRIA, ADULT, STAFF][:count]
        definition = state(rule("r", {"variant": "new"}, *conditions))
        context = {"country": "AT", "user": {"age": 18}, "mail": "a@example.test"}
        assert served(definition, context)[3] == "r"
        for name in ["country", "user", "mail"][:count]:
            assert served(definition, {**context, name: None})[3] is None

    def test_a_rule_may_serve_what_the_fallthrough_serves(self) -> None:
        assert served(state(rule("r", {"variant": "old"})), {})[2] == "TARGETING_MATCH"


class TestSplits:
    """A user keeps a variant; nobody is put somewhere by a missing attribute."""

    SPLIT = state(fallthrough={"split": {"new": 30, "old": 70}})
    BY_COMPANY = state(
        rule("r", {"split": {"new": 1, "off": 1}, "bucket_by": "company.id"}, AUSTRIA),
        rule("later", {"variant": "off"}),
    )

    def test_the_bucket_decides_in_the_order_of_names(self) -> None:
        evaluate = compile_flag(FLAG, self.SPLIT).evaluate
        for number in range(1000):
            user = f"user-{number}"
            expected = "new" if bucket("checkout", user) < 3000 else "old"
            assert evaluate({"targetingKey": user}).variant == expected

    def test_the_bucket_at_a_limit_belongs_to_the_next_variant(self) -> None:
        evaluate = compile_flag(FLAG, self.SPLIT).evaluate
        users = {bucket("checkout", str(number)): str(number) for number in range(100_000)}
        at_limits = {position: users[position] for position in (0, 2999, 3000, 9999)}
        assert {
            position: evaluate({"targetingKey": user}).variant
            for position, user in at_limits.items()
        } == {0: "new", 2999: "new", 3000: "old", 9999: "old"}

    def test_other_attributes_change_nothing(self) -> None:
        evaluate = compile_flag(FLAG, self.SPLIT).evaluate
        assert evaluate({"targetingKey": "u"}) is evaluate({"targetingKey": "u", "country": "AT"})

    @pytest.mark.parametrize("key", [None, "", True, 1.5, ["u"], {"id": "u"}, 2**53])
    def test_without_a_targeting_key_it_is_the_callers_error(self, key: object) -> None:
        evaluate = compile_flag(FLAG, self.SPLIT).evaluate
        with pytest.raises(TargetingKeyMissing, match='Send "targetingKey"') as caught:
            evaluate({"targetingKey": key})
        assert caught.value.code == "TARGETING_KEY_MISSING"
        assert caught.value.flag_key == "checkout"
        with pytest.raises(TargetingKeyMissing):
            evaluate({})

    def test_a_rule_that_does_not_hold_needs_no_targeting_key(self) -> None:
        definition = state(rule("r", {"split": {"new": 1}}, AUSTRIA))
        assert served(definition, {}) == ("v1", "old", "DEFAULT", None)

    def test_an_attribute_can_be_split_by_and_a_number_is_its_digits(self) -> None:
        evaluate = compile_flag(FLAG, self.BY_COMPANY).evaluate
        by_text = evaluate({"country": "AT", "company": {"id": "7"}})
        assert by_text.reason == "SPLIT"
        assert by_text is evaluate({"country": "AT", "company": {"id": 7}})
        assert by_text is evaluate({"country": "AT", "company": {"id": 7.0}})
        assert by_text is evaluate({"country": "AT", "company.id": "7", "targetingKey": "u"})

    @pytest.mark.parametrize("company", [None, {}, "7", {"id": ""}, {"id": None}, {"id": []}])
    def test_without_that_attribute_the_default_variant_is_served(self, company: object) -> None:
        """Not an error: companies are not everybody's. Not the next rule: this one held."""
        context = {"country": "AT", "company": company, "targetingKey": "u"}
        assert served(self.BY_COMPANY, context) == ("v1", "old", "DEFAULT", "r")

    def test_a_variant_with_weight_0_is_nobodys(self) -> None:
        definition = state(fallthrough={"split": {"new": 0, "old": 1, "off": 0}})
        evaluate = compile_flag(FLAG, definition).evaluate
        users = ({"targetingKey": str(number)} for number in range(500))
        assert {evaluate(user).variant for user in users} == {"old"}


class TestCompiled:
    """A compiled flag stands by itself."""

    def test_values_of_a_float_flag_are_floats(self) -> None:
        flag = {**FLAG, "type": "float", "variants": {"new": 1, "old": 0.5, "off": 0}}
        value, *_ = served(state(rule("r", {"variant": "new"})), {}, flag)
        assert type(value) is float

    def test_later_changes_of_the_definition_change_nothing(self) -> None:
        flag = {**FLAG, "type": "object", "variants": {"new": {"a": [1]}, "old": {}, "off": {}}}
        definition = state(fallthrough={"variant": "new"})
        evaluate = compile_flag(flag, definition).evaluate
        flag["variants"]["new"]["a"].append(2)
        definition["fallthrough"]["variant"] = "old"
        assert evaluate({}).value == {"a": [1]}

    def test_outcomes_are_made_once_and_are_all_there_is(self) -> None:
        definition = state(
            rule("a", {"variant": "new"}, AUSTRIA),
            rule("b", {"split": {"new": 1, "old": 1}, "bucket_by": "company"}, ADULT),
        )
        evaluator = compile_flag(FLAG, definition)
        told = [(each.variant, each.reason, each.rule) for each in evaluator.outcomes]
        assert sorted(told, key=str) == [
            ("new", "SPLIT", "b"),
            ("new", "TARGETING_MATCH", "a"),
            ("old", "DEFAULT", "b"),
            ("old", "DEFAULT", None),
            ("old", "SPLIT", "b"),
        ]
        cache: dict[Evaluation, bytes] = dict.fromkeys(evaluator.outcomes, b"encoded")
        assert evaluator.evaluate({"country": "AT"}) in cache

    def test_any_mapping_is_a_context(self) -> None:
        definition = state(rule("r", {"variant": "new"}, AUSTRIA))
        assert compile_flag(FLAG, definition).evaluate(UserDict(country="AT")).rule == "r"

    def test_a_huge_context_costs_only_what_is_read(self) -> None:
        context: dict[str, object] = {str(number): [{}] * 100 for number in range(10_000)}
        definition = state(rule("r", {"variant": "new"}, AUSTRIA, ADULT))
        assert served(definition, context)[2] == "DEFAULT"
