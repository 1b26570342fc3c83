"""Conditions: the operators, what each takes, and how each decides.

A condition has three answers. It holds, it does not hold, or it cannot be told, because the
attribute is missing or of a type that the operator does not speak about. `negate` swaps the
first two and leaves the third alone, so a rule never matches somebody of whom it knows nothing:
"plan is not free" must not open a paid feature to everyone whose plan was not sent. This is
LaunchDarkly's way. Unleash inverts the third answer too; whoever wants that adds a rule with
`exists`. `exists` itself can always be told.

Types are asked for exactly, because a context is JSON: a boolean is no number here, and a value
of any other class is of the wrong type. So no value can make an operator raise.

Every operator takes time linear in the attribute and in its values. There are no regular
expressions, whose time can be exponential.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from flagbit.rules import limits
from flagbit.rules.faults import Fault, number_faults, shown, text_faults, wrong_type
from flagbit.rules.instants import instant
from flagbit.rules.semver import version

Context = Mapping[str, object]
"""Who is asking: a JSON object, `targetingKey` among its members."""
Read = Callable[[Context], object]
Test = Callable[[object], bool]


class Tests(NamedTuple):
    """One test for each answer; where both say no, it cannot be told."""

    holds: Test
    fails: Test


@dataclass(frozen=True, slots=True)
class Operator:
    """What an operator takes and how it is compiled."""

    faults: Callable[[object, str], Iterator[Fault]]
    """the faults of one of its values"""
    tests: Callable[[Sequence[Any]], Tests]
    takes_values: bool = True


# -- attributes -------------------------------------------------------------------------------


def reader(attribute: str) -> Read:
    """What reads this attribute from a context; it gives None where there is none, or null.

    An attribute of exactly this name comes first, then the path: clients send nested objects
    and flat names with dots, and both are meant.

    >>> read = reader("user.plan")
    >>> read({"user": {"plan": "pro"}}), read({"user.plan": "free"}), read({"user": "x"})
    ('pro', 'free', None)
    """
    if "." not in attribute:
        return lambda context: context.get(attribute)
    first, *rest = attribute.split(".")

    def read(context: Context) -> object:
        found = context.get(attribute)
        if found is not None:
            return found
        found = context.get(first)
        for name in rest:
            if type(found) is not dict:
                return None
            found = found.get(name)
        return found

    return read


# -- equals, contains -------------------------------------------------------------------------

_SCALARS = frozenset({str, int, float, bool})


def _members(values: Sequence[Any]) -> Callable[[type, Collection[Any]], Collection[Any]]:
    """Look-up by type: `member in found(type(member), ())` is equality that respects types.

    `1` and `1.0` are one number; `true`, which Python takes for 1, has a place of its own. For
    a type that cannot be hashed the look-up gives the empty tuple, which hashes nothing.
    """
    texts = frozenset(each for each in values if type(each) is str)
    booleans = frozenset(each for each in values if type(each) is bool)
    numbers = frozenset(each for each in values if type(each) in (int, float))
    by_type: dict[type, Collection[Any]] = {
        str: texts,
        bool: booleans,
        int: numbers,
        float: numbers,
    }
    return by_type.get


def _equals(values: Sequence[Any]) -> Tests:
    same = _members(values)

    def holds(found: object) -> bool:
        return found in same(type(found), ())

    def fails(found: object) -> bool:
        # A NaN is no JSON number, and equals not even itself.
        return type(found) in _SCALARS and found == found and found not in same(type(found), ())

    return Tests(holds, fails)


def _contains(values: Sequence[Any]) -> Tests:
    texts = [each for each in values if type(each) is str]
    same = _members(values)

    def holds(found: object) -> bool:
        if type(found) is str:
            return any(text in found for text in texts)
        if type(found) is list:
            return any(member in same(type(member), ()) for member in found)
        return False

    def fails(found: object) -> bool:
        return type(found) in (str, list) and not holds(found)

    return Tests(holds, fails)


# -- texts ------------------------------------------------------------------------------------


def _affix(compare: Callable[[str, tuple[str, ...]], bool]) -> Callable[[Sequence[str]], Tests]:
    def tests(values: Sequence[str]) -> Tests:
        texts = tuple(values)

        def holds(found: object) -> bool:
            return type(found) is str and compare(found, texts)

        def fails(found: object) -> bool:
            return type(found) is str and not compare(found, texts)

        return Tests(holds, fails)

    return tests


# -- things in order: numbers, instants, versions ---------------------------------------------


def _number(found: object) -> Any:
    return found if type(found) is int or type(found) is float else None


def _instant(found: object) -> Any:
    return instant(found) if type(found) is str else None


def _version(found: object) -> Any:
    return version(found) if type(found) is str else None


_Compare = Callable[[Any, Any], bool]


def _ordered(
    key: Callable[[object], Any],
    compare: _Compare,
    inverse: _Compare,
    loosest: Callable[[Iterator[Any]], Any],
) -> Callable[[Sequence[Any]], Tests]:
    """One comparison for all the values: "before any of them" is "before the last of them".

    The inverse is a comparison of its own and no `not`, so that NaN is neither.
    """

    def tests(values: Sequence[Any]) -> Tests:
        bound = loosest(map(key, values))

        def holds(found: object) -> bool:
            place = key(found)
            return place is not None and compare(place, bound)

        def fails(found: object) -> bool:
            place = key(found)
            return place is not None and inverse(place, bound)

        return Tests(holds, fails)

    return tests


def _same_version(values: Sequence[str]) -> Tests:
    bounds = frozenset(map(version, values))

    def holds(found: object) -> bool:
        place = _version(found)
        return place is not None and place in bounds

    def fails(found: object) -> bool:
        place = _version(found)
        return place is not None and place not in bounds

    return Tests(holds, fails)


# -- presence ---------------------------------------------------------------------------------


def _exists(_: Sequence[Any]) -> Tests:
    return Tests(lambda found: found is not None, lambda found: found is None)


# -- what values each operator takes ----------------------------------------------------------


def _takes_scalar(value: object, at: str) -> Iterator[Fault]:
    if type(value) is str:
        yield from text_faults(value, at, most=limits.OPERAND)
    elif type(value) is int or type(value) is float:
        yield from number_faults(value, at)
    elif type(value) is not bool:
        yield wrong_type(at, value, 'a string, a number or a boolean; for null use "exists"')


def _takes_part(value: object, at: str) -> Iterator[Fault]:
    if value == "" and type(value) is str:
        yield Fault(at, "too-few", "empty text is part of every text; write what to look for")
    else:
        yield from _takes_scalar(value, at)


def _takes_affix(value: object, at: str) -> Iterator[Fault]:
    if type(value) is str:
        yield from _takes_part(value, at)
    else:
        yield wrong_type(at, value, "a string")


def _takes_number(value: object, at: str) -> Iterator[Fault]:
    if type(value) is int or type(value) is float:
        yield from number_faults(value, at)
    else:
        yield wrong_type(at, value, "a number")


def _takes_instant(value: object, at: str) -> Iterator[Fault]:
    if type(value) is not str:
        yield wrong_type(at, value, 'an instant as a string, such as "2026-03-01T09:00:00Z"')
    elif len(value) > limits.OPERAND:
        yield from text_faults(value, at, most=limits.OPERAND)
    elif instant(value) is None:
        yield Fault(
            at,
            "unfit-value",
            f"{shown(value)} is no instant of RFC 3339; write date, time and offset, such as "
            '"2026-03-01T09:00:00Z"',
        )


def _takes_version(value: object, at: str) -> Iterator[Fault]:
    if type(value) is not str:
        yield wrong_type(at, value, 'a version as a string, such as "2.10.0"')
    elif len(value) > limits.OPERAND:
        yield from text_faults(value, at, most=limits.OPERAND)
    elif version(value) is None:
        yield Fault(
            at,
            "unfit-value",
            f"{shown(value)} is no version of Semantic Versioning 2.0.0; write three numbers, "
            'such as "2.10.0" or "2.10.0-beta.1"',
        )


def _takes_nothing(value: object, at: str) -> Iterator[Fault]:
    yield Fault(at, "unfit-value", "this operator takes no values; write an empty array")


# -- the table --------------------------------------------------------------------------------

OPERATORS: Mapping[str, Operator] = {
    "equals": Operator(_takes_scalar, _equals),
    "contains": Operator(_takes_part, _contains),
    "starts_with": Operator(_takes_affix, _affix(str.startswith)),
    "ends_with": Operator(_takes_affix, _affix(str.endswith)),
    "lt": Operator(_takes_number, _ordered(_number, operator.lt, operator.ge, max)),
    "lte": Operator(_takes_number, _ordered(_number, operator.le, operator.gt, max)),
    "gt": Operator(_takes_number, _ordered(_number, operator.gt, operator.le, min)),
    "gte": Operator(_takes_number, _ordered(_number, operator.ge, operator.lt, min)),
    "before": Operator(_takes_instant, _ordered(_instant, operator.lt, operator.ge, max)),
    "after": Operator(_takes_instant, _ordered(_instant, operator.gt, operator.le, min)),
    "semver_eq": Operator(_takes_version, _same_version),
    "semver_lt": Operator(_takes_version, _ordered(_version, operator.lt, operator.ge, max)),
    "semver_gt": Operator(_takes_version, _ordered(_version, operator.gt, operator.le, min)),
    "exists": Operator(_takes_nothing, _exists, takes_values=False),
}
"""Every operator that a condition may name.

For the ordered ones the rows must keep: the second comparison is the opposite of the first, and
"less" takes the largest value as its bound, "greater" the smallest. `before` and `after` leave
out the instant itself.
"""


def answers(condition: Mapping[str, Any]) -> Tests:
    """How a faultless condition decides on an attribute's value, `negate` included."""
    tests = OPERATORS[condition["op"]].tests(condition.get("values", ()))
    return Tests(tests.fails, tests.holds) if condition.get("negate", False) else tests


def compile_condition(condition: Mapping[str, Any]) -> Callable[[Context], bool]:
    """What says of a context whether this faultless condition holds."""
    attribute, holds = condition["attribute"], answers(condition).holds
    if "." not in attribute:  # as the reader does, without a call to it: most conditions are this
        return lambda context: holds(context.get(attribute))
    read = reader(attribute)
    return lambda context: holds(read(context))
