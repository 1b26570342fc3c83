"""The content that a tag is made of: read from a file, as bytes and perhaps as JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, BinaryIO

from ifmatch.cli.terminal import Wrong, standard_input, visible
from ifmatch.core.canonical import parse

LONGEST_JSON = 64 * 2**20
"""Bytes that are read as JSON at most."""

_CHUNK = 2**18
_BYTES_INSTEAD = "or use --bytes for the tag of the bytes."


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """The file of that name, `-` for standard input; errors are said in words."""
    try:
        if name == "-":
            yield standard_input()
        else:
            with open(name, "rb") as file:
                yield file
    except IsADirectoryError:
        raise Wrong(f"{name} is a directory.", "Name a file.") from None
    except FileNotFoundError:
        raise Wrong(f"There is no file {name}.", "Correct its name.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Wrong(f"{name} cannot be read: {reason}.", "Name a file that can.") from None


def chunks(file: BinaryIO, first: bytes = b"") -> Iterator[bytes]:
    """What is left of the file, in pieces, after those that were read already."""
    return chain([first], iter(lambda: file.read(_CHUNK), b""))


def begins_like_json(file: BinaryIO) -> tuple[bool, bytes]:
    """Whether an object or a list seems to begin there; and what was read to see it."""
    first = file.read(_CHUNK)
    return first.lstrip(b" \t\r\n")[:1] in (b"{", b"["), first


def read_whole(name: str, file: BinaryIO, first: bytes = b"") -> bytes:
    """All of it, up to what is read as JSON."""
    content = first + file.read(LONGEST_JSON + 1 - len(first))
    if len(content) > LONGEST_JSON:
        raise Wrong(
            f"{_named(name)} has more than {LONGEST_JSON // 2**20} MiB, too many to be read as "
            "JSON.",
            f"Take a part of it, {_BYTES_INSTEAD}",
        )
    return content


def read_json(name: str, content: bytes) -> Any:
    """The value; an error with the place where readers would not all read the same."""
    try:
        return parse(content)
    except json.JSONDecodeError as error:
        raise _refusal(name, content, error) from None


def _named(name: str) -> str:
    return "Standard input" if name == "-" else name


# -- where JSON fails, and what to do about it -----------------------------------------------------


_NEXT = (
    ("occurs twice", "Keep one of the two"),
    ("not a JSON number", "Write a number, a string or null"),
    ("out of range", "Write a smaller number, or a string"),
    ("surrogate", "Write both halves, or the character itself"),
    ("byte order mark", "Save it as UTF-8 without one"),
    ("not UTF-8", "Save it as UTF-8"),
    ("nested", "Nest it less deeply"),
    ("empty", "Give a JSON value"),
    ("", "Correct it there"),
)
"""Words of the reason, and the next step; the first row that fits counts."""


def _refusal(name: str, content: bytes, error: json.JSONDecodeError) -> Wrong:
    reason, position = error.msg, error.pos
    text = content.decode("utf-8", "replace")
    if isinstance(error.__cause__, UnicodeDecodeError):
        position = len(content[: error.__cause__.start].decode("utf-8", "replace"))
    elif not content:
        reason = "It is empty"
    elif not error.doc:  # refused by `parse`, which does not count
        reason, position = next(_faults(text), (reason, -1))
    next_step = next(step for words, step in _NEXT if words in reason)
    if position < 0:
        return Wrong(
            f"{_named(name)} is no strict JSON. {reason}.", f"{next_step}, {_BYTES_INSTEAD}"
        )
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return Wrong(
        f"{_named(name)}, line {line}, column {column}: {reason}.",
        f"{next_step}, {_BYTES_INSTEAD}",
        *_excerpt(text, position),
    )


def _excerpt(text: str, position: int) -> tuple[str, str]:
    """The line around that place, and a mark below it."""
    begin = max(text.rfind("\n", 0, position) + 1, position - 30)
    before = visible(text[begin:position])
    after = visible(text[position : position + 40].partition("\n")[0])
    return before + after, " " * len(before) + "^"


# Of a text that fits the grammar of JSON, NaN and its like included.
_TOKEN = re.compile(
    r"""[ \t\r\n]*+(?:(?P<string>"(?:[^"\\]|\\.)*+")(?P<name>[ \t\r\n]*+:)?
    |(?P<constant>-?(?:NaN|Infinity))|(?P<number>-?[0-9][0-9.eE+-]*+)|(?P<other>.))""",
    re.DOTALL | re.VERBOSE,
)


def _faults(text: str) -> Iterator[tuple[str, int]]:
    """What `parse` refuses though the grammar allows it, and where: in the order of the text."""
    names: list[set[str]] = []
    for token in _TOKEN.finditer(text):
        kind = str(token.lastgroup)
        place = token.start("string" if kind == "name" else kind)
        word = token[kind]
        if kind == "other" and word in "{[":
            names.append(set())
        elif kind == "other" and word in "}]" and names:
            names.pop()
        elif kind == "constant":
            yield f"{word} is not a JSON number", place
        elif kind == "number" and _is_out_of_range(word):
            yield "A number is out of range", place
        elif kind in ("string", "name"):
            said = _unescaped(token["string"])
            if any("\ud800" <= one <= "\udfff" for one in said):
                yield "A string holds half of a surrogate pair", place
            if kind == "name" and names:
                if said in names[-1]:
                    yield f"The member {said[:40]!r} occurs twice", place
                names[-1].add(said)


def _unescaped(string: str) -> str:
    return str(json.loads(string)) if "\\" in string else string[1:-1]


def _is_out_of_range(number: str) -> bool:
    if not number.lstrip("-").isdecimal():
        return abs(float(number)) == float("inf")
    limit = sys.get_int_max_str_digits()
    return 0 < limit < len(number.lstrip("-"))
