"""Ways to make an entity tag.

    state_tag     of the state that a representation shows: weak, the same in every coding
    bytes_tag     of the very bytes that are sent: strong
    version_tag   of a version number: strong only if the epoch and the coding are in it
    composed_tag  of the tags of parts that determine the whole: weak

The law that each of them keeps, if its source is right: for one URL and one view, different
bodies never share a tag, and the tag stays while the body stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from ifmatch.core.canonical import canonical
from ifmatch.core.etag import ETag

STATE_HEX = 16
"""Hex digits of a state tag: 64 bits, enough where one URL's states are compared."""

BYTES_HEX = 32
"""Hex digits of a bytes tag: 128 bits, since a strong tag may splice ranges of two answers."""


def state_digest(body: bytes | bytearray | memoryview) -> str:
    """The opaque part of a state tag: the first 16 hex digits of SHA-256."""
    return sha256(body).hexdigest()[:STATE_HEX]


def state_tag(value: Any) -> ETag:
    """A weak tag of a JSON value: `W/"` + the first 16 hex of SHA-256 of its canonical form + `"`.

    Raises NotCanonical where `value` has no canonical form.

    >>> str(state_tag({"a": 1}))
    'W/"015abd7f5cc57a2d"'
    """
    return ETag(state_digest(canonical(value)), True)


def bytes_tag(content: bytes | bytearray | memoryview | Iterable[bytes]) -> ETag:
    """A strong tag of the bytes as they are sent, after any content coding.

    >>> str(bytes_tag(b"hello"))
    '"2cf24dba5fb0a30e26e83b2ac5b9e29e"'
    """
    if isinstance(content, (bytes, bytearray, memoryview)):
        return ETag(sha256(content).hexdigest()[:BYTES_HEX])
    digest = sha256()
    for chunk in content:
        digest.update(chunk)
    return ETag(digest.hexdigest()[:BYTES_HEX])


def version_tag(version: int, *, epoch: str | None = None, coding: str | None = None) -> ETag:
    """A tag of a version number.

    It is strong only where `epoch` (of what is served apart from the row: the release, the
    serialiser's schema) and `coding` (`identity`, `gzip`, ...) are given; else two different
    sequences of bytes could share it, and it is weak.

    >>> str(version_tag(42)), str(version_tag(42, epoch="7", coding="gzip"))
    ('W/"42"', '"42-7-gzip"')
    """
    if not epoch or not coding:
        return ETag("-".join([str(version), *filter(None, (epoch, coding))]), weak=True)
    return ETag(f"{version}-{epoch}-{coding}")


def composed_tag(*parts: Any) -> ETag:
    """A weak tag of a list or another composite, from digests that determine it.

    `parts` is anything canonical JSON can say, and entity tags anywhere in lists; write down what
    selects the answer (the query, the rights) as a part of its own.

    >>> composed_tag("notes", [ETag("a", weak=True)]) == composed_tag("notes", [ETag("b")])
    False
    """
    return state_tag(_plain(parts))


def _plain(part: Any) -> Any:
    if isinstance(part, ETag):
        return str(part)
    if isinstance(part, (list, tuple)):
        return [_plain(member) for member in part]
    return part
