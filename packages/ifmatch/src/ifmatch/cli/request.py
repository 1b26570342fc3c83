"""What the command line says of a request and of a state, as values of the core.

A request is a method and fields. Its head may come whole, as `curl -v` or a log shows it:

    > PUT /notes/1 HTTP/1.1
    > Host: example.org
    > If-Match: "0a1b"

Lines may begin with `>`; where some do, all others are somebody else's words. What follows the
empty line is content, and is not read.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from ifmatch.cli.terminal import Wrong, cut, octets, readable
from ifmatch.core.decide import Validators
from ifmatch.core.errors import MalformedField
from ifmatch.core.etag import ETag
from ifmatch.core.fieldlist import parse_tag_list
from ifmatch.core.httpdate import format_http_date, parse_http_date

LONGEST_HEAD = 1_048_576
"""Bytes of a request's head that are read at most."""

# RFC 9110 section 5.6.2: token = 1*tchar
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 (the grammar's token)
_FIELD = re.compile(rf"({_TOKEN}):[ \t]*(.*?)[ \t]*", re.DOTALL)
_REQUEST_LINE = re.compile(rf"({_TOKEN})[ \t]+\S+(?:[ \t]+HTTP/[0-9.]+)?[ \t]*")
_KNOWN = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}

JUDGED = {
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "if-range",
    "range",
}
"""The fields that an answer may depend on here, in lower case."""

Fields = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """A method, and fields with a character for each octet."""

    method: str
    fields: Fields

    def in_a_line(self) -> str:
        """The method and the fields that count; values as they came."""
        counted = [f"{name}: {value}" for name, value in self.fields if name.lower() in JUDGED]
        others = len(self.fields) - len(counted)
        end = f"  ({others} other field{'s' * (others > 1)})" if others else ""
        return "  ".join([self.method, *counted]) + end


def method_of(word: str) -> str:
    """A method given as an option; names of methods are case-sensitive."""
    if not re.fullmatch(_TOKEN, word):
        raise Wrong(f"{word!r} is no method.", "Name one such as GET or PUT.")
    if word not in _KNOWN and word.upper() in _KNOWN:
        raise Wrong(f"The method {word} is another one than {word.upper()}.", "Use capitals.")
    return word


def field_of(word: str) -> tuple[str, str]:
    """A field given as an option, as for curl."""
    match = _FIELD.fullmatch(octets(word))
    if match is None:
        raise Wrong(
            f"{cut(word, 60)!r} is no field.", "Write it as NAME: VALUE, as in -H 'If-Match: \"a\"'"
        )
    return match[1], match[2]


def read_head(content: bytes) -> Request:
    """The request line and the fields of a request."""
    if len(content) > LONGEST_HEAD:
        raise Wrong(
            f"The request's head has more than {LONGEST_HEAD:,} bytes.",
            "Leave out all but the request line and the fields.",
        )
    lines = list(_lines_of_head(content.decode("latin-1")))
    if not lines:
        raise Wrong(
            "There is no request on standard input.",
            "Give its request line and its fields, one a line.",
        )
    number, first = lines[0]
    match = _REQUEST_LINE.fullmatch(first)
    if match is None:
        next_step = "Begin with one, such as PUT /notes/1 HTTP/1.1"
        raise _wrong_line(number, first, "request line", next_step)
    return Request(match[1], list(_fields(lines[1:])))


def _lines_of_head(text: str) -> Iterator[tuple[int, str]]:
    """The lines up to the first empty one, with their numbers."""
    lines = list(enumerate(textwrap.dedent(text.replace("\r\n", "\n")).split("\n"), 1))
    if any(line.startswith(">") for _, line in lines):
        quoted = [(number, line[1:]) for number, line in lines if line.startswith(">")]
        lines = [(number, line.removeprefix(" ")) for number, line in quoted]
    while lines and not lines[0][1].strip():
        lines.pop(0)
    return takewhile(lambda numbered: numbered[1].strip(), lines)


def _fields(lines: Iterable[tuple[int, str]]) -> Fields:
    found: Fields = []
    for number, line in lines:
        if line[0] in " \t" and found:  # RFC 9112 section 5.2: a folded value
            name, value = found.pop()
            found.append((name, f"{value} {line.strip()}".strip()))
            continue
        match = _FIELD.fullmatch(line)
        if match is None:
            next_step = "Write a field as NAME: VALUE, and end the fields with an empty line."
            raise _wrong_line(number, line, "field", next_step)
        found.append((match[1], match[2]))
    return found


def _wrong_line(number: int, line: str, wanted: str, next_step: str) -> Wrong:
    return Wrong(
        f"Line {number} of standard input is no {wanted}.", next_step, cut(readable(line), 76)
    )


def state_of(
    *,
    etag: str | None,
    last_modified: str | None,
    strong_date: bool,
    missing: bool,
    length: int | None,
    **_: Any,
) -> Validators | None:
    """What is stored, as the options say it; None where nothing is."""
    if missing and (etag is not None or last_modified is not None or length is not None):
        raise Wrong(
            "What is missing has no tag, no date and no length.",
            "Leave out --missing, or --etag, --last-modified and --length.",
        )
    if strong_date and last_modified is None:
        raise Wrong("--strong-date speaks of a date.", "Add --last-modified DATE.")
    if missing:
        return None
    return Validators(
        None if etag is None else etag_of(etag),
        None if last_modified is None else date_of(last_modified),
        strong_date,
    )


def etag_of(word: str) -> ETag:
    """The entity tag given as an option, quotation marks included."""
    text = octets(word).strip(" \t")
    try:
        return ETag.parse(text)
    except MalformedField as error:
        reason, suggestion = error.reason, None
    try:
        parse_tag_list("ETag", text)
    except MalformedField as error:
        reason, suggestion = error.reason, error.suggestion
    example = _one_tag(suggestion)
    next_step = "Write it as an ETag field has it, quotation marks included: --etag "
    raise Wrong(
        f"--etag {cut(word, 30)!r} does not fit: {reason}.",
        next_step + shlex.quote(readable(example)),
    )


def _one_tag(suggestion: str | None) -> str:
    try:
        return str(ETag.parse(suggestion or ""))
    except MalformedField:
        return '"abc"'


def date_of(word: str) -> int:
    """Seconds since the epoch, of the date given as an option."""
    seconds = parse_http_date(word.strip(" \t"))
    if seconds is None:
        raise Wrong(
            f"--last-modified {cut(word, 50)!r} is no HTTP date.",
            f"Write it as in --last-modified '{format_http_date(_meant(word))}'",
        )
    return seconds


def _meant(word: str) -> int:
    """The instant of an ISO date; of the RFC's own example where it is none."""
    from datetime import UTC, datetime

    try:
        at = datetime.fromisoformat(word.strip())
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return 784_111_777
