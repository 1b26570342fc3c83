"""Edits of one row that wait in one process share a transaction.

On a row that many want, what an edit costs is the time for which its transaction holds the row's
lock: some exchanges with the database, and a commit that has to reach the disk. Those who wait in
one process meanwhile need not pay it one after the other. The first of them asks for the row; when
the database gives it the lock, it takes along everybody who came since. Their changes are made in
turn, each on what the one before made, the outcome is written once, and all of them return after
that one commit. (Hendler, Incze, Shavit and Tzafrir, "Flat combining and the synchronization-
parallelism tradeoff", 2010, for memory; group commit, as databases have it for their logs.)

It is no guard: that is the row's lock, as ever, and whoever writes from elsewhere waits for that
one too. Each change is called by its own thread. One that raises fails alone, and so does one whose
outcome the database refuses. Where a transaction fails so that nobody knows whether it was done,
it fails for all that it carried.

A store that takes part says so with `shares_edits = True`: each of its calls is a transaction of
its own, its `patch` leaves alone what a change does not name, and calls a change in the thread, or
on the loop, that called it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from copy import deepcopy
from queue import SimpleQueue
from typing import Any, Protocol

from ifmatch.core.errors import IfMatchError
from ifmatch.core.representation import Representation

MOST = 64
"""Edits that one transaction carries at most."""

Change = Callable[[Any], Any]


class _Member(Protocol):
    """One edit that waits."""

    def make(self, value: Any) -> Mapping[str, Any]:
        """What its change makes of a value; raises what that raises."""

    def end(self, made: Representation[Any]) -> None:
        """Its transaction has committed."""

    def fail(self, error: BaseException) -> None:
        """Its edit failed."""


class _Batch:
    """The members that one transaction carries: all who wait when the row is found."""

    def __init__(self, line: list[Any], lock: threading.Lock) -> None:
        self._line = line
        self._lock = lock
        self._members: list[_Member] = []
        self._errors: dict[int, Exception] = {}

    def change(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """Everybody's change in turn. Called again where a transaction was undone."""
        self._join(MOST)
        self._errors = {}
        for number, member in enumerate(self._members):
            try:
                # A copy: what a change does to it, and then raises, is nobody else's.
                value = {**value, **member.make(deepcopy(value))}
            except Exception as error:  # noqa: BLE001 (it is told to whom it belongs)
                self._errors[number] = error
        return value

    def _join(self, most: int) -> None:
        with self._lock:
            taken = self._line[: max(0, most - len(self._members))]
            del self._line[: len(taken)]
        self._members += taken

    @property
    def many(self) -> bool:
        return len(self._members) > 1

    def singles(self) -> Iterator[_Batch]:
        """Each member in a batch of its own."""
        for member in self._members:
            yield _Batch([member], threading.Lock())

    def end(self, made: Representation[Any]) -> None:
        for number, member in enumerate(self._members):
            error = self._errors.get(number)
            member.end(made) if error is None else member.fail(error)

    def fail(self, error: BaseException) -> None:
        """All fail; or, where nobody was taken yet, the first in the line alone."""
        if not self._members:
            self._join(1)
        told = error if isinstance(error, Exception) else _broken_off()
        for member in self._members:
            member.fail(told)


def _broken_off() -> RuntimeError:
    return RuntimeError(
        "The transaction that this edit shared was broken off, and whether it was done is not "
        "known. Read the row, and edit it again if the change is not there."
    )


_REFUSALS = {"IntegrityError", "DataError", "ProgrammingError", "NotSupportedError"}
_MISTAKES = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, IfMatchError)


def was_refused(error: BaseException) -> bool:
    """Whether an error proves that nothing was written, because of what was to be written.

    So it is with the errors that PEP 249 has for that, of whatever driver, and with Python's own
    before a statement was sent. Of OperationalError and InterfaceError nobody knows.
    """
    names = {each.__name__ for each in type(error).__mro__}
    # SQLAlchemy's StatementError is one of Python's; those of a database are classes below it.
    return (
        bool(names & _REFUSALS)
        or type(error).__name__ == "StatementError"
        or isinstance(error, _MISTAKES)
    )


