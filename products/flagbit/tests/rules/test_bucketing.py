"""Splits are the same for one user for ever, in any language, and fair."""

from __future__ import annotations

import json
from bisect import bisect_right
from importlib.resources import files
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagbit.rules.bucketing import BUCKETS, bucket, bucket_text, shares

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    files("flagbit.rules").joinpath("vectors/bucketing.json").read_text()
)
WEIGHT = st.integers(0, 1_000_000)
WEIGHTS = st.dictionaries(st.text(max_size=3), WEIGHT, min_size=1, max_size=8).filter(
    lambda weights: sum(weights.values()) > 0
)


def lying(weights: dict[str, int]) -> list[str]:
    """Who has which bucket, one entry for each bucket."""
    return [name for name, width in shares(weights).items() for _ in range(width)]


@pytest.mark.parametrize("case", VECTORS["buckets"], ids=str)
def test_published_buckets(case: dict[str, Any]) -> None:
    assert bucket(case["salt"], case["value"]) == case["bucket"]
    assert int(case["hex"], 16) % BUCKETS == case["bucket"]


@pytest.mark.parametrize("case", VECTORS["shares"], ids=str)
def test_published_shares(case: dict[str, Any]) -> None:
    assert [list(share) for share in shares(case["weights"]).items()] == case["shares"]


@pytest.mark.parametrize("case", VECTORS["splits"], ids=str)
def test_published_splits(case: dict[str, Any]) -> None:
    assert lying(case["weights"])[bucket(case["salt"], case["value"])] == case["variant"]


@pytest.mark.parametrize("case", VECTORS["texts"], ids=str)
def test_published_texts(case: dict[str, Any]) -> None:
    assert bucket_text(case["attribute"]) == case["text"]


@given(WEIGHTS)
def test_every_bucket_is_somebodys_and_a_weight_of_0_has_none(weights: dict[str, int]) -> None:
    width = shares(weights)
    assert sum(width.values()) == BUCKETS
    assert list(width) == sorted(weights)
    assert all(width[name] == 0 for name, weight in weights.items() if weight == 0)


@given(WEIGHTS)
def test_a_share_is_within_one_bucket_of_its_weight(weights: dict[str, int]) -> None:
    total = sum(weights.values())
    for name, width in shares(weights).items():
        assert abs(width - weights[name] * BUCKETS / total) < 1 + 1e-9


@given(WEIGHTS, st.integers(2, 1000))
def test_only_the_ratio_of_weights_counts(weights: dict[str, int], times: int) -> None:
    assert shares(weights) == shares({name: weight * times for name, weight in weights.items()})


@given(WEIGHT, WEIGHT, st.integers(1, 1_000_000), st.booleans())
def test_raising_one_of_two_weights_moves_only_towards_it(
    on: int, off: int, more: int, first: bool
) -> None:
    """Nobody who has the growing variant loses it, wherever its name sorts."""
    if on + off == 0:
        return
    grown, other = ("a", "b") if first else ("b", "a")
    before, after = lying({grown: on, other: off}), lying({grown: on + more, other: off})
    assert all(new == grown for old, new in zip(before, after, strict=True) if old != new)


@given(WEIGHTS)
def test_the_limits_found_by_bisection_are_the_buckets_counted_out(weights: dict[str, int]) -> None:
    width = {name: count for name, count in shares(weights).items() if count}
    ends, names = list(accumulate(width.values())), list(width)
    counted = lying(weights)
    for position in {0, BUCKETS - 1, *ends[:-1], *(end - 1 for end in ends)}:
        assert names[bisect_right(ends, position)] == counted[position]


@given(st.text(), st.text(alphabet=st.characters()))
def test_no_text_raises(salt: str, value: str) -> None:
    assert 0 <= bucket(salt, value) < BUCKETS


USERS = 100_000


def test_users_are_spread_evenly() -> None:
    """Chi-square over 100 classes of 100 buckets; the users are fixed, so this cannot flake.

    With 99 degrees of freedom a fair spread stays under 149 in 999 of 1,000 flags.
    """
    classes = [0] * 100
    for user in range(USERS):
        classes[bucket("spread", f"user-{user}") // 100] += 1
    expected = USERS / 100
    assert sum((count - expected) ** 2 / expected for count in classes) < 149


def test_two_flags_split_the_same_users_independently() -> None:
    """A quarter is in the first half of both: 4 standard deviations of a fair draw are 548."""
    both = sum(
        bucket("one", f"user-{user}") < BUCKETS // 2 > bucket("other", f"user-{user}")
        for user in range(USERS)
    )
    assert abs(both - USERS / 4) < 548
