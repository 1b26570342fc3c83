"""The decision: RFC 9110 section 13.2.2, the order of precedence, as a table.

A precondition has three answers, not two: it is absent, it holds, or it fails. Each row of STEPS
judges one field and says where each answer leads. The rows stand in the order of 13.2.2:

    step  field                 absent      holds       fails
    1     If-Match              step 2      step 3      412
    2     If-Unmodified-Since   step 3      step 3      412
    3     If-None-Match         step 4      perform     304 when safe, else 412
    4     If-Modified-Since     perform     perform     304

Step 2 is judged only when If-Match is absent, step 4 only when If-None-Match is absent and the
method is safe: an entity tag says more than a date. Whoever adds a row sets every arrow into it.

13.2.1 is shared with the caller: conditions are judged only where the plain answer would be 2xx
or 412, so 401, 403, 404, 405 come first, and the content is looked at afterwards.

A malformed tag list is not an answer of 13.2.2. Where such a field is reached:

    If-Match        on a safe method fails (412), on a writing one is refused (400)
    If-None-Match   on a safe method is absent, on a writing one is refused (400)

because taking it as absent would let a write through that was meant to be guarded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from ifmatch.core.conditions import NO_CONDITIONS, Comparison, Conditions
from ifmatch.core.errors import MalformedField
from ifmatch.core.etag import ETag
from ifmatch.core.verdict import PROCEED, Outcome, Verdict

SAFE_METHODS = frozenset({"GET", "HEAD"})
"""The methods that If-None-Match answers with 304 (13.1.2)."""

IGNORING_METHODS = frozenset({"CONNECT", "OPTIONS", "TRACE"})
"""The methods on which every precondition is ignored (13.2.1)."""


@dataclass(frozen=True, slots=True)
class Validators:
    """What a current representation is known by (8.8): its entity tag and its date, if any.

    `last_modified` is in whole seconds since the epoch.
    """

    etag: ETag | None = None
    last_modified: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How one resource reads conditions.

    `comparison` is how If-Match compares. `required` refuses a write that carries neither
    If-Match nor `If-None-Match: *` (RFC 6585 section 3); dates do not satisfy it. `any_satisfies`
    lets `If-Match: *`, the deliberate overwrite, satisfy it. `refuse_malformed` answers 400 to a
    malformed field on a writing method; without it the field has failed (412).
    """

    comparison: Comparison = Comparison.STRICT
    required: bool = False
    any_satisfies: bool = False
    refuse_malformed: bool = True


DEFAULT_POLICY = Policy()


class Answer(Enum):
    """What one precondition says of the current representation."""

    ABSENT = auto()
    HOLDS = auto()
    FAILS = auto()


# Python 3.11 looks a member of an Enum up on every access; as constants they cost nothing.
_ABSENT, _HOLDS, _FAILS = Answer.ABSENT, Answer.HOLDS, Answer.FAILS
_STRICT = Comparison.STRICT


class _Case(NamedTuple):
    conditions: Conditions
    current: Validators | None
    policy: Policy
    safe: bool


def _if_match(case: _Case) -> Answer | MalformedField:
    tags = case.conditions.if_match
    if tags is None:
        return _ABSENT
    if isinstance(tags, MalformedField):
        return tags
    if case.current is None:
        return _FAILS
    if tags.is_any:
        return _HOLDS
    etag = case.current.etag
    if etag is None:
        return _FAILS
    strict = case.policy.comparison is _STRICT
    matches = tags.has_strong(etag) if strict else tags.has_weak(etag)
    return _HOLDS if matches else _FAILS


def _if_unmodified_since(case: _Case) -> Answer:
    since = case.conditions.if_unmodified_since
    modified = case.current.last_modified if case.current else None
    if since is None or modified is None:  # 13.1.4: ignored where no date is available
        return _ABSENT
    return _HOLDS if modified <= since else _FAILS


