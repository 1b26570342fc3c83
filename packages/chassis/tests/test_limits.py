"""Limits: how often a key and an address may ask, and what guessing costs whom."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.installation import Installation, find_product
from chassis.keys import Role
from chassis.limits import GUESSES_AT_ONCE, Limits, network
from chassis.problems import Problem
from chassis.rate import Buckets, Rate
from chassis.settings import Settings, SettingsError

ADMIN = "an-admin-key-of-more-than-32-characters"
OURS = {"Sec-Fetch-Site": "same-origin"}


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


# -- buckets --------------------------------------------------------------------------------------


def test_a_bucket_lets_a_burst_through_and_then_as_much_as_flows_in() -> None:
    clock = Clock()
    buckets = Buckets(Rate(2, 5), clock=clock)
    assert [buckets.take("a") for _ in range(6)] == [0, 0, 0, 0, 0, 0.5]
    clock.time += 0.25
    assert buckets.take("a") == 0.25
    clock.time += 0.25
    assert [buckets.take("a") for _ in range(2)] == [0, 0.5]
    clock.time += 1000
    assert [buckets.take("a") for _ in range(6)] == [0, 0, 0, 0, 0, 0.5]


def test_one_name_takes_nothing_from_another() -> None:
    buckets = Buckets(Rate(1, 1), clock=Clock())
    assert [buckets.take(name) > 0 for name in ("a", "a", "b")] == [False, True, False]


def test_being_refused_does_not_make_the_wait_longer() -> None:
    clock = Clock()
    buckets = Buckets(Rate(1, 1), clock=clock)
    assert [buckets.take("a") for _ in range(50)][1:] == [1.0] * 49
    clock.time += 1
    assert buckets.take("a") == 0


def test_a_rate_of_nothing_is_no_limit_and_keeps_nothing() -> None:
    buckets = Buckets(Rate(0, 1))
    assert not any(buckets.take("a") for _ in range(1000))
    assert len(buckets) == 0


def test_many_names_do_not_fill_the_memory() -> None:
    """Nor do they free the one that keeps asking: the names that rested longest are forgotten."""
    buckets = Buckets(Rate(1, 2), most=100, clock=Clock())
    let_through = 0
    for number in range(5000):
        buckets.take(f"2001:db8:{number:x}::")
        if number % 50 == 0:
            let_through += buckets.take("the one") == 0
    assert len(buckets) == 100
    assert let_through == 2


def take_together(buckets: Buckets) -> int:
    """How many of 8 threads with 500 requests each were let through."""
    begin = threading.Barrier(8, timeout=30)

    def ask(_: int) -> int:
        begin.wait()
        return sum(buckets.take("a") == 0 for _ in range(500))

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(ask, range(8)))


class NoLock:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


@pytest.mark.race
def test_many_at_once_get_no_more_than_there_is() -> None:
    assert take_together(Buckets(Rate(1, 1000), clock=Clock())) == 1000


@pytest.mark.race
def test_without_its_lock_a_bucket_would_give_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: between the look and the note, somebody else looks."""

    def look_and_wait(buckets: Buckets, name: str) -> tuple[float, float]:
        found = held(buckets, name)
        together.wait()
        return found

    held, together = Buckets._held, threading.Barrier(2, timeout=30)
    monkeypatch.setattr(Buckets, "_held", look_and_wait)
    buckets = Buckets(Rate(1, 1), clock=Clock())
    buckets._lock = NoLock()  # type: ignore[assignment]
    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(buckets.take, "aa")] == [0, 0]


@pytest.mark.parametrize(
    ("text", "rate"),
    [("50", Rate(50, 200)), ("50:60", Rate(50, 60)), ("0.5:3", Rate(0.5, 3)), ("0", Rate(0, 1))],
)
def test_a_rate_is_read_and_written_alike(text: str, rate: Rate) -> None:
    assert Rate.read(text) == rate
    assert Rate.read(str(rate)) == rate


