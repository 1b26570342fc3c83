"""Versions: Semantic Versioning 2.0.0, read into something that compares by precedence.

    version     = core [ "-" pre-release ] [ "+" build ]
    core        = numeric "." numeric "." numeric
    pre-release = identifier *( "." identifier )
    build       = 1*id-char *( "." 1*id-char )
    numeric     = "0" / positive *DIGIT
    identifier  = numeric / id-char* with at least one that is no digit
    id-char     = ALPHA / DIGIT / "-"

"v1.2.3" and "1.2" are not versions by this grammar, and we do not guess what they mean.
"""

from __future__ import annotations

import re

Numeric = tuple[int, str]
"""A number as its count of digits and the digits: compares like the number, at any length.

Python refuses `int()` of more than 4,300 digits, and would need quadratic time for it.
"""
Identifier = tuple[int, int, str]
"""(0, count of digits, digits) for a number, (1, 0, text) for others: section 11, item 4.3."""
Version = tuple[tuple[Numeric, ...], bool, tuple[Identifier, ...]]
"""Core, "is a release", pre-release identifiers. Build metadata has no precedence (item 10)."""

_numeric = re.compile(r"0|[1-9][0-9]*").fullmatch
_id_chars = re.compile(r"[0-9A-Za-z-]+").fullmatch


def version(text: str) -> Version | None:
    """The precedence of the version that `text` names, or None if it names none.

    >>> version("1.0.0-rc.9") < version("1.0.0-rc.10") < version("1.0.0") == version("1.0.0+b7")
    True
    """
    precedence, plus, build = text.partition("+")
    if plus and not all(map(_id_chars, build.split("."))):
        return None
    core, dash, pre_release = precedence.partition("-")
    numbers = core.split(".", 3)
    if len(numbers) != 3 or not all(map(_numeric, numbers)):
        return None
    identifiers = tuple(map(_identifier, pre_release.split("."))) if dash else ()
    present = tuple(each for each in identifiers if each is not None)
    if len(present) != len(identifiers):
        return None
    return tuple((len(number), number) for number in numbers), not dash, present


def _identifier(text: str) -> Identifier | None:
    if _numeric(text):
        return 0, len(text), text
    if _id_chars(text) and not text.isdigit():  # digits alone here have a leading zero
        return 1, 0, text
    return None
