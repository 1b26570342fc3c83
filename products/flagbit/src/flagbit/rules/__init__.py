"""What a flag is and what it serves: pure, with no web framework, database or clock.

faults = check_flag(flag) or check_state(flag, state)
evaluator = compile_flag(flag, state)
evaluator.evaluate({"targetingKey": "user-1", "country": "AT"}).value
"""

from __future__ import annotations

from flagbit.rules.bucketing import BUCKETS, TARGETING_KEY, bucket, bucket_text, shares
from flagbit.rules.conditions import OPERATORS, Context
from flagbit.rules.definitions import (
    check_flag,
    check_state,
    new_state,
    normal_flag,
    normal_state,
)
from flagbit.rules.evaluation import (
    Evaluation,
    Evaluator,
    Reason,
    TargetingKeyMissing,
    compile_flag,
)
from flagbit.rules.explanation import (
    Answer,
    ConditionStep,
    Explanation,
    RuleStep,
    SplitStep,
    explain,
)
from flagbit.rules.faults import Code, Fault
from flagbit.rules.values import TYPES

__all__ = [
    "BUCKETS",
    "OPERATORS",
    "TARGETING_KEY",
    "TYPES",
    "Answer",
    "Code",
    "ConditionStep",
    "Context",
    "Evaluation",
    "Evaluator",
    "Explanation",
    "Fault",
    "Reason",
    "RuleStep",
    "SplitStep",
    "TargetingKeyMissing",
    "bucket",
    "bucket_text",
    "check_flag",
    "check_state",
    "compile_flag",
    "explain",
    "new_state",
    "normal_flag",
    "normal_state",
    "shares",
]
