"""What follows from the conditions of a request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ifmatch.core.errors import MalformedField


class Outcome(Enum):
    """What the server does next; the value is the status it answers, 0 where it goes on."""

    PROCEED = 0
    PARTIAL_CONTENT = 206
    NOT_MODIFIED = 304
    MALFORMED = 400
    PRECONDITION_FAILED = 412
    RANGE_NOT_SATISFIABLE = 416
    PRECONDITION_REQUIRED = 428


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, the field that decided it, and the clause that says so.

    `malformed` is set when a field did not fit its grammar and that decided the outcome. `whole`
    says that the write replaces the whole state, as PUT does.
    """

    outcome: Outcome
    field: str | None = None
    clause: str = "RFC 9110 section 13.2.2"
    malformed: MalformedField | None = None
    whole: bool = True

    @property
    def proceeds(self) -> bool:
        return self.outcome is Outcome.PROCEED

    @property
    def status(self) -> int:
        """The status code of the answer; 0 where the method is to be performed."""
        return self.outcome.value

    @property
    def excused_when_applied(self) -> bool:
        """Whether the write may answer 2xx all the same if its wish is already fulfilled.

        13.1.1 and 13.1.4 say so of If-Match and If-Unmodified-Since; 13.1.2 does not. Only a write
        that replaces the whole state is excused: a part that is as it was wished may be so because
        of somebody else's edit, as when two people add one to a counter.
        """
        return (
            self.outcome is Outcome.PRECONDITION_FAILED
            and self.whole
            and self.malformed is None
            and self.field in ("If-Match", "If-Unmodified-Since")
        )


PROCEED = Verdict(Outcome.PROCEED)
