"""What time alone changes: the tag is of what is served now, and says until when it holds."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifmatch import Conflict, ETag, state_tag, unchanged
from ifmatch.core.canonical import canonical
from ifmatch.core.errors import NaiveInstant
from ifmatch.core.moment import Moment, earliest
from ifmatch.core.tags import state_digest
from ifmatch.store.collections import Scope, collection_tag, on
from ifmatch.store.memory import MemoryStore
from ifmatch.store.moments import Moments
from ifmatch.store.postgres import AsyncPostgresStore, PostgresStore
from ifmatch.store.sqlite import SQLiteStore
from ifmatch.store.steps import Find, FindTag, GuardedRows, drive
from ifmatch.store.triggers import add_guard, collection_counter, create_triggers
from ifmatch.testing.store_contract import Synchronous
from packages.ifmatch.tests.store.conftest import CONTENT, django_store, note, open_django
from packages.ifmatch.tests.store.test_statements import Builder, log

KEY = ("ada", 1)
START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Clock:
    """Shows what it is set to."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def at(self, seconds: float) -> None:
        self.now = START + seconds * SECOND


def facts(row: Any, now: datetime) -> Moment:
    """A note is late `n` seconds after the start, and long late a minute after that."""
    late = START + row["n"] * SECOND
    long = late + 60 * SECOND
    said = {"late": now >= late, "long_late": now >= long}
    return Moment(said, earliest(*(each for each in (late, long) if now < each)))


def served(value: Any, *, late: bool, long_late: bool = False) -> Any:
    return {**value, "late": late, "long_late": long_late}


KINDS = ["memory", "sqlite", "postgresql", "sqlite3", "psycopg", "psycopg-async"]
DJANGO = ["django-sqlite", "django-postgresql"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[*KINDS, *DJANGO])
def store(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Any]:
    """Each store, with facts of the moment of `clock`."""
    yield from _store(request, Moments(("n",), facts, clock=clock))


def _store(request: pytest.FixtureRequest, moments: Moments) -> Iterator[Any]:
    kind = request.param
    if kind == "memory":
        yield MemoryStore[Any](moments=moments)
    elif kind.startswith("django"):
        with open_django(kind.removeprefix("django-"), request) as alias:
            yield django_store(alias, moments=moments)
    else:
        on = "on_sqlite" if kind in ("sqlite", "sqlite3") else "on_postgresql"
        made = request.getfixturevalue(on)
        rows = GuardedRows(("owner", "id"), _represent, moments=moments)
        if kind == "sqlite3":
            sqlite = SQLiteStore(made.address, "note", CONTENT, rows, json=["data"])
            with closing(sqlite):
                yield sqlite
        elif kind == "psycopg":

            def connect() -> Any:
                return psycopg.connect(made.address)

            yield PostgresStore(connect, "note", CONTENT, rows, json=["data"])
        elif kind == "psycopg-async":

            @asynccontextmanager
            async def connect_async() -> AsyncIterator[Any]:
                async with await psycopg.AsyncConnection.connect(made.address) as connection:
                    yield connection

            store = AsyncPostgresStore(connect_async, "note", CONTENT, rows, json=["data"])
            yield Synchronous(store, asyncio.run)
        else:
            yield made.store(moments=moments)


def _represent(row: Any) -> Any:
    return {name: row[name] for name in ("title", "n", "ratio", "data")}


# -- every store ----------------------------------------------------------------------------------


def test_the_tag_is_of_what_is_served_now_and_holds_until_the_facts_change(
    store: Any, clock: Clock
) -> None:
    """No row was written between: at `until` itself both the body and the tag are new."""
    made = store.create(KEY, note(n=10))
    seen = []
    for seconds, late, long_late in [
        *((0, False, False), (9.999999, False, False), (10, True, False)),
        *((69.999999, True, False), (70, True, True), (10**7, True, True)),
    ]:
        clock.at(seconds)
        found, current = store.read(KEY), store.validators(KEY)
        assert found.body == canonical(served(note(n=10), late=late, long_late=long_late))
        assert found.etag == store.tag(KEY) == current.etag
        assert found.until == current.until == found.validators.until
        assert found.value["n"] == 10
        seen.append((found.etag, found.until))
    assert seen[0] == seen[1] == (made.etag, START + 10 * SECOND)
    assert seen[2] == seen[3]
    assert seen[2][1] == START + 70 * SECOND
    assert seen[4] == seen[5]
    assert seen[4][1] is None
    assert len({tag for tag, _ in seen}) == 3