@pytest.mark.parametrize("text", ["x", "-1", "1:", "1:0", "1:x", "nan", "inf", "1:2:3", "1e9"])
def test_what_is_no_rate_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="50:200"):
        Settings.load({"QUARTET_RATE_PER_KEY": text})


def test_workers_share_the_rate() -> None:
    assert Rate(100, 200).share(4) == Rate(25, 50)
    assert Rate(1, 1).share(4) == Rate(0.25, 1)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::1", True),
        (None, "no address", True),
    ],
)
def test_an_address_is_counted_with_its_network(
    one: str | None, other: str | None, same: bool
) -> None:
    assert (network(one) == network(other)) is same


# -- over HTTP ------------------------------------------------------------------------------------


class Served:
    """The sample product with limits, asked from any address."""

    def __init__(self, installation: Installation, clock: Clock) -> None:
        self.installation, self.clock = installation, clock
        self._application = Application(installation)

    @contextmanager
    def at(self, host: str) -> Iterator[TestClient]:
        yield TestClient(self._application, client=(host, 50000), follow_redirects=False)

    def ask(self, host: str, key: str = ADMIN, path: str = "/notebook/whoami") -> int:
        with self.at(host) as client:
            return client.get(path, headers={"X-API-Key": key}).status_code


@contextmanager
def serving(folder: Path, per_key: str, per_address: str) -> Iterator[Served]:
    environment = {
        "QUARTET_SECRET": "s" * 32,
        "QUARTET_RATE_PER_KEY": per_key,
        "QUARTET_RATE_PER_ADDRESS": per_address,
    }
    settings, clock = Settings.load(environment, {"data": str(folder)}), Clock()
    installation = Installation.open([find_product("notebook:PRODUCT")], settings)
    installation.limits = Limits(
        settings.rate_per_key, settings.rate_per_address, settings.workers, clock=clock
    )
    installation.keys.ensure_admin(ADMIN)
    served = Served(installation, clock)
    # Its lifespan is what gives the product its state.
    with TestClient(served._application):
        yield served


def test_a_key_that_asks_too_often_is_429_from_wherever(tmp_path: Path) -> None:
    with serving(tmp_path, "1:5", "1000") as served:
        _, other = served.installation.keys.create("Ben", Role.READ)
        hosts = [f"192.0.2.{number}" for number in range(6)]
        assert [served.ask(host) for host in hosts] == [200] * 5 + [429]
        assert served.ask("192.0.2.1", path="/notebook/awaited") == 429
        assert served.ask("192.0.2.1", other) == 200
        served.clock.time += 1
        assert served.ask("192.0.2.1") == 200


def test_a_429_says_when_to_come_again(tmp_path: Path) -> None:
    with serving(tmp_path, "0.1:1", "1000") as served, served.at("192.0.2.1") as client:
        key = {"X-API-Key": ADMIN}
        client.get("/notebook/whoami", headers=key)
        answer = client.get("/notebook/whoami", headers=key)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"] == "10"
        assert answer.headers["cache-control"] == "no-store"
        problem = answer.json()
        assert problem["type"] == "urn:ifmatch:problem:too-many-requests"
        assert problem["retry_after"] == 10
        assert "10 seconds" in problem["detail"]


def test_an_address_that_asks_too_often_is_429_with_whatever_key(tmp_path: Path) -> None:
    with serving(tmp_path, "0", "1:5") as served:
        hosts = [f"2001:db8::{number}" for number in range(6)]
        assert [served.ask(host) for host in hosts] == [200] * 5 + [429]
        assert served.ask("2001:db8:0:1::1") == 200


def test_without_limits_nobody_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path, "0", "0") as served:
        assert {served.ask("192.0.2.1") for _ in range(50)} == {200}
        wrong = {served.ask("192.0.2.1", f"ifm_{n:08}_{'x' * 32}") for n in range(50)}
        assert wrong == {401}