def row_of(store: Any, key: Any) -> Hashable | None:
    """What tells one row of one store from every other; None where edits are not shared."""
    if getattr(store, "shares_edits", None) is not True:
        return None
    if isinstance(key, Sequence) and not isinstance(key, str | bytes):
        key = tuple((type(part), part) for part in key)
    try:
        hash(key)
    except TypeError:
        return None
    return (id(store), key)


# -- threads --------------------------------------------------------------------------------------


class _Lead:
    """Nobody leads the line any more: it is your turn."""


class _Ended:
    """The edit is over: with a state, or with an error."""

    def __init__(self, made: Representation[Any] | None, error: BaseException | None) -> None:
        self._made = made
        self._error = error

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._made


class _Make:
    """The change is to be made of a value now, in the thread that brought it."""

    def __init__(self, value: Any) -> None:
        self._value = value
        self.reply: Future[Any] = Future()

    def answer(self, change: Change) -> None:
        try:
            self.reply.set_result(change(self._value))
        except Exception as error:  # noqa: BLE001 (it is raised where it is waited for)
            self.reply.set_exception(error)
        except BaseException:
            self.reply.set_exception(_broken_off())
            raise


class _Waiting:
    """An edit that a thread waits for. Others tell it; only its own thread calls its change."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._thread = threading.get_ident()
        self._inbox: SimpleQueue[_Make | _Lead | _Ended] = SimpleQueue()
        self._lock = threading.Lock()
        self._left = False

    # -- what others do --------------------------------------------------------------------

    def make(self, value: Any) -> Mapping[str, Any]:
        asked = _Make(value)
        if threading.get_ident() == self._thread:
            asked.answer(self._change)
        elif not self._tell(asked):
            raise _broken_off()
        made: Mapping[str, Any] = asked.reply.result()
        return made

    def lead(self) -> bool:
        """Make it the leader; False where its thread has left."""
        return self._tell(_Lead())

    def end(self, made: Representation[Any]) -> None:
        self._tell(_Ended(made, None))

    def fail(self, error: BaseException) -> None:
        self._tell(_Ended(None, error))

    def _tell(self, message: _Make | _Lead | _Ended) -> bool:
        with self._lock:
            if not self._left:
                self._inbox.put(message)
            return not self._left

    # -- what its own thread does ----------------------------------------------------------

    def told(self) -> _Lead | _Ended:
        """The end of it, or that it leads; makes the change whenever it is asked to."""
        while True:
            message = self._inbox.get()
            if not isinstance(message, _Make):
                return message
            message.answer(self._change)

    def leave(self) -> bool:
        """Wait no longer, because the thread was interrupted; whether it was told to lead."""
        with self._lock:
            self._left = True
        leads = False
        while not self._inbox.empty():
            message = self._inbox.get()
            leads = leads or isinstance(message, _Lead)
            if isinstance(message, _Make):
                message.reply.set_exception(_broken_off())
        return leads


class Lines:
    """For each row the line of those who wait for it, in threads. Safe for any number of them."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, list[_Waiting]] = {}
        self._lock = threading.Lock()

    def patch(self, store: Any, key: Any, change: Change) -> Representation[Any]:
        """`store.patch(key, change)`, perhaps in one transaction with those of other threads.

        Returns the committed state that has the change, and theirs.
        """
        row = row_of(store, key)
        if row is None:
            alone: Representation[Any] = store.patch(key, change)
            return alone
        member = _Waiting(change)
        with self._lock:
            first = row not in self._lines  # a row has a line exactly while somebody leads it
            line = self._lines.setdefault(row, [])
            line.append(member)
        try:
            message: _Lead | _Ended = _Lead() if first else member.told()
        except BaseException:
            self._leave(row, line, member)
            raise
        while isinstance(message, _Lead):
            self._lead(store, key, row, line)
            message = member.told()
        made: Representation[Any] = message.result()
        return made

    def _lead(self, store: Any, key: Any, row: Hashable, line: list[_Waiting]) -> None:
        """One transaction, for whoever waits when it has the row; then the next leads."""
        try:
            self._carry(store, key, _Batch(line, self._lock))
        finally:
            self._pass_on(row, line)

    def _carry(self, store: Any, key: Any, batch: _Batch) -> None:
        try:
            made = store.patch(key, batch.change)
        except BaseException as error:
            if batch.many and was_refused(error):
                for single in batch.singles():
                    self._carry(store, key, single)
                return
            batch.fail(error)
            if not isinstance(error, Exception):
                raise
        else:
            batch.end(made)

    def _pass_on(self, row: Hashable, line: list[_Waiting]) -> None:
        with self._lock:
            while line and not line[0].lead():
                del line[0]
            if not line:
                del self._lines[row]

    def _leave(self, row: Hashable, line: list[_Waiting], member: _Waiting) -> None:
        leads = member.leave()
        with self._lock:
            if member in line:
                line.remove(member)
        if leads:
            self._pass_on(row, line)


