"""What a write must still find true in the step that writes.

A server makes a `Condition` of a request; a store takes it as a `Guard` and judges it on the state
that its own statement is about to replace. Neither knows the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from ifmatch.core.conditions import NO_CONDITIONS, Comparison, Conditions
from ifmatch.core.decide import DEFAULT_POLICY, Policy, Validators, evaluate
from ifmatch.core.errors import Conflict, ImpossibleDeclaration
from ifmatch.core.etag import ETag
from ifmatch.core.verdict import Verdict


@runtime_checkable
class Guard(Protocol):
    """Judges a write on the state that is about to be replaced."""

    def judge(self, current: Validators | None) -> Verdict:
        """The verdict on what is stored now; None where nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class Condition:
    """The conditions of one writing request, to be judged again where the write is done."""

    method: str = "PUT"
    conditions: Conditions = NO_CONDITIONS
    policy: Policy = DEFAULT_POLICY

    def judge(self, current: Validators | None) -> Verdict:
        """The verdict of this request on what is stored now; None where nothing is."""
        verdict = evaluate(self.method, self.conditions, current, self.policy, safe=False)
        if verdict.proceeds or self.method == "PUT":
            return verdict
        return replace(verdict, whole=False)


UNCONDITIONAL = Condition()
"""Writes whatever is there."""

CREATE_ONLY = Condition(conditions=Conditions(none_match="*"))
"""Writes only where nothing is: `If-None-Match: *`."""


def unchanged(*tags: ETag, comparison: Comparison = Comparison.STATE) -> Condition:
    """Writes only where the current tag is one of `tags`: what `If-Match` says over HTTP.

    Raises ImpossibleDeclaration without a tag: nothing could ever be written.
    """
    if not tags:
        raise ImpossibleDeclaration(
            "unchanged() without a tag would refuse every write. Give the tag that was read; to "
            "write only where nothing is, use CREATE_ONLY."
        )
    members = ", ".join(map(str, tags))
    return Condition(conditions=Conditions(match=members), policy=Policy(comparison))


def enforce(guard: Guard, current: Validators | None) -> None:
    """Raise Conflict unless `guard` lets the write proceed on `current`."""
    verdict = guard.judge(current)
    if not verdict.proceeds:
        raise Conflict(current.etag if current else None, verdict)
