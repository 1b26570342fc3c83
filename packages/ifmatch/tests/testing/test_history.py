"""The checker of histories finds what is wrong with one, and nothing where nothing is.

Histories are drawn: writers make states of each other, some are refused, of some nobody knows. Then
one fault at a time is put into a good one, and has to be found.
"""

from __future__ import annotations

import doctest
from collections.abc import Hashable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ifmatch.testing import history
from ifmatch.testing.history import Kind, Outcome, Read, Report, State, Write, check

ACKNOWLEDGED, REFUSED, UNKNOWN = Outcome.ACKNOWLEDGED, Outcome.REFUSED, Outcome.UNKNOWN


def chain(*states: str, outcome: Outcome = ACKNOWLEDGED) -> list[Write]:
    """Writes of the row "r", each of which makes a state of the one before; the first creates."""
    befores: list[State] = [None, *states]
    return [
        Write("r", before, made, outcome) for before, made in zip(befores, states, strict=False)
    ]


def words(report: Report) -> str:
    [fault] = report.faults
    return str(fault)


def test_the_examples_of_its_docstrings_are_right() -> None:
    assert doctest.testmod(history).failed == 0


# -- one thing at a time --------------------------------------------------------------------------


def test_acknowledged_writes_that_follow_each_other_are_sound() -> None:
    report = check(chain("a", "b", "c"), [Read("r", "b")], final={"r": "c"})
    assert report.sound
    assert (report.rows, report.acknowledged, report.lost) == (1, 3, ())
    assert str(report).endswith("one chain for each row")


def test_a_history_without_writes_is_sound_where_the_row_is_as_it_was() -> None:
    assert check([], [Read("r", "a")], start={"r": "a"}, final={"r": "a"}).sound
    assert check([], final={"r": "a"}).kinds() == {Kind.NOWHERE}


def test_two_acknowledged_writes_of_one_state_are_a_fork() -> None:
    report = check([*chain("a", "b"), Write("r", "a", "c", ACKNOWLEDGED, "Ada")])
    assert report.kinds() == {Kind.FORK}
    assert words(report) == (
        "row 'r': two writes replaced 'a': the acknowledged write 'a' -> 'b', "
        "and the acknowledged write 'a' -> 'c' by Ada"
    )


def test_with_the_final_state_the_one_that_was_lost_is_named() -> None:
    lost = Write("r", "a", "c", ACKNOWLEDGED)
    report = check([*chain("a", "b"), lost], final={"r": "b"})
    assert report.kinds() == {Kind.FORK, Kind.LOST}
    assert report.lost == (lost,)
    assert "1 lost" in str(report)


def test_an_acknowledged_write_at_the_end_that_is_not_there_is_lost() -> None:
    report = check(chain("a", "b", "c"), final={"r": "b"})
    assert report.kinds() == {Kind.LOST}
    assert words(report) == (
        "row 'r': the acknowledged write 'b' -> 'c' was lost: it is not among what led to 'b'"
    )


def test_a_row_that_is_gone_has_lost_all_its_writes() -> None:
    assert len(check(chain("a", "b"), final={"r": None}).lost) == 2


def test_a_refused_write_that_was_seen_is_a_fault_and_one_that_was_not_is_none() -> None:
    refused = Write("r", "a", "x", REFUSED)
    assert check([*chain("a", "b"), refused], final={"r": "b"}).sound
    assert check([*chain("a"), refused], [Read("r", "x")]).kinds() == {Kind.REFUSED}
    assert check([*chain("a"), refused], final={"r": "x"}).kinds() == {Kind.REFUSED}


def test_a_write_of_unknown_outcome_may_be_in_the_chain_or_not() -> None:
    unknown = Write("r", "a", "x", UNKNOWN)
    undone = check([*chain("a", "b"), unknown], final={"r": "b"})
    done = check([*chain("a"), unknown, Write("r", "x", "b", ACKNOWLEDGED)], final={"r": "b"})
    last = check([*chain("a"), unknown], final={"r": "x"})
    assert undone.sound
    assert done.sound
    assert last.sound
    assert [report.unknown_in_chain for report in (undone, done, last)] == [0, 1, 1]


def test_writes_of_unknown_outcome_lead_back_over_several() -> None:
    several = chain("a", "b", "c", outcome=UNKNOWN)
    assert check([*several, Write("r", "c", "d", ACKNOWLEDGED)]).unknown_in_chain == 3
    assert check(several, [Read("r", "b")]).unknown_in_chain == 2


def test_a_write_of_unknown_outcome_that_was_seen_and_overwritten_is_a_fork() -> None:
    unknown = Write("r", "a", "x", UNKNOWN)
    report = check([*chain("a", "b"), unknown], [Read("r", "x")], final={"r": "b"})
    assert report.kinds() == {Kind.FORK}
    assert report.lost == ()  # nobody was told that it is there


