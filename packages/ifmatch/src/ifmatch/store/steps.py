"""How a guarded row is read and written, step by step, whatever database or driver does it.

A plan is a generator: it yields what is to be done in the database, is sent what came of it, and
returns the result. It decides everything, and does no input or output. `drive` runs one where a
step is done at once, `drive_async` where it is awaited; a store brings a function that does a step.

How a write goes, in one transaction:

1. find the row by its key, one indexed look-up;
2. judge the guard on its tag;
3. write it `WHERE key AND version AND incarnation`, the tag of the new state in the same statement;
4. nothing written: somebody came between 1 and 3. Start again at 1, this time under the row's lock,
   where the guard is judged on what that somebody wrote: that is a `Conflict`, or, without a
   condition, the change is made on the newer state.

So the verdict is always of the state that is replaced.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from ifmatch.core.canonical import canonical
from ifmatch.core.decide import Validators
from ifmatch.core.errors import Conflict, Missing
from ifmatch.core.etag import ETag
from ifmatch.core.guard import CREATE_ONLY, UNCONDITIONAL, Guard
from ifmatch.core.representation import Representation
from ifmatch.core.tags import state_digest
from ifmatch.core.verdict import Verdict
from ifmatch.store.moments import Moments

T = TypeVar("T")
S = TypeVar("S")
Row = Mapping[str, Any]
Key = Sequence[Any]
Change = Callable[[Row], Row]

GUARD_COLUMNS = frozenset({"version", "incarnation", "tag", "tag_stamp"})
"""The columns of a guarded table that hold no content; see `ifmatch.store.triggers`."""


@dataclass(frozen=True, slots=True)
class Find:
    """Send the whole row under `key`, or None; with `lock`, keep others from it till the end."""

    key: Key
    lock: bool = False


@dataclass(frozen=True, slots=True)
class FindTag:
    """Send the `tag_columns` of the row under `key`, no content; or None."""

    key: Key


@dataclass(frozen=True, slots=True)
class Insert:
    """Insert the row; send it as the database holds it, or None where its key is taken."""

    values: Row


@dataclass(frozen=True, slots=True)
class Update:
    """Set `values` where `row` is still the one; send it as it is held then, or None.

    Still the one: the same key, version and incarnation as when it was found.
    """

    row: Row
    values: Row


@dataclass(frozen=True, slots=True)
class KeepTag:
    """Set `tag` and `tag_stamp` of `row`, where it is still the one. Nothing is sent."""

    row: Row
    values: Row


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete `row`, where it is still the one; send whether that was so."""

    row: Row


Step = Find | FindTag | Insert | Update | KeepTag | Delete
Plan = Generator[Step, Any, T]


def drive(plan: Generator[S, Any, T], do: Callable[[S], Any]) -> T:
    """The result of a plan whose steps `do` does."""
    try:
        step = next(plan)
        while True:
            step = plan.send(do(step))
    except StopIteration as done:
        result: T = done.value
        return result


async def drive_async(plan: Generator[S, Any, T], do: Callable[[S], Awaitable[Any]]) -> T:
    """The same where a step is awaited."""
    try:
        step = next(plan)
        while True:
            step = plan.send(await do(step))
    except StopIteration as done:
        result: T = done.value
        return result


