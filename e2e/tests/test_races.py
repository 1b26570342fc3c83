"""Races: however many edit one flag at once, on however many servers, no edit is lost.

Two server processes share one database. Each race has a twin, run against servers with the guard
taken out (`e2e.unguarded`), in which the broken promise is seen. RACE_ROUNDS sets the rounds.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from e2e.cells import DATABASES, Cells, every
from e2e.program import API, Server
from e2e.races import (
    Answer,
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

pytestmark = pytest.mark.race

WRITERS = 32
EDITORS = 8
NEITHER = "guard,sameness"


def sized(small: int, full: int) -> pytest.MarkDecorator:
    """A few rounds in two cells always; with everything, all rounds in all cells."""
    some = [("sqlite", "state"), ("postgresql", "strict")]
    marks = (pytest.mark.full, pytest.mark.timeout(900))
    return pytest.mark.parametrize(
        ("database", "comparison", "count"),
        [pytest.param(*cell, rounds(small), id="-".join(cell)) for cell in some]
        + [
            pytest.param(*cell, rounds(full), id=f"full-{'-'.join(cell)}", marks=marks)
            for cell in every()
        ],
    )


def told(answers: Sequence[Answer]) -> str:
    return ", ".join(sorted(str(answer.status) for answer in answers))


# -- what is raced for ----------------------------------------------------------------------------


def by_put(key: str, text: str, tag: str) -> Ask:
    return Ask("PUT", path(key), content(text), {"If-Match": tag})


def by_patch(key: str, text: str, tag: str) -> Ask:
    return Ask("PATCH", path(key), {"description": text}, {"If-Match": tag})


def by_delete(key: str, _text: str, tag: str) -> Ask:
    return Ask("DELETE", path(key), fields={"If-Match": tag})


def by_creation(key: str, text: str, _tag: str) -> Ask:
    return Ask("PUT", path(key), content(text), {"If-None-Match": "*"})


How = Callable[[str, str, str], Ask]
HOWS: dict[str, list[How]] = {
    "put": [by_put],
    "patch": [by_patch],
    "delete": [by_delete],
    "create": [by_creation],
}
HOWS["delete-among-edits"] = [by_put, by_delete]


async def one_tag(name: str, servers: Sequence[Server], hows: Sequence[How], count: int) -> Figures:
    """Rounds of writers that all name the same tag and all want something else."""
    figures = Figures(name)
    async with crowd(servers, WRITERS) as clients:
        for number in range(count):
            key = f"{name}-{number}"
            await one_round(figures, clients, hows, key, hold=0.1 if number % 2 == 0 else 0)
    return figures


async def one_round(
    figures: Figures,
    clients: Sequence[Client],
    hows: Sequence[How],
    key: str,
    *,
    hold: float,
) -> None:
    creation = hows == [by_creation]
    tag = "" if creation else await make(clients[0], key)
    asks = [hows[n % len(hows)](key, f"writer {n}", tag) for n in range(len(clients))]
    answers = await together(clients, asks, hold=hold)
    figures.count(answers)
    won = [(ask, answer) for ask, answer in zip(asks, answers, strict=True) if answer.won]
    figures.expect(len(won) == 1, f"{len(won)} winners: {told(answers)}")
    refused = {412, 404} if any(ask.method == "DELETE" for ask, _ in won) else {412}
    figures.expect(
        all(answer.won or answer.status in refused for answer in answers),
        f"a loser was told something else than {refused}: {told(answers)}",
    )
    entries = await history(clients[1], key)
    if not creation:
        figures.expect(entries[0]["action"] == "created", "the creation is not in the history")
        del entries[0]
    figures.expect(len(entries) == 1, f"{len(entries)} changes in the history")
    for client in clients[:2]:  # one of each server
        now = await client.ask(Ask("GET", path(key)))
        for ask, answer in won:
            if ask.method == "DELETE":
                figures.expect(now.status == 404, f"deleted, and answered {now.status}")
            else:
                wanted = ask.content["description"]
                found = now.json.get("description")
                figures.expect(found == wanted, f"{wanted} won, and {found} is stored")
                figures.expect(now.fields.get("etag") == answer.fields.get("etag"), "another tag")


@pytest.mark.parametrize("how", HOWS)
@sized(3, 60)
def test_of_32_writers_with_one_tag_exactly_one_wins_and_the_others_are_told(
    cells: Cells, report: Report, database: str, comparison: str, count: int, how: str
) -> None:
    servers = cells.get(database, comparison).servers
    name = f"{database}-{comparison}-{how}-{random.randrange(10**6)}"
    figures = asyncio.run(one_tag(name, servers, HOWS[how], count))
    report(figures)
    assert figures.violations == []
    assert figures.winners == figures.rounds == count


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("database", DATABASES)
def test_with_the_guard_taken_out_that_race_has_several_winners(
    cells: Cells, report: Report, database: str, how: str
) -> None:
    # A row vanishes only once, whatever was judged: there the count of rows is the guard.
    taken_out = "count" if how == "delete" else NEITHER
    servers = cells.get(database, "state", taken_out).servers
    figures = asyncio.run(one_tag(f"unguarded-{how}", servers, HOWS[how], 2))
    report(figures)
    assert figures.winners > figures.rounds
    assert any("winners" in violation for violation in figures.violations)


# -- one wish of many -----------------------------------------------------------------------------


async def one_wish(name: str, servers: Sequence[Server], count: int) -> Figures:
    """Rounds of writers that name the same tag and want the same."""
    figures = Figures(name)
    async with crowd(servers, WRITERS) as clients:
        for number in range(count):
            key = f"{name}-{number}"
            tag = await make(clients[0], key)
            ask = by_put(key, "what everybody wants", tag)
            answers = await together(clients, [ask] * WRITERS, hold=0.1 if number % 2 == 0 else 0)
            figures.count(answers)
            won = sum(answer.won for answer in answers)
            figures.expect(won == 1, f"{won} winners: {told(answers)}")
            figures.expect(
                all(answer.status in (200, 412) for answer in answers), f"odd: {told(answers)}"
            )
            tags = {answer.etag for answer in answers}
            figures.expect(len(tags) == 1, f"{len(tags)} current tags")
            entries = await history(clients[1], key)
            figures.expect(len(entries) == 2, f"{len(entries) - 1} changes in the history")
    return figures


@sized(2, 60)
def test_32_writers_that_want_the_same_make_one_change(
    cells: Cells, report: Report, database: str, comparison: str, count: int
) -> None:
    name = f"{database}-{comparison}-wish-{random.randrange(10**6)}"
    figures = asyncio.run(one_wish(name, cells.get(database, comparison).servers, count))
    report(figures)
    assert figures.violations == []


def test_without_seeing_that_nothing_changes_that_race_makes_several_changes(
    cells: Cells, report: Report
) -> None:
    servers = cells.get("postgresql", "state", NEITHER).servers
    figures = asyncio.run(one_wish("unguarded-wish", servers, 2))
    report(figures)
    assert any("changes in the history" in violation for violation in figures.violations)


# -- a list ---------------------------------------------------------------------------------------


def additions(number: int) -> dict[str, Callable[[int], dict[str, Any]]]:
    """What each writer adds to each list; keys that come first, so that it is on the first page."""
    return {
        "flags": lambda n: content("added") | {"key": f"0-{number}-{n}"},
        "environments": lambda n: {"key": f"0-{number}-{n}", "name": "Added"},
        "keys": lambda n: {"owner": f"Added {number}-{n}", "role": "read"},
    }


async def one_list(name: str, what: str, servers: Sequence[Server], count: int) -> Figures:
    """Rounds of writers that each add something else to the list that they all have seen."""
    figures, where = Figures(name), f"{API}/{what}"
    async with crowd(servers, WRITERS) as clients:
        for number in range(count):
            added = additions(random.randrange(10**6))[what]
            before = await clients[0].ask(Ask("GET", where))
            field = {"If-Match": before.etag}
            asks = [Ask("POST", where, added(n), field) for n in range(WRITERS)]
            answers = await together(clients, asks, hold=0.1 if number % 2 == 0 else 0)
            figures.count(answers)
            won = [answer for answer in answers if answer.won]
            figures.expect(len(won) == 1, f"{len(won)} winners: {told(answers)}")
            figures.expect(
                all(answer.status in (201, 412) for answer in answers), f"odd: {told(answers)}"
            )
            for client in clients[:2]:  # one of each server
                now = await client.ask(Ask("GET", where))
                figures.expect(now.etag != before.etag, "the list has its old tag")
                tags = {answer.etag for answer in answers if answer.status == 412}
                figures.expect(tags == {now.etag}, "a loser was told another tag")
            for answer in won:
                await _take_away(clients[0], answer)
    return figures


async def _take_away(client: Client, made: Answer) -> None:
    """What was made goes, so that the list stays short; a key is revoked."""
    place = made.fields["location"]
    if "/keys/" in place:
        gone = await client.ask(Ask("POST", f"{place}/revoke"))
    else:
        gone = await client.ask(Ask("DELETE", place, fields={"If-Match": made.etag}))
    assert gone.won, gone


LISTS = ("flags", "environments", "keys")


@pytest.mark.parametrize("what", LISTS)
@sized(3, 10)
def test_of_32_writers_who_add_to_one_list_exactly_one_wins_and_the_others_are_told(
    cells: Cells, report: Report, database: str, comparison: str, count: int, what: str
) -> None:
    servers = cells.get(database, comparison).servers
    figures = asyncio.run(one_list(f"{database}-{comparison}-{what}", what, servers, count))
    report(figures)
    assert figures.violations == []
    assert figures.winners == figures.rounds == count


@pytest.mark.parametrize("what", LISTS)
@pytest.mark.parametrize("database", DATABASES)
def test_with_the_guard_taken_out_a_list_gets_several_additions(
    cells: Cells, report: Report, database: str, what: str
) -> None:
    servers = cells.get(database, "state", NEITHER).servers
    figures = asyncio.run(one_list(f"unguarded-{what}-{database}", what, servers, 2))
    report(figures)
    assert figures.winners > figures.rounds
    assert any("winners" in violation for violation in figures.violations)


# -- a counter ------------------------------------------------------------------------------------


def number(n: int) -> dict[str, Any]:
    """An integer flag."""
    variant = {"variants": {"n": n}, "default_variant": "n", "off_variant": "n"}
    return content("counts") | {"type": "integer"} | variant


async def counter(name: str, servers: Sequence[Server], edits: int) -> Figures:
    """Editors who each add one, again and again, to what they read, by PUT and by PATCH."""
    figures = Figures(name)
    async with crowd(servers, EDITORS) as clients:
        made = await clients[0].ask(Ask("POST", f"{API}/flags", number(0) | {"key": name}))
        assert made.status == 201, made
        methods = ["PUT", "PATCH"] * (EDITORS // 2)
        both = zip(clients, methods, strict=True)
        await asyncio.gather(*(_add(figures, one, how, name, edits) for one, how in both))
        now = await clients[0].ask(Ask("GET", path(name)))
        stored, acknowledged = now.json["variants"]["n"], figures.winners
        figures.expect(stored == acknowledged, f"{acknowledged} edits, and {stored} are left")
        changes = len(await history(clients[0], name)) - 1
        figures.expect(changes == acknowledged, f"{changes} changes in the history")
    return figures


async def _add(figures: Figures, client: Client, method: str, key: str, edits: int) -> None:
    done, pause = 0, 0.001
    while done < edits:
        now = await client.ask(Ask("GET", path(key)))
        more = now.json["variants"]["n"] + 1
        wish = number(more) if method == "PUT" else {"variants": {"n": more}}
        answer = await client.ask(Ask(method, path(key), wish, {"If-Match": now.etag}))
        figures.count([answer])
        figures.expect(answer.status in (200, 412), f"odd: {answer.status}")
        done += answer.won
        pause = 0.001 if answer.won else min(pause * 2, 0.05)
        await asyncio.sleep(random.uniform(0, pause))


@sized(5, 50)
def test_a_counter_that_8_clients_edit_ends_at_the_number_of_acknowledged_edits(
    cells: Cells, report: Report, database: str, comparison: str, count: int
) -> None:
    name = f"{database}-{comparison}-counter-{random.randrange(10**6)}"
    figures = asyncio.run(counter(name, cells.get(database, comparison).servers, count))
    report(figures)
    assert figures.violations == []
    assert figures.winners == EDITORS * count


@pytest.mark.parametrize("database", DATABASES)
def test_with_the_guard_taken_out_a_counter_loses_edits(
    cells: Cells, report: Report, database: str
) -> None:
    servers = cells.get(database, "state", NEITHER).servers
    figures = asyncio.run(counter(f"unguarded-counter-{database}", servers, 15))
    report(figures)
    assert any("are left" in violation for violation in figures.violations)