def guess(served: Served, host: str, times: int) -> list[int]:
    return [served.ask(host, f"ifm_{number:08}_{'x' * 32}") for number in range(times)]


def test_who_guesses_keys_is_slowed_down_and_nobody_else_is(tmp_path: Path) -> None:
    with serving(tmp_path, "0", "1000") as served:
        _, unused = served.installation.keys.create("Ben", Role.READ)
        assert served.ask("192.0.2.1") == 200
        answers = guess(served, "192.0.2.1", GUESSES_AT_ONCE + 5)
        assert answers == [401] * GUESSES_AT_ONCE + [429] * 5
        # A key that works here goes on working, even from there; one that never did has to wait.
        assert served.ask("192.0.2.1") == 200
        assert served.ask("192.0.2.1", unused) == 429
        assert served.ask("192.0.2.2", unused) == 200
        served.clock.time += 5
        assert guess(served, "192.0.2.1", 2) == [401, 429]


def test_guesses_at_the_sign_in_page_are_counted_with_the_others(tmp_path: Path) -> None:
    with serving(tmp_path, "0", "1000") as served, served.at("192.0.2.1") as client:

        def sign_in(**form: str) -> int:
            answer = client.post("/sign-in", data=form, headers=OURS)
            if answer.status_code == 429:
                assert answer.headers["retry-after"] == "5"
                assert "<form" in answer.text
            return answer.status_code

        assert {sign_in(key="wrong") for _ in range(10)} == {401}
        assert {sign_in(token="wrong") for _ in range(10)} == {401}
        assert [sign_in(key="wrong"), sign_in(token="wrong")] == [429, 429]
        assert client.get("/sign-in?token=wrong").status_code == 429
        assert guess(served, "192.0.2.1", 1) == [429]
        served.clock.time += 5
        assert sign_in(key=ADMIN) == 303


def test_a_session_that_ended_is_no_guess(tmp_path: Path) -> None:
    """A page that is left open asks on, and its reader has to be able to sign in again."""
    with serving(tmp_path, "0", "1000") as served, served.at("192.0.2.1") as client:
        client.cookies.set("quartet_session", "gone")
        answers = {client.get("/notebook/whoami").status_code for _ in range(GUESSES_AT_ONCE + 5)}
        assert answers == {401}
        form = {"key": ADMIN}
        assert client.post("/sign-in", data=form, headers=OURS).status_code == 303


@pytest.mark.timeout(300)
def test_behind_a_trusted_proxy_it_is_the_client_that_counts(program: Callable[..., Any]) -> None:
    """And a stranger who claims to be others is still one."""
    limits = {"QUARTET_RATE_PER_ADDRESS": "0.001:3", "QUARTET_TRUSTED_PROXIES": "127.0.0.2"}
    server = program("serve", "--port", "0", **limits)
    key = {"X-API-Key": server.admin_key}

    def asked(source: str, client: str) -> int:
        transport = httpx2.HTTPTransport(local_address=source)
        with httpx2.Client(transport=transport, timeout=60) as one:
            said = key | {"X-Forwarded-For": client}
            return one.get(f"{server.url}/notebook/whoami", headers=said).status_code

    assert [asked("127.0.0.2", "203.0.113.7") for _ in range(4)] == [200, 200, 200, 429]
    assert asked("127.0.0.2", "203.0.113.8") == 200
    strange = [asked("127.0.0.1", f"203.0.113.{number}") for number in range(10, 14)]
    assert strange == [200, 200, 200, 429]


def test_guesses_are_refused_before_the_database_is_asked() -> None:
    limits = Limits(Rate(0, 1), Rate(1, 1), clock=Clock())
    for _ in range(GUESSES_AT_ONCE):
        limits.before_guess("192.0.2.1")
        limits.after_guess("192.0.2.1")
    with pytest.raises(Problem) as caught:
        limits.before_guess("192.0.2.1")
    assert caught.value.status_code == 429
    limits.before_guess("192.0.2.2")
