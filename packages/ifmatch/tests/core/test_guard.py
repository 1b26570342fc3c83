"""Guards: what a write must still find true in the step that writes."""

from __future__ import annotations

import pytest

from ifmatch.core.conditions import Comparison, Conditions
from ifmatch.core.decide import Policy, Validators
from ifmatch.core.errors import Conflict, ImpossibleDeclaration
from ifmatch.core.etag import ETag
from ifmatch.core.guard import CREATE_ONLY, UNCONDITIONAL, Condition, Guard, enforce, unchanged
from ifmatch.core.verdict import PROCEED, Outcome, Verdict

A, B = ETag("a", weak=True), ETag("b", weak=True)


@pytest.mark.parametrize(
    ("guard", "on_nothing", "on_a", "on_b"),
    [
        (UNCONDITIONAL, True, True, True),
        (CREATE_ONLY, True, False, False),
        (unchanged(A), False, True, False),
        (unchanged(A, B), False, True, True),
        (unchanged(ETag("a")), False, True, False),
        (unchanged(A, comparison=Comparison.STRICT), False, False, False),
    ],
    ids=["unconditional", "create only", "a", "a or b", "opaque parts", "strict"],
)
def test_each_ready_made_guard_lets_exactly_these_states_be_replaced(
    guard: Condition, on_nothing: bool, on_a: bool, on_b: bool
) -> None:
    assert guard.judge(None).proceeds is on_nothing
    assert guard.judge(Validators(A)).proceeds is on_a
    assert guard.judge(Validators(B)).proceeds is on_b


def test_a_strict_guard_on_a_strong_tag_lets_it_be_replaced() -> None:
    strong = ETag("a")
    assert unchanged(strong, comparison=Comparison.STRICT).judge(Validators(strong)).proceeds


def test_a_guard_that_could_never_let_anything_through_is_refused_when_it_is_made() -> None:
    with pytest.raises(ImpossibleDeclaration, match="use CREATE_ONLY"):
        unchanged()


def test_enforce_is_silent_or_raises_a_conflict_that_knows_the_state() -> None:
    enforce(unchanged(A), Validators(A))
    with pytest.raises(Conflict, match='its tag is now W/"b"') as caught:
        enforce(unchanged(A), Validators(B))
    assert caught.value.current == B
    assert caught.value.verdict.outcome is Outcome.PRECONDITION_FAILED
    with pytest.raises(Conflict, match="nothing is stored there") as caught:
        enforce(unchanged(A), None)
    assert caught.value.current is None


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (Condition(policy=Policy(required=True)), 428),
        (Condition(conditions=Conditions(match="a")), 400),
        (Condition(conditions=Conditions(none_match="*")), 412),
    ],
)
def test_enforce_raises_whatever_the_refusal_is_called(condition: Condition, status: int) -> None:
    with pytest.raises(Conflict) as caught:
        enforce(condition, Validators(A))
    assert caught.value.verdict.status == status


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST", "DELETE"])
def test_only_a_put_that_has_failed_may_find_its_wish_fulfilled(method: str) -> None:
    asked = Conditions.from_fields([("If-Match", 'W/"b"')])
    verdict = Condition(method, asked, Policy(Comparison.STATE)).judge(Validators(A))
    assert verdict.status == 412
    assert verdict.excused_when_applied is verdict.whole is (method == "PUT")


def test_a_condition_judges_as_a_write_whatever_its_method_is_called() -> None:
    """A POST marked safe never comes here; what writes is answered 412, not 304."""
    asked = Conditions.from_fields([("If-None-Match", "*")])
    assert Condition("GET", asked).judge(Validators(A)).status == 412


def test_a_condition_carries_its_policy_to_the_store() -> None:
    required = Condition(policy=Policy(Comparison.STATE, required=True))
    assert required.judge(Validators(A)).status == 428


def test_anything_that_judges_is_a_guard() -> None:
    class Maintenance:
        def judge(self, current: Validators | None) -> Verdict:
            return PROCEED if current is None else Verdict(Outcome.PRECONDITION_FAILED)

    assert isinstance(Maintenance(), Guard)
    assert isinstance(UNCONDITIONAL, Guard)
    assert not isinstance(object(), Guard)
    with pytest.raises(Conflict):
        enforce(Maintenance(), Validators(A))


def test_guards_are_values() -> None:
    assert unchanged(A) == unchanged(A)
    assert hash(unchanged(A)) == hash(unchanged(A))
    assert unchanged(A) != unchanged(B)
