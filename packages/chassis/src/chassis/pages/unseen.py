"""Characters that change how text looks without being seen: controls, and marks of direction.

In text that others sent they could show one thing and mean another, so pages name them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Joiners (U+200C, U+200D) stay: scripts and emoji are written with them.
_UNSEEN = re.compile(
    "([\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f])"
)


def parts(text: str) -> Iterator[tuple[str, bool]]:
    r"""The text in pieces; where the second is true, the piece names a character.

    >>> list(parts("abc\u202edef"))
    [('abc', False), ('U+202E', True), ('def', False)]
    """
    for number, piece in enumerate(_UNSEEN.split(text)):
        if number % 2:
            yield f"U+{ord(piece):04X}", True
        elif piece:
            yield piece, False
