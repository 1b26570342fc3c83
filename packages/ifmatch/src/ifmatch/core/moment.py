"""Facts of the moment: what is true of a state now, and until when.

An invoice is overdue from its due date on, though nobody touched it. So the tag of what is served
is made of two things: of the state, which changes when somebody writes, and of the facts of the
moment, which change by the clock alone. The facts say until when they hold, and with them the tag
does; a cache may use an answer until then, and no second longer.

There is no clock here: the instant is handed in. Instants are aware datetimes, of any time zone;
they are compared as UTC, so that an hour which a zone has twice is two hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ifmatch.core.canonical import canonical
from ifmatch.core.errors import NaiveInstant
from ifmatch.core.tags import state_digest

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """What is true at one instant, as JSON can say it, and the instant from which it may not be.

    `facts` are what is served of them and nothing else, so that the tag stays while the body
    stays. They hold before `until`, and are asked for anew at it; None says that time alone never
    changes them. Raises NaiveInstant where `until` has no time zone.

    >>> from datetime import UTC, datetime
    >>> due = datetime(2026, 3, 1, tzinfo=UTC)
    >>> Moment({"overdue": False}, until=due).seconds_left(datetime(2026, 2, 28, tzinfo=UTC))
    86400
    """

    facts: Any = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.until is not None:
            object.__setattr__(self, "until", in_utc(self.until))

    def seconds_left(self, now: datetime) -> int | None:
        """Whole seconds for which the facts hold after `now`; None where time never ends them."""
        return seconds_left(self.until, now)

    def digest_of(self, state: str) -> str:
        """The opaque part of a tag of a state, by its digest, and of the facts of the moment."""
        return state_digest(canonical(["moment", state, self.facts]))


def in_utc(instant: datetime) -> datetime:
    """The same instant in UTC; raises NaiveInstant for one without a time zone."""
    if instant.utcoffset() is None:
        raise NaiveInstant(instant)
    return instant.astimezone(UTC)


def earliest(*instants: datetime | None) -> datetime | None:
    """The first instant at which one of several answers changes; None where none ever does.

    >>> earliest(None, datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)).day
    1
    """
    return min((in_utc(one) for one in instants if one is not None), default=None)


def seconds_left(until: datetime | None, now: datetime) -> int | None:
    """Whole seconds from `now` to `until`, rounded down and never negative; None for no end."""
    now = in_utc(now)
    return None if until is None else max(0, (in_utc(until) - now) // _SECOND)


def cache_control(
    until: datetime | None, now: datetime, max_age: int, *, public: bool = False
) -> str:
    """Cache-Control for what holds until then: fresh for at most `max_age` seconds (RFC 9111 5.2).

    It is never fresh beyond `until`, and where less than a second is left it is to be revalidated
    each time. `must-revalidate` keeps a cache that is cut off from serving it any longer.

    >>> now, due = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
    >>> cache_control(due, now, 60), cache_control(None, now, 60, public=True)
    ('private, max-age=30, must-revalidate', 'max-age=60, must-revalidate')
    >>> cache_control(due, due, 60)
    'private, no-cache'
    """
    left = seconds_left(until, now)
    fresh = max_age if left is None else min(left, max_age)
    said = f"max-age={fresh}, must-revalidate" if fresh > 0 else "no-cache"
    return said if public else f"private, {said}"


def utc_now() -> datetime:
    """The instant that the machine's clock shows: for the edges, which hand it in."""
    return datetime.now(UTC)
