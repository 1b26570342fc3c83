"""The link from a problem to the page that explains its type.

The `type` of a problem is a name that stays the same behind every prefix and on every host; where
its page is depends on both, so that is said in a Link field (RFC 8288, relation `help`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from ifmatch.core.reply import PROBLEM_JSON, PROBLEM_TYPE

PATH = "/problems"

_LONGEST_DETAILS = 65_536
_MEDIA_TYPE = (b"content-type", PROBLEM_JSON.encode())


class ProblemLinks:
    """The Link field for the answer that a problem is."""

    def __init__(self, slugs: Iterable[str], prefix: str) -> None:
        self._links = {
            PROBLEM_TYPE + slug: f'<{prefix}{PATH}/{slug}>; rel="help"'.encode() for slug in slugs
        }

    @staticmethod
    def concern(headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether an answer with those fields is a problem; foreign shapes (OFREP) are none."""
        return _MEDIA_TYPE in headers

    def link(self, content: bytes) -> list[tuple[bytes, bytes]]:
        """The field, for the content of a problem; none for a type that has no page."""
        if len(content) > _LONGEST_DETAILS:
            return []
        try:
            kind = json.loads(content).get("type")
        except (ValueError, AttributeError):
            return []
        found = self._links.get(kind) if isinstance(kind, str) else None
        return [] if found is None else [(b"link", found)]
