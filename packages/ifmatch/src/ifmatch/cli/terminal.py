"""Text for a terminal: nothing in the input can command it, and lines fit its width."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, BinaryIO
from unicodedata import east_asian_width

import click

WIDTH = 80
"""Columns where standard output is no terminal."""

_WIDEST = 100


def visible(text: str) -> str:
    r"""The text on one line, with every character that is not seen written out.

    That is what `str.isprintable` says no to: control characters, among them escape sequences,
    signs that change the order of others, separators of lines, halves of surrogate pairs.

    >>> visible("red \x1b[31m")
    'red \\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )


def octets(argument: str) -> str:
    r"""A word of the command line as the octets that would be sent, a character for each.

    >>> octets("é")
    'Ã©'
    """
    return argument.encode("utf-8", "surrogateescape").decode("latin-1")


def readable(text: str) -> str:
    r"""The octets of a field as text, if they are UTF-8; visible in any case.

    >>> readable('"Ã©"'), readable('"\xff\x9b"')
    ('"é"', '"ÿ\\x9b"')
    """
    try:
        return visible(text.encode("latin-1").decode("utf-8"))
    except UnicodeError:
        return visible(text)


def standard_input() -> BinaryIO:
    """Standard input in bytes."""
    stream: BinaryIO | None = getattr(sys.stdin, "buffer", None)  # None where it is closed
    if stream is None:
        raise Wrong("Standard input is closed.", "Send something to it.")
    return stream


def columns() -> int:
    """The width to write for."""
    if not sys.stdout.isatty():
        return WIDTH
    return min(max(shutil.get_terminal_size().columns, 40), _WIDEST)


def cut(text: str, width: int) -> str:
    """The text in that many columns; `...` says that there is more.

    >>> cut("abcdef", 5), cut("旗旗旗", 6), cut("旗旗旗", 5)
    ('ab...', '旗旗旗', '旗...')
    """
    ends = list(accumulate(2 if east_asian_width(one) in "WF" else 1 for one in text))
    if not ends or ends[-1] <= width:
        return text
    return text[: bisect_right(ends, width - 3)] + "..."


def wrapped(text: str, indent: int, width: int) -> list[str]:
    """The text in lines of at most that width, indented; long words are cut into pieces."""
    margin = " " * indent
    return textwrap.wrap(
        text, width, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False
    )


@dataclass(frozen=True, slots=True)
class Pen:
    """Colours, or none."""

    coloured: bool

    @classmethod
    def choose(cls, asked: bool | None) -> Pen:
        """As asked for; else where standard output is a terminal, and NO_COLOR is not set."""
        if asked is None:
            plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
            asked = sys.stdout.isatty() and not plain
        return cls(asked)

    def __call__(self, text: str, **style: Any) -> str:
        return click.style(text, **style) if self.coloured and any(style.values()) else text

    def write(self, line: str) -> None:
        click.echo(line, color=self.coloured)


class Wrong(click.ClickException):
    """What the user can put right; says what to do next, and ends with status 2."""

    exit_code = 2

    def __init__(self, message: str, next_step: str, *excerpt: str) -> None:
        super().__init__(visible(message))
        self.next_step = visible(next_step)
        self.excerpt = excerpt

    def show(self, file: Any = None) -> None:
        click.echo(f"error: {self.message}", err=True)
        for line in self.excerpt:
            click.echo(f"  {line}", err=True)
        click.echo(f"Next: {self.next_step}", err=True)