def _if_none_match(case: _Case) -> Answer | MalformedField:
    tags = case.conditions.if_none_match
    if tags is None:
        return _ABSENT
    if isinstance(tags, MalformedField):
        return _ABSENT if case.safe else tags
    if case.current is None:
        return _HOLDS
    if tags.is_any:
        return _FAILS
    etag = case.current.etag
    return _FAILS if etag is not None and tags.has_weak(etag) else _HOLDS


def _if_modified_since(case: _Case) -> Answer:
    since = case.conditions.if_modified_since
    modified = case.current.last_modified if case.current else None
    if not case.safe or since is None or modified is None:  # 13.1.3
        return _ABSENT
    return _HOLDS if modified > since else _FAILS


class Step(NamedTuple):
    """One row: the field, how it is judged, and the step that an answer leads to.

    A step of None means: perform the method.
    """

    field: str
    clause: str
    judge: Callable[[_Case], Answer | MalformedField]
    if_absent: int | None
    if_holds: int | None
    fails_safe: Outcome
    fails_writing: Outcome


_FAILED = Outcome.PRECONDITION_FAILED
_SAME = Outcome.NOT_MODIFIED

STEPS: dict[int, Step] = {
    1: Step("If-Match", "13.1.1", _if_match, 2, 3, _FAILED, _FAILED),
    2: Step("If-Unmodified-Since", "13.1.4", _if_unmodified_since, 3, 3, _FAILED, _FAILED),
    3: Step("If-None-Match", "13.1.2", _if_none_match, 4, None, _SAME, _FAILED),
    4: Step("If-Modified-Since", "13.1.3", _if_modified_since, None, None, _SAME, _SAME),
}


def evaluate(
    method: str,
    conditions: Conditions,
    current: Validators | None,
    policy: Policy = DEFAULT_POLICY,
    *,
    safe: bool | None = None,
) -> Verdict:
    """Judge the conditions of a request on the current representation.

    `current` is None where the resource has no representation. `safe` marks a method as a safe
    read that a match answers with 304; by default GET and HEAD are. Raises nothing.

    >>> from ifmatch.core.fieldlist import TagList
    >>> asked = Conditions(if_none_match=TagList(('"a"',)))
    >>> evaluate("GET", asked, Validators(ETag("a"))).status
    304
    >>> evaluate("PUT", asked, Validators(ETag("a"))).status
    412
    """
    if method in IGNORING_METHODS:
        return PROCEED
    if safe is None:
        safe = method in SAFE_METHODS
    if policy.required and not safe and not _satisfies_required(conditions, policy):
        return Verdict(Outcome.PRECONDITION_REQUIRED, "If-Match", "RFC 6585 section 3")
    if conditions is NO_CONDITIONS:  # the most frequent request of all
        return PROCEED
    case = _Case(conditions, current, policy, safe)
    at: int | None = 1
    while at is not None:
        step = STEPS[at]
        answer = step.judge(case)
        if answer is _ABSENT:
            at = step.if_absent
        elif answer is _HOLDS:
            at = step.if_holds
        else:
            return _refusal(step, answer, case)
    return PROCEED


def _satisfies_required(conditions: Conditions, policy: Policy) -> bool:
    """A malformed field counts as sent: it gets its own, clearer answer."""
    match, none_match = conditions.if_match, conditions.if_none_match
    if match is not None:
        return isinstance(match, MalformedField) or policy.any_satisfies or not match.is_any
    return none_match is not None and (isinstance(none_match, MalformedField) or none_match.is_any)


def _refusal(step: Step, answer: Answer | MalformedField, case: _Case) -> Verdict:
    clause = f"RFC 9110 section {step.clause}"
    malformed = answer if isinstance(answer, MalformedField) else None
    if malformed is not None and not case.safe and case.policy.refuse_malformed:
        return Verdict(Outcome.MALFORMED, step.field, clause, malformed)
    outcome = step.fails_safe if case.safe else step.fails_writing
    return Verdict(outcome, step.field, clause, malformed)
