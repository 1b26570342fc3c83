"""The playground: real records with a guard that can be left out, and the reason of each answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from chassis.database import Database
from chassis.installation import Installation
from chassis.keys import Keys
from chassis.playground import IN_ALL, LIFE_SECONDS, PER_KEY, START, Records, explained, lessons
from chassis.problems import Problem
from chassis.rights import Role
from ifmatch import UNCONDITIONAL, Conflict, unchanged

LAKE = {"title": "Dinner", "place": "Lake", "guests": 4, "note": ""}


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def records(open_database: Callable[[], Database]) -> tuple[Records, str, Clock]:
    """The records of a database, and a key that may have some."""
    database, clock = open_database(), Clock()
    key = Keys(database, b"s" * 32).create("Ada", Role.READ)[0].id
    return Records(database, now=clock), key, clock


@pytest.fixture
def place(client: TestClient, admin: dict[str, str]) -> str:
    """Where a new record is."""
    made = client.post("/playground/records", headers=admin)
    assert made.status_code == 201
    return str(made.headers["location"])


# -- records, on both databases -------------------------------------------------------------------


def test_of_two_writers_with_one_tag_one_is_refused(records: tuple[Records, str, Clock]) -> None:
    assert sorted(race(*records[:2], guarded=True)) == ["refused", "saved"]


def test_without_a_guard_both_are_told_that_they_saved(records: tuple[Records, str, Clock]) -> None:
    assert race(*records[:2], guarded=False) == ["saved", "saved"]


def race(records: Records, key: str, *, guarded: bool) -> list[str]:
    """Two writers who read one state; what each is told."""
    identity, made = records.create(key)
    guard = unchanged(made.etag) if guarded else UNCONDITIONAL
    told: list[str] = []
    start = threading.Barrier(2)

    def write(guests: int) -> None:
        start.wait()
        try:
            records.replace(key, identity, LAKE | {"guests": guests}, guard)
            told.append("saved")
        except Conflict:
            told.append("refused")

    threads = [threading.Thread(target=write, args=(guests,)) for guests in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def test_a_record_ends_after_an_hour(records: tuple[Records, str, Clock]) -> None:
    kept, key, clock = records
    identity, _ = kept.create(key)
    clock.now += LIFE_SECONDS - 1
    assert kept.read(key, identity).value["content"] == START.model_dump()
    clock.now += 1
    for look in (kept.read, kept.validators):
        with pytest.raises(HTTPException) as ended:
            look(key, identity)
        assert ended.value.status_code == 404


def test_the_oldest_record_of_a_key_makes_room(records: tuple[Records, str, Clock]) -> None:
    kept, key, clock = records
    made = []
    for _ in range(PER_KEY + 2):
        clock.now += 1
        made.append(kept.create(key)[0])
    for gone in made[:2]:
        with pytest.raises(HTTPException):
            kept.read(key, gone)
    for still in made[2:]:
        kept.read(key, still)


def test_there_are_only_so_many_records_until_some_end(
    records: tuple[Records, str, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, key, clock = records
    assert IN_ALL > PER_KEY
    monkeypatch.setattr("chassis.playground.IN_ALL", 3)
    for _ in range(3):
        kept.create(key)
    with pytest.raises(Problem) as full:
        kept.create(key)
    assert (full.value.status_code, full.value.slug) == (429, "too-many-requests")
    clock.now += LIFE_SECONDS
    kept.create(key)


# -- over HTTP ------------------------------------------------------------------------------------


def test_a_write_without_a_condition_overwrites_and_one_with_an_old_tag_is_refused(
    client: TestClient, admin: dict[str, str], place: str
) -> None:
    read = client.get(place, headers=admin)
    blind = client.put(place, json=LAKE, headers=admin)
    assert (blind.status_code, blind.json()) == (200, LAKE)
    old = admin | {"If-Match": read.headers["etag"]}
    late = client.put(place, json=LAKE | {"guests": 9}, headers=old)
    assert late.status_code == 412
    assert late.headers["etag"] == late.headers["state-before"] == blind.headers["etag"]
    brought = client.put(
        place, json=LAKE | {"guests": 9}, headers=old | {"Prefer": "return=representation"}
    )
    assert (brought.status_code, brought.json()) == (412, LAKE)
    assert client.get(place, headers=admin).json() == LAKE


def test_a_poll_costs_nothing_while_nothing_changes(
    client: TestClient, admin: dict[str, str], place: str
) -> None:
    tag = client.get(place, headers=admin).headers["etag"]
    same = client.get(place, headers=admin | {"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")


def test_nobody_else_can_tell_that_a_record_is_there(
    client: TestClient, installation: Installation, admin: dict[str, str], place: str
) -> None:
    tag = client.get(place, headers=admin).headers["etag"]
    other = {"X-API-Key": installation.keys.create("Grace", Role.ADMIN)[1]}
    nowhere = "/playground/records/nowhere"
    for fields in ({}, {"If-Match": tag}, {"If-None-Match": tag}, {"If-None-Match": "*"}):
        for method in ("GET", "PUT"):
            answers = [
                client.request(method, path, json=LAKE, headers=other | fields)
                for path in (place, nowhere)
            ]
            assert [one.status_code for one in answers] == [404, 404]
            assert answers[0].json() == answers[1].json()
            assert "etag" not in answers[0].headers
            unknown = client.request(method, place, json=LAKE, headers=fields)
            assert (unknown.status_code, "etag" in unknown.headers) == (401, False)


def test_a_foreign_page_makes_and_changes_nothing(
    client: TestClient, installation: Installation, place: str
) -> None:
    key = installation.keys.an_admin().id
    client.cookies.set("quartet_session", installation.sessions.begin(key))
    for method, path in (("POST", "/playground/records"), ("PUT", place)):
        forged = client.request(method, path, json=LAKE, headers={"Sec-Fetch-Site": "cross-site"})
        assert forged.status_code == 403


def test_without_the_key_in_its_name_a_record_would_be_anybodys(
    client: TestClient,
    installation: Installation,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The twin of the test that nobody else can tell: it sees what would be seen."""
    owner = installation.keys.an_admin().id
    monkeypatch.setattr("chassis.playground._key", lambda _: (owner, place.rpartition("/")[2]))
    other = {"X-API-Key": installation.keys.create("Grace", Role.READ)[1]}
    assert client.get(place, headers=other).status_code == 200


