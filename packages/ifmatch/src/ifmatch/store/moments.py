"""Rows of which the moment decides something: late, overdue, expired.

`Moments` says which columns that depends on and what follows from them at an instant. A guarded
table that is given one serves the facts beside the state and makes them part of the tag; the
decision why is docs/decisions/0024-facts-of-the-moment.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ifmatch.core.moment import Moment, in_utc, utc_now

Row = Mapping[str, Any]


def beside(state: Any, facts: Any) -> Any:
    """The members of both JSON objects; raises ValueError where a fact has a name of the state.

    >>> beside({"total": 7}, {"overdue": True})
    {'total': 7, 'overdue': True}
    """
    if shared := state.keys() & facts.keys():
        raise ValueError(
            f"A fact of the moment is named like a member of the state: {min(shared)!r}. Name it "
            "otherwise, or give Moments(show=...), which says where facts stand in the body."
        )
    return {**state, **facts}


@dataclass(frozen=True, slots=True)
class Moments:
    """The facts of the moment of the rows of one table.

    `columns` are those that the facts are made of: they are looked up with the tag, so that a 304
    reads no more than them. `facts(row, now)` gives what is true of a row at an instant, and until
    when; it must look at no other column. `show(state, facts)` makes of what `represent` gave and
    the facts what is served: both objects' members, unless it is said otherwise. `clock` gives the
    instant, in any time zone; give the servers the same one.
    """

    columns: tuple[str, ...]
    facts: Callable[[Row, datetime], Moment]
    show: Callable[[Any, Any], Any] = beside
    clock: Callable[[], datetime] = utc_now

    def of(self, row: Row) -> Moment:
        """What is true of a row now; raises NaiveInstant where the clock has no time zone."""
        return self.facts(row, in_utc(self.clock()))
