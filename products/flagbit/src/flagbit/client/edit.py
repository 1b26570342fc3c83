"""Edit without losing anybody's change: GET, change, PUT with If-Match; after a 412 once more.

What I change is what differs between the state that was read and the state that I made of it. When
somebody was quicker, that change is made anew on what they left, as long as they did not change the
same thing to something else.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from flagbit.client.changes import Change, Document, Keep, Path, Rebased, changes, rebase
from flagbit.client.failures import (
    BadInput,
    Conflict,
    Disagreement,
    Failure,
    NotFound,
    OutcomeUnknown,
)
from flagbit.client.http import Api, LostAnswer, Read
from flagbit.client.places import Place
from flagbit.client.terminal import visible
from ifmatch.core.errors import MalformedField
from ifmatch.core.etag import ETag

TRIES = 8
SHORTEST, LONGEST = 0.001, 0.05
SEARCHED = 2000
"""How many changes of the history are searched for the state that a held tag stood for."""

Make = Callable[[Document], Document]


def longest_pause(attempt: int) -> float:
    """The cap of the wait after an attempt: 1 ms, doubled each time, up to 50 ms."""
    return min(LONGEST, SHORTEST * 2.0**attempt)


def full_jitter(attempt: int) -> None:
    """Wait anything between nothing and the cap, so that those who met once do not meet again."""
    time.sleep(random.uniform(0, longest_pause(attempt)))  # noqa: S311 (no secret)


@dataclass(frozen=True)
class Saved:
    """How an edit went: what is there now, and what my write changed.

    Nothing was `written` where it was so already. `confirmed` means that the answer was lost, and
    reading again showed that the change is there. `over` is somebody else's change that came first.
    """

    now: Read
    made: Mapping[Path, Change] = field(default_factory=dict)
    written: bool = True
    confirmed: bool = False
    over: Disagreement | None = None


@dataclass(frozen=True)
class Manner:
    """How to edit.

    `held` is the tag of an earlier read on which the edit rests. Where somebody else's change came
    first and is not in the way, mine is made `anew` on top of it. `keep` says whose value stays
    where both changed the same; with it, mine is always made anew.
    """

    held: str | None = None
    anew: bool = True
    keep: Keep | None = None
    pause: Callable[[int], None] = full_jitter


def edit(api: Api, place: Place, make: Make, manner: Manner) -> Saved:
    """Change a resource to what `make` makes of it.

    Raises Conflict, OutcomeUnknown and other Failures; then nothing of mine is known to be there.
    """
    now = api.read(place)
    base = _base(api, place, now, manner)
    if base is None and manner.keep is Keep.MINE:
        base = now
    if base is None:
        raise _out_of_sight(api, place, now, make(now.document), manner)
    wanted = make(base.document)
    last = None if base.tag == now.tag else last_change(api, place)
    for attempt in range(TRIES):
        rebased = rebase(base.document, wanted, now.document, manner.keep)
        over = None
        if base.tag != now.tag:
            over = Disagreement(base.tag, last, *_sides(rebased))
            if manner.keep is None and (over.clashes or not manner.anew):
                raise _conflict(place, over)
        made = changes(now.document, rebased.document)
        if not made:
            return Saved(now, written=False, over=over)
        try:
            answer = api.write(place, rebased.document, {"If-Match": now.tag})
        except LostAnswer as lost:
            return replace(_look_again(api, place, lost, rebased.document, made), over=over)
        if isinstance(answer, Read):
            return Saved(answer, made, over=over)
        last = answer.last
        manner.pause(attempt)
        now = _read_again(api, place)
    raise _busy(place)


def create(api: Api, place: Place, document: Document) -> Saved:
    """Make a resource where there is none; raises Conflict where there is one."""
    made = changes({}, document)
    try:
        answer = api.write(place, document, {"If-None-Match": "*"})
    except LostAnswer as lost:
        return _look_again(api, place, lost, document, made, defaults=True)
    if isinstance(answer, Read):
        return Saved(answer, made)
    raise Conflict(
        f"There is a flag {place} already{_by(answer.last)}. Nothing was written.",
        f"Take another key, or change that one with 'flagbit flags set {place}'.",
    )


def delete(api: Api, place: Place, manner: Manner) -> bool:
    """Delete a resource as it was read; False where somebody else has just done so."""
    now = api.read(place)
    base = _base(api, place, now, manner) or Read({}, manner.held or "")
    last = None if base.tag == now.tag else last_change(api, place)
    for attempt in range(TRIES):
        if base.tag != now.tag and manner.keep is not Keep.MINE:
            theirs = changes(base.document, now.document) if base.document else None
            raise _conflict(place, Disagreement(base.tag, last, {}, theirs))
        try:
            answer = api.write(place, None, {"If-Match": now.tag})
        except LostAnswer as lost:
            return _look_for_it(api, place, lost)
        if isinstance(answer, Read):
            return True
        last = answer.last
        manner.pause(attempt)
        try:
            now = api.read(place)
        except NotFound:
            return False
    raise _busy(place)


# -- what it rests on --------------------------------------------------------------------------


def _base(api: Api, place: Place, now: Read, manner: Manner) -> Read | None:
    """The state that the edit rests on; None where it lies too far back."""
    if manner.held is None:
        return now
    held = read_tag(manner.held)
    if _names(held, now.tag):
        return now
    for entry in islice(api.history(place), SEARCHED):
        tag, after = entry.get("etag"), entry.get("after")
        if tag and after and _names(held, tag):
            return Read(after, tag)
    return None


def _names(held: ETag, tag: str) -> bool:
    try:
        return held.weakly_matches(ETag.parse(tag))
    except MalformedField:
        return False


def read_tag(text: str) -> ETag:
    """A tag as somebody gave it; raises BadInput."""
    try:
        return ETag.parse(text.encode("ascii").decode())
    except (MalformedField, UnicodeEncodeError):
        raise BadInput(
            f"{text!r} is no entity tag.",
            "Give it as 'flagbit flags get' shows it, with its quotation marks: "
            "--if-match 'W/\"0123456789abcdef\"'.",
        ) from None


def last_change(api: Api, place: Place) -> Mapping[str, Any] | None:
    """Who changed a resource last, when and how, as a 412 says it."""
    for entry in api.history(place, limit=20):
        return {"by": entry.get("actor"), "at": entry.get("at"), "action": entry.get("action")}
    return None


def _sides(rebased: Rebased) -> tuple[Any, Any, Any]:
    return rebased.mine, rebased.theirs, rebased.clashes


# -- when somebody else was quicker ------------------------------------------------------------


def _out_of_sight(api: Api, place: Place, now: Read, wanted: Document, manner: Manner) -> Conflict:
    mine = changes(now.document, wanted)
    return _conflict(
        place, Disagreement(manner.held or "", last_change(api, place), mine, theirs=None)
    )


def _conflict(place: Place, found: Disagreement) -> Conflict:
    return Conflict(
        f"{place} was changed after it was read{_by(found.last)}. Nothing was written.",
        found=found,
    )


def _by(last: Mapping[str, Any] | None) -> str:
    return (
        visible(f" ({last.get('action')} by {last.get('by')} at {last.get('at')})") if last else ""
    )


def _busy(place: Place) -> Conflict:
    return Conflict(
        f"{place} was changed by somebody else before each of {TRIES} tries. Nothing was written.",
        "Run the command again.",
    )


def _read_again(api: Api, place: Place) -> Read:
    try:
        return api.read(place)
    except NotFound:
        by = _by(_last_if_any(api, place))
        raise Conflict(
            f"{place} was deleted after it was read{by}. Nothing was written.",
            f"'flagbit flags history {place.flag}' shows what it was.",
        ) from None


def _last_if_any(api: Api, place: Place) -> Mapping[str, Any] | None:
    try:
        return last_change(api, Place(place.flag))
    except Failure:
        return None


# -- when the answer was lost ------------------------------------------------------------------


def _look_again(
    api: Api,
    place: Place,
    lost: LostAnswer,
    wanted: Document,
    made: Mapping[Path, Change],
    *,
    defaults: bool = False,
) -> Saved:
    """A lost answer is no refusal and no consent: what is there now decides.

    With `defaults` the server has filled in what `wanted` left out.
    """
    try:
        now = api.read(place)
    except Failure as failure:
        raise _unknown(place, lost, f"Reading it again: {failure.message}") from lost
    there = {**now.document, **wanted} if defaults else wanted
    if not changes(now.document, there):
        return Saved(now, made, confirmed=True)
    raise _unknown(place, lost, "What is there now is not what was to be saved.")


def _look_for_it(api: Api, place: Place, lost: LostAnswer) -> bool:
    try:
        api.read(place)
    except NotFound:
        return True
    except Failure as failure:
        raise _unknown(place, lost, f"Reading it again: {failure.message}") from lost
    raise _unknown(place, lost, "It is still there.")


def _unknown(place: Place, lost: LostAnswer, seen: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"It is not known whether the change of {place} was saved: {lost}. {seen}",
        "Wait a moment, look at it with 'flagbit flags get' and 'flagbit flags history', and run "
        "the command again if the change is not there.",
    )