def test_without_a_look_at_its_origin_a_foreign_page_would_write(
    client: TestClient,
    installation: Installation,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The twin of the test with a foreign page."""
    monkeypatch.setattr(installation.sessions, "refuse_forged", lambda _: None)
    client.cookies.set(
        "quartet_session", installation.sessions.begin(installation.keys.an_admin().id)
    )
    forged = client.put(place, json=LAKE, headers={"Sec-Fetch-Site": "cross-site"})
    assert forged.status_code == 200


@pytest.mark.parametrize(
    ("content", "status", "pointers"),
    [
        (LAKE | {"guests": "4"}, 422, ["/guests"]),
        (LAKE | {"guests": True}, 422, ["/guests"]),
        (LAKE | {"guests": 10_001}, 422, ["/guests"]),
        (LAKE | {"title": "x" * 121, "more": 1}, 422, ["/title", "/more"]),
        ([LAKE], 422, [""]),
        (LAKE | {"note": "x" * 9000}, 413, None),
    ],
)
def test_what_is_no_dinner_is_refused(
    client: TestClient,
    admin: dict[str, str],
    place: str,
    content: Any,
    status: int,
    pointers: list[str] | None,
) -> None:
    answer = client.put(place, json=content, headers=admin)
    assert answer.status_code == status
    if pointers is not None:
        assert [one["pointer"] for one in answer.json()["errors"]] == pointers
    assert client.get(place, headers=admin).json() == START.model_dump()


@pytest.mark.parametrize("path", ["", "/playground/explain"])
@pytest.mark.parametrize("content", [b"{", b"\xff", b'{"a":1,"a":2}', b"[" * 5000])
def test_what_is_no_json_is_refused(
    client: TestClient, admin: dict[str, str], place: str, path: str, content: bytes
) -> None:
    sent = admin | {"Content-Type": "application/json"}
    answer = client.request("POST" if path else "PUT", path or place, content=content, headers=sent)
    assert answer.status_code == 422
    assert answer.json()["type"].endswith("malformed-json")


# -- why ------------------------------------------------------------------------------------------


def test_the_explanation_comes_to_what_was_answered(
    client: TestClient, admin: dict[str, str], place: str
) -> None:
    tag = client.get(place, headers=admin).headers["etag"]
    for method, fields in (
        ("GET", {}),
        ("GET", {"If-None-Match": tag}),
        ("GET", {"If-None-Match": 'W/"other"'}),
        ("PUT", {"If-Match": 'W/"other"'}),
        ("PUT", {"If-None-Match": "*"}),
        ("PUT", {"If-Match": tag[:-1]}),
        ("PUT", {"If-Match": tag}),
        ("PUT", {}),
    ):
        answer = client.request(method, place, headers=admin | fields, json=LAKE)
        asked = {
            "method": method,
            "fields": [list(one) for one in fields.items()],
            "state": answer.headers["state-before"],
        }
        told = client.post("/playground/explain", json=asked, headers=admin)
        assert told.status_code == 200
        assert (told.json()["status"] or 200) == answer.status_code, (method, fields)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"method": "DELETE", "fields": []}, 422),
        ({"method": "PUT", "fields": [["If-Match"]]}, 422),
        ({"method": "PUT", "fields": [["a", "b"]] * 21}, 422),
        ({"method": "PUT", "fields": [], "state": "no tag"}, 422),
        ({"method": "PUT", "fields": [["If-Match", "x" * 9000]]}, 413),
    ],
)
def test_only_what_can_be_explained_is(
    client: TestClient, admin: dict[str, str], asked: Any, status: int
) -> None:
    assert client.post("/playground/explain", json=asked, headers=admin).status_code == status
    assert client.post("/playground/explain", json=asked).status_code == 401


def test_without_scripts_the_page_tells_four_requests_with_their_paths(
    client: TestClient, installation: Installation
) -> None:
    assert client.get("/playground").headers["location"] == "/sign-in?next=/playground"
    key = installation.keys.an_admin().id
    client.cookies.set("quartet_session", installation.sessions.begin(key))
    page = client.get("/playground").text
    assert page.count("<li><details") == len(lessons()) == 4
    for part in ("412", "304", "is not among its tags", "13.1.1", "perform the method"):
        assert part in page


def test_the_lessons_end_as_their_titles_say() -> None:
    assert [lesson["status"] for lesson in lessons()] == [None, 412, None, 304]
    assert explained("GET", [], None).steps[0].said == "absent"
