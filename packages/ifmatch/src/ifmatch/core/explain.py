"""The path of one request through RFC 9110 section 13.2.2, step by step and in words.

The verdict and the steps are those of `evaluate` and `select`; here they are only told. What a
step says of itself is one of these:

    holds, fails     the precondition was judged
    malformed        the field does not fit its grammar
    absent           the field was not sent, or is as if it were not
    not judged       another step came first, and decided or says more
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ifmatch.core.conditions import Comparison, Conditions
from ifmatch.core.decide import (
    DEFAULT_POLICY,
    IGNORING_METHODS,
    SAFE_METHODS,
    STEPS,
    Answer,
    Policy,
    Trail,
    Validators,
    evaluate,
    walk,
)
from ifmatch.core.errors import MalformedField
from ifmatch.core.fieldlist import TagList
from ifmatch.core.httpdate import format_http_date
from ifmatch.core.ranges import Selection, holds_if_range, select
from ifmatch.core.verdict import Outcome, Verdict

PHRASES = {
    Outcome.PROCEED: "perform the method",
    Outcome.PARTIAL_CONTENT: "206 Partial Content",
    Outcome.NOT_MODIFIED: "304 Not Modified",
    Outcome.MALFORMED: "400 Bad Request",
    Outcome.PRECONDITION_FAILED: "412 Precondition Failed",
    Outcome.RANGE_NOT_SATISFIABLE: "416 Range Not Satisfiable",
    Outcome.PRECONDITION_REQUIRED: "428 Precondition Required",
}
"""What each outcome is answered with."""


@dataclass(frozen=True, slots=True)
class Told:
    """One step: where it is written, the field, what it said and why, and where that leads.

    `leads_to` is empty where the step was not judged.
    """

    clause: str
    field: str
    said: str
    because: str
    leads_to: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict, and the steps that led to it.

    `selection` is what of the representation is sent, None where that was not asked.
    """

    verdict: Verdict
    selection: Selection | None
    steps: tuple[Told, ...]

    @property
    def outcome(self) -> Outcome:
        """The last word: that of the selection, where the verdict lets it come to that."""
        return self.selection.outcome if self.selection else self.verdict.outcome

    def as_json(self) -> dict[str, Any]:
        """What `ifmatch explain --json` prints: plain values."""
        verdict, selection = self.verdict, self.selection
        told: dict[str, Any] = {
            "outcome": self.outcome.name.lower().replace("_", "-"),
            "status": self.outcome.value or None,
            "answer": PHRASES[self.outcome],
            "field": "Range" if self.outcome is not verdict.outcome else verdict.field,
            "clause": selection.clause if selection else verdict.clause,
        }
        if verdict.malformed is not None:
            told["position"] = verdict.malformed.position
            told["suggestion"] = verdict.malformed.suggestion
        if selection is not None:
            told["ranges"] = [list(each) for each in selection.ranges]
        names = ("clause", "field", "said", "because", "leads_to")
        told["steps"] = [{name: getattr(step, name) for name in names} for step in self.steps]
        return told


def explain(
    method: str,
    fields: Iterable[tuple[str, str]],
    current: Validators | None,
    policy: Policy = DEFAULT_POLICY,
    *,
    safe: bool | None = None,
    length: int | None = None,
    now: float | None = None,
) -> Explanation:
    """Judge a request as `evaluate` does, and tell the way there.

    `fields` are its header fields, names in any case. `length` is that of the representation in
    bytes, None where ranges are not supported. `now` as in `Conditions.from_fields`.

    >>> from ifmatch.core.etag import ETag
    >>> told = explain("PUT", [("If-Match", '"x"')], Validators(ETag("a")))
    >>> told.outcome.value, [step.said for step in told.steps]
    (412, ['fails', 'not judged', 'not judged', 'not judged'])
    """
    fields = list(fields)
    sent = {name.lower() for name, _ in fields}
    conditions = Conditions.from_fields(fields, now)
    verdict = evaluate(method, conditions, current, policy, safe)
    reads = method in SAFE_METHODS if safe is None else safe
    if method in IGNORING_METHODS:
        because = f"{method} selects no representation, so that conditions on one are ignored"
        return Explanation(verdict, None, (Told("13.2.1", "", "not judged", because),))
    if verdict.outcome is Outcome.PRECONDITION_REQUIRED:
        return Explanation(verdict, None, (_told_required(conditions, policy),))
    trail: Trail = []
    walk(method, conditions, current, policy, reads, trail)
    teller = _Teller(method, conditions, current, policy, reads, sent)
    steps = teller.tell(dict(trail))
    selection = None
    if verdict.proceeds and current and length is not None and sent & {"range", "if-range"}:
        selection = select(method, conditions, current, length)
        steps.append(teller.tell_if_range(selection))
    return Explanation(verdict, selection, tuple(steps))


def _told_required(conditions: Conditions, policy: Policy) -> Told:
    because = "a write here has to say which state it was made on, and this one does not"
    if conditions.match is not None:
        because = "`*` does not say which state the write was made on"
    elif conditions.none_match is not None:
        because = "If-None-Match with tags does not say which state the write was made on"
    return Told("RFC 6585 3", "If-Match", "fails", because, PHRASES[Outcome.PRECONDITION_REQUIRED])


