"""What a command is about: a flag, or what it does in one environment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from flagbit.client.failures import BadInput

_KEY = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True, slots=True)
class Place:
    """A flag, or what it does in one environment."""

    flag: str
    environment: str | None = None

    @property
    def kind(self) -> str:
        return "flag" if self.environment is None else "state"

    @property
    def path(self) -> str:
        path = f"/flags/{segment('flag', self.flag)}"
        if self.environment is not None:
            path += f"/environments/{segment('environment', self.environment)}"
        return path

    def __str__(self) -> str:
        return self.flag if self.environment is None else f"{self.flag} in {self.environment}"


def segment(what: str, key: str) -> str:
    """A key as a part of a path; raises BadInput for what no key can be."""
    if not _KEY.fullmatch(key):
        raise BadInput(
            f"{key!r} cannot be the key of a{'n' * (what[0] in 'aeiou')} {what}.",
            "Use 1 to 128 letters, digits, '.', '_' and '-'.",
        )
    return quote(key, safe="")