# -- tasks ----------------------------------------------------------------------------------------


class _Task:
    """An edit that a task waits for. All tasks of a loop are in its thread."""

    def __init__(self, change: Change, outcome: asyncio.Future[Any]) -> None:
        self._change = change
        self._context = copy_context()
        self._outcome = outcome

    def make(self, value: Any) -> Mapping[str, Any]:
        made: Mapping[str, Any] = self._context.run(self._change, value)
        return made

    def end(self, made: Representation[Any]) -> None:
        if not self._outcome.done():  # it may be cancelled
            self._outcome.set_result(made)

    def fail(self, error: BaseException) -> None:
        if not self._outcome.done():
            self._outcome.set_exception(error)


class AsyncLines:
    """The same among the tasks of an event loop.

    A task of its own leads, so that whoever is cancelled leaves, and takes nobody along.
    """

    def __init__(self) -> None:
        self._lines: dict[Hashable, list[_Task]] = {}
        self._leaders: set[asyncio.Task[None]] = set()

    async def patch(self, store: Any, key: Any, change: Change) -> Representation[Any]:
        """As `Lines.patch`. Where it is cancelled when its change was taken, it may be done."""
        row = row_of(store, key)
        if row is None:
            alone: Representation[Any] = await store.patch(key, change)
            return alone
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Any] = loop.create_future()
        member, here = _Task(change, outcome), (loop, row)
        line = self._lines.get(here)
        if line is None:
            line = self._lines[here] = []
            leader = loop.create_task(self._lead(store, key, here, line))
            self._leaders.add(leader)
            leader.add_done_callback(self._leaders.discard)
        line.append(member)
        try:
            made: Representation[Any] = await outcome
        finally:
            if member in line:  # cancelled before anybody took it
                line.remove(member)
        return made

    async def _lead(self, store: Any, key: Any, here: Hashable, line: list[_Task]) -> None:
        """One transaction after the other, as long as somebody waits."""
        lock = threading.Lock()  # which nobody else wants
        try:
            while line:
                await self._carry(store, key, _Batch(line, lock))
        finally:
            del self._lines[here]
            for member in line:  # the loop is about to end
                member.fail(_broken_off())

    async def _carry(self, store: Any, key: Any, batch: _Batch) -> None:
        try:
            made = await store.patch(key, batch.change)
        except BaseException as error:
            if batch.many and was_refused(error):
                for single in batch.singles():
                    await self._carry(store, key, single)
                return
            batch.fail(error)
            if not isinstance(error, Exception):
                raise
        else:
            batch.end(made)
