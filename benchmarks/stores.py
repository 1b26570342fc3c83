"""The stores beside what one would write by hand on the same connection.

    304 decision    a public call and the verdict, beside a look-up of the tag and a comparison
    guarded write   beside the same call without a guard, and beside an UPDATE by hand
    edits           goodput of 16 writers on one row, beside an UPDATE that adds one
    collections     the tag of 1,000,000 rows beside that of 1,000, and what its counter costs

What a store adds it adds in the client's thread and in the database. So the time of what asks
PostgreSQL is the processor time of the thread and of its backend together; that of the thread alone
and the time on the wall are printed beside it. SQLite works in the thread.

Each part runs in a process of its own, since Django can be set up once in a process.
"""

from __future__ import annotations

import multiprocessing
import sqlite3
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from hashlib import sha256
from itertools import count, cycle
from json import dumps
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import goodput
from benchmarks.crew import Crew, together
from benchmarks.rounds import ROUNDS, Line, LongWork, Work, compare, judged
from benchmarks.tables import COLUMNS, DRIVERS, ROWS, Kept, Place, create, opened
from harness import postgres
from ifmatch import Conditions, Validators, evaluate
from ifmatch.core.guard import UNCONDITIONAL, unchanged
from ifmatch.store.collections import Scope, collection_tag, on
from ifmatch.store.postgres import PostgresStore
from ifmatch.store.sqlite import SQLiteStore, connect
from ifmatch.store.steps import drive
from ifmatch.store.triggers import collection_counter, drop_collection_counter

MANY, FEW, MOST = 1_000_000, 1_000, 20_000
"""Rows of a large collection, of a small one, and more than a store remembers tags of."""

KEY = (7,)
SELECT_TAG = "SELECT tag FROM item WHERE id = "
Clock = Callable[[], float]


class Timed(LongWork):
    """A statement that is timed by another clock than the thread's, in longer rounds.

    A database has work of its own in between, and the disk has its moods.
    """

    round_seconds = 0.1

    def __init__(self, statement: str, clock: Clock, **names: object) -> None:
        super().__init__(statement, **names)
        self._timer = timeit.Timer(statement, timer=clock, globals=names)


def lines(
    *, rounds: int = ROUNDS, many: int = MANY, hot: float = 0.5, parts: Sequence[str] = ()
) -> Iterator[Line]:
    """The lines of the stores; `hot` are the seconds of a turn where writers meet."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(postgres.running(durable=True))

        def place(dialect: str, name: str) -> Place:
            if dialect == "sqlite":
                return Place(dialect, str(folder / f"{name}.db"))
            return Place(dialect, stack.enter_context(server.database()).dsn)

        for dialect in DRIVERS:
            one, large = place(dialect, "one"), place(dialect, "large")
            create(one, MOST)
            for name, part in {
                "304": partial(_decisions, one, rounds),
                "sqlalchemy": partial(_sqlalchemy, one, rounds),
                "django": partial(_django, one, rounds),
                "write": partial(_writes, one, rounds),
                "collection": partial(_collections, place(dialect, "few"), large, many, rounds),
                "counter": partial(_counters, one, rounds),
            }.items():
                if name in (parts or (name,)):
                    yield from _apart(part)
            if not parts or "edit" in parts:
                yield from _edits(one, rounds, hot)
            if not parts or "scopes" in parts:
                yield from _scopes(one, rounds, hot)


def _apart(part: Callable[[], list[Line]]) -> list[Line]:
    """What a part gives in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as one:
        return one.submit(part).result()


# -- clocks ---------------------------------------------------------------------------------------


def _clocks(place: Place, backend: int | None) -> dict[str, Clock]:
    """How time is counted: the first is what a limit is for."""
    if backend is None:
        return {"": time.thread_time}
    of_backend = Path(f"/proc/{backend}/schedstat")

    def both() -> float:
        return time.thread_time() + int(of_backend.read_text().split()[0]) / 1e9

    return {"": both, ", the thread alone": time.thread_time, ", on the wall": time.perf_counter}


