"""Everything that ifmatch raises, under one base class.

Each error knows the clause behind it, and its message ends with the next step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from ifmatch.core.etag import ETag
    from ifmatch.core.verdict import Verdict


class IfMatchError(Exception):
    """The base of every error of this library."""

    clause: str = ""


class MalformedField(IfMatchError, ValueError):
    """A request field that does not fit its grammar.

    `position` is the offset of the first character that does not fit, in the combined field
    value (RFC 9110 section 5.3: several lines are joined by a comma and a space).
    `suggestion` is a field value that would have fitted and probably says what was meant, or None.
    """

    clause = "RFC 9110 section 8.8.3"

    def __init__(
        self, field: str, value: str, position: int, reason: str, suggestion: str | None = None
    ) -> None:
        self.field = field
        self.value = value
        self.position = position
        self.reason = reason
        self.suggestion = suggestion
        # The arguments as they came, so that errors can be pickled; the text is made when read.
        super().__init__(field, value, position, reason, suggestion)

    @property
    def next_step(self) -> str:
        if self.suggestion is not None:
            return f"Send {self.field}: {self.suggestion}"
        return (
            f'Send {self.field}: "tag" with the tag as the ETag field of an answer gave it, '
            "quotes included."
        )

    # Where it is kept instead of raised it is a value, and equal to its like.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, MalformedField) and self.args == other.args

    def __hash__(self) -> int:
        return hash(self.args)

    def __str__(self) -> str:
        return (
            f"{self.field} is malformed at offset {self.position}: {self.reason}. {self.next_step}"
        )


class Conflict(IfMatchError):
    """The write was not done: what is stored is not what its condition asked for.

    `current` is the entity tag of what is stored now, None where nothing is; `verdict` is the
    verdict on that state. A server answers 412 (RFC 9110 section 15.5.13).
    """

    clause = "RFC 9110 section 13.1.1"

    def __init__(self, current: ETag | None, verdict: Verdict) -> None:
        self.current = current
        self.verdict = verdict
        super().__init__(current, verdict)

    def __str__(self) -> str:
        now = (
            "nothing is stored there" if self.current is None else f"its tag is now {self.current}"
        )
        return (
            f"The stored state is not the one the write asked for: {now}. "
            "Read it again, make the change anew, and write with the fresh tag."
        )


class Missing(IfMatchError, LookupError):
    """There is nothing under the key that was to be changed. A server answers 404."""

    clause = "RFC 9110 section 15.5.5"

    def __init__(self, key: object) -> None:
        self.key = key
        super().__init__(key)

    def __str__(self) -> str:
        return f"Nothing is stored under {self.key!r}. Create it, or correct the key."


class NotCanonical(IfMatchError, TypeError):
    """A value that has no canonical JSON form, so that no state tag can be made of it."""


class NaiveInstant(IfMatchError, ValueError):
    """An instant without a time zone: nobody can say how many seconds are left until it."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant
        super().__init__(instant)

    def __str__(self) -> str:
        return (
            f"{self.instant!r} has no time zone. Give an aware datetime: datetime.now(UTC), or "
            "value.replace(tzinfo=UTC) of one that is kept as UTC."
        )


class ImpossibleDeclaration(IfMatchError, ValueError):
    """A declaration that could never do what it says; raised when it is made, not at a request."""
