"""The values that a flag serves: the five types of OpenFeature, and what fits each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from flagbit.rules import limits
from flagbit.rules.faults import (
    Fault,
    integer_faults,
    number_faults,
    shown,
    step,
    text_faults,
    wrong_type,
)


def value_faults(type_name: str, value: object, at: str) -> Iterator[Fault]:
    """Why `value` cannot be served by a flag of this type; nothing if it can."""
    return TYPES[type_name](value, at)


def normal_value(type_name: str, value: object) -> object:
    """A fitting value as it is stored and served: a float flag's `1` is `1.0`.

    OpenFeature clients check the type, and an integer fails where a float is asked for.
    """
    if type_name == "float" and type(value) is int:
        return float(value)
    return value


def _boolean(value: object, at: str) -> Iterator[Fault]:
    if type(value) is not bool:
        yield wrong_type(at, value, "true or false, for a flag of type boolean")


def _string(value: object, at: str) -> Iterator[Fault]:
    return text_faults(value, at, most=limits.TEXT)


def _integer(value: object, at: str) -> Iterator[Fault]:
    if type(value) is int:
        yield from integer_faults(value, at)
    else:
        yield wrong_type(at, value, "a whole number without a point, for a flag of type integer")


def _float(value: object, at: str) -> Iterator[Fault]:
    if type(value) is int or type(value) is float:
        yield from number_faults(value, at)
    else:
        yield wrong_type(at, value, "a number, for a flag of type float")


def _object(value: object, at: str) -> Iterator[Fault]:
    if type(value) is dict:
        yield from _json_faults(value, at)
    else:
        yield wrong_type(at, value, "an object, for a flag of type object")


TYPES: Mapping[str, Callable[[object, str], Iterator[Fault]]] = {
    "boolean": _boolean,
    "string": _string,
    "integer": _integer,
    "float": _float,
    "object": _object,
}
"""The types of a flag, each with what finds the faults of a value."""


def _json_faults(value: dict[object, object], at: str) -> Iterator[Fault]:
    """The faults of everything inside; a stack of its own, so no depth can exhaust Python's."""
    waiting: list[tuple[object, str, int]] = [(value, at, 1)]
    while waiting:
        node, here, depth = waiting.pop()
        if isinstance(node, (dict, list)) and depth > limits.DEPTH:
            yield Fault(
                here,
                "too-deep",
                f"this is level {depth}; nest objects and arrays at most {limits.DEPTH} deep",
            )
        elif isinstance(node, dict):
            for name, member in node.items():
                yield from _member_name_faults(name, here)
                waiting.append((member, here + step(str(name)), depth + 1))
        elif isinstance(node, list):
            waiting.extend((item, f"{here}/{i}", depth + 1) for i, item in enumerate(node))
        elif isinstance(node, str):
            yield from text_faults(node, here, most=limits.TEXT)
        elif isinstance(node, (int, float)):
            yield from number_faults(node, here)
        elif node is not None:
            yield wrong_type(here, node, "a JSON value")


def _member_name_faults(name: object, at: str) -> Iterator[Fault]:
    for fault in text_faults(name, at, most=limits.TEXT):
        yield Fault(at, fault.code, f"the member name {shown(name)}: {fault.detail}")
