"""Evaluation: a flag and its state are compiled once, then asked many times.

Every outcome is made in advance. Asking runs the rules' tests in order and hands out the outcome
of the first that holds, so a flag with two rules takes less than a microsecond.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from flagbit.rules.bucketing import TARGETING_KEY, bucket, bucket_text, shares
from flagbit.rules.conditions import Context, compile_condition, reader
from flagbit.rules.values import normal_value

Reason = Literal["DISABLED", "TARGETING_MATCH", "SPLIT", "DEFAULT", "STATIC"]
"""OpenFeature's names.

DISABLED         the flag is off in this environment
TARGETING_MATCH  a rule held and names a variant
SPLIT            a split decided, in a rule or in the fallthrough
DEFAULT          there are rules and none held; or the attribute a split goes by is missing
STATIC           there are no rules, and the fallthrough names a variant
"""


class TargetingKeyMissing(Exception):
    """A split goes by the targeting key, and the context has none. It is the caller's to mend."""

    code = "TARGETING_KEY_MISSING"
    """OpenFeature's name of the error."""

    def __init__(self, flag_key: str) -> None:
        super().__init__(
            f"The flag {flag_key} is split by {TARGETING_KEY}, and the context has none. Send "
            f'"{TARGETING_KEY}" as a string that stays the same for the same user.'
        )
        self.flag_key = flag_key


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """One possible outcome of a flag: what is served, and why.

    There is one object for each outcome, made when the flag is compiled: it can be the key of a
    cache of encoded answers, and its value must not be changed.
    """

    value: Any
    variant: str
    reason: Reason
    rule: str | None = None
    """the id of the rule that decided"""


Evaluate = Callable[[Context], Evaluation]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluator:
    """A compiled flag."""

    evaluate: Evaluate
    """What this context is served. Raises TargetingKeyMissing and nothing else."""
    outcomes: tuple[Evaluation, ...]
    """Everything that `evaluate` can return."""


def compile_flag(flag: Mapping[str, Any], state: Mapping[str, Any]) -> Evaluator:
    """Compile a flag for one environment. Both must be faultless (check_flag, check_state).

    Later changes to the two mappings change nothing here. Whether the flag is archived is not
    looked at: an archived flag is not evaluated.

    >>> flag = {"key": "dark-mode", "type": "boolean", "variants": {"on": True, "off": False},
    ...         "default_variant": "off", "off_variant": "off"}
    >>> rule = {"id": "testers", "serve": {"variant": "on"}, "conditions": [
    ...         {"attribute": "group", "op": "equals", "values": ["testers"]}]}
    >>> state = {"enabled": True, "rules": [rule], "fallthrough": {"variant": "off"}}
    >>> compile_flag(flag, state).evaluate({"group": "testers"})
    Evaluation(value=True, variant='on', reason='TARGETING_MATCH', rule='testers')
    """
    return _Compiler(flag).evaluator(state)


class _Compiler:
    def __init__(self, flag: Mapping[str, Any]) -> None:
        self._key: str = flag["key"]
        self._default: str = flag["default_variant"]
        self._off: str = flag["off_variant"]
        self._values = {
            name: deepcopy(normal_value(flag["type"], value))
            for name, value in flag["variants"].items()
        }
        self._outcomes: list[Evaluation] = []

    def evaluator(self, state: Mapping[str, Any]) -> Evaluator:
        if state["enabled"]:
            evaluate = self._enabled(state.get("rules", ()), state["fallthrough"])
        else:
            off = self._outcome(state.get("off_variant") or self._off, "DISABLED")
            evaluate = _always(off)
        return Evaluator(evaluate, tuple(self._outcomes))

    def _enabled(self, rules: Any, fallthrough: Mapping[str, Any]) -> Evaluate:
        compiled = [
            (_all(rule["conditions"]), self._serve(rule["serve"], "TARGETING_MATCH", rule["id"]))
            for rule in rules
        ]
        last = self._serve(fallthrough, "DEFAULT" if rules else "STATIC", None)
        if not compiled:
            return _always(last) if isinstance(last, Evaluation) else last

        def evaluate(context: Context) -> Evaluation:
            served = last
            for holds, serve in compiled:
                if holds(context):
                    served = serve
                    break
            return served if isinstance(served, Evaluation) else served(context)

        return evaluate

    def _serve(
        self, serve: Mapping[str, Any], reason: Reason, rule: str | None
    ) -> Evaluation | Evaluate:
        """The outcome itself where it is known already, which saves a call; else what finds it."""
        if "variant" in serve:
            return self._outcome(serve["variant"], reason, rule)
        return self._split(serve["split"], serve.get("bucket_by", TARGETING_KEY), rule)

    def _split(self, weights: Mapping[str, int], bucket_by: str, rule: str | None) -> Evaluate:
        lying = {name: width for name, width in shares(weights).items() if width}
        ends = tuple(accumulate(lying.values()))
        outcomes = tuple(self._outcome(name, "SPLIT", rule) for name in lying)
        read, key = reader(bucket_by), self._key
        missing = None
        if bucket_by != TARGETING_KEY:
            missing = self._outcome(self._default, "DEFAULT", rule)

        def evaluate(context: Context) -> Evaluation:
            text = bucket_text(read(context))
            if text is not None:
                return outcomes[bisect_right(ends, bucket(key, text))]
            if missing is not None:
                return missing
            raise TargetingKeyMissing(key)

        return evaluate

    def _outcome(self, variant: str, reason: Reason, rule: str | None = None) -> Evaluation:
        outcome = Evaluation(self._values[variant], variant, reason, rule)
        self._outcomes.append(outcome)
        return outcome


def _always(outcome: Evaluation) -> Evaluate:
    return lambda context: outcome


def _all(conditions: Any) -> Callable[[Context], bool]:
    """One test for all the conditions of a rule; the short ones, which are most, have no loop."""
    tests = [compile_condition(condition) for condition in conditions]
    match tests:
        case []:
            return lambda context: True
        case [only]:
            return only
        case [first, second]:
            return lambda context: first(context) and second(context)

    def every(context: Context) -> bool:
        for test in tests:  # noqa: SIM110  (all() would cost a generator)
            if not test(context):
                return False
        return True

    return every
