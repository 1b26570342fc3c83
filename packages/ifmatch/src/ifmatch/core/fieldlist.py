"""The value of If-Match and If-None-Match: `*` or a list of entity tags.

    If-Match      = "*" / #entity-tag        (RFC 9110 section 13.1.1)
    If-None-Match = "*" / #entity-tag        (RFC 9110 section 13.1.2)

The list rule as a recipient reads it (5.6.1.2), empty members included:

    #element => [ element ] *( OWS "," OWS [ element ] )

All field lines of one name count; they are joined by a comma first (5.3). One bad member, or `*`
beside others, spoils the field: guessing what was meant by the rest would let a write through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ifmatch.core.errors import MalformedField
from ifmatch.core.etag import ETAGC, ETag

_TAG = rf'(?:W/)?"{ETAGC}*+"'
# Possessive quantifiers keep a hostile value linear: nothing is ever tried a second way.
_MEMBERS = re.compile(rf"[ \t,]*+(?:{_TAG}[ \t]*+(?:,[ \t,]*+|\Z))*+")
_MEMBER = re.compile(rf"{_TAG}[ \t]*+")
# In a value that _MEMBERS accepted, quotation marks stand only around opaque parts.
_EACH_TAG = re.compile(r'(?:W/)?"[^"]*"')
_OPENED = re.compile(rf'(?:W/)?"{ETAGC}*+')
_ALMOST_A_TAG = re.compile(
    r"""(?P<weak>[Ww]/)?[ \t]*(?P<open>\\?['"])?(?P<opaque>[^'"\s,\\]+)(?P<close>\\?['"])?"""
)


@dataclass(slots=True, unsafe_hash=True)  # Final: a frozen class costs four times as much to make
class TagList:
    """A well-formed If-Match or If-None-Match value.

    `members` are the entity tags as they came, quotes and `W/` included; None stands for `*`.
    """

    members: Final[tuple[str, ...] | None]

    @property
    def is_any(self) -> bool:
        """True for `*`, which any current representation matches."""
        return self.members is None

    def has_strong(self, tag: ETag) -> bool:
        """Whether a member matches by strong comparison; False for `*`."""
        return not tag.weak and self.members is not None and f'"{tag.opaque}"' in self.members

    def has_weak(self, tag: ETag) -> bool:
        """Whether a member matches by weak comparison; False for `*`."""
        if self.members is None:
            return False
        quoted = f'"{tag.opaque}"'
        return quoted in self.members or f"W/{quoted}" in self.members


def parse_tag_list(field: str, value: str) -> TagList:
    """Read the value of If-Match or If-None-Match, several lines joined by a comma.

    Raises MalformedField with the position of the fault and, where it can be told, the corrected
    field. Time is linear in the length of the value.
    """
    text = value.strip(" \t")
    if text == "*":
        return TagList(None)
    match = _MEMBERS.match(value)
    end = match.end() if match else 0
    if end == len(value):
        members = tuple(_EACH_TAG.findall(value))
        if members:
            return TagList(members)
        raise MalformedField(field, value, 0, "it names no entity tag")
    position, reason = _fault(value, end)
    raise MalformedField(field, value, position, reason, _correct(value))


def _fault(value: str, end: int) -> tuple[int, str]:
    """Where the first character stands that does not fit, and why.

    `end` is where the members end that fit, and the next one begins.
    """
    if value.startswith("*", end):
        return end, "'*' stands for itself and cannot be a member of a list"
    closed = _MEMBER.match(value, end)
    if closed is not None:
        return closed.end(), "a comma is missing after an entity tag"
    opened = _OPENED.match(value, end)
    if opened is None:
        if value.startswith(("w/", "W/ ", "W/\t"), end):
            return end, "the weak prefix is written W/, directly before the quotation mark"
        return end, "an entity tag stands in quotation marks"
    position = opened.end()
    if position == len(value):
        return position, "the closing quotation mark is missing"
    return position, f"{value[position]!a} is not allowed inside an entity tag"


def _correct(value: str) -> str | None:
    """The field as it was probably meant, or None where that cannot be told."""
    if len(value) > 200 or not value.isprintable():
        return None
    parts = re.split(r'[ \t]*,[ \t]*|(?<=")[ \t]+(?=")', value.strip(" \t,"))
    members = []
    for part in parts:
        match = _ALMOST_A_TAG.fullmatch(part)
        if match is None or match["opaque"] == "*":
            return None
        # With a quotation mark on one side only, `"a, b"` may as well mean one tag as two.
        if len(parts) > 1 and match["open"] != match["close"]:
            return None
        members.append(("W/" if match["weak"] else "") + f'"{match["opaque"]}"')
    corrected = ", ".join(members)
    return corrected if members and _MEMBERS.fullmatch(corrected) else None
