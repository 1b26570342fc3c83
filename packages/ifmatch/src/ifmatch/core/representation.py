"""A value, the bytes that are sent for it, and their validators, all of one snapshot.

A tag read at one moment beside a body read at another would give a client the new body under the
old tag, for ever. So the three travel together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from ifmatch.core.decide import Validators
from ifmatch.core.etag import ETag

V = TypeVar("V", covariant=True)
W = TypeVar("W")


@dataclass(frozen=True, slots=True)
class Representation(Generic[V]):
    """What a store read or wrote: `value` as the program sees it, `body` as the wire does.

    `changed` is False where a write found its wish fulfilled and left everything as it was.
    `until` is the instant from which on time alone may have changed it; see `ifmatch.core.moment`.
    """

    value: V
    body: bytes
    etag: ETag
    changed: bool = True
    until: datetime | None = None

    @property
    def validators(self) -> Validators:
        return Validators(self.etag, until=self.until)

    def with_value(self, value: W) -> Representation[W]:
        """The same for the program's other view of the value."""
        return Representation(value, self.body, self.etag, self.changed, self.until)
