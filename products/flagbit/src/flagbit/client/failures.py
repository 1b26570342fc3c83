"""Why a command did not do what it was told: one class for each exit status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flagbit.client.changes import Change, Clash, Path


class Failure(Exception):
    """What went wrong, and what can be done next; `status` is the exit status."""

    status = 1

    def __init__(self, message: str, next_step: str | None = None) -> None:
        super().__init__(message, next_step)
        self.message = message
        self.next_step = next_step


class BadInput(Failure):
    """The command was given something that it cannot use."""

    status = 2


class NotFound(Failure):
    """There is no such resource."""


@dataclass(frozen=True)
class Disagreement:
    """My change beside somebody else's.

    `tag` is the state that mine was made on, `last` says who changed it last, when and how.
    `theirs` is None where that state is not known any more.
    """

    tag: str
    last: Mapping[str, Any] | None
    mine: Mapping[Path, Change] = field(default_factory=dict)
    theirs: Mapping[Path, Change] | None = field(default_factory=dict)
    clashes: Mapping[Path, Clash] = field(default_factory=dict)


class Conflict(Failure):
    """Somebody else's change came first, and nothing was written."""

    status = 3

    def __init__(
        self, message: str, next_step: str | None = None, found: Disagreement | None = None
    ) -> None:
        super().__init__(message, next_step)
        self.found = found


class OutcomeUnknown(Failure):
    """The answer to a write was lost, and reading again did not tell whether it was done."""

    status = 4
