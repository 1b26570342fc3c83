"""Whether what writers were told is what happened: no update lost, no state that nobody made.

Let every write carry a value that was never used before, and note for each which state it was to
replace, which state it was to make, and what its writer heard. Then the states of a row are one
chain, and it can be walked: each write names the one before it.

    from ifmatch.testing.history import Outcome, Write, check

    report = check([Write("tea", None, "a", Outcome.ACKNOWLEDGED), ...], final={"tea": "a"})
    assert report.sound, report

- A write that was **acknowledged** is in the chain; else its update was lost.
- A write that was **refused** is not.
- A write whose outcome is **unknown**, because the answer was lost or said so, may be in it. It is
  exactly if somebody saw its state: a read, the final look, or a write in the chain that replaced
  it.
- No two writes in the chain replaced the same state.

A state is named by anything hashable: the entity tag, or the value. Writers who do not ask first,
such as plain SQL, belong to the history as well: let them note what they replaced, in the statement
that replaces it (`UPDATE ... RETURNING old.word`).

Where writes and reads also say when they began and ended, each row is checked against real time
too: who begins after somebody saw a state, or was told that it is made, sees that state or a later
one. Together this is linearizability, row by row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

State = Hashable | None
"""The name of a state; None where there is nothing."""


class Outcome(Enum):
    """What a writer heard of its write."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Write:
    """One attempt to make the state `made` of the state `replaced`.

    Where `replaced` is None, the write was to create the row. `made` is a name that no other write
    of the row has. Both times or none, of one clock for all that is checked together; of a write
    whose outcome is unknown `ended` does not count, as it may still be done later.
    """

    row: Hashable
    replaced: State
    made: Hashable
    outcome: Outcome
    who: str = ""
    began: float | None = None
    ended: float | None = None

    def __str__(self) -> str:
        by = f" by {self.who}" if self.who else ""
        return f"the {self.outcome.value} write {self.replaced!r} -> {self.made!r}{by}"


@dataclass(frozen=True, slots=True)
class Read:
    """One look at a row: the state that it showed."""

    row: Hashable
    state: State
    who: str = ""
    began: float | None = None
    ended: float | None = None

    def __str__(self) -> str:
        return f"the read of {self.state!r}" + (f" by {self.who}" if self.who else "")


_E = TypeVar("_E", Write, Read)


class Kind(Enum):
    """What may be wrong with a history."""

    LOST = "an acknowledged write did not lead to the final state"
    FORK = "two writes replaced the same state"
    REFUSED = "a refused write was done"
    NOWHERE = "a state was seen that nobody made"
    CYCLE = "states were made of each other"
    STALE = "an older state was seen than one that had been shown before"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, in words, and the writes that it is about."""

    kind: Kind
    row: Hashable
    words: str
    writes: tuple[Write, ...] = ()

    def __str__(self) -> str:
        return f"row {self.row!r}: {self.words}"


@dataclass(frozen=True, slots=True)
class Report:
    """What a history shows: how many writes, by what was heard of them, and what is wrong."""

    rows: int
    acknowledged: int
    refused: int
    unknown: int
    unknown_in_chain: int
    faults: tuple[Fault, ...]

    @property
    def sound(self) -> bool:
        """Whether the writes of each row are one chain with every acknowledged one in it."""
        return not self.faults

    @property
    def lost(self) -> tuple[Write, ...]:
        """The acknowledged writes that did not lead to the final state of their row."""
        return tuple(w for fault in self.faults if fault.kind is Kind.LOST for w in fault.writes)

    def kinds(self) -> set[Kind]:
        """The kinds of faults that were found."""
        return {fault.kind for fault in self.faults}

    def __str__(self) -> str:
        counted = (
            f"{self.acknowledged:,} acknowledged writes of {self.rows:,} rows, {self.refused:,} "
            f"refused, {self.unknown:,} of unknown outcome, {self.unknown_in_chain:,} of them done"
        )
        if self.sound:
            return f"{counted}: one chain for each row"
        shown = [f"- {fault}" for fault in self.faults[:_SHOWN]]
        more = len(self.faults) - len(shown)
        rest = [f"- and {more:,} more"] if more else []
        lost = f", {len(self.lost):,} lost" if self.lost else ""
        head = f"{counted}: {len(self.faults):,} faults{lost}"
        return "\n".join([head, *shown, *rest])


_SHOWN = 10


def check(
    writes: Iterable[Write],
    reads: Iterable[Read] = (),
    *,
    start: Mapping[Any, State] | None = None,
    final: Mapping[Any, State] | None = None,
) -> Report:
    """What is wrong with a history, if anything is.

    `start` and `final` are the states of rows before the first write and after the last; a row that
    `start` leaves out began with nothing, and of one that `final` leaves out the end is not known.
    Look at the final states when nobody can write any more, whose outcome is unknown included.

    Raises ValueError where two writes of a row make one state, or one makes the state that it
    began with: of such a history nothing can be told.

    >>> tea = [Write("tea", None, "a", Outcome.ACKNOWLEDGED)]
    >>> tea += [Write("tea", "a", made, Outcome.ACKNOWLEDGED) for made in "bc"]
    >>> print(check(tea, final={"tea": "c"}).faults[0])
    row 'tea': two writes replaced 'a': the acknowledged write 'a' -> 'b', and the acknowledged \
