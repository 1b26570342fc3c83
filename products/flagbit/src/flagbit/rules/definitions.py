"""Flags and their states as people write them: what is wrong with one, and its full form.

A flag is the same in all environments; a state says what it does in one of them. Members that
nobody knows are faults, because a misspelt `negate` would turn a rule round in silence. So
members which only the server writes (revision, times) are taken off before a definition is
checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import Any

from flagbit.rules import limits
from flagbit.rules.bucketing import BUCKETS, TARGETING_KEY
from flagbit.rules.conditions import OPERATORS
from flagbit.rules.faults import (
    Fault,
    listed,
    readable_faults,
    shown,
    step,
    text_faults,
    wrong_type,
)
from flagbit.rules.values import TYPES, normal_value, value_faults

_CHARACTERS = "[A-Za-z0-9._-]"
_KEY = re.compile(f"{_CHARACTERS}{{1,{limits.KEY}}}")
_NAME = re.compile(f"{_CHARACTERS}{{1,{limits.NAME}}}")

Check = Callable[[Any, str], Iterator[Fault]]


def check_flag(flag: object) -> list[Fault]:
    """The first hundred faults of a flag, none if it can be stored and served.

    Takes any JSON value and never raises.

    >>> check_flag({"key": "..", "type": "boolean", "variants": {"on": True},
    ...             "default_variant": "on", "off_variant": "on"})[0].pointer
    '/key'
    """
    return list(islice(_flag(flag), limits.FAULTS))


def check_state(flag: object, state: object) -> list[Fault]:
    """The first hundred faults of what `flag` does in one environment, none if it can serve.

    Whoever changes a flag checks each of its states against the new flag: a variant that a
    state still serves cannot go. Takes any JSON values and never raises.

    >>> flag = {"variants": {"on": True, "off": False}}
    >>> check_state(flag, {"enabled": True, "fallthrough": {"variant": "onn"}})[0].detail
    'there is no variant "onn"; the variants are "off", "on"'
    """
    variants = flag.get("variants") if isinstance(flag, dict) else None
    names = variants if type(variants) is dict else ()
    return list(islice(_state(state, names), limits.FAULTS))


def normal_flag(flag: Mapping[str, Any]) -> dict[str, Any]:
    """A faultless flag with every member there and a float flag's values all floats."""
    return {
        "key": flag["key"],
        "type": flag["type"],
        "description": flag.get("description", ""),
        "tags": list(flag.get("tags", ())),
        "variants": {
            name: normal_value(flag["type"], value) for name, value in flag["variants"].items()
        },
        "default_variant": flag["default_variant"],
        "off_variant": flag["off_variant"],
        "client_visible": flag.get("client_visible", False),
        "archived": flag.get("archived", False),
    }


def normal_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """A faultless state with every member there."""
    return {
        "enabled": state["enabled"],
        "rules": [
            {
                "id": rule["id"],
                "description": rule.get("description", ""),
                "conditions": [
                    {
                        "attribute": condition["attribute"],
                        "op": condition["op"],
                        "values": list(condition.get("values", ())),
                        "negate": condition.get("negate", False),
                    }
                    for condition in rule["conditions"]
                ],
                "serve": _normal_serve(rule["serve"]),
            }
            for rule in state.get("rules", ())
        ],
        "fallthrough": _normal_serve(state["fallthrough"]),
        "off_variant": state.get("off_variant"),
    }


def new_state(flag: Mapping[str, Any]) -> dict[str, Any]:
    """What a flag does in an environment where nobody has said anything yet: it is off."""
    return {
        "enabled": False,
        "rules": [],
        "fallthrough": {"variant": flag["default_variant"]},
        "off_variant": None,
    }


def _normal_serve(serve: Mapping[str, Any]) -> dict[str, Any]:
    if "variant" in serve:
        return {"variant": serve["variant"]}
    return {"split": dict(serve["split"]), "bucket_by": serve.get("bucket_by", TARGETING_KEY)}


# -- flags ------------------------------------------------------------------------------------


def _flag(flag: object) -> Iterator[Fault]:
    if type(flag) is not dict:
        yield wrong_type("", flag, "an object")
        return
    variants = flag.get("variants")
    served = _one_of(variants if type(variants) is dict else ())
    yield from _members(
        flag,
        "",
        {
            "key": _key,
            "type": _type,
            "variants": _variants(flag.get("type")),
            "default_variant": served,
            "off_variant": served,
        },
        {
            "description": _description,
            "tags": _tags,
            "client_visible": _boolean,
            "archived": _boolean,
        },
    )


def _key(key: object, at: str) -> Iterator[Fault]:
    if type(key) is not str:
        yield wrong_type(at, key, "a string")
    elif key in (".", ".."):  # clients put keys into URLs as they are
        yield Fault(at, "malformed-name", f"{shown(key)} is a step in a path; write another key")
    elif not _KEY.fullmatch(key):
        yield _malformed(at, key, limits.KEY)