def test_a_clock_that_goes_back_gives_the_tag_that_was_there_then(store: Any, clock: Clock) -> None:
    before = store.create(KEY, note(n=10))
    clock.at(11)
    assert store.tag(KEY) != before.etag
    clock.at(9)
    again = store.read(KEY)
    assert (again.etag, again.body, again.until) == (before.etag, before.body, before.until)


def test_a_write_answers_with_body_tag_and_instant_of_one_moment(store: Any, clock: Clock) -> None:
    made = store.create(KEY, note(n=10))
    changed = store.replace(KEY, note("Milk", n=5), unchanged(made.etag))
    assert changed.until == START + 5 * SECOND
    assert changed.body == canonical(served(note("Milk", n=5), late=False))
    assert changed.etag == store.tag(KEY)
    same = store.replace(KEY, note("Milk", n=5))
    assert (same.changed, same.until, same.etag) == (False, changed.until, changed.etag)
    clock.at(6)
    patched = store.patch(KEY, lambda value: {**value, "title": "Rum"})
    assert patched.body == canonical(served(note("Rum", n=5), late=True))
    assert patched.etag == store.tag(KEY)


def test_an_edit_that_was_made_on_other_facts_is_refused_once(store: Any, clock: Clock) -> None:
    """What If-Match names was another representation: see decision 0024."""
    made = store.create(KEY, note(n=10))
    clock.at(10)
    writes: list[Callable[[], Any]] = [
        lambda: store.replace(KEY, note("Milk", n=10), unchanged(made.etag)),
        lambda: store.patch(KEY, lambda value: value, unchanged(made.etag)),
        lambda: store.delete(KEY, unchanged(made.etag)),
    ]
    for write in writes:
        with pytest.raises(Conflict) as caught:
            write()
        assert caught.value.current == store.tag(KEY)
    clock.at(50)  # still the same facts: the fresh tag is good for as long as they are
    store.replace(KEY, note("Milk", n=10), unchanged(store.tag(KEY)))
    assert store.read(KEY).value["title"] == "Milk"


def test_a_clock_without_a_time_zone_is_refused(store: Any, clock: Clock) -> None:
    store.create(KEY, note(n=10))
    clock.now = START.replace(tzinfo=None)
    for ask in (store.tag, store.validators, store.read):
        with pytest.raises(NaiveInstant, match="aware"):
            ask(KEY)


# -- databases ------------------------------------------------------------------------------------


def test_a_304_decision_reads_what_the_facts_need_and_builds_no_body(
    database: Any, clock: Clock
) -> None:
    """Not even after the facts changed: the stored tag is of the state, and time voids none."""
    builder = Builder()
    moments = Moments(("n",), facts, clock=clock)
    store = database.store(represent=builder, moments=moments)
    store.create(KEY, note(n=10))
    builder.built = 0
    for seconds in (0, 10, 1000):
        clock.at(seconds)
        with log(database) as statements:
            found = store.validators(KEY)
        assert len(statements) == 1
        selected = statements[0].partition("WHERE")[0]
        assert "note.n" in selected
        for column in ("title", "ratio", "data"):
            assert f"note.{column}" not in selected
        assert builder.built == 0
        assert found.etag == store.read(KEY).etag
        builder.built = 0


def test_what_plain_sql_changed_is_seen_beside_the_clock(database: Any, clock: Clock) -> None:
    store = database.store(moments=Moments(("n",), facts, clock=clock))
    old = store.create(KEY, note(n=10))
    database.execute("UPDATE note SET n = -5")
    found = store.validators(KEY)
    assert found.until == START + 55 * SECOND
    assert (found.etag, found.until) == (store.read(KEY).etag, store.read(KEY).until)
    assert found.etag != old.etag