def test_what_nobody_made_may_be_neither_read_nor_replaced_nor_the_end() -> None:
    assert check(chain("a"), [Read("r", "x", "Bob")]).kinds() == {Kind.NOWHERE}
    assert "the read of 'x' by Bob" in words(check(chain("a"), [Read("r", "x", "Bob")]))
    assert check([Write("r", "x", "a", ACKNOWLEDGED)]).kinds() == {Kind.NOWHERE}
    assert Kind.NOWHERE in check(chain("a"), final={"r": "x"}).kinds()


def test_states_that_are_made_of_each_other_are_a_cycle() -> None:
    around = [Write("r", "b", "a", ACKNOWLEDGED), Write("r", "a", "b", ACKNOWLEDGED)]
    report = check(around)
    assert report.kinds() == {Kind.CYCLE}
    assert set(report.faults[0].writes) == set(around)
    assert Kind.LOST not in check(around, final={"r": "a"}).kinds()


def test_a_row_that_leads_into_a_cycle_is_told_once() -> None:
    around = [Write("r", "b", "a", ACKNOWLEDGED), Write("r", "a", "b", ACKNOWLEDGED)]
    [fault] = [
        each
        for each in check([*around, Write("r", "b", "c", ACKNOWLEDGED)]).faults
        if each.kind is Kind.CYCLE
    ]
    assert set(fault.writes) == set(around)


@pytest.mark.parametrize(
    "twice",
    [
        [*chain("a", "b"), Write("r", "b", "a", REFUSED)],
        [Write("r", None, "start", ACKNOWLEDGED)],
    ],
)
def test_of_a_value_that_was_used_before_nothing_can_be_told(twice: list[Write]) -> None:
    with pytest.raises(ValueError, match="never used before"):
        check(twice, start={"r": "start"} if len(twice) == 1 else {})


def test_rows_do_not_touch_each_other() -> None:
    other = [replace(write, row="other") for write in chain("a", "b")]
    report = check([*chain("a", "b"), *other], final={"r": "b", "other": "a"})
    assert [fault.row for fault in report.faults] == ["other"]
    assert report.rows == 2


def test_a_long_report_is_cut_and_says_how_much_is_left_out() -> None:
    writes = [Write(row, None, made, ACKNOWLEDGED) for row in range(20) for made in "ab"]
    assert str(check(writes)).endswith("- and 10 more")


# -- in real time ---------------------------------------------------------------------------------


def at(write: Write, began: float, ended: float | None) -> Write:
    return replace(write, began=began, ended=ended)


def test_who_begins_after_an_acknowledged_write_sees_it() -> None:
    first, second = chain("a", "b")
    writes = [at(first, 0, 1), at(second, 2, 3)]
    assert check(writes, [Read("r", "a", began=2.5, ended=2.6)]).sound  # beside the second
    assert check(writes, [Read("r", "b", began=2.5, ended=2.6)]).sound
    report = check(writes, [Read("r", "a", "Ada", 4, 5)])
    assert report.kinds() == {Kind.STALE}
    assert words(report) == (
        "row 'r': the read of 'a' by Ada came after the acknowledged write 'a' -> 'b' had ended, "
        "and saw an older state"
    )


def test_what_one_reader_saw_no_later_one_sees_as_it_was_before() -> None:
    first, second = chain("a", "b")
    writes = [at(first, 0, 1), at(second, 2, 9)]
    reads = [Read("r", "b", began=3, ended=4), Read("r", "a", began=5, ended=6)]
    assert check(writes, reads[:1]).sound
    assert check(writes, reads).kinds() == {Kind.STALE}


def test_a_state_that_is_seen_before_its_write_began_is_seen_too_early() -> None:
    first, second = chain("a", "b")
    writes = [at(first, 0, 1), at(second, 5, 6)]
    assert check(writes, [Read("r", "b", began=2, ended=3)]).kinds() == {Kind.STALE}


def test_a_write_of_unknown_outcome_may_be_done_after_its_writer_gave_up() -> None:
    [first] = chain("a")
    unknown = Write("r", "a", "x", UNKNOWN, began=2, ended=3)
    reads = [Read("r", "a", began=4, ended=5), Read("r", "x", began=6, ended=7)]
    assert check([at(first, 0, 1), unknown], reads).sound
    report = check([at(first, 0, 1), unknown], [*reads, Read("r", "a", began=8, ended=9)])
    assert report.kinds() == {Kind.STALE}
    early = Read("r", "x", began=1.2, ended=1.5)
    assert check([at(first, 0, 1), replace(unknown, ended=None)], [early]).kinds() == {Kind.STALE}


# -- drawn histories ------------------------------------------------------------------------------


@dataclass
class Made:
    """A good history as it is drawn, and the chain of each row that was really made."""

    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    start: dict[Hashable, State] = field(default_factory=dict)
    chains: dict[Hashable, list[State]] = field(default_factory=dict)

    @property
    def final(self) -> dict[Hashable, State]:
        return {row: states[-1] for row, states in self.chains.items()}

    def check(self, *, final: bool = True) -> Report:
        return check(self.writes, self.reads, start=self.start, final=self.final if final else None)


