"""Which variant of a split somebody gets: the same one every time, in every language.

    bucket = first 8 hex digits of SHA-256(salt ":" value), as a number, modulo 10,000

The salt is the flag's key, so that being early in one flag says nothing about another. All
splits of one flag share it, so that somebody who moves from one rule to another with the same
split keeps the variant. 2**32 is no multiple of 10,000; the first 7,296 buckets are one part in
429,496 larger than the rest, which no experiment can notice.

`vectors/bucketing.json` holds cases for every other implementation.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from flagbit.rules import limits

BUCKETS: Final = 10_000
TARGETING_KEY: Final = "targetingKey"
"""What OpenFeature calls the attribute that says who is asking."""


def bucket(salt: str, value: str) -> int:
    """The bucket of `value` under `salt`: 0 to 9,999.

    >>> bucket("new-checkout", "user-1")
    7683
    """
    return int.from_bytes(sha256(_utf8(f"{salt}:{value}")).digest()[:4]) % BUCKETS


def bucket_text(value: object) -> str | None:
    """The text that stands for an attribute in bucketing, or None if it cannot be bucketed by.

    A string stands for itself and a whole number for its decimal digits, so that `7`, `7.0` and
    `"7"` are one customer. Empty text counts as missing: clients send it for "nobody", and
    nobody must not be one customer. Other numbers are written differently by each language.

    >>> bucket_text(7.0), bucket_text("")
    ('7', None)
    """
    if type(value) is str:
        return value or None
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is int and abs(value) <= limits.INTEGER:
        return str(value)
    return None


def shares(weights: Mapping[str, int]) -> dict[str, int]:
    """How many of the 10,000 buckets each variant has, in the order in which they lie.

    Variants lie in the order of their names by code point. A variant ends where the sum of the
    weights up to and including its own, over the sum of all, falls; the limit is rounded down.
    So nothing is left over, and 1/1, 50/50 and 5000/5000 are the same split.

    >>> shares({"red": 1, "green": 1, "blue": 1})
    {'blue': 3333, 'green': 3333, 'red': 3334}
    """
    total = sum(weights.values())
    result, passed, start = {}, 0, 0
    for name in sorted(weights):
        passed += weights[name]
        end = passed * BUCKETS // total
        result[name] = end - start
        start = end
    return result


def _utf8(text: str) -> bytes:
    """UTF-8, half a surrogate pair as U+FFFD: what browsers' TextEncoder does."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