def test_without_facts_the_same_rows_have_the_tag_that_only_writers_change(
    database: Any, clock: Clock
) -> None:
    """Two resources of one table: what is edited, and the same with what merely happens to it."""
    settings = database.store()
    overview = database.store(moments=Moments(("n",), facts, clock=clock))
    made, seen = settings.create(KEY, note(n=10)), overview.tag(KEY)
    clock.at(3600)
    assert settings.tag(KEY) == made.etag == state_tag(note(n=10))
    assert overview.tag(KEY) not in (seen, made.etag)
    settings.replace(KEY, note("Milk", n=10), unchanged(made.etag))


def test_facts_in_a_tag_that_is_stored_are_served_too_long(database: Any, clock: Clock) -> None:
    """The twin: what happens where `represent` asks the clock, and nothing says so."""

    def naive(row: Any) -> Any:
        return served(_represent(row), late=facts(row, clock()).facts["late"])

    store = database.store(represent=naive)
    before = store.create(KEY, note(n=10))
    clock.at(10)
    found = store.read(KEY)
    assert found.etag == before.etag
    assert found.body != before.body
    assert found.etag.opaque != state_digest(found.body)


# -- lists ----------------------------------------------------------------------------------------

REACHED_AND_AHEAD = (
    "SELECT (SELECT max(due) FROM bill WHERE owner = ? AND due <= ?),"
    " (SELECT min(due) FROM bill WHERE owner = ? AND due > ?)"
)


def _bills() -> sqlite3.Connection:
    bills = sqlite3.connect(":memory:")
    for statement in [
        "CREATE TABLE bill (id integer PRIMARY KEY, owner text, due integer)",
        "CREATE INDEX bill_due ON bill (owner, due)",
        *add_guard("sqlite", "bill"),
        *create_triggers("sqlite", "bill", ["id", "owner", "due"]),
        *collection_counter("sqlite", "bill", scope=["owner"], identity=["id"]),
    ]:
        bills.execute(statement)
    return bills


def _list_at(bills: sqlite3.Connection, now: int) -> tuple[ETag, int | None, Any]:
    """The tag of a list as the reference makes it, until when it holds, and what is served."""
    reached, ahead = bills.execute(REACHED_AND_AHEAD, ("ada", now, "ada", now)).fetchone()
    scope = Scope("bill", {"owner": "ada"})
    tag = drive(collection_tag(scope, query={"reached": reached}), on(bills))
    rows = bills.execute("SELECT id, due, due <= ? FROM bill WHERE owner = 'ada'", (now,))
    return tag, ahead, rows.fetchall()


def test_the_tag_of_a_list_changes_when_the_first_member_does_by_time() -> None:
    """At any instants, in any order, between any writes; and never before its end."""
    chance = random.Random(4)
    with closing(_bills()) as bills:
        bodies: dict[ETag, Any] = {}
        for step in range(300):
            if step % 3 == 0:
                bill = (chance.randrange(8), chance.choice(["ada", "bob"]), chance.randrange(20))
                bills.execute("INSERT OR REPLACE INTO bill (id, owner, due) VALUES (?, ?, ?)", bill)
            now = chance.randrange(-1, 21)
            tag, until, body = _list_at(bills, now)
            assert bodies.setdefault(tag, body) == body
            if until is None:
                assert _list_at(bills, 10**6)[::2] == (tag, body)
            else:
                assert _list_at(bills, until - 1) == (tag, until, body)
                assert _list_at(bills, until)[0] != tag
                assert _list_at(bills, until)[2] != body
        assert len(bodies) > 50


