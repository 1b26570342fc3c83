"""The generated examples as the library's own values."""

from __future__ import annotations

from typing import Any, NamedTuple

from ifmatch.core.conditions import Comparison
from ifmatch.core.decide import Policy, Validators
from ifmatch.core.etag import ETag
from packages.ifmatch.tests.core.requests import Example


class Translated(NamedTuple):
    """The arguments of `explain`; `length` is None where no range is served."""

    method: str
    fields: list[tuple[str, str]]
    current: Validators | None
    policy: Policy
    more: dict[str, Any]


def translated(example: Example) -> Translated:
    """The same request to the same state, for the library."""
    method, fields, state, settings, now = example
    policy = Policy(
        Comparison.STATE if settings.state_comparison else Comparison.STRICT,
        required=settings.required,
        any_satisfies=settings.any_satisfies,
        refuse_malformed=settings.refuse_malformed,
    )
    current = None
    if state is not None:
        tag = None if state.etag is None else ETag.parse(state.etag)
        current = Validators(tag, state.last_modified, state.last_modified_strong)
    length = state.length if state is not None and settings.ranges else None
    more = {"safe": settings.safe, "length": length, "now": now}
    return Translated(method, fields, current, policy, more)
