"""The probes that are put to the peers are answered rightly by us."""

from __future__ import annotations

import pytest

from benchmarks.peers import Marks, judge_ifmatch, table
from benchmarks.probes import PROBES, Probe


@pytest.mark.parametrize("probe", PROBES, ids=[probe.about for probe in PROBES])
def test_we_answer_each_probe_rightly(probe: Probe) -> None:
    assert judge_ifmatch(probe) in probe.right


def test_no_two_probes_are_about_the_same() -> None:
    assert len({probe.about for probe in PROBES}) == len(PROBES)


def test_what_is_not_judged_counts_neither_as_right_nor_as_asked() -> None:
    answers = {probe.about: "-" for probe in PROBES}
    answers |= {PROBES[0].about: "right", PROBES[1].about: "200", PROBES[2].about: "ValueError"}
    marks = Marks("somebody", "1.0", answers)
    assert (marks.right, marks.asked) == (1, 3)
    assert table([marks]).splitlines()[-2:] == [
        line for line in table([marks]).splitlines() if line.startswith(("right of", "of these"))
    ]