def test_the_instants_of_a_list_are_looked_up_in_its_index_and_read_no_rows() -> None:
    with closing(_bills()) as bills:
        asked = ("ada", 1, "ada", 1)
        plan = [row[-1] for row in bills.execute(f"EXPLAIN QUERY PLAN {REACHED_AND_AHEAD}", asked)]
    searches = [step for step in plan if step.startswith(("SEARCH", "SCAN"))]
    assert (
        len([step for step in searches if "COVERING INDEX bill_due (owner=? AND due" in step]) == 2
    )
    assert not [step for step in searches if step.startswith("SCAN") and "bill" in step]


# -- the law, with any rows and instants ----------------------------------------------------------

ROWS = st.fixed_dictionaries(
    {"id": st.just(1), "n": st.integers(-3, 3), "title": st.sampled_from(["a", "b"])}
)
SECONDS = st.integers(-70_000_000, 70_000_000).map(lambda micro: micro / 1_000_000)


def _held(row: Any, rows: GuardedRows) -> Any:
    """The row as a database holds it, its stored tag fresh."""
    full = {**row, "version": 1, "incarnation": 7, "tag": None, "tag_stamp": None}
    return full | rows._tag_values(full, canonical(rows.represent(full)))


def _asked(rows: GuardedRows, row: Any) -> tuple[ETag, datetime | None, bytes]:
    """The tag by its look-up, until when it holds, and the body that is read then."""

    def do(step: Any) -> Any:
        assert isinstance(step, FindTag | Find)
        return {name: row[name] for name in rows.tag_columns} if isinstance(step, FindTag) else row

    validators, read = drive(rows.validators([1]), do), drive(rows.read([1]), do)
    assert validators is not None
    assert read is not None
    assert (validators.etag, validators.until) == (read.etag, read.until)
    assert drive(rows.tag([1]), do) == read.etag
    return read.etag, read.until, read.body


def _rows(clock: Callable[[], datetime]) -> GuardedRows:
    return GuardedRows(
        ("id",),
        lambda row: {"title": row["title"], "n": row["n"]},
        moments=Moments(("n",), facts, clock=clock),
    )


@given(one=ROWS, other=ROWS, now=SECONDS, then=SECONDS)
def test_two_tags_are_equal_if_and_only_if_the_bodies_are(
    one: Any, other: Any, now: float, then: float
) -> None:
    """At any two instants, in either order, of any two states."""
    clock = Clock()
    rows = _rows(clock)
    asked = []
    for row, seconds in ((one, now), (other, then), (one, then), (other, now)):
        clock.at(seconds)
        asked.append(_asked(rows, _held(row, rows)))
    for tag, _, body in asked:
        for another, _, its in asked:
            assert (tag == another) == (body == its)


@given(row=ROWS, now=SECONDS, part=st.floats(0, 1, exclude_max=True))
def test_a_tag_holds_until_its_end_and_at_its_end_it_is_new(
    row: Any, now: float, part: float
) -> None:
    clock = Clock()
    rows = _rows(clock)
    held = _held(row, rows)
    clock.at(now)
    before, until, body = _asked(rows, held)
    asked_at = clock.now
    if until is None:
        clock.now += 10**8 * SECOND
        assert _asked(rows, held)[0] == before
        return
    assert until > asked_at
    clock.now = min(asked_at + (until - asked_at) * part, until - timedelta(microseconds=1))
    assert _asked(rows, held)[::2] == (before, body)
    clock.now = until
    tag, _, new = _asked(rows, held)
    assert tag != before
    assert new != body


def test_the_clock_may_show_any_time_zone() -> None:
    east = timezone(timedelta(hours=13))
    clock = Clock(START.astimezone(east))
    rows = _rows(clock)
    held = _held({"id": 1, "n": 10, "title": "a"}, rows)
    tag, until, _ = _asked(rows, held)
    assert until == START + 10 * SECOND
    clock.now = START
    assert _asked(rows, held)[0] == tag


def test_a_fact_that_hides_a_member_of_the_state_is_refused() -> None:
    moments = Moments((), lambda row, now: Moment({"title": 1}))
    with pytest.raises(ValueError, match=r"'title'.*show="):
        MemoryStore[int](moments=moments).create(1, {"title": "Tea"})