@dataclass(frozen=True)
class GuardedRows:
    """What is known of the rows of one table, and the plans to read and write them.

    `key` are the names of the key's columns. `represent` makes of a row the JSON value that is
    served; its canonical form is the body. `epoch` names everything but the row that the body
    depends on (the release of `represent`); when it changes, stored tags are void. `strong` makes
    the tag a strong one: right only where those very bytes are sent. `stamps` gives columns that
    every real change sets, such as the time; they do not count as a change themselves, and a new
    row may bring its own. `already_applied` lets a replacement pass whose If-Match fails, where
    there is nothing to change (RFC 9110 section 13.1.1). `moments` gives the facts of the moment,
    which are served beside what `represent` gives and are part of the tag. The stored tag is of
    the state alone, so that none is voided by the clock.
    """

    key: tuple[str, ...]
    represent: Callable[[Row], Any]
    epoch: str = "1"
    strong: bool = False
    already_applied: bool = False
    stamps: Callable[[], Row] = field(default=dict)
    moments: Moments | None = None

    # -- reading ---------------------------------------------------------------------------

    @cached_property
    def tag_columns(self) -> tuple[str, ...]:
        """The columns that a tag is made of: of the content only what `moments` needs."""
        tagged = (*self.key, "version", "incarnation", "tag", "tag_stamp")
        return tuple(dict.fromkeys(tagged + (self.moments.columns if self.moments else ())))

    def tag(self, key: Key) -> Plan[ETag | None]:
        """The current tag from one look-up; no body is built unless the stored tag is stale."""
        row = yield FindTag(key)
        if row is None:
            return None
        if self.moments is None and self.is_fresh(row):  # the commonest look-up, without a detour
            return self._etag(row["tag"])
        current = yield from self._current(row)
        return None if current is None else current[0]

    def tag_of(self, row: Row) -> Plan[ETag]:
        """The tag of a row of which `tag_columns` were found."""
        if self.moments is None and self.is_fresh(row):
            return self._etag(row["tag"])
        return ((yield from self._current(row)) or self._gone)[0]

    def validators(self, key: Key) -> Plan[Validators | None]:
        """The current tag as `tag` gives it, and until when it holds if nobody writes."""
        row = yield FindTag(key)
        current = None if row is None else (yield from self._current(row))
        return None if current is None else Validators(current[0], until=current[1])

    def validators_made(self, key: Key) -> Plan[Validators | None]:
        """The same where no stored tag is fresh: from the whole row."""
        full = yield Find(key)
        return None if full is None else self.of(full).validators

    def validators_of(self, row: Row) -> Plan[Validators]:
        """The same for a row of which `tag_columns` were found."""
        etag, until = (yield from self._current(row)) or self._gone
        return Validators(etag, until=until)

    def _current(self, row: Row) -> Plan[tuple[ETag, datetime | None] | None]:
        """None where it was deleted while its stale tag was made."""
        if self.is_fresh(row):
            return self._tagged(row, row["tag"])
        full = yield Find([row[name] for name in self.key])
        if full is None:
            return None
        found = self.of(full)
        return found.etag, found.until

    @property
    def _gone(self) -> tuple[ETag, None]:
        """For a list that still has the row; whoever asks next will see that it is gone."""
        return self._etag(state_digest(canonical(None))), None

    def _tagged(self, row: Row, digest: str) -> tuple[ETag, datetime | None]:
        """The tag of a state by its digest, now, and until when it holds."""
        if self.moments is None:
            return self._etag(digest), None
        moment = self.moments.of(row)
        return self._etag(moment.digest_of(digest)), moment.until

    def read(self, key: Key) -> Plan[Representation[Row] | None]:
        """The row with its body and tag, from one look-up; None where there is none."""
        row = yield Find(key)
        return None if row is None else self.of(row)

    def of(self, row: Row) -> Representation[Row]:
        """The representation of a whole row."""
        state = self.represent(row)
        body = canonical(state)
        return self._served(row, state, body, row["tag"] if self.is_fresh(row) else None)

    def is_fresh(self, row: Row) -> bool:
        """Whether the stored tag is that of the row's state."""
        return row["tag"] is not None and bool(row["tag_stamp"] == self._stamp(row))

    # A look-up of the tag may leave the judgement of its stamp to the database, and so read one
    # column. `fresh_tag` is that column: null where the tag is stale, and then `validators_made` is
    # the way. Where the moment counts, too, one column is not enough: `validators`.

    def fresh_tag(self, named: Callable[[str], str]) -> str:
        """An expression, in the SQL of both databases: the stored tag while it is fresh.

        `named` gives the guard's columns as the statement has them.
        """
        version, incarnation, tag, stamp = map(
            named, ("version", "incarnation", "tag", "tag_stamp")
        )
        epoch = self.epoch.replace("'", "''")
        made_of = f"{version} || '.' || {incarnation} || '.{epoch}'"
        return f"CASE WHEN {stamp} = {made_of} THEN {tag} END"

    def of_fresh(self, tag: str) -> Validators:
        """The validators by what `fresh_tag` gave."""
        return self._seen[tag]

    @cached_property
    def _seen(self) -> _Seen:
        return _Seen(self._etag)

    # -- writing ---------------------------------------------------------------------------

    def replace(self, key: Key, values: Row, guard: Guard) -> Plan[Representation[Row]]:
        """Set content columns to `values`, inserting the row where the guard allows that."""
        return self.write(key, lambda _: values, guard, insert=values)

    def create(self, key: Key, values: Row) -> Plan[Representation[Row]]:
        """Insert a row; Conflict where its key is taken."""
        return self.write(key, lambda _: values, CREATE_ONLY, insert=values)

    def patch(self, key: Key, change: Change, guard: Guard) -> Plan[Representation[Row]]:
        """Set the content columns that `change` gives for the current row; Missing without one.

        Without a condition the row is locked when it is found: its newest state is what is to be
        changed, whoever else writes, and to be overtaken would be for nothing.
        """
        return self.write(key, change, InPart(guard), lock=guard is UNCONDITIONAL)

    def delete(self, key: Key, guard: Guard) -> Plan[Representation[Row]]:
        """Delete the row and return what it was; raises Conflict or Missing."""
        for attempt in range(TRIES):
            row = yield Find(key, lock=attempt > 0)
            if row is None:
                raise Missing(tuple(key))
            current = self.of(row)
            verdict = guard.judge(current.validators)
            if not verdict.proceeds:
                raise Conflict(current.etag, verdict)
            if (yield Delete(row)):
                return current
        raise _storm(key)

    def write(
        self,
        key: Key,
        change: Change,
        guard: Guard = UNCONDITIONAL,
        *,
        insert: Row | None = None,
        lock: bool = False,
    ) -> Plan[Representation[Row]]:
        """Set what `change` gives for the row that is there, or insert `insert` where none is.

        What `replace`, `create` and `patch` are made of, for a caller who wants to see the row
        that is replaced. Without `insert` an absent row is Missing. With `lock` the row is locked
        from the first try on.
        """
        for attempt in range(TRIES):
            row = yield Find(key, lock=lock or attempt > 0)
            if row is not None:
                done = yield from self._update(row, change, guard)
            elif insert is None:
                raise Missing(tuple(key))
            else:
                done = yield from self._insert(key, insert, guard)
            if done is not None:
                return done
        raise _storm(key)

    def _update(self, row: Row, change: Change, guard: Guard) -> Plan[Representation[Row] | None]:
        """The new state; or the old one, unchanged; or None when the row is no longer `row`."""
        current = self.of(row)
        verdict = guard.judge(current.validators)
        excused = self.already_applied and verdict.excused_when_applied
        if not verdict.proceeds and not excused:
            raise Conflict(current.etag, verdict)
        changes = {
            name: value for name, value in change(row).items() if not _same(row[name], value)
        }
        if not changes:
            return replace(current, changed=False)
        if not verdict.proceeds:
            raise Conflict(current.etag, verdict)
        values = changes | dict(self.stamps()) | {"version": row["version"] + 1}
        after = dict(row) | values
        values |= self._tag_values(after, canonical(self.represent(after)))
        return (yield from self._made((yield Update(row, values))))

    def _insert(self, key: Key, values: Row, guard: Guard) -> Plan[Representation[Row] | None]:
        verdict = guard.judge(None)
        if not verdict.proceeds:
            raise Conflict(None, verdict)
        keyed = dict(zip(self.key, key, strict=True))
        fresh = keyed | dict(self.stamps()) | dict(values) | {"version": 1}
        # The unique key decides between two creators; the loser meets the winner's row next.
        return (yield from self._made((yield Insert(fresh))))

    def _made(self, row: Row | None) -> Plan[Representation[Row] | None]:
        """Value, body and tag of the row as the database holds it now."""
        if row is None:
            return None
        state = self.represent(row)
        body = canonical(state)
        tag = self._tag_values(row, body)
        if row["tag"] != tag["tag"] or row["tag_stamp"] != tag["tag_stamp"]:
            # An insert learns its incarnation only now; an update whose values the database
            # rounded or padded gets the tag of what it really holds.
            yield KeepTag(row, tag)
        return self._served(row, state, body, tag["tag"])

    # -- pieces ----------------------------------------------------------------------------

    def _served(self, row: Row, state: Any, body: bytes, digest: str | None) -> Representation[Row]:
        """A row with its body and tag, of one moment; `digest` is that of the state, if known."""
        digest = state_digest(body) if digest is None else digest
        if self.moments is None:
            return Representation(row, body, self._etag(digest))
        moment = self.moments.of(row)
        shown = canonical(self.moments.show(state, moment.facts))
        etag = self._etag(moment.digest_of(digest))
        return Representation(row, shown, etag, until=moment.until)

    def _etag(self, opaque: str) -> ETag:
        return ETag(opaque, weak=not self.strong)

    def _stamp(self, row: Row) -> str:
        return f"{row['version']}.{row['incarnation']}.{self.epoch}"

    def _tag_values(self, row: Row, body: bytes) -> dict[str, str]:
        return {"tag": state_digest(body), "tag_stamp": self._stamp(row)}