def _beside(
    name: str,
    ours: str,
    peer: str,
    clocks: dict[str, Clock],
    limit: float | None,
    rounds: int,
    **names: object,
) -> Iterator[Line]:
    for how, clock in clocks.items():
        yield compare(
            name + how,
            Timed(ours, clock, **names),
            Timed(peer, clock, **names),
            None if how else limit,
            rounds,
        )


# -- 304 ------------------------------------------------------------------------------------------


def _stamped(place: Place) -> str:
    """Give every row its tag, as writes through a store do; the tag of the row that is asked for.

    The table was filled by plain SQL, whose rows have none.
    """
    with opened(DRIVERS[place.dialect], place) as store:
        store.patch(KEY, lambda row: {**row, "n": row["n"] + 1})
        tag = store.tag(KEY)
    assert tag is not None
    stamp = "version || '.' || incarnation || '.' || '1'"
    # All have one tag, that of the row: what counts is that each is a fresh one.
    place.execute(f"UPDATE item SET tag = '{tag.opaque}', tag_stamp = {stamp} WHERE tag IS NULL")
    return str(tag)


def _by_hand(select: Callable[..., Any], key: Any, asked: str) -> bool:
    """What anybody would write: the one column, and the field's text beside it."""
    row = select(key)
    return row is not None and f'W/"{row[0]}"' == asked


class _Fetched:
    """`execute(...).fetchone()` on one connection."""

    def __init__(self, connection: Any, mark: str) -> None:
        self._execute, self._text = connection.execute, SELECT_TAG + mark

    def __call__(self, key: Any) -> Any:
        return self._execute(self._text, key).fetchone()


_OURS = "evaluate('GET', asked, validators(key))"
_OURS_TAG = "evaluate('GET', asked, Validators(tag(key)))"
_PEER = "by_hand(select, key, field)"


def _asking(place: Place, tag: str, select: Callable[..., Any], store: Any) -> dict[str, Any]:
    names = {
        "evaluate": evaluate,
        "asked": Conditions(none_match=tag.encode().decode()),
        "Validators": Validators,
        "tag": store.tag,
        "validators": store.validators,
        "key": KEY,
        "by_hand": _by_hand,
        "select": select,
        "field": tag.encode().decode(),
    }
    assert evaluate("GET", names["asked"], store.validators(KEY)).status == 304
    assert _by_hand(select, KEY, names["field"])
    return names


def _decisions(place: Place, rounds: int) -> list[Line]:
    tag = _stamped(place)
    if place.dialect == "sqlite":
        return list(_on_sqlite3(place, tag, rounds))
    return list(_on_psycopg(place, tag, rounds))


def _on_sqlite3(place: Place, tag: str, rounds: int) -> Iterator[Line]:
    with closing(SQLiteStore(place.address, "item", COLUMNS, ROWS)) as store:
        connection = store.connection

        def by_hand(key: Any, field: str) -> bool:
            row = connection.execute("SELECT tag FROM item WHERE id = ?", key).fetchone()
            return row is not None and f'W/"{row[0]}"' == field

        names = _asking(place, tag, _Fetched(connection, "?"), store) | {"by_hand": by_hand}

        def beside(name: str, ours: str, limit: float | None = None, **more: Any) -> Line:
            key = "key" if "keys" not in more else "next(keys)"
            return compare(
                name,
                Work(ours, **names, **more),
                Work(f"by_hand({key}, field)", **names, **more),
                limit,
                rounds,
            )

        yield beside("sqlite3, 304 / SELECT tag", _OURS, 1.15)
        yield beside("sqlite3, 304 by tag() and Validators() / SELECT tag", _OURS_TAG)
        each = "evaluate('GET', asked, validators(next(keys)))"
        for rows in (FEW, MOST):
            keys = cycle([(number,) for number in range(1, rows + 1)])
            yield beside(f"sqlite3, 304, {rows:,} rows in turn / SELECT tag", each, keys=keys)


