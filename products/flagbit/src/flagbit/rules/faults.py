"""What is wrong with a definition: where, which promise it breaks, and how to put it right."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from flagbit.rules import limits

Code = Literal[
    "wrong-type",
    "missing-member",
    "unknown-member",
    "malformed-name",
    "unusable-text",
    "too-long",
    "too-many",
    "too-few",
    "too-deep",
    "out-of-range",
    "unknown-type",
    "unknown-variant",
    "unknown-op",
    "unfit-value",
    "duplicate",
    "not-one-of-two",
    "no-weight",
    "weight-too-small",
]
"""Which promise is broken, for programs. The reference explains each."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: a JSON pointer (RFC 6901) into the definition, a code, a sentence for people.

    The sentence says what was found and what would do instead.
    """

    pointer: str
    code: Code
    detail: str


def step(name: str) -> str:
    """`name` as one step of a JSON pointer: RFC 6901 section 3.

    >>> step("a/b")
    '/a~1b'
    """
    escaped = name.replace("~", "~0").replace("/", "~1")
    # Half a surrogate pair cannot be sent, so it is told by its number.
    return "/" + escaped.encode("utf-8", "backslashreplace").decode()


def kind(value: object) -> str:
    """What JSON calls `value`, with its article."""
    return _KINDS.get(type(value), "not a JSON value")


_KINDS = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def shown(value: object) -> str:
    """`value` in a few characters, to quote in a sentence; never raises and never is long.

    >>> shown("dark"), shown([1, 2]), shown(10**9000)
    ('"dark"', 'an array', 'a huge integer')
    """
    match value:
        case str():
            start = value if len(value) <= 40 else value[:39] + "…"
            return json.dumps(start, ensure_ascii=not usable(start))
        case bool() | float():
            return json.dumps(value)
        case int():
            # Python refuses to write integers of more than 4,300 digits.
            return str(value) if value.bit_length() <= 128 else "a huge integer"
        case _:
            return kind(value)


def listed(names: Iterable[str]) -> str:
    """Names in quotation marks, in order, cut when there are many.

    >>> listed(["off", "on"])
    '"off", "on"'
    """
    every = sorted(names)
    return ", ".join(shown(name) for name in every[:20]) + (", …" if len(every) > 20 else "")


def wrong_type(at: str, value: object, wanted: str) -> Fault:
    """`value` is of another type than this place takes."""
    return Fault(at, "wrong-type", f"this is {kind(value)}; write {wanted}")


_TURNING = r"\u202a-\u202e\u2066-\u2069"
_CONTROL = r"\x00-\x1f\x7f-\x9f"
UNREADABLE = _CONTROL + r"\u2028\u2029" + _TURNING
"""As in a class of a regular expression: what no name in one line has.

Control characters, ends of lines, and what turns the direction of the text around it, so that
people read something else than what is there (Unicode Technical Report 36).
"""

_IN_A_LINE = re.compile(f"[{UNREADABLE}]")
_IN_A_TEXT = re.compile(rf"(?![\t\n\r])[{_CONTROL}{_TURNING}]")


def readable_faults(
    value: object, at: str, *, most: int, least: int = 0, lines: bool = False
) -> Iterator[Fault]:
    """The faults of a text that people read as well; with `lines` it may have several."""
    found = list(text_faults(value, at, most=most, least=least))
    if not found and type(value) is str:
        unseen = (_IN_A_TEXT if lines else _IN_A_LINE).search(value)
        if unseen is not None:
            found.append(
                Fault(
                    at,
                    "unusable-text",
                    f"this has the character U+{ord(unseen[0]):04X} in it, which people cannot see "
                    "or which turns the text around; write it without",
                )
            )
    yield from found


def text_faults(value: object, at: str, *, most: int, least: int = 0) -> Iterator[Fault]:
    """The faults of a text: its type, its length, and whether it can be stored and sent."""
    if type(value) is not str:
        yield wrong_type(at, value, "a string")
    elif len(value) > most:
        yield Fault(at, "too-long", f"this has {len(value)} characters; write at most {most}")
    elif len(value) < least:
        yield Fault(at, "too-few", "this is empty; write at least one character")
    elif not usable(value):
        yield Fault(
            at,
            "unusable-text",
            "this has a NUL or half of a surrogate pair in it, which databases and other "
            "languages refuse; write it without",
        )


def usable(text: str) -> bool:
    """Whether databases and other languages take `text`: no NUL and no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def integer_faults(value: int, at: str) -> Iterator[Fault]:
    """Whether every client reads this whole number exactly."""
    if abs(value) > limits.INTEGER:
        yield Fault(
            at,
            "out-of-range",
            f"{shown(value)} is beyond ±{limits.INTEGER}, where JavaScript loses digits; "
            "write one nearer to zero",
        )


def number_faults(value: int | float, at: str) -> Iterator[Fault]:
    """Whether JSON can say this number and every client reads it as it is."""
    if type(value) is int:
        yield from integer_faults(value, at)
    elif not math.isfinite(value):
        yield Fault(at, "out-of-range", "JSON has no such number; write a finite one")