def _type(type_name: object, at: str) -> Iterator[Fault]:
    if type(type_name) is not str:
        yield wrong_type(at, type_name, f"one of {listed(TYPES)}")
    elif type_name not in TYPES:
        yield Fault(
            at,
            "unknown-type",
            f"there is no type {shown(type_name)}; the types are {listed(TYPES)}",
        )


def _variants(type_name: object) -> Check:
    def check(variants: object, at: str) -> Iterator[Fault]:
        if type(variants) is not dict:
            yield wrong_type(at, variants, "an object of names and values")
        elif not variants:
            yield Fault(at, "too-few", "there are no variants; write at least one")
        elif len(variants) > limits.VARIANTS:
            yield _too_many(at, len(variants), "variants", limits.VARIANTS)
        else:
            for name, value in variants.items():
                here = at + step(str(name))
                yield from _name(name, here)
                if type(type_name) is str and type_name in TYPES:
                    yield from value_faults(type_name, value, here)

    return check


def _tags(tags: object, at: str) -> Iterator[Fault]:
    if type(tags) is not list:
        yield wrong_type(at, tags, "an array of strings")
    elif len(tags) > limits.TAGS:
        yield _too_many(at, len(tags), "tags", limits.TAGS)
    else:
        seen: set[str] = set()
        for i, tag in enumerate(tags):
            yield from readable_faults(tag, f"{at}/{i}", most=limits.NAME, least=1)
            yield from _twice(tag, seen, f"{at}/{i}", "tag")


# -- states -----------------------------------------------------------------------------------


def _state(state: object, variants: Collection[str]) -> Iterator[Fault]:
    if type(state) is not dict:
        yield wrong_type("", state, "an object")
        return
    served = _one_of(variants)

    def off_variant(name: object, at: str) -> Iterator[Fault]:
        return iter(()) if name is None else served(name, at)

    yield from _members(
        state,
        "",
        {"enabled": _boolean, "fallthrough": _serve(variants)},
        {"rules": _rules(variants), "off_variant": off_variant},
    )


def _rules(variants: Collection[str]) -> Check:
    serve = _serve(variants)

    def check(rules: object, at: str) -> Iterator[Fault]:
        if type(rules) is not list:
            yield wrong_type(at, rules, "an array of rules")
        elif len(rules) > limits.RULES:
            yield _too_many(at, len(rules), "rules", limits.RULES)
        else:
            seen: set[str] = set()
            for i, rule in enumerate(rules):
                here = f"{at}/{i}"
                if type(rule) is not dict:
                    yield wrong_type(here, rule, "an object")
                    continue
                yield from _members(
                    rule,
                    here,
                    {"id": _name, "conditions": _conditions, "serve": serve},
                    {"description": _description},
                )
                yield from _twice(rule.get("id"), seen, f"{here}/id", "rule id")

    return check


def _conditions(conditions: object, at: str) -> Iterator[Fault]:
    if type(conditions) is not list:
        yield wrong_type(at, conditions, "an array of conditions")
    elif len(conditions) > limits.CONDITIONS:
        yield _too_many(at, len(conditions), "conditions", limits.CONDITIONS)
    else:
        for i, condition in enumerate(conditions):
            yield from _condition(condition, f"{at}/{i}")


def _condition(condition: object, at: str) -> Iterator[Fault]:
    if type(condition) is not dict:
        yield wrong_type(at, condition, "an object")
        return
    op = condition.get("op")
    needs_values = not (type(op) is str and op in OPERATORS and not OPERATORS[op].takes_values)
    values = {"values": _values(op)}
    yield from _members(
        condition,
        at,
        {"attribute": _attribute, "op": _op, **(values if needs_values else {})},
        {"negate": _boolean, **({} if needs_values else values)},
    )


def _op(op: object, at: str) -> Iterator[Fault]:
    if type(op) is not str:
        yield wrong_type(at, op, f"one of {listed(OPERATORS)}")
    elif op not in OPERATORS:
        yield Fault(
            at, "unknown-op", f"there is no operator {shown(op)}; they are {listed(OPERATORS)}"
        )


def _values(op: object) -> Check:
    operator = OPERATORS.get(op) if type(op) is str else None

    def check(values: object, at: str) -> Iterator[Fault]:
        if type(values) is not list:
            yield wrong_type(at, values, "an array of values")
        elif len(values) > limits.VALUES:
            yield _too_many(at, len(values), "values", limits.VALUES)
        elif operator is not None:
            if operator.takes_values and not values:
                yield Fault(at, "too-few", "without values this never holds; write at least one")
            for i, value in enumerate(values):
                yield from operator.faults(value, f"{at}/{i}")

    return check