def _on_psycopg(place: Place, tag: str, rounds: int) -> Iterator[Line]:
    with closing(Kept(place.address)) as kept:
        store = PostgresStore(kept.connection, "item", COLUMNS, ROWS)

        def select(key: Any) -> Any:
            with kept.connection() as connection:
                return connection.execute(SELECT_TAG + "%s", key).fetchone()

        clocks = _clocks(place, kept.thread().info.backend_pid)
        names = _asking(place, tag, select, store)
        yield from _beside("psycopg, 304 / SELECT tag", _OURS, _PEER, clocks, 1.15, rounds, **names)


def _sqlalchemy(place: Place, rounds: int) -> list[Line]:
    """On a connection in hand, and by the store, which takes one from the pool each time."""
    from sqlalchemy import bindparam, select

    from ifmatch.store.sqlalchemy import reading

    on_name = f"SQLAlchemy on {place.dialect}"
    tag = _stamped(place)
    found: list[Line] = []
    with opened("sqlalchemy", place) as store:
        opaque: Any = store
        engine, rows = opaque._engine, opaque._rows
        column = rows.table.c
        once = select(column.tag).where(column.id == bindparam("key"))
        with reading(engine) as connection:
            clocks = _clocks(place, _backend(connection.connection.dbapi_connection))
            execute = connection.execute

            def prepared(key: Any) -> Any:
                return execute(once, {"key": key[0]}).one_or_none()

            def anew(key: Any) -> Any:
                return execute(select(column.tag).where(column.id == key[0])).one_or_none()

            names = _asking(place, tag, prepared, store)
            names["validators"] = partial(rows.validators, connection)
            for how, one, limit in (
                ("a SELECT made once", prepared, 1.15),
                ("a SELECT made anew", anew, None),
            ):
                names["select"] = one
                label = f"{on_name}, 304 / {how}"
                found += _beside(label, _OURS, _PEER, clocks, limit, rounds, **names)

        def of_its_own(key: Any) -> Any:
            with reading(engine) as connection:
                return connection.execute(once, {"key": key[0]}).one_or_none()

        names = _asking(place, tag, of_its_own, store)
        label = f"{on_name}, 304 by the store / the same SELECT in its own transaction"
        found += _beside(label, _OURS, _PEER, clocks, 1.15, rounds, **names)
    return found


def _backend(connection: Any) -> int | None:
    return None if isinstance(connection, sqlite3.Connection) else connection.info.backend_pid


def _django(place: Place, rounds: int) -> list[Line]:
    tag = _stamped(place)
    with opened("django", place) as store:
        from django.db import connection

        opaque: Any = store
        tags = opaque._model.objects.values_list("tag", flat=True)

        def select(key: Any) -> Any:
            return (tags.get(id=key[0]),)

        names = _asking(place, tag, select, store)
        clocks = _clocks(place, _backend(connection.connection))
        label = f"Django on {place.dialect}, 304 / the same SELECT by a queryset"
        return list(_beside(label, _OURS, _PEER, clocks, 1.15, rounds, **names))


# -- writes ---------------------------------------------------------------------------------------


class _Writer:
    """Writes a number that no row had before, each time under the tag of the time before."""

    def __init__(self, store: Any, numbers: Iterator[int]) -> None:
        self._store, self._numbers = store, numbers
        self._etag = store.patch(KEY, self._other).etag

    def _other(self, row: Any) -> Any:
        return {**row, "n": next(self._numbers)}

    def guarded(self) -> None:
        value = {"word": "word", "n": next(self._numbers)}
        self._etag = self._store.replace(KEY, value, unchanged(self._etag)).etag

    def plain(self) -> None:
        value = {"word": "word", "n": next(self._numbers)}
        self._etag = self._store.replace(KEY, value, UNCONDITIONAL).etag


def _writes(place: Place, rounds: int) -> list[Line]:
    kind, numbers = DRIVERS[place.dialect], count(1)
    with ExitStack() as stack:
        update = (
            "UPDATE item SET word = {0}, n = {0}, version = version + 1, tag = {0} WHERE id = 8"
        )

        def values() -> tuple[str, int, str]:
            number = next(numbers)
            body = dumps({"word": "word", "n": number}, sort_keys=True).encode()
            return "word", number, sha256(body).hexdigest()[:16]

        if kind == "sqlite3":
            store: Any = stack.enter_context(opened(kind, place))
            connection, text, backend = store.connection, update.format("?"), None

            def by_hand() -> None:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(text, values())
                connection.execute("COMMIT")
        else:
            kept = stack.enter_context(closing(Kept(place.address)))
            store = PostgresStore(kept.connection, "item", COLUMNS, ROWS)
            text, backend = update.format("%s"), kept.thread().info.backend_pid

            def by_hand() -> None:
                with kept.connection() as connection:
                    connection.execute(text, values())

        writer = _Writer(store, numbers)
        names = {"guarded": writer.guarded, "plain": writer.plain, "by_hand": by_hand}
        clocks = _clocks(place, backend) | {", on the wall": time.perf_counter}
        found = [
            *_beside(
                f"{kind}, guarded write / without a guard",
                "guarded()",
                "plain()",
                clocks,
                1.10,
                rounds,
                **names,
            )
        ]
        names["by_hand"]()
        label = f"{kind}, guarded write / BEGIN, UPDATE by key, COMMIT"
        return found + list(
            _beside(label, "guarded()", "by_hand()", _clocks(place, backend), None, rounds, **names)
        )


# -- edits ----------------------------------------------------------------------------------------


def _edits(place: Place, rounds: int, seconds: float, writers: int = 16) -> Iterator[Line]:
    """Goodput on the wall, the peer's by ours: a limit of 1.18 is 0.85 of the peer's goodput."""
    kind = DRIVERS[place.dialect]
    peers = ["atomic"] + (["pooled"] if kind == "psycopg" else [])
    with Crew(goodput.PROCESSES) as crew:
        names = [*peers, "atomic again", "edit", "patch"]
        taken: dict[str, list[goodput.Goodput]] = {name: [] for name in names}
        for number in range(rounds):
            for name in names if number % 2 else reversed(names):
                way = name.removesuffix(" again")
                taken[name].append(
                    goodput.measure(kind, place, writers, way=way, seconds=seconds, crew=crew)
                )
    speeds = {name: [one.per_second for one in found] for name, found in taken.items()}
    itself = _ratios(speeds["atomic again"], speeds["atomic"])
    described = {"atomic": "one UPDATE", "pooled": "one UPDATE by the store's connections"}
    for way in ("edit", "patch"):
        for peer in peers:
            yield judged(
                f"{kind}, {described[peer]} / {way}, goodput of {writers} writers of a row",
                "x",
                _ratios(speeds[peer], speeds[way]),
                itself,
                [1 / one for one in speeds[way]],
                1 / 0.85 if way == "edit" else None,
            )
    tries = [one.tries for one in taken["edit"]]
    times = [1 / one for one in speeds["edit"]]
    # Counted and not timed: no other program's work makes it void.
    yield judged(f"{kind}, tries of an edit, {writers} writers", "", tries, [1.0], times, 2)


def _ratios(some: list[float], others: list[float]) -> list[float]:
    return [one / other for one, other in zip(some, others, strict=True)]


# -- collections ----------------------------------------------------------------------------------


def _counted(place: Place, scope: Sequence[str]) -> None:
    place.execute(*collection_counter(place.dialect, "item", scope=scope, identity=["id"]))


def _collections(few: Place, large: Place, many: int, rounds: int) -> list[Line]:
    kind = DRIVERS[few.dialect]
    mark = "?" if few.dialect == "sqlite" else "%s"
    with ExitStack() as stack:
        tags = []
        for place, rows in ((few, FEW), (large, many)):
            create(place, rows)
            _counted(place, [])
            opening: Any = (
                connect(place.address)
                if kind == "sqlite3"
                else psycopg.connect(place.address, autocommit=True)
            )
            connection = stack.enter_context(closing(opening))
            tags.append(on(connection, mark))
        names = {
            "drive": drive,
            "collection_tag": collection_tag,
            "scope": Scope("item"),
            "few": tags[0],
            "large": tags[1],
        }
        # Two connections, two backends: the thread's time, and the wall's for the database.
        clocks = {"": time.thread_time, ", on the wall": time.perf_counter}
        label = f"{kind}, tag of {many:,} rows / of {FEW:,}"
        ours, peer = (f"drive(collection_tag(scope), {which})" for which in ("large", "few"))
        return list(_beside(label, ours, peer, clocks, 2, rounds, **names))


