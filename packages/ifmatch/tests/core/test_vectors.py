"""Each vector, decided by the core alone: no server, no socket, no clock."""

from __future__ import annotations

import pytest

from ifmatch.core.conditions import Conditions
from ifmatch.core.decide import counts_on, evaluate
from ifmatch.core.guard import Condition
from ifmatch.core.ranges import select
from ifmatch.core.verdict import Outcome
from ifmatch.testing.vectors import Case, cases
from packages.ifmatch.tests.testing.values import (
    NAMES,
    content_of,
    is_read,
    now_of,
    plain_status,
    policy_of,
    validators_of,
)

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_the_core_decides_what_the_vector_says(case: Case) -> None:
    expected, method = case["expect"], case["request"]["method"]
    if not counts_on(plain_status(case)):
        assert (expected["outcome"], expected["status"]) == ("perform", plain_status(case))
        return
    fields = [(name, value) for name, value in case["request"]["fields"]]
    conditions, current = Conditions.from_fields(fields, now_of(case)), validators_of(case)
    safe = True if case.get("policy", {}).get("safe") else None
    verdict = evaluate(method, conditions, current, policy_of(case), safe)
    outcome, field = verdict.outcome, verdict.field
    if verdict.proceeds and current and case.get("policy", {}).get("ranges", True):
        selection = select(method, conditions, current, len(content_of(case)))
        outcome = selection.outcome
        field = "Range" if outcome is Outcome.RANGE_NOT_SATISFIABLE else None
        assert [list(each) for each in selection.ranges] == expected.get("ranges", [])
    assert (NAMES[outcome], field) == (expected["outcome"], expected["field"])
    if verdict.malformed is not None and "position" in expected:
        assert verdict.malformed.position == expected["position"]
        assert verdict.malformed.suggestion == expected.get("suggestion")
    if not is_read(case) and not verdict.proceeds:
        judged = Condition(method, conditions, policy_of(case)).judge(current)
        excused = judged.excused_when_applied and current is not None
        assert excused is expected.get("excused", False)
