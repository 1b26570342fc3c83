"""Entity tags: RFC 9110 section 8.8.3.

    entity-tag = [ weak ] opaque-tag
    weak       = %s"W/"
    opaque-tag = DQUOTE *etagc DQUOTE
    etagc      = %x21 / %x23-7E / obs-text

A field value is text here, one character for each byte (latin-1), as the octets came.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ifmatch.core.errors import MalformedField

ETAGC = r"[\x21\x23-\x7E\x80-\xFF]"
_ENTITY_TAG = re.compile(rf'(W/)?"({ETAGC}*+)"')
_cannot_be_sent = re.compile(r"[^\x21\x23-\x7E\x80-\xFF]").search


@dataclass(slots=True, unsafe_hash=True)  # Final: a frozen class costs four times as much to make
class ETag:
    """One entity tag: its opaque part without the quotes, and whether it is weak.

    Raises ValueError when `opaque` has a character that etagc does not allow.

    >>> str(ETag("0a1b", weak=True))
    'W/"0a1b"'
    """

    opaque: Final[str]
    weak: Final[bool]

    def __init__(self, opaque: str, weak: bool = False) -> None:
        if _cannot_be_sent(opaque):
            raise ValueError(
                f"{opaque!r} cannot be the opaque part of an entity tag: use characters "
                'from "!" to "~" or of obs-text, but no quotation mark (RFC 9110 section 8.8.3).'
            )
        self.opaque = opaque
        self.weak = weak

    @classmethod
    def parse(cls, text: str) -> ETag:
        """Read one entity tag as it stands in an ETag field; raise MalformedField otherwise.

        >>> ETag.parse('W/"0a1b"')
        ETag(opaque='0a1b', weak=True)
        """
        match = _ENTITY_TAG.fullmatch(text)
        if match is None:
            raise MalformedField("ETag", text, 0, "it is not one entity tag")
        return cls(match[2], weak=match[1] is not None)

    def __str__(self) -> str:
        return f'W/"{self.opaque}"' if self.weak else f'"{self.opaque}"'

    def strongly_matches(self, other: ETag) -> bool:
        """Strong comparison (8.8.3.2): the same opaque part, and neither of them weak."""
        return not self.weak and not other.weak and self.opaque == other.opaque

    def weakly_matches(self, other: ETag) -> bool:
        """Weak comparison (8.8.3.2): the same opaque part."""
        return self.opaque == other.opaque
