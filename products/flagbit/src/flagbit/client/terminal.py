"""Text that is safe to show: whatever a flag's description holds, the terminal obeys none of it."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from flagbit.client.changes import ABSENT

_ASCII = re.compile(r"[\x20-\x7e]*")
# Cc and Cf: control characters, among them escape sequences, and signs that are not seen but
# change the order of others. Zl, Zp: separators of lines. Cs: halves of a pair.
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})


def visible(text: str) -> str:
    r"""The text on one line, with everything that is not a visible character written out.

    >>> visible("red \x1b[31m")
    'red \\x1b[31m'
    """
    if _ASCII.fullmatch(text):
        return text
    return "".join(_escaped(one) if unicodedata.category(one) in _UNSEEN else one for one in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def shown(value: Any) -> str:
    """A JSON value on one line.

    >>> shown({"on": True}), shown(ABSENT)
    ('{"on": true}', '(nothing)')
    """
    if value is ABSENT:
        return "(nothing)"
    return visible(json.dumps(value, ensure_ascii=False, sort_keys=True))


def machine_readable(value: Any, encoding: str = "utf-8") -> str:
    r"""JSON for programs, in characters of that encoding; a terminal is safe from it, too.

    >>> machine_readable("é\x9b1m")
    '"é\\u009b1m"'
    """
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=not _is_utf8(encoding))
    return "".join(
        json.dumps(one)[1:-1] if unicodedata.category(one) in _UNSEEN and one != "\n" else one
        for one in text.replace("\x7f", "\\u007f")
    )


def _is_utf8(encoding: str) -> bool:
    return encoding.replace("-", "").lower() == "utf8"


def width(text: str) -> int:
    """How many columns a text takes.

    >>> width("旗"), width("e\u0301")
    (2, 1)
    """
    return sum(
        0 if unicodedata.combining(one) else 1 + (unicodedata.east_asian_width(one) in "WF")
        for one in text
    )


def cut(text: str, columns: int) -> str:
    """The text in that many columns; `…` says that there is more."""
    if width(text) <= columns:
        return text
    while text and width(text) > columns - 1:
        text = text[:-1]
    return text + "…"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], columns: int | None = None) -> str:
    """Lines of cells under their heads; the last cell is cut where the lines get too long."""
    lines = [list(head), *([visible(cell) for cell in row] for row in rows)]
    widths = [max(width(line[column]) for line in lines) for column in range(len(head))]
    taken = sum(widths[:-1]) + 2 * len(widths[:-1])
    if columns is not None:
        last = max(columns - taken, 8)
        lines = [[*line[:-1], cut(line[-1], last)] for line in lines]
    return "\n".join(
        "  ".join(
            cell + " " * (size - width(cell)) for cell, size in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )
