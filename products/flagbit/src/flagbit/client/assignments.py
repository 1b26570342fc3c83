"""FIELD=VALUE: what people write to say what is to become of a resource.

    assignment = field "=" value
    field      = member / "variants." name
    value      = JSON, or text that is no JSON and stands for itself

A variant's name may hold dots, so all that follows `variants.` is the name. Where only text can
stand (a description; a variant of a string flag) `42` and `true` are text, too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from flagbit.client.changes import BY_NAME, READ_ONLY, Document, Path
from flagbit.client.failures import BadInput

TEXT = frozenset({"description", "default_variant", "off_variant"})
FIXED = READ_ONLY | {"key", "type", "flag", "environment"}
OF_A_STATE = frozenset({"enabled", "rules", "fallthrough"})


@dataclass(frozen=True, slots=True)
class Assignment:
    """One value for one field."""

    path: Path
    text: str

    @classmethod
    def parse(cls, word: str) -> Assignment:
        """Read FIELD=VALUE; raises BadInput.

        >>> Assignment.parse("variants.v1.0=true")
        Assignment(path=('variants', 'v1.0'), text='true')
        """
        field, equals, text = word.partition("=")
        if not equals or not field:
            raise BadInput(
                f"{word!r} is not FIELD=VALUE.", "Write it as in description='Dark colours'."
            )
        member, dot, name = field.partition(".")
        if not dot:
            return cls((field,), text)
        if member not in BY_NAME or not name:
            raise BadInput(
                f"{field!r} has a dot, and only variants have names in them.",
                f"Give {member} as a whole, in JSON, or use --patch.",
            )
        return cls((member, name), text)


def parse(words: Sequence[str]) -> list[Assignment]:
    """Read each FIELD=VALUE; raises BadInput, also where one would undo another."""
    parsed = [Assignment.parse(word) for word in words]
    for index, one in enumerate(parsed):
        for other in parsed[:index]:
            shared = min(one.path, other.path, key=len)
            if one.path[: len(shared)] == other.path[: len(shared)]:
                raise BadInput(
                    f"{'.'.join(shared)} is set twice, and only one value can stay.",
                    "Give each field once.",
                )
    return parsed


class _Ambiguous(ValueError):
    """JSON that two readers could read in two ways."""


def read_json(text: str, what: str) -> Any:
    """The value of JSON text; raises BadInput that says where it is broken."""
    try:
        return _loads(text)
    except _Ambiguous as error:
        raise BadInput(f"{what} is ambiguous: {error}.", "Give each member once.") from None
    except json.JSONDecodeError as error:
        place = f"{error.msg} at line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError) as error:
        place = str(error)
    raise BadInput(f"{what} is not JSON: {place}.", "Correct it there and run the command again.")


def read_object(text: str, what: str) -> Document:
    """The same for a JSON object."""
    value = read_json(text, what)
    if not isinstance(value, dict):
        raise BadInput(f"{what} is no JSON object.", 'Write it as in {"description": "…"}.')
    return value


def value_of(text: str, *, kind: str | None = None) -> Any:
    """The value that a text stands for, where a value of the type `kind` is wanted.

    Raises BadInput for JSON that two readers could read in two ways.

    >>> value_of("[1, 2]"), value_of("on"), value_of("42", kind="string")
    ([1, 2], 'on', '42')
    >>> value_of("2", kind="float")
    2.0
    """
    try:
        value = _loads(text)
    except _Ambiguous as error:
        if kind == "string":
            return text
        raise BadInput(f"A value is ambiguous: {error}.", "Give each member once.") from None
    except (ValueError, RecursionError):
        return text
    if kind == "string" and not isinstance(value, str):
        return text
    if kind == "float" and type(value) is int:
        return float(value) if abs(value) < 2**53 else value
    return value


def assign(document: Mapping[str, Any], assignments: Sequence[Assignment]) -> Document:
    """The document with those values; raises BadInput for a field that cannot be set."""
    result = dict(document)
    for one in assignments:
        member, *name = one.path
        _refuse_unknown(member, document)
        if name:
            held = result[member] if isinstance(result[member], dict) else {}
            result[member] = held | {name[0]: value_of(one.text, kind=document.get("type"))}
        elif member == "off_variant" and one.text == "null":
            result[member] = None
        else:
            result[member] = value_of(one.text, kind="string" if member in TEXT else None)
    return result


def _refuse_unknown(member: str, document: Mapping[str, Any]) -> None:
    if member in FIXED and member in document:
        raise BadInput(
            f"The {member} of a flag is not set in this way.", "Leave it out of the command."
        )
    if member in document:
        return
    if member in OF_A_STATE:
        raise BadInput(
            f"A flag has its {member} in each environment.", "Add --environment and its key."
        )
    if "enabled" in document:
        raise BadInput(
            f"There is no field {member!r} of a flag in an environment: {_fields(document)}.",
            "To set what is the same in all environments, leave out --environment.",
        )
    raise BadInput(
        f"There is no field {member!r}: {_fields(document)}.", "Use one of these fields."
    )


def _fields(document: Mapping[str, Any]) -> str:
    return "there are " + ", ".join(sorted(set(document) - FIXED))


def _loads(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)


def _unique(pairs: list[tuple[str, Any]]) -> Document:
    members: Document = {}
    for name, value in pairs:
        if name in members:
            raise _Ambiguous(f"the member {name[:64]!r} occurs twice")
        members[name] = value
    return members


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _refuse(number: str) -> NoReturn:
    raise ValueError(f"{number} is no number that can be kept")