@st.composite
def histories(draw: st.DrawFn) -> Made:
    """What a right store would do: whoever names the newest state may win, all others do not.

    Each operation takes effect at a moment between its beginning and its end.
    """
    made = Made()
    for row in draw(st.sets(st.integers(0, 3), min_size=1)):
        start: State = draw(st.sampled_from([None, f"start {row}"]))
        made.start[row] = start
        made.chains[row] = states = [start]
        for moment in range(draw(st.integers(1, 12))):
            before, after = draw(st.floats(0, 5)), draw(st.floats(0, 5))
            times = (moment - before, moment + after)
            kind = draw(st.sampled_from(["won", "lost", "unknown", "unknown, done", "read"]))
            if kind == "read":
                made.reads.append(Read(row, states[-1], "", *times))
                continue
            wish = f"{row}.{moment}"
            named = states[-1] if "done" in kind or kind == "won" else draw(st.sampled_from(states))
            outcome = {"won": ACKNOWLEDGED, "lost": REFUSED}.get(kind, UNKNOWN)
            made.writes.append(Write(row, named, wish, outcome, "", *times))
            if kind == "won" or kind.endswith("done"):
                states.append(wish)
    made.writes = draw(st.permutations(made.writes))
    made.reads = draw(st.permutations(made.reads))
    return made


@given(histories(), st.booleans())
def test_a_good_history_is_sound(made: Made, final: bool) -> None:
    report = made.check(final=final)
    assert report.sound, str(report)
    done = sum(len(states) - 1 for states in made.chains.values())
    if final:
        assert report.unknown_in_chain == done - report.acknowledged
    else:  # of what came last nobody may know
        assert report.unknown_in_chain <= done - report.acknowledged


def acknowledged(made: Made) -> list[int]:
    return [n for n, write in enumerate(made.writes) if write.outcome is ACKNOWLEDGED]


@given(histories(), st.data(), st.booleans())
def test_an_acknowledged_write_that_overwrote_another_is_found(
    made: Made, data: st.DataObject, final: bool
) -> None:
    assume(acknowledged(made))
    one = made.writes[data.draw(st.sampled_from(acknowledged(made)))]
    made.writes.append(replace(one, made="late", began=None, ended=None))
    report = made.check(final=final)
    assert Kind.FORK in report.kinds()
    assert final == ("late" in [write.made for write in report.lost])


@given(histories(), st.data())
def test_an_acknowledged_write_that_the_final_state_lacks_is_found(
    made: Made, data: st.DataObject
) -> None:
    assume(acknowledged(made))
    one = made.writes[data.draw(st.sampled_from(acknowledged(made)))]
    states = made.chains[one.row]
    del states[states.index(one.made) :]
    assert one in made.check().lost


@given(histories(), st.data())
def test_a_write_that_was_refused_and_done_is_found(made: Made, data: st.DataObject) -> None:
    assume(acknowledged(made))
    number = data.draw(st.sampled_from(acknowledged(made)))
    made.writes[number] = replace(made.writes[number], outcome=REFUSED)
    assert Kind.REFUSED in made.check().kinds()


@given(histories(), st.data())
def test_a_write_of_the_chain_that_nobody_noted_is_found(made: Made, data: st.DataObject) -> None:
    assume(acknowledged(made))
    one = made.writes.pop(data.draw(st.sampled_from(acknowledged(made))))
    kinds = made.check().kinds()
    assert Kind.NOWHERE in kinds
    assert kinds <= {Kind.NOWHERE, Kind.LOST}
    assert one.made not in [write.made for write in made.check().lost]


@given(histories(), st.data())
def test_a_read_of_what_is_nowhere_is_found(made: Made, data: st.DataObject) -> None:
    made.reads.append(Read(data.draw(st.sampled_from([*made.chains])), "torn"))
    assert made.check().kinds() == {Kind.NOWHERE}


@given(histories(), st.data())
def test_writes_that_made_each_other_are_found(made: Made, data: st.DataObject) -> None:
    row = data.draw(st.sampled_from([*made.chains]))
    made.writes += [Write(row, "x", "y", ACKNOWLEDGED), Write(row, "y", "x", ACKNOWLEDGED)]
    assert Kind.CYCLE in made.check().kinds()


@given(histories(), st.data())
def test_a_late_look_at_an_older_state_is_found(made: Made, data: st.DataObject) -> None:
    row = data.draw(st.sampled_from([*made.chains]))
    states = made.chains[row]
    assume(len(states) > 1)
    known = [w for w in made.writes if w.row == row and w.outcome is ACKNOWLEDGED]
    assume(known)
    newest = max(states.index(write.made) for write in known)
    older = data.draw(st.sampled_from(states[:newest]))
    made.reads.append(Read(row, older, began=100, ended=101))
    assert made.check().kinds() == {Kind.STALE}
