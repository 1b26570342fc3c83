"""How a line of the log looks, for people or for programs, and which request it belongs to.

A line is one line: what clients sent cannot end it and begin another, since everything that is not
printable is escaped. The lines of a traceback are set off by a bar.
"""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chassis.settings import LogFormat
from ifmatch.server.metrics import Exchange

MEMBERS = "chassis_members"
"""The attribute of a record that holds members of its JSON object, beside those of every line."""


@dataclass(slots=True)
class Request:
    """The request under way: what becomes known of it, for the lines about it.

    One object for the whole of it: threads that work for it see it, and what they add is seen.
    """

    number: str
    product: str = ""
    key_id: str | None = None
    exchange: Exchange | None = None


_current: ContextVar[Request | None] = ContextVar("chassis_request", default=None)
enter, leave = _current.set, _current.reset


def current() -> Request | None:
    """The request that this code runs for; None outside of one."""
    return _current.get()


def note_key(key_id: str) -> None:
    """Remember whose request this is: the id of the key, which is no secret."""
    request = _current.get()
    if request is not None:
        request.key_id = key_id


def formatter(kind: LogFormat) -> logging.Formatter:
    """What makes lines of that kind."""
    return JSONLines() if kind is LogFormat.JSON else TextLines()


class TextLines(logging.Formatter):
    """Time, level, logger, [number of the request]: message."""

    def __init__(self) -> None:
        super().__init__(datefmt="%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        request = _current.get()
        number = f" [{request.number}]" if request is not None else ""
        when, said = self.formatTime(record, self.datefmt), visible(record.getMessage())
        lines = [f"{when} {record.levelname} {record.name}{number}: {said}"]
        for more in (self._exception(record), record.stack_info):
            lines += [f"  | {visible(line)}" for line in (more or "").split("\n") if line]
        return "\n".join(lines)

    def _exception(self, record: logging.LogRecord) -> str | None:
        return self.formatException(record.exc_info) if record.exc_info else record.exc_text


class JSONLines(logging.Formatter):
    """One JSON object a line, in ASCII: time in UTC (RFC 3339), level, logger, message, and more.

    `request_id` where there is a request, `exception` where there is one, and what the record
    brings as `MEMBERS`.
    """

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        members: dict[str, Any] = {
            "time": when.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request = _current.get()
        if request is not None:
            members["request_id"] = request.number
        members |= getattr(record, MEMBERS, {})
        if record.exc_info and record.exc_info[0] is not None:
            members["exception"] = {
                "type": record.exc_info[0].__qualname__,
                "message": str(record.exc_info[1]),
                "traceback": self.formatException(record.exc_info),
            }
        if record.stack_info:
            members["stack"] = record.stack_info
        return json.dumps(members, default=str)


def visible(text: str) -> str:
    r"""The text on one line: what is not printable is escaped, line ends and ANSI codes for two.

    >>> print(visible("a path\nforged"))
    a path\nforged
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )
