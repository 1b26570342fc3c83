"""What was acknowledged is stored, and what may not be stored is not acknowledged.

A COMMIT can be refused, broken off, or carried out without anybody hearing of it; a server can be
killed at any moment; plain SQL can take its locks in another order than the server. The twins run
servers that pass over a failed COMMIT, answer before it, or do not repeat what a deadlock undid.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
import pytest

from e2e.cells import DATABASES, Cell, Cells
from e2e.lossy import lossy
from e2e.program import API
from e2e.races import (
    Ask,
    Client,
    Figures,
    Report,
    content,
    crowd,
    history,
    make,
    path,
    rounds,
    together,
)
from harness import postgres

pytestmark = pytest.mark.race

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="limits of another process: Linux only")

# -- a COMMIT that fails --------------------------------------------------------------------------


@dataclass(frozen=True)
class Trap:
    """Makes every COMMIT fail that follows an entry in the audit trail."""

    set: tuple[str, ...]
    clear: tuple[str, ...]


def _on_postgresql(action: str) -> Trap:
    """A deferred constraint is checked by the COMMIT itself."""
    return Trap(
        (
            f"CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {action}; END $$",
            (
                "CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON audit "
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap()"
            ),
        ),
        ("DROP TRIGGER trap ON audit", "DROP FUNCTION trap"),
    )


TRAPS = {
    "postgresql-refuses": _on_postgresql("RAISE EXCEPTION 'not today'"),
    "postgresql-breaks-off": _on_postgresql("PERFORM pg_terminate_backend(pg_backend_pid())"),
    # A dangling reference that is only missed at the COMMIT; the transaction then stays open.
    "sqlite-refuses": Trap(
        (
            "CREATE TABLE nowhere (id INTEGER PRIMARY KEY)",
            "CREATE TABLE trap (id REFERENCES nowhere (id) DEFERRABLE INITIALLY DEFERRED)",
            (
                "CREATE TRIGGER trap_audit AFTER INSERT ON audit "
                "BEGIN INSERT INTO trap VALUES (1); END"
            ),
        ),
        ("DROP TRIGGER trap_audit", "DROP TABLE trap", "DROP TABLE nowhere"),
    ),
}


async def failing(
    figures: Figures, cell: Cell, trap: Callable[[], None], release: Callable[[], None], name: str
) -> None:
    """Edits while the trap is set: none is acknowledged, none is there, and all goes on after."""
    async with crowd(cell.servers, 4) as clients:
        keys = {how: f"{name}-{how.lower()}" for how in ("PUT", "PATCH", "DELETE")}
        tags = {how: await make(clients[0], key) for how, key in keys.items()}
        asks = [
            Ask("PUT", path(keys["PUT"]), content("second"), {"If-Match": tags["PUT"]}),
            Ask("PATCH", path(keys["PATCH"]), {"archived": True}, {"If-Match": tags["PATCH"]}),
            Ask("DELETE", path(keys["DELETE"]), None, {"If-Match": tags["DELETE"]}),
            Ask("POST", f"{API}/flags", content("first") | {"key": f"{name}-post"}),
        ]
        trap()
        try:
            answers = await together(clients, asks)
        finally:
            release()
        figures.count(answers)
        for ask, answer in zip(asks, answers, strict=True):
            figures.expect(answer.status in (500, 503), f"{ask.method}: {answer.status}")
        for client in clients[:2]:
            for how, key in keys.items():
                now = await client.ask(Ask("GET", path(key)))
                figures.expect(now.fields.get("etag") == tags[how], f"{how} was done, in part")
            now = await client.ask(Ask("GET", path(f"{name}-post")))
            figures.expect(now.status == 404, "POST was done, in part")
        after = await together(clients, asks)
        figures.expect(all(answer.won for answer in after), f"afterwards {after}")


def trapped(cell: Cell, kind: str) -> Figures:
    trap, figures = TRAPS[kind], Figures(f"COMMIT: {kind}")
    name = f"trap-{random.randrange(10**6)}"
    set_, clear = (lambda: cell.execute(*trap.set)), (lambda: cell.execute(*trap.clear))
    asyncio.run(failing(figures, cell, set_, clear, name))
    return figures


@pytest.mark.parametrize("kind", TRAPS)
def test_an_edit_whose_commit_fails_is_never_acknowledged_and_nothing_of_it_stays(
    cells: Cells, report: Report, kind: str
) -> None:
    figures = trapped(cells.get(kind.partition("-")[0]), kind)
    report(figures)
    assert figures.violations == []


@pytest.mark.parametrize("kind", TRAPS)
def test_a_server_that_passes_over_a_failed_commit_acknowledges_what_is_not_there(
    cells: Cells, report: Report, kind: str
) -> None:
    figures = trapped(cells.get(kind.partition("-")[0], taken_out="commit"), kind)
    report(figures)
    assert any(": 200" in violation for violation in figures.violations)


def on_full_disk(cell: Cell) -> Figures:
    """As on a full disk: not a byte more can be written to a file."""
    before = [resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE) for one in cell.servers]

    def limit(soft: int | None) -> None:
        for server, (usual, hard) in zip(cell.servers, before, strict=True):
            limits = (usual if soft is None else soft, hard)
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)

    figures = Figures("COMMIT: disk full")
    name = f"disk-{random.randrange(10**6)}"
    asyncio.run(failing(figures, cell, lambda: limit(1), lambda: limit(None), name))
    return figures


@LINUX
def test_an_edit_that_the_disk_does_not_take_is_never_acknowledged(
    cells: Cells, report: Report
) -> None:
    figures = on_full_disk(cells.get("sqlite"))
    report(figures)
    assert figures.violations == []


@LINUX
@pytest.mark.full
def test_a_server_that_passes_over_a_full_disk_acknowledges_what_is_not_there(
    cells: Cells, report: Report
) -> None:
    figures = on_full_disk(cells.get("sqlite", taken_out="commit"))
    report(figures)
    assert any(": 200" in violation for violation in figures.violations)


def test_an_edit_whose_commit_is_not_heard_of_is_not_acknowledged_nor_made_twice(
    cells: Cells, postgres_server: postgres.Server
) -> None:
    """The outcome is unknown to the server, so it says so; the same PUT again changes nothing."""
    with postgres_server.database() as database, lossy(database) as wire:
        cell = cells.new("postgresql", dsn=wire.dsn)

        async def story() -> None:
            async with crowd(cell.servers, 2) as (client, other):
                tag = await make(client, "heard")
                ask = Ask("PUT", path("heard"), content("unheard of"), {"If-Match": tag})
                wire.lose("unheard of")
                answer = await client.ask(ask)
                assert answer.status == 503
                assert "not known to be saved" in answer.json["detail"]
                assert wire.lost == 1
                now = await other.ask(Ask("GET", path("heard")))
                assert now.json["description"] == "unheard of"
                again = await client.ask(ask)
                assert (again.status, again.etag) == (412, now.etag)
                assert again.json["last_change"]["action"] == "changed"
                fresh = {"If-Match": now.etag}
                again = await client.ask(Ask("PUT", path("heard"), content("unheard of"), fresh))
                assert (again.status, again.etag) == (200, now.etag)
                assert len(await history(client, "heard")) == 2

        asyncio.run(story())
        cell.stop()


# -- kill -9 --------------------------------------------------------------------------------------


@dataclass
class Editor:
    """Edits one flag again and again, and remembers what was acknowledged."""

    key: str
    tag: str = ""
    begun: int = 0
    acknowledged: int = 0

    async def edit(self, client: Client, figures: Figures) -> None:
        """Until the server is gone."""
        while True:
            self.begun = self.acknowledged + 1
            wish = {"description": str(self.begun)}
            try:
                answer = await client.ask(
                    Ask("PATCH", path(self.key), wish, {"If-Match": self.tag})
                )
            except OSError:
                return
            if answer.status == 0:
                return
            figures.count([answer])
            if answer.won:
                self.acknowledged, self.tag = self.begun, answer.etag


async def until_killed(cell: Cell, figures: Figures, editors: Sequence[Editor]) -> None:
    async with crowd(cell.servers, len(editors)) as clients:
        for editor, client in zip(editors, clients, strict=True):
            if not editor.tag:
                editor.tag = await make(client, editor.key, "0")
        if cell.taken_out:
            await asyncio.sleep(1)  # until the flags are there
        pairs = zip(editors, clients, strict=True)
        editing = [asyncio.ensure_future(one.edit(client, figures)) for one, client in pairs]
        await asyncio.sleep(random.uniform(0.5, 1.5))
        await asyncio.to_thread(cell.kill)
        await asyncio.gather(*editing)


async def survived(cell: Cell, figures: Figures, editors: Sequence[Editor]) -> None:
    async with crowd(cell.servers, 2) as clients:
        for editor in editors:
            now = await clients[0].ask(Ask("GET", path(editor.key)))
            found = int(now.json["description"]) if now.status == 200 else -1
            figures.expect(
                editor.acknowledged <= found <= editor.begun,
                f"{editor.acknowledged} was acknowledged, {editor.begun} begun, {found} is there",
            )
            changes = len(await history(clients[1], editor.key)) - 1
            figures.expect(changes == found, f"{found} edits, {changes} in the history")
            editor.tag, editor.acknowledged = now.etag, found


def killed(cell: Cell, count: int, name: str) -> Figures:
    figures = Figures(name)
    for number in range(count):
        editors = [Editor(f"{name}-{number}-{n}") for n in range(8)]
        asyncio.run(until_killed(cell, figures, editors))
        cell.start()
        asyncio.run(survived(cell, figures, editors))
    figures.rounds = count
    return figures


@pytest.mark.parametrize(
    ("database", "count"),
    [pytest.param(database, rounds(1), id=database) for database in DATABASES]
    + [
        pytest.param(
            database,
            rounds(6),
            id=f"full-{database}",
            marks=[pytest.mark.full, pytest.mark.timeout(900)],
        )
        for database in DATABASES
    ],
)
def test_after_kill_9_in_the_middle_of_edits_every_acknowledged_one_is_there(
    cells: Cells, report: Report, database: str, count: int
) -> None:
    figures = killed(cells.new(database), count, f"kill-{database}")
    report(figures)
    assert figures.violations == []
    assert figures.winners > 0


@pytest.mark.full
def test_a_server_that_answers_before_its_commit_loses_edits_to_kill_9(
    cells: Cells, report: Report
) -> None:
    cell = cells.new("postgresql", taken_out="durability")
    figures = killed(cell, 2, "kill-unguarded")
    report(figures)
    assert any("was acknowledged" in violation for violation in figures.violations)


# -- plain SQL in the way -------------------------------------------------------------------------


async def beside_plain_sql(cell: Cell, figures: Figures, key: str, edits: int) -> None:
    """Editors add one to a counter, while plain SQL changes the description of the same flag."""
    integer = content("0") | {"type": "integer", "variants": {"n": 0}}
    integer |= {"default_variant": "n", "off_variant": "n", "key": key}
    async with crowd(cell.servers, 6) as clients:
        made = await clients[0].ask(Ask("POST", f"{API}/flags", integer))
        assert made.status == 201, made
        over = False
        with ThreadPoolExecutor() as pool:
            loop = asyncio.get_running_loop()
            others = [
                loop.run_in_executor(pool, plain_sql, cell, key, lambda: over) for _ in range(2)
            ]
            await asyncio.gather(*(_add(figures, client, key, edits) for client in clients))
            over = True
            described = sum(await asyncio.gather(*others))
        now = (await clients[0].ask(Ask("GET", path(key)))).json
        acknowledged = figures.winners
        figures.expect(now["variants"]["n"] == acknowledged, f"{acknowledged} edits, {now}")
        figures.expect(int(now["description"]) == described, f"{described} by plain SQL, {now}")


async def _add(figures: Figures, client: Client, key: str, edits: int) -> None:
    done = 0
    while done < edits:
        now = await client.ask(Ask("GET", path(key)))
        wish = {"variants": {"n": now.json["variants"]["n"] + 1}}
        answer = await client.ask(Ask("PATCH", path(key), wish, {"If-Match": now.etag}))
        figures.count([answer])
        figures.expect(answer.status in (200, 412), f"odd: {answer.status} {answer.body[:99]!r}")
        done += answer.won
        await asyncio.sleep(random.uniform(0, 0.02))


def plain_sql(cell: Cell, key: str, over: Callable[[], bool]) -> int:
    """How often the description was raised, by transactions that PostgreSQL did not undo."""
    statement = (
        "UPDATE flag SET description = CAST(CAST(description AS integer) + 1 AS text) "
        f"WHERE key = '{key}'"
    )
    done = 0
    while not over():
        try:
            cell.execute(statement)
            done += 1
        except psycopg.errors.DeadlockDetected:
            pass
        time.sleep(random.uniform(0, 0.1))
    return done


def raced_by_sql(cell: Cell, edits: int) -> Figures:
    figures = Figures(f"beside plain SQL: {'postgresql' if cell.dsn else 'sqlite'}")
    if cell.dsn is not None:  # so that what would be rare is frequent
        cell.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 10', "
            "current_database()); END $$"
        )
        cell.kill()
        cell.start()
    asyncio.run(beside_plain_sql(cell, figures, f"sql-{random.randrange(10**6)}", edits))
    return figures


@pytest.mark.full
@pytest.mark.parametrize("database", DATABASES)
def test_no_edit_is_lost_beside_plain_sql_and_no_deadlock_reaches_a_client(
    cells: Cells, report: Report, database: str
) -> None:
    figures = raced_by_sql(cells.new(database), rounds(5))
    report(figures)
    assert figures.violations == []


@pytest.mark.full
def test_without_repeating_what_a_deadlock_undid_clients_hear_of_it(
    cells: Cells, report: Report
) -> None:
    figures = raced_by_sql(cells.new("postgresql", taken_out="repeat"), 10)
    report(figures)
    assert any("odd: 503" in violation for violation in figures.violations)


def test_with_the_guard_taken_out_edits_are_lost_beside_plain_sql(
    cells: Cells, report: Report
) -> None:
    figures = raced_by_sql(cells.get("sqlite", taken_out="guard,sameness"), 10)
    report(figures)
    assert any("edits" in violation for violation in figures.violations)
