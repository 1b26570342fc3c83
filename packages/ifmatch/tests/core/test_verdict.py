"""What follows from a verdict: to go on, to refuse, or to excuse a wish that is fulfilled."""

from __future__ import annotations

import pytest

from ifmatch.core.errors import MalformedField
from ifmatch.core.verdict import Outcome, Verdict

FAILED = Outcome.PRECONDITION_FAILED
MALFORMED = MalformedField("If-Match", "a", 0, "it is none")


@pytest.mark.parametrize("outcome", Outcome)
def test_the_method_is_performed_for_one_outcome_alone(outcome: Outcome) -> None:
    assert Verdict(outcome).proceeds is (outcome is Outcome.PROCEED)


@pytest.mark.parametrize(
    ("verdict", "excused"),
    [
        (Verdict(FAILED, "If-Match"), True),
        (Verdict(FAILED, "If-Unmodified-Since"), True),
        # 13.1.2 does not say so: who creates what is there already has lost.
        (Verdict(FAILED, "If-None-Match"), False),
        (Verdict(FAILED, "If-Match", whole=False), False),
        (Verdict(FAILED, "If-Match", malformed=MALFORMED), False),
        (Verdict(Outcome.MALFORMED, "If-Match", malformed=MALFORMED), False),
        (Verdict(Outcome.PRECONDITION_REQUIRED, "If-Match"), False),
        (Verdict(Outcome.PROCEED), False),
    ],
)
def test_only_a_whole_write_that_lost_by_tag_or_date_may_find_its_wish_fulfilled(
    verdict: Verdict, excused: bool
) -> None:
    """13.1.1 and 13.1.4: 2xx may be answered where the state is the one that was asked for."""
    assert verdict.excused_when_applied is excused