@dataclass(frozen=True, slots=True)
class _Teller:
    method: str
    conditions: Conditions
    current: Validators | None
    policy: Policy
    reads: bool
    sent: set[str]

    def tell(self, answers: dict[int, Answer | MalformedField]) -> list[Told]:
        told = []
        for number, step in STEPS.items():
            if number in answers:
                told.append(self._judged(number, answers[number]))
            else:
                because = self._why_not_judged(number, answers)
                told.append(Told(step.clause, step.field, "not judged", because))
        return told

    def _judged(self, number: int, answer: Answer | MalformedField) -> Told:
        step = STEPS[number]
        because = _REASONS[number](self, answer)
        said = "malformed" if isinstance(answer, MalformedField) else answer.name.lower()
        to = step.if_absent if answer is Answer.ABSENT else step.if_holds
        leads = f"step {to}" if to is not None else PHRASES[Outcome.PROCEED]
        if isinstance(answer, MalformedField) or answer is Answer.FAILS:
            leads = PHRASES[self._refused_with(number, answer)]
        return Told(step.clause, step.field, said, because, leads)

    def _refused_with(self, number: int, answer: Answer | MalformedField) -> Outcome:
        step = STEPS[number]
        if isinstance(answer, MalformedField) and not self.reads and self.policy.refuse_malformed:
            return Outcome.MALFORMED
        return step.fails_safe if self.reads else step.fails_writing

    def _why_not_judged(self, number: int, answers: dict[int, Answer | MalformedField]) -> str:
        last = max(answers)
        if last < number and answers[last] is not Answer.HOLDS:
            return f"{STEPS[last].field} has decided"
        older = {2: "If-Match", 4: "If-None-Match"}.get(number, "")
        return f"{older} was sent, which says more than a date"

    # -- why each step said what it said -------------------------------------------------------

    def if_match(self, answer: Answer | MalformedField) -> str:
        asked = self.conditions.if_match
        if isinstance(asked, MalformedField):
            return f"at offset {asked.position}: {asked.reason}. {asked.next_step}"
        if asked is None:
            return "it was not sent"
        return self._why_tags(asked, self.policy.comparison)

    def if_none_match(self, answer: Answer | MalformedField) -> str:
        asked = self.conditions.if_none_match
        if isinstance(asked, MalformedField):
            read = "on a read it names nothing; " if answer is Answer.HOLDS else ""
            return f"{read}at offset {asked.position}: {asked.reason}. {asked.next_step}"
        if asked is None:
            return "it was not sent"
        return self._why_tags(asked, Comparison.STATE)

    def _why_tags(self, asked: TagList, comparison: Comparison) -> str:
        if self.current is None:
            return "there is no current representation"
        if asked.is_any:
            return "there is a current representation, and `*` stands for any"
        etag = self.current.etag
        if etag is None:
            return "the current representation has no entity tag"
        kind = "strong" if comparison is Comparison.STRICT else "weak"
        matches = asked.has_strong(etag) if kind == "strong" else asked.has_weak(etag)
        if matches:
            return f"{etag} is among its tags, by {kind} comparison"
        if asked.has_weak(etag):
            return f"{etag} is among its tags, but a weak tag never matches by strong comparison"
        return f"{etag} is not among its tags"

    def if_unmodified_since(self, answer: Answer | MalformedField) -> str:
        return self._why_date("if-unmodified-since", self.conditions.if_unmodified_since, answer)

    def if_modified_since(self, answer: Answer | MalformedField) -> str:
        reads = self.reads and self.method in SAFE_METHODS
        if not reads and self.conditions.if_modified_since is not None:
            return f"it is for GET and HEAD, and as if it were not sent with {self.method}"
        return self._why_date("if-modified-since", self.conditions.if_modified_since, answer)

    def _why_date(self, name: str, since: int | None, answer: Answer | MalformedField) -> str:
        if since is None:
            invalid = "it is not one valid HTTP date, and as if it were not sent"
            return invalid if name in self.sent else "it was not sent"
        modified = self.current.last_modified if self.current else None
        if modified is None or answer is Answer.ABSENT:
            return "there is no modification date to compare"
        relation = "not after" if modified <= since else "after"
        return f"{format_http_date(modified)} is {relation} {format_http_date(since)}"

    def tell_if_range(self, selection: Selection) -> Told:
        outcome, clause = selection.outcome, selection.clause.rpartition(" ")[2]
        leads = "200, the whole" if outcome is Outcome.PROCEED else PHRASES[outcome]
        field = "Range" if self.conditions.if_range is None else "If-Range"
        said = "absent"
        if self.conditions.range is not None and self.conditions.if_range is not None:
            said = "holds" if holds_if_range(self.conditions, self.current) else "fails"
        elif self.conditions.range is not None:
            said = "ignored" if outcome is Outcome.PROCEED else "holds"
        return Told(clause, field, said, selection.why, leads)


_REASONS = {
    1: _Teller.if_match,
    2: _Teller.if_unmodified_since,
    3: _Teller.if_none_match,
    4: _Teller.if_modified_since,
}