def _counters(place: Place, rounds: int) -> list[Line]:
    """One writer: the table with the counter beside its like without."""
    kind = DRIVERS[place.dialect]
    with ExitStack() as stack:
        numbers = count(1)
        if kind == "sqlite3":
            store: Any = stack.enter_context(opened(kind, place))
            backend = None
        else:
            kept = stack.enter_context(closing(Kept(place.address)))
            store = PostgresStore(kept.connection, "item", COLUMNS, ROWS)
            backend = kept.thread().info.backend_pid
        clocks = _clocks(place, backend) | {", on the wall": time.perf_counter}
        writer = _Writer(store, numbers)
        found = []
        for how, clock in clocks.items():
            plain = Timed("guarded()", clock, guarded=writer.guarded)
            found.append(
                compare(
                    f"{kind}, guarded write with a counter / without{how}",
                    _WithCounter(plain, place, clock, guarded=writer.guarded),
                    plain,
                    None,
                    rounds,
                )
            )
        return found


class _WithCounter(Timed):
    """The same work while the table has a counter: it is made before and dropped after."""

    def __init__(self, plain: Timed, place: Place, clock: Clock, **names: object) -> None:
        super().__init__("guarded()", clock, **names)
        self._place = place

    def seconds(self, loops: int) -> float:
        _counted(self._place, [])
        try:
            return super().seconds(loops)
        finally:
            self._place.execute(*drop_collection_counter(self._place.dialect, "item", []))


def _scopes(place: Place, rounds: int, seconds: float, writers: int = 16) -> Iterator[Line]:
    """Writers of rows of their own: in scopes of their own beside in one scope."""
    kind = DRIVERS[place.dialect]
    with Crew(goodput.PROCESSES) as crew:
        ways = {"none": None, "none again": None, "one scope": [], "a scope each": ["id"]}
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds):
            for name, scope in ways.items() if number % 2 else reversed(ways.items()):
                if scope is not None:
                    _counted(place, scope)
                share = writers // crew.size
                jobs = [
                    (_write_own, kind, place, 1 + at * share, share, seconds)
                    for at in range(crew.size)
                ]
                taken[name].append(sum(crew.run(jobs)))
                if scope is not None:
                    place.execute(*drop_collection_counter(place.dialect, "item", scope))
    itself = _ratios(taken["none again"], taken["none"])
    for name in ("one scope", "a scope each"):
        yield judged(
            f"{kind}, goodput of {writers} writers of {writers} rows, no counter / {name}",
            "x",
            _ratios(taken["none"], taken[name]),
            itself,
            [1 / one for one in taken[name]],
            None,
        )


def _write_own(
    meet: Callable[[], None], kind: str, place: Place, first: int, writers: int, seconds: float
) -> float:
    """Writes a second of the writers of a process, each on its own row."""
    with opened(kind, place) as store:

        def write(number: int) -> int:
            end, done, key = time.monotonic() + seconds, 0, (first + number,)
            while time.monotonic() < end:
                store.patch(key, lambda row: {**row, "n": row["n"] + 1})
                done += 1
            return done

        return sum(together(writers, meet, write)) / seconds


def profile(words: Sequence[str]) -> None:
    """Where the time of a call goes: `python3 -m benchmarks.stores sqlite 304`, or `write`."""
    import cProfile
    import pstats

    dialect, what = words
    with ExitStack() as stack:
        if dialect == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            place = Place(dialect, f"{folder}/one.db")
        else:
            server = stack.enter_context(postgres.running(durable=True))
            place = Place(dialect, stack.enter_context(server.database()).dsn)
        create(place, 10)
        _stamped(place)
        store: Any = stack.enter_context(opened(DRIVERS[dialect], place))
        call = partial(store.validators, KEY) if what == "304" else _Writer(store, count(1)).guarded
        seen = cProfile.Profile()
        with seen:
            for _ in range(2_000):
                call()
        pstats.Stats(seen).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    import sys

    profile(sys.argv[1:])