write 'a' -> 'c'
    """
    start, final = start or {}, final or {}
    written, read = _by_row(writes), _by_row(reads)
    rows = [
        _Row(row, written.get(row, ()), read.get(row, ()), start.get(row), final)
        for row in dict.fromkeys([*written, *read, *final])
    ]
    every = [write for row in rows for write in row.writes]
    unknown = [write for write in every if write.outcome is Outcome.UNKNOWN]
    return Report(
        rows=len(rows),
        acknowledged=sum(write.outcome is Outcome.ACKNOWLEDGED for write in every),
        refused=sum(write.outcome is Outcome.REFUSED for write in every),
        unknown=len(unknown),
        unknown_in_chain=sum(
            write.outcome is Outcome.UNKNOWN for row in rows for write in row.done.values()
        ),
        faults=tuple(fault for row in rows for fault in row.faults()),
    )


def _by_row(events: Iterable[_E]) -> dict[Hashable, list[_E]]:
    found: dict[Hashable, list[_E]] = defaultdict(list)
    for event in events:
        found[event.row].append(event)
    return found


class _Row:
    """One row's history: `done` are the writes that must have happened, by what they made."""

    def __init__(
        self,
        row: Hashable,
        writes: Sequence[Write],
        reads: Sequence[Read],
        start: State,
        final: Mapping[Any, State],
    ) -> None:
        self.row, self.writes, self.reads, self.start = row, writes, reads, start
        self.final = [final[row]] if row in final else []
        self.makers = self._makers()
        self.nowhere: dict[State, str] = {}
        self.done = self._done()
        self.chain = self._chain()

    def _makers(self) -> dict[State, Write]:
        found: dict[State, Write] = {}
        for write in self.writes:
            if write.made in found or write.made in (self.start, None):
                raise ValueError(
                    f"Row {self.row!r}: {write.made!r} was made twice, or was there at the start. "
                    "Give each write a value that was never used before."
                )
            found[write.made] = write
        return found

    def _done(self) -> dict[State, Write]:
        """The acknowledged writes, and whatever must have been done for somebody to see it.

        A state is seen by a read, by the final look, and by a write that was done and replaced it.
        """
        done: dict[State, Write] = {}
        seen: list[tuple[State, str]] = [(read.state, str(read)) for read in self.reads]
        seen += [(state, "the final look") for state in self.final]
        for write in self.writes:
            if write.outcome is Outcome.ACKNOWLEDGED:
                done[write.made] = write
                seen.append((write.replaced, str(write)))
        while seen:
            state, who = seen.pop()
            if state == self.start or state in done:
                continue
            write_of_it = self.makers.get(state)
            if write_of_it is None:
                self.nowhere.setdefault(state, who)
            else:
                done[state] = write_of_it
                seen.append((write_of_it.replaced, str(write_of_it)))
        return done

    def _chain(self) -> list[State]:
        """The states from the first to the last, where there is one way from each to the next."""
        followers = {write.replaced: write.made for write in self.done.values()}
        chain, met = [self.start], {self.start}
        while chain[-1] in followers and followers[chain[-1]] not in met:
            chain.append(followers[chain[-1]])
            met.add(chain[-1])
        return chain

    # -- what is wrong ---------------------------------------------------------------------

    def faults(self) -> Iterator[Fault]:
        yield from self._refused()
        yield from self._of_nowhere()
        yield from self._forks()
        yield from self._cycles()
        yield from self._lost()
        if len(self.chain) == len(self.done) + 1 and not self.nowhere:
            yield from self._stale()

    def _refused(self) -> Iterator[Fault]:
        for write in self.done.values():
            if write.outcome is Outcome.REFUSED:
                words = f"{write} was done all the same: its state was seen"
                yield Fault(Kind.REFUSED, self.row, words, (write,))

    def _of_nowhere(self) -> Iterator[Fault]:
        for state, who in self.nowhere.items():
            words = f"{who} has to do with {state!r}, a state that nobody made"
            yield Fault(Kind.NOWHERE, self.row, words)

    def _forks(self) -> Iterator[Fault]:
        replacers: dict[State, list[Write]] = defaultdict(list)
        for write in self.done.values():
            replacers[write.replaced].append(write)
        for state, several in replacers.items():
            if len(several) > 1:
                count = "two" if len(several) == 2 else f"{len(several):,}"
                words = f"{count} writes replaced {state!r}: {', and '.join(map(str, several))}"
                yield Fault(Kind.FORK, self.row, words, tuple(several))

    def _cycles(self) -> Iterator[Fault]:
        settled: set[State] = {self.start, *self.nowhere}
        for first in self.done:
            path: dict[State, Write] = {}
            state = first
            while state not in settled and state not in path:
                path[state] = self.done[state]
                state = self.done[state].replaced
            if state in path:
                around = [*path.values()]
                around = around[list(path).index(state) :]
                words = "made of each other: " + ", ".join(map(str, around))
                yield Fault(Kind.CYCLE, self.row, words, tuple(around))
            settled.update(path)

    def _lost(self) -> Iterator[Fault]:
        """What the final state was not made of. Without a final state only a fork can tell."""
        for last in self.final:
            led, state = set(), last
            while state in self.done and state not in led:
                led.add(state)
                state = self.done[state].replaced
            for write in self.writes:
                if write.outcome is Outcome.ACKNOWLEDGED and write.made not in led:
                    words = f"{write} was lost: it is not among what led to {last!r}"
                    yield Fault(Kind.LOST, self.row, words, (write,))

    def _stale(self) -> Iterator[Fault]:
        """Who begins after a state was shown sees that or a later one.

        A write shows what it made when it is acknowledged, and has seen what it replaced.
        """
        place = {state: number for number, state in enumerate(self.chain)}
        events: list[Read | Write] = [*self.reads, *self.done.values()]
        looks: list[tuple[float, int, Read | Write]] = []
        shown: list[tuple[float, int, Read | Write]] = []
        for event in events:
            if event.began is None:
                continue
            sees, shows = (
                (event.state, event.state)
                if isinstance(event, Read)
                else (event.replaced, event.made)
            )
            looks.append((event.began, place[sees], event))
            if event.ended is not None and not _is_open(event):
                shown.append((event.ended, place[shows], event))
        looks.sort(key=lambda look: look[0])
        shown.sort(key=lambda showing: showing[0], reverse=True)
        newest, of_whom = 0, ""
        for began, sees_at, event in looks:
            while shown and shown[-1][0] < began:
                _, at, shower = shown.pop()
                if at > newest:
                    newest, of_whom = at, str(shower)
            if sees_at < newest:
                words = f"{event} came after {of_whom} had ended, and saw an older state"
                yield Fault(Kind.STALE, self.row, words)


def _is_open(event: Read | Write) -> bool:
    """Whether it may have been done later than its writer stopped listening."""
    return isinstance(event, Write) and event.outcome is Outcome.UNKNOWN
