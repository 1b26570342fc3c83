"""The decision: RFC 9110 section 13.2.2, the order of precedence, as a table.

A precondition has three answers, not two: it is absent, it holds, or it fails. Each row of STEPS
judges one field and says where each answer leads. The rows stand in the order of 13.2.2:

    step  field                 absent      holds       fails
    1     If-Match              step 2      step 3      412
    2     If-Unmodified-Since   step 3      step 3      412
    3     If-None-Match         step 4      step 5      304 when safe, else 412
    4     If-Modified-Since     step 5      step 5      304
    5     If-Range              see `ranges`: it chooses what of the representation is sent

Step 2 is judged only when If-Match is absent, step 4 only when If-None-Match is absent and the
method is GET or HEAD: an entity tag says more than a date. "Safe" is GET, HEAD, and what a server
marks as a read.

Whoever adds a row sets every arrow into it, and looks at the shortcut at the head of `evaluate`,
which answers the commonest request of all before the table is entered.

13.2.1 is shared with the caller: conditions are judged only where the plain answer would be 2xx
or 412 (`counts_on`), so 401, 403, 404, 405 come first, and the content is looked at afterwards.

A malformed tag list is not an answer of 13.2.2. Where such a field is reached:

    If-Match        on a safe method fails (412), on a writing one is refused (400)
    If-None-Match   on a safe method names nothing (holds), on a writing one is refused (400)

because taking it as absent would let a write through that was meant to be guarded. On a safe
method it is not absent, either: it was sent, and so keeps If-Modified-Since from being judged
(13.1.3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final, NamedTuple

from ifmatch.core.conditions import NO_CONDITIONS, Comparison, Conditions, read_tags
from ifmatch.core.errors import MalformedField
from ifmatch.core.etag import ETag
from ifmatch.core.fieldlist import TagList
from ifmatch.core.verdict import PROCEED, Outcome, Verdict

SAFE_METHODS = frozenset({"GET", "HEAD"})
"""The methods that If-None-Match answers with 304 (13.1.2)."""

IGNORING_METHODS = frozenset({"CONNECT", "OPTIONS", "TRACE"})
"""The methods on which every precondition is ignored (13.2.1)."""


def counts_on(status: int) -> bool:
    """Whether conditions count where the answer without them, before the content, is `status`.

    They do where that is 2xx or 412; everything else goes out as it is (13.2.1).
    """
    return 200 <= status < 300 or status == 412


@dataclass(slots=True, unsafe_hash=True)  # Final: a frozen class costs four times as much to make
class Validators:
    """What a current representation is known by (8.8): its entity tag and its date, if any.

    `last_modified` is in whole seconds since the epoch. It is a weak validator, unless the origin
    reliably knows that the representation did not change twice within that second (8.8.2.2):
    `last_modified_is_strong` says so. Only If-Range asks for it.

    `until` is the instant from which on time alone may have made another representation current;
    None says that it never does. It feeds Cache-Control and decides nothing.
    """

    etag: Final[ETag | None]
    last_modified: Final[int | None]
    last_modified_is_strong: Final[bool]
    until: Final[datetime | None]
    text: Final[str | None]
    """The entity tag as it stands in an ETag field."""

    def __init__(
        self,
        etag: ETag | None = None,
        last_modified: int | None = None,
        last_modified_is_strong: bool = False,
        *,
        until: datetime | None = None,
    ) -> None:
        self.etag = etag
        self.last_modified = last_modified
        self.last_modified_is_strong = last_modified_is_strong
        self.until = until
        self.text = None if etag is None else str(etag)


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


def _if_match(
    method: str, conditions: Conditions, current: Validators | None, policy: Policy, safe: bool
) -> Answer | MalformedField:
    if conditions.match is None:
        return _ABSENT
    strict = policy.comparison is _STRICT
    if _is_just(conditions.match, current, strict=strict):
        return _HOLDS
    tags = read_tags("If-Match", conditions.match)
    if isinstance(tags, MalformedField):
        return tags
    return _HOLDS if _names(tags, current, strict=strict) else _FAILS


def _is_just(text: str, current: Validators | None, *, strict: bool) -> bool:
    """Whether a field is the current tag and nothing else, which needs no parser."""
    if current is None or current.etag is None or text != current.text:
        return False
    return not (strict and current.etag.weak)


def _names(tags: TagList, current: Validators | None, *, strict: bool) -> bool:
    """Whether a field names the current representation."""
    if current is None:
        return False
    if tags.is_any:
        return True
    if current.etag is None:
        return False
    return tags.has_strong(current.etag) if strict else tags.has_weak(current.etag)


def _if_unmodified_since(
    method: str, conditions: Conditions, current: Validators | None, policy: Policy, safe: bool
) -> Answer:
    since = conditions.if_unmodified_since
    modified = current.last_modified if current else None
    if since is None or modified is None:  # 13.1.4: ignored where no date is available
        return _ABSENT
    return _HOLDS if modified <= since else _FAILS


def _if_none_match(
    method: str, conditions: Conditions, current: Validators | None, policy: Policy, safe: bool
) -> Answer | MalformedField:
    if conditions.none_match is None:
        return _ABSENT
    tags = read_tags("If-None-Match", conditions.none_match)
    if isinstance(tags, MalformedField):
        return _HOLDS if safe else tags
    return _FAILS if _names(tags, current, strict=False) else _HOLDS


def _if_modified_since(
    method: str, conditions: Conditions, current: Validators | None, policy: Policy, safe: bool
) -> Answer:
    since = conditions.if_modified_since
    modified = current.last_modified if current else None
    if not safe or method not in SAFE_METHODS or since is None or modified is None:  # 13.1.3
        return _ABSENT
    return _HOLDS if modified > since else _FAILS


class Step(NamedTuple):
    """One row: the field, how it is judged, and the step that an answer leads to.

    A step of None means: perform the method.
    """

    field: str
    clause: str
    judge: Callable[[str, Conditions, Validators | None, Policy, bool], Answer | MalformedField]
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

_REFUSALS = {  # made once: making a verdict costs as much as reading a tag
    (step.field, safe): Verdict(outcome, step.field, f"RFC 9110 section {step.clause}")
    for step in STEPS.values()
    for safe, outcome in ((True, step.fails_safe), (False, step.fails_writing))
}
_UNCHANGED = _REFUSALS["If-None-Match", True]
_REQUIRED = Verdict(Outcome.PRECONDITION_REQUIRED, "If-Match", "RFC 6585 section 3")

Trail = list[tuple[int, Answer | MalformedField]]
"""The steps that were taken, by their numbers, and what each said."""


def evaluate(
    method: str,
    conditions: Conditions,
    current: Validators | None,
    policy: Policy = DEFAULT_POLICY,
    safe: bool | None = None,
) -> Verdict:
    """Judge the conditions of a request on the current representation.

    `current` is None where the resource has no representation. `safe` marks a method as a safe
    read that a match answers with 304; by default GET and HEAD are. Raises nothing.

    >>> asked = Conditions(none_match='"a"')
    >>> evaluate("GET", asked, Validators(ETag("a"))).status
    304
    >>> evaluate("PUT", asked, Validators(ETag("a"))).status
    412
    """
    # A poll for what has not changed sends the current tag and nothing else: text for text.
    if (
        current is not None
        and (asked := conditions.first_none_match) is not None
        and asked == current.text
        and (method == "GET" or method == "HEAD")  # noqa: PLR1714 - a set costs twice as much
        and safe is not False
    ):
        return _UNCHANGED
    if method in IGNORING_METHODS:
        return PROCEED
    if safe is None:
        safe = method in SAFE_METHODS
    if policy.required and not safe and not _satisfies_required(conditions, policy):
        return _REQUIRED
    if conditions is NO_CONDITIONS:  # the most frequent request of all
        return PROCEED
    return walk(method, conditions, current, policy, safe)


def walk(
    method: str,
    conditions: Conditions,
    current: Validators | None,
    policy: Policy,
    safe: bool,
    trail: Trail | None = None,
) -> Verdict:
    """Go through the table from its first step; note each in `trail`, where one is given."""
    at: int | None = 1
    while at is not None:
        step = STEPS[at]
        answer = step.judge(method, conditions, current, policy, safe)
        if trail is not None:
            trail.append((at, answer))
        if answer is _ABSENT:
            at = step.if_absent
        elif answer is _HOLDS:
            at = step.if_holds
        else:
            return _refusal(step, answer, policy, safe)
    return PROCEED


def _satisfies_required(conditions: Conditions, policy: Policy) -> bool:
    """A malformed field counts as sent: it gets its own, clearer answer."""
    match, none_match = conditions.if_match, conditions.if_none_match
    if match is not None:
        return isinstance(match, MalformedField) or policy.any_satisfies or not match.is_any
    return none_match is not None and (isinstance(none_match, MalformedField) or none_match.is_any)


def _refusal(step: Step, answer: Answer | MalformedField, policy: Policy, safe: bool) -> Verdict:
    refusal = _REFUSALS[step.field, safe]
    if not isinstance(answer, MalformedField):
        return refusal
    if not safe and policy.refuse_malformed:
        return Verdict(Outcome.MALFORMED, refusal.field, refusal.clause, answer)
    return Verdict(refusal.outcome, refusal.field, refusal.clause, answer)
