"""The statistics of the benchmarks; how long anything takes is never asserted."""

from __future__ import annotations

import random
import statistics
from dataclasses import replace

import pytest

from benchmarks import rounds
from benchmarks.rounds import Line, LongWork, Work, compare, interval, judged, measure, table


def line(values: list[float], itself: list[float], limit: float | None = 1.0) -> Line:
    return judged("x", "x", values, itself, [1e-6] * len(values), limit)


@pytest.mark.parametrize(
    ("count", "cut"),
    # From tables of the binomial distribution: how many order statistics each end gives away.
    [(1, 0), (5, 0), (6, 0), (8, 0), (9, 1), (11, 1), (12, 2), (15, 3), (20, 5), (25, 7), (50, 17)],
)
def test_the_interval_lies_between_the_order_statistics_of_the_tables(count: int, cut: int) -> None:
    values = [float(number) for number in range(count)]
    random.Random(count).shuffle(values)
    assert interval(values) == (cut, count - 1 - cut)


def test_the_interval_covers_the_median_as_often_as_it_says() -> None:
    """Of a skewed distribution, too: order statistics assume nothing."""
    source = random.Random(9110)
    covered = 0
    for _ in range(2_000):
        low, high = interval([source.expovariate(1) for _ in range(25)])
        covered += low <= 0.6931 <= high
    assert covered / 2_000 >= 0.95


def test_one_wild_round_moves_neither_the_figure_nor_the_interval_far() -> None:
    calm = [1.0 + number / 100 for number in range(25)]
    wild = line([*calm[:-1], 50.0], [1.0])
    assert wild.value == statistics.median(calm)
    assert wild.high == line(calm, [1.0]).high


@pytest.mark.parametrize(
    ("itself", "void"),
    [([1.0], False), ([0.97], False), ([1.03], False), ([0.969], True), ([1.031], True)],
)
def test_a_run_whose_peer_is_not_itself_is_void(itself: list[float], void: bool) -> None:
    assert line([0.5], itself).void is void


def test_a_line_holds_where_the_lower_end_of_its_interval_is_within_the_limit() -> None:
    values = [0.9] * 8 + [1.2] * 17
    assert line(values, [1.0]).value > 1.0
    assert line(values, [1.0]).verdict == "holds"
    assert line([1.1] * 25, [1.0]).verdict == "MISSED"
    assert line([1.1] * 25, [1.0], limit=None).verdict == "-"


def test_void_comes_before_any_other_verdict() -> None:
    assert line([0.5] * 25, [2.0]).verdict == "void"
    assert line([9.0] * 25, [2.0], limit=None).verdict == "void"


class Clockwork(LongWork):
    """Takes the seconds that it is told, one after the other, and the last for ever."""

    def __init__(self, *seconds: float) -> None:
        super().__init__("pass")
        self.told = list(seconds)

    def loops(self) -> int:
        return 1

    def seconds(self, loops: int) -> float:
        return self.told.pop(0) if len(self.told) > 1 else self.told[0]


def test_the_figure_is_the_median_of_the_ratios_of_paired_rounds() -> None:
    found = compare("x", Clockwork(2.0, 4.0, 6.0), Clockwork(2.0), rounds=3)
    assert (found.value, found.low, found.high, found.itself) == (2.0, 1.0, 3.0, 1.0)
    assert found.tries == 1


def test_the_peer_changes_places_with_itself_from_round_to_round() -> None:
    """Whoever always went first would always be a little slower; paired with itself, it shows."""
    found = compare("x", Clockwork(1.0), Clockwork(1.0, 2.0), rounds=1)
    assert found.itself == 1.0


def test_a_void_run_is_tried_again_and_says_so() -> None:
    peer = Clockwork(1.0, 2.0, 1.0)
    found = compare("x", Clockwork(1.0), peer, rounds=1)
    assert (found.void, found.tries) == (False, 2)


def test_what_stays_void_is_given_up_after_some_tries() -> None:
    work = Clockwork(*(float(number % 2 + 1) for number in range(100)))
    found = measure("x", work, rounds=1)
    assert (found.void, found.tries) == (True, rounds.TRIES)


def test_milliseconds_are_those_of_the_work_alone() -> None:
    found = measure("x", Clockwork(0.004), limit=5)
    assert (found.unit, found.verdict) == ("ms", "holds")
    assert found.value == pytest.approx(4)


def test_a_statement_is_run_as_often_as_is_counted() -> None:
    seen: list[int] = []
    Work("seen.append(1)", seen=seen).seconds(3)
    assert len(seen) == 3 * Work.copies
    LongWork("seen.clear()", seen=seen).seconds(1)
    assert not seen


def test_the_table_has_a_row_for_each_line() -> None:
    held = line([0.5] * 25, [1.0])
    printed = table([held, replace(held, name="y", limit=None, tries=3)])
    assert [row.split()[0] for row in printed.splitlines()[2:]] == ["x", "y"]
    assert "holds" in printed
    assert "(try 3)" in printed
