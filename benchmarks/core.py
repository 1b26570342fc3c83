"""The decision and the tags, beside the least that could be done instead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256

from benchmarks.rounds import Line, compare
from ifmatch import Conditions, ETag, Validators, bytes_tag, evaluate, state_tag

HOSTILE = {
    "many tags": '"a",' * 16_000,
    "one tag that never ends": '"' + "a" * 65_000,
    "commas": "," * 65_000,
    "white space": " " * 65_000 + "x",
    "white space and commas": " ," * 32_000 + "x",
    "quotes": '"' * 65_000,
    "weak marks": "W/" * 32_000,
}


def lines() -> Iterator[Line]:
    """The lines of the core."""
    yield from _evaluation()
    yield from _tags()


def _evaluation() -> Iterator[Line]:
    tag, other = 'W/"0123456789abcdef"', 'W/"0123456789abcdef"'
    current = Validators(ETag("0123456789abcdef", weak=True))
    fields = [(b"host", b"example.test"), (b"if-none-match", tag.encode())]

    def equal(one: str = tag, two: str = other) -> bool:
        return one == two

    def ours() -> object:
        return evaluate("GET", Conditions.from_raw(fields), current)

    yield compare("evaluate, one exact tag / == in a function", ours, equal, 3)
    for shape, value in HOSTILE.items():
        hostile = [(b"if-none-match", value.encode())]

        def judge(hostile: list[tuple[bytes, bytes]] = hostile) -> object:
            return evaluate("GET", Conditions.from_raw(hostile), current)

        def five_milliseconds() -> None:
            _busy(0.005)

        yield compare(f"hostile 64 kB, {shape} / 5 ms", judge, five_milliseconds, 1, 15)


def _busy(seconds: float) -> None:
    from time import perf_counter

    end = perf_counter() + seconds
    while perf_counter() < end:
        pass


def _tags() -> Iterator[Line]:
    state = {
        "key": "dark-mode",
        "rules": [{"id": f"r{n}", "values": ["a", "b", n]} for n in range(20)],
        "enabled": True,
        "weight": 0.25,
    }
    encoder = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    def serialise_and_hash() -> str:
        return sha256(encoder.encode(state).encode()).hexdigest()

    yield compare(
        "tag of a state / serialise + sha256", lambda: state_tag(state), serialise_and_hash, 1.10
    )
    content = b"x" * 100_000
    yield compare(
        "tag of 100 kB in hand / sha256",
        lambda: bytes_tag(content),
        lambda: sha256(content).hexdigest(),
        1.03,
    )
