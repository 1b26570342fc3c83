"""Tag and body are of one state, and no writer comes between check and write, wherever he tries.

Of every store that stands on a database.

A foreign connection writes before the first, the second, ... statement of an operation, until the
operation has no more. Where the database keeps him out, he did not come between.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from ifmatch import Conflict, Missing, state_tag, unchanged
from ifmatch.core.tags import state_digest

KEY = ("ada", 1)
MOST_STATEMENTS = 20

FOREIGN = {
    "update": ["UPDATE {note} SET title = 'foreign', n = 100"],
    "delete": ["DELETE FROM {note}"],
    "delete and insert": [
        "DELETE FROM {note}",
        "INSERT INTO {note} (owner, {id}, title, n) VALUES ('ada', 1, 'foreign', 100)",
    ],
    "restore of a copy": [
        "CREATE TEMPORARY TABLE copy AS SELECT * FROM {note}",
        "DELETE FROM {note}",
        "UPDATE copy SET title = 'foreign', n = 100",
        "INSERT INTO {note} SELECT * FROM copy",
    ],
    "two updates": ["UPDATE {note} SET title = 'passing'", "UPDATE {note} SET title = 'foreign'"],
}


def note(title: str = "Tea", n: int = 0) -> dict[str, Any]:
    return {"title": title, "n": n, "ratio": 0.5, "data": None}


class Foreigner:
    """Writes when he is called, unless the database keeps him out."""

    def __init__(self, opened: Any, statements: list[str]) -> None:
        self.opened = opened
        self.statements = statements
        self.came = False

    def __call__(self) -> None:
        try:
            self.opened.execute(*self.statements, wait=0.02)
            self.came = True
        except (sqlite3.OperationalError, psycopg.errors.LockNotAvailable):
            pass


def at_every_statement(
    opened: Any, statements: list[str], operation: Callable[[], Any]
) -> list[tuple[Any, Foreigner]]:
    """What the operation comes to, with the foreigner before each of its statements in turn."""
    store = opened.store()
    outcomes: list[tuple[Any, Foreigner]] = []
    for number in range(1, MOST_STATEMENTS):
        opened.execute("DELETE FROM {note}")
        store.create(KEY, note())
        foreigner = Foreigner(opened, statements)
        with opened.watch.before(number, foreigner) as seen:
            try:
                outcome = operation()
            except (Conflict, Missing) as error:
                outcome = error
        if len(seen) < number:
            assert number > 1, "the operation has statements"
            return outcomes
        outcomes.append((outcome, foreigner))
    raise AssertionError(f"more than {MOST_STATEMENTS} statements")


@pytest.mark.parametrize("how", FOREIGN)
@pytest.mark.parametrize("fresh", [True, False], ids=["stored tag", "stale tag"])
def test_a_read_never_sends_the_body_of_one_state_under_the_tag_of_another(
    opened: Any, how: str, fresh: bool
) -> None:
    store = opened.store() if fresh else opened.store(epoch="2")
    came = 0
    for read, foreigner in at_every_statement(opened, FOREIGN[how], lambda: store.read(KEY)):
        came += foreigner.came
        if read is not None:
            assert read.etag.opaque == state_digest(read.body)
            torn = (read.value["title"] == "foreign") is not (read.value["n"] == 100)
            assert not torn or how == "two updates"
            assert f'"title":"{read.value["title"]}"'.encode() in read.body
    assert came


@pytest.mark.parametrize("how", FOREIGN)
@pytest.mark.parametrize("fresh", [True, False], ids=["stored tag", "stale tag"])
@pytest.mark.parametrize("asked", ["tag", "validators"])
def test_an_early_tag_is_that_of_a_state_that_was_there(
    opened: Any, how: str, fresh: bool, asked: str
) -> None:
    """None where the row was deleted while its tag was made, and not the tag of nothing."""
    store = opened.store() if fresh else opened.store(epoch="2")
    after = {"delete": None, "two updates": state_tag(note("foreign"))}
    states = (state_tag(note()), after.get(how, state_tag(note("foreign", 100))))

    def look() -> Any:
        found = getattr(store, asked)(KEY)
        return getattr(found, "etag", found)

    for tag, foreigner in at_every_statement(opened, FOREIGN[how], look):
        assert tag in states[: 1 + foreigner.came]


@pytest.mark.parametrize("how", FOREIGN)
@pytest.mark.parametrize("method", ["replace", "patch", "delete"])
def test_who_came_before_the_write_is_never_overwritten_unseen(
    opened: Any, how: str, method: str
) -> None:
    store = opened.store()
    guard = unchanged(state_tag(note()))
    operations: dict[str, Callable[[], Any]] = {
        "replace": lambda: store.replace(KEY, note("ours"), guard),
        "patch": lambda: store.patch(KEY, lambda value: dict(value) | {"title": "ours"}, guard),
        "delete": lambda: store.delete(KEY, guard),
    }
    outcomes = at_every_statement(opened, FOREIGN[how], operations[method])
    assert any(foreigner.came for _, foreigner in outcomes)
    for outcome, foreigner in outcomes:
        if foreigner.came:
            assert isinstance(outcome, Conflict | Missing), outcome
        elif method != "delete":
            assert outcome.value["title"] == "ours"
            assert outcome.etag.opaque == state_digest(outcome.body)


@pytest.mark.parametrize("how", FOREIGN)
def test_an_unconditional_change_is_made_on_what_came_before_it(opened: Any, how: str) -> None:
    """It is done on the newest state, however often that changes meanwhile."""
    store = opened.store()

    def add() -> Any:
        return store.patch(KEY, lambda value: dict(value) | {"n": value["n"] + 1})

    for outcome, foreigner in at_every_statement(opened, FOREIGN[how], add):
        if isinstance(outcome, Missing):
            assert foreigner.came
            assert how == "delete"
            continue
        expected = 101 if foreigner.came and how != "two updates" else 1
        assert outcome.value["n"] == expected
        assert outcome.etag.opaque == state_digest(outcome.body)


def test_of_two_creators_one_creates_wherever_the_other_comes_in(opened: Any) -> None:
    store = opened.store()
    insert = ["INSERT INTO {note} (owner, {id}, title, n) VALUES ('ada', 1, 'foreign', 100)"]
    came = 0
    for number in range(1, MOST_STATEMENTS):
        opened.execute("DELETE FROM {note}")
        foreigner = Foreigner(opened, insert)
        with opened.watch.before(number, foreigner) as seen:
            try:
                outcome = store.create(KEY, note("ours"))
            except Conflict as conflict:
                outcome = conflict
        if len(seen) < number:
            break
        came += foreigner.came
        assert isinstance(outcome, Conflict) is foreigner.came
        found = store.read(KEY)
        assert found is not None
        assert found.value["title"] == ("foreign" if foreigner.came else "ours")
    assert came


def test_a_foreigner_finds_no_gap_only_because_the_guard_is_judged_in_the_write(
    opened: Any,
) -> None:
    """The twin: a store that judges beforehand, and then just writes, loses his change."""
    store = opened.store()
    guard = unchanged(state_tag(note()))

    def naive() -> Any:
        current = store.read(KEY)
        if not guard.judge(current.validators).proceeds:
            raise Conflict(current.etag, guard.judge(current.validators))
        return store.replace(KEY, note("ours"))

    outcomes = at_every_statement(opened, FOREIGN["update"], naive)
    assert any(
        foreigner.came and not isinstance(outcome, Conflict) for outcome, foreigner in outcomes
    )


# -- collections ----------------------------------------------------------------------------------

ROWS = "SELECT owner, title, n FROM {note} ORDER BY {id}"


def at_every_statement_of_a_list(
    opened: Any, statements: list[str], listing: Callable[[], Any]
) -> list[Any]:
    """The lists under tags that some other list was sent under, too; somebody came in between."""
    wrong: list[Any] = []
    came = 0
    for number in range(1, MOST_STATEMENTS):
        opened.execute("DELETE FROM {note}")
        opened.store().create(KEY, note())
        lists = dict([opened.listing()])
        foreigner = Foreigner(opened, statements)
        with opened.watch.before(number, foreigner) as seen:
            tag, rows = listing()
        if len(seen) < number:
            assert came
            return wrong
        came += foreigner.came
        for one, found in ((tag, rows), opened.listing()):
            if lists.setdefault(one, found) != found:
                wrong.append((lists[one], found))
    raise AssertionError(f"more than {MOST_STATEMENTS} statements")


@pytest.mark.parametrize("how", FOREIGN)
def test_a_list_and_the_tag_of_its_collection_are_of_one_snapshot(opened: Any, how: str) -> None:
    assert at_every_statement_of_a_list(opened, FOREIGN[how], opened.listing) == []


def test_a_list_that_is_read_before_its_tag_would_be_kept_under_the_tag_of_the_next(
    opened: Any,
) -> None:
    """The twin: what one snapshot is for."""
    store = opened.store()
    store.collection_tag()

    def torn() -> Any:
        rows = [tuple(row) for row in opened.execute(ROWS)]
        return store.collection_tag(), rows

    assert at_every_statement_of_a_list(opened, FOREIGN["update"], torn) != []