def _attribute(attribute: object, at: str) -> Iterator[Fault]:
    yield from text_faults(attribute, at, most=limits.ATTRIBUTE, least=1)
    if type(attribute) is str and attribute and not all(attribute.split(".")):
        yield Fault(
            at,
            "malformed-name",
            f"{shown(attribute)} has an empty step; write names with single points between them",
        )


def _serve(variants: Collection[str]) -> Check:
    served = _one_of(variants)

    def check(serve: object, at: str) -> Iterator[Fault]:
        if type(serve) is not dict:
            yield wrong_type(at, serve, 'an object with "variant" or "split"')
        elif ("variant" in serve) == ("split" in serve):
            count = "both" if "variant" in serve else "neither"
            yield Fault(
                at, "not-one-of-two", f'{count} of "variant" and "split" stand here; write one'
            )
        elif "variant" in serve:
            yield from _members(serve, at, {"variant": served}, {})
        else:
            yield from _members(serve, at, {"split": _split(variants)}, {"bucket_by": _attribute})

    return check


def _split(variants: Collection[str]) -> Check:
    served = _one_of(variants)

    def check(split: object, at: str) -> Iterator[Fault]:
        if type(split) is not dict:
            yield wrong_type(at, split, "an object of variants and weights")
            return
        faultless = True
        for name, weight in split.items():
            here = at + step(str(name))
            for fault in (*served(name, here), *_weight(weight, here)):
                faultless = False
                yield fault
        if faultless:
            yield from _share_faults(split, at)

    return check


def _weight(weight: object, at: str) -> Iterator[Fault]:
    if type(weight) is not int:
        yield wrong_type(at, weight, "a weight: a whole number")
    elif not 0 <= weight <= limits.WEIGHT:
        yield Fault(
            at,
            "out-of-range",
            f"{shown(weight)} is no weight; write a whole number from 0 to {limits.WEIGHT}",
        )


def _share_faults(split: Mapping[str, int], at: str) -> Iterator[Fault]:
    total = sum(split.values())
    if total == 0:
        yield Fault(at, "no-weight", "no variant has a weight; give one of them more than 0")
    for name, weight in split.items():
        if 0 < weight * BUCKETS < total:
            yield Fault(
                at + step(name),
                "weight-too-small",
                f"{weight} of {total} is less than one in {BUCKETS}, and might be nobody; "
                "write a larger weight or 0",
            )


# -- what is common to both -------------------------------------------------------------------


def _members(
    found: dict[Any, Any], at: str, required: Mapping[str, Check], optional: Mapping[str, Check]
) -> Iterator[Fault]:
    """The faults of an object: members that are missing, members nobody knows, then each one's."""
    for name, check in required.items():
        if name in found:
            yield from check(found[name], f"{at}/{name}")
        else:
            yield Fault(f"{at}/{name}", "missing-member", f'"{name}" is missing; write it')
    for name, check in optional.items():
        if name in found:
            yield from check(found[name], f"{at}/{name}")
    for name in found:
        if name not in required and name not in optional:
            yield Fault(
                at + step(str(name)),
                "unknown-member",
                f"{shown(name)} means nothing here; "
                f"the members are {listed([*required, *optional])}",
            )


def _one_of(variants: Collection[Any]) -> Check:
    """A check that something names one of these variants."""

    def check(name: object, at: str) -> Iterator[Fault]:
        if type(name) is not str:
            yield wrong_type(at, name, "the name of a variant")
        elif name not in variants:
            known = [each for each in variants if type(each) is str]
            there = f"the variants are {listed(known)}" if known else "the flag has none"
            yield Fault(at, "unknown-variant", f"there is no variant {shown(name)}; {there}")

    return check


def _name(name: object, at: str) -> Iterator[Fault]:
    if type(name) is not str:
        yield wrong_type(at, name, "a string")
    elif not _NAME.fullmatch(name):
        yield _malformed(at, name, limits.NAME)


def _malformed(at: str, name: str, most: int) -> Fault:
    return Fault(
        at,
        "malformed-name",
        f"{shown(name)} is no name; write 1 to {most} of the characters A-Z a-z 0-9 . _ -",
    )


def _boolean(value: object, at: str) -> Iterator[Fault]:
    if type(value) is not bool:
        yield wrong_type(at, value, "true or false")


def _description(value: object, at: str) -> Iterator[Fault]:
    return readable_faults(value, at, most=limits.DESCRIPTION, lines=True)


def _twice(name: object, seen: set[str], at: str, what: str) -> Iterator[Fault]:
    if type(name) is str:
        if name in seen:
            yield Fault(
                at, "duplicate", f"the {what} {shown(name)} stands here twice; write another"
            )
        seen.add(name)


def _too_many(at: str, count: int, what: str, most: int) -> Fault:
    return Fault(at, "too-many", f"there are {count} {what}; write at most {most}")
