"""What was wrong with a request, field by field, from the errors that pydantic reports.

Never the value that was sent: it may be a secret, or a megabyte.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

AT_MOST = 20
_LONGEST_DETAIL = 400
_SUBJECT = re.compile(r"^(Input|String|List|Dictionary) should")
_LONGEST_POINTER = 200

_DETAILS = {
    "missing": "It is missing. Add it.",
    "extra_forbidden": "It is not known here. Remove it, or correct its name.",
    "model_type": "It should be an object.",
    "model_attributes_type": "It should be an object.",
    "dict_type": "It should be an object.",
    "list_type": "It should be an array.",
    "string_type": "It should be a string.",
    "int_type": "It should be a whole number.",
    "bool_type": "It should be true or false.",
    "string_pattern_mismatch": "It has characters that it should not have. See the description.",
}
"""What pydantic says in words of Python, in words of JSON."""


@dataclass(frozen=True)
class MalformedJSON:
    """A body that is no JSON, and where it stops being so: line and column, both from 1.

    `place` is None where that is not known.
    """

    reason: str
    place: tuple[int, int] | None


@dataclass(frozen=True)
class Invalid:
    """The first errors, as members of a problem, and how many more there are."""

    errors: list[dict[str, Any]]
    more: int


def describe(errors: Sequence[Any], body: Any) -> MalformedJSON | Invalid:
    """Read the errors of a RequestValidationError; `body` is what was sent, if it was parsed."""
    if errors and errors[0]["type"] == "json_invalid":
        return _malformed(errors[0], body)
    shown = [_error(error, body) for error in errors[:AT_MOST]]
    return Invalid(shown, max(0, len(errors) - AT_MOST))


def _malformed(error: Any, body: Any) -> MalformedJSON:
    at = error["loc"][-1]
    reason = str(error.get("ctx", {}).get("error", "it ends too early")).removesuffix(" at")
    if not isinstance(body, str) or not body or not isinstance(at, int):
        return MalformedJSON(reason, None)
    return MalformedJSON(reason, (body.count("\n", 0, at) + 1, at - body.rfind("\n", 0, at)))


def _error(error: Any, body: Any) -> dict[str, Any]:
    place, *path = error["loc"]
    detail = _detail(error)
    if place == "body":
        return {"pointer": pointer(_real_path(path, body)), "detail": detail}
    name = ".".join(str(part) for part in path)[:_LONGEST_POINTER]
    return {"in": str(place), "name": name, "detail": detail}


def pointer(path: Sequence[str | int]) -> str:
    """A JSON Pointer (RFC 6901); the empty one is the whole body.

    >>> pointer(["rules", 0, "a/b"])
    '/rules/0/a~1b'
    """
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return "".join(f"/{part}" for part in parts)[:_LONGEST_POINTER]


def _real_path(path: Sequence[str | int], body: Any) -> list[str | int]:
    """The path without the names of union members, which pydantic puts between the fields."""
    real: list[str | int] = []
    here = body
    for at, part in enumerate(path):
        last = at == len(path) - 1
        if _is_inside(part, here):
            here = here[part]
        elif not (last and isinstance(here, dict)):  # the last may be a field that is missing
            continue
        real.append(part)
    return real


def _is_inside(part: str | int, here: Any) -> bool:
    if isinstance(here, dict):
        return part in here
    return isinstance(here, list) and isinstance(part, int) and part < len(here)


def _detail(error: Any) -> str:
    kind, context = error["type"], error.get("ctx") or {}
    if kind in _DETAILS:
        return _DETAILS[kind]
    if kind == "union_tag_invalid":  # its message repeats what was sent
        return f"{context['discriminator']} should be one of {context['expected_tags']}."
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = _SUBJECT.sub("It should", message)[:_LONGEST_DETAIL]
    message = message.partition(" after validation")[0]
    return message if message.endswith((".", "!", "?")) else f"{message}."
