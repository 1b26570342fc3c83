"""Why somebody gets a value: the evaluation, told step by step for the explain page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flagbit.rules.bucketing import TARGETING_KEY, bucket, bucket_text, shares
from flagbit.rules.conditions import Context, answers, reader
from flagbit.rules.evaluation import Evaluation, TargetingKeyMissing, compile_flag

Answer = Literal["holds", "does not hold", "cannot tell"]
"""`cannot tell`: the attribute is missing or of a type that the operator does not speak about."""


@dataclass(frozen=True, slots=True)
class ConditionStep:
    """One condition, what the context has for its attribute (None: nothing), and the answer."""

    condition: Mapping[str, Any]
    found: object
    answer: Answer


@dataclass(frozen=True, slots=True)
class RuleStep:
    """One rule that was looked at; it matched if every condition holds."""

    id: str
    matched: bool
    conditions: tuple[ConditionStep, ...]


@dataclass(frozen=True, slots=True)
class SplitStep:
    """The split that decided: whose bucket it was and how the buckets lie."""

    bucket_by: str
    text: str | None
    """what was bucketed; None if the attribute is missing or cannot be bucketed by"""
    bucket: int | None
    shares: Mapping[str, int]
    """buckets of each variant, in the order in which they lie"""


@dataclass(frozen=True, slots=True)
class Explanation:
    """An evaluation and the way to it."""

    evaluation: Evaluation | None
    """None: there was an error instead"""
    error: TargetingKeyMissing | None
    rules: tuple[RuleStep, ...]
    """the rules up to the one that decided; later ones were not looked at"""
    split: SplitStep | None


def explain(flag: Mapping[str, Any], state: Mapping[str, Any], context: Context) -> Explanation:
    """What `compile_flag(flag, state).evaluate(context)` does, and why. Never raises."""
    evaluation, error = None, None
    try:
        evaluation = compile_flag(flag, state).evaluate(context)
    except TargetingKeyMissing as missing:
        error = missing
    if not state["enabled"]:
        return Explanation(evaluation, error, (), None)
    rules = tuple(_rule_steps(state.get("rules", ()), context))
    serve = state["fallthrough"]
    if rules and rules[-1].matched:
        serve = state["rules"][len(rules) - 1]["serve"]
    return Explanation(evaluation, error, rules, _split_step(flag["key"], serve, context))


def _rule_steps(rules: Any, context: Context) -> Iterator[RuleStep]:
    for rule in rules:
        steps = tuple(_condition_step(condition, context) for condition in rule["conditions"])
        matched = all(step.answer == "holds" for step in steps)
        yield RuleStep(rule["id"], matched, steps)
        if matched:
            return


def _condition_step(condition: Mapping[str, Any], context: Context) -> ConditionStep:
    found = reader(condition["attribute"])(context)
    holds, fails = answers(condition)
    answer: Answer = "cannot tell"
    if holds(found):
        answer = "holds"
    elif fails(found):
        answer = "does not hold"
    return ConditionStep(condition, found, answer)


def _split_step(key: str, serve: Mapping[str, Any], context: Context) -> SplitStep | None:
    if "split" not in serve:
        return None
    bucket_by = serve.get("bucket_by", TARGETING_KEY)
    text = bucket_text(reader(bucket_by)(context))
    position = None if text is None else bucket(key, text)
    return SplitStep(bucket_by, text, position, shares(serve["split"]))