class _Seen(dict[str, Validators]):
    """Validators by their opaque tags. What is polled is polled again, and making them costs."""

    most = 10_000

    def __init__(self, etag: Callable[[str], ETag]) -> None:
        self._etag = etag

    def __missing__(self, tag: str) -> Validators:
        if len(self) >= self.most:
            self.clear()
        made = self[tag] = Validators(self._etag(tag))
        return made


# The first try takes no lock, which is enough when nobody else writes. Under the row's lock nobody
# comes between, and the second try is the last: unless the row is gone when it is locked, and there
# again when it is inserted. Each further try takes another writer who did both since.
TRIES = 100


def _storm(key: Key) -> RuntimeError:
    return RuntimeError(
        f"The row {tuple(key)!r} was created and deleted again and again while it was written. "
        "Nothing was changed; try again."
    )


def _same(before: Any, after: Any) -> bool:
    """Whether two column values are one JSON value: unlike in Python, 1, 1.0 and true differ."""
    if isinstance(before, (dict, list, float)) or isinstance(after, (dict, list, float)):
        return canonical(before) == canonical(after)  # also tells 0.0 from -0.0
    return type(before) is type(after) and bool(before == after)


@dataclass(frozen=True, slots=True)
class InPart:
    """Judges as `guard` does, for a write that is no replacement: it is never excused."""

    guard: Guard

    def judge(self, current: Validators | None) -> Verdict:
        return replace(self.guard.judge(current), whole=False)
