"""The content of an answer of several ranges: multipart/byteranges, RFC 9110 section 14.6."""

from __future__ import annotations

from collections.abc import Sequence

from ifmatch.core.ranges import ByteRange


def media_type(boundary: str) -> str:
    """The Content-Type of the answer as a whole; unquoted, since some clients trip over quotes."""
    return f"multipart/byteranges; boundary={boundary}"


def multipart(
    content: bytes, ranges: Sequence[ByteRange], content_type: str | None, boundary: str
) -> bytes:
    """The parts of `content`, each under its Content-Range and the type of the whole (15.3.7.2).

    `boundary` must not occur in the content: give letters and digits that nobody can foresee.

    >>> multipart(b"0123456789", [ByteRange(0, 1), ByteRange(8, 9)], None, "x").splitlines()[:4]
    [b'--x', b'Content-Range: bytes 0-1/10', b'', b'01']
    """
    pieces = []
    described = f"Content-Type: {content_type}\r\n" if content_type else ""
    for each in ranges:
        head = f"--{boundary}\r\n{described}Content-Range: {each.content_range(len(content))}"
        pieces += [
            f"{head}\r\n\r\n".encode("latin-1"),
            content[each.first : each.last + 1],
            b"\r\n",
        ]
    pieces.append(f"--{boundary}--\r\n".encode("ascii"))
    return b"".join(pieces)
