"""Fields that somebody made to cost us time: 64 kB in every shape, and 16,000 lines.

Every shape is timed a few times, and the worst ones then in full; a line names the worst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

from benchmarks.rounds import Line, LongWork, Work, measure
from ifmatch import Conditions, ETag, Validators, evaluate
from ifmatch.core.ranges import select
from packages.ifmatch.tests.core.test_fieldlist import HOSTILE, HOSTILE_BYTES

LIMIT = 5  # milliseconds
TAILS = ["", '"', "x", "*", " ,", "\x00"]
CURRENT = Validators(ETag("0123456789abcdef"), 1_790_000_000)

RANGES = [
    "0-0,", "0-,", "-1,", "1-0,", "0-0 ,\t", "0-9,20-29,", "9", "9-", "-", "-9", "--", "0",
    ",", " ", "\t", ", ", " ,", "0-0", "0-0 ", "x", "bytes=", "0-" + "9" * 999 + ",", "\xff",
]  # fmt: skip
DATES = [
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, ",
    " ",
    "\t",
    "0",
    "Sun Nov  6 ",
    "GMT",
    ":",
    "\xff",
]
MANY = 16_000

Fields = list[tuple[bytes, bytes]]


def flood(shape: str) -> str:
    return shape * (HOSTILE_BYTES // len(shape))


def field(name: bytes, value: str) -> Fields:
    return [(name, value.encode("latin-1"))]


def _tag_lists(name: bytes) -> dict[str, Fields]:
    return {
        f"{shape!a} … {tail!a}": field(name, flood(shape) + tail)
        for shape, tail in product(HOSTILE, TAILS)
    }


def _ranges() -> dict[str, Fields]:
    shapes = {
        f"{head + shape[:12]!a} … {tail!a}": field(b"range", head + flood(shape) + tail)
        for head, shape, tail in product(["", "bytes=", "bytes=0-"], RANGES, ["", "x", "-", "0-0"])
    }
    # In the costliest order to join; and ends with as many digits as are converted.
    apart = ",".join(f"{n * 100}-{n * 100}" for n in reversed(range(5_000)))
    shapes["5,000 apart, from the last on"] = field(b"range", f"bytes={apart}")
    few = ",".join(f"{n * 100}-{n * 100}{'0' * 600}" for n in reversed(range(100)))
    shapes["100 with ends of 600 digits"] = field(b"range", f"bytes={few}")
    return shapes


def _if_ranges() -> dict[str, Fields]:
    return {
        f"{shape!a} … {tail!a}": [
            (b"range", b"bytes=0-9"),
            *field(b"if-range", flood(shape) + tail),
        ]
        for shape, tail in product([*HOSTILE, *DATES], ["", '"', "x"])
    }


def _dates(name: bytes) -> dict[str, Fields]:
    return {
        f"{shape!a} … {tail!a}": field(name, flood(shape) + tail)
        for shape, tail in product(DATES, ["", "x", " GMT"])
    }


def _many_lines(*names: bytes) -> dict[str, Fields]:
    values = ['"a"', 'W/""', "*", "", ",", "a", '"', "0-0", "bytes=0-0", DATES[0]]
    return {
        f"{name.decode()}: {value}": field(name, value) * MANY
        for name, value in product(names, values)
    }


def judging(method: str, fields: Fields) -> Work:
    """From the field lines to the verdict."""
    return LongWork(
        f"evaluate({method!r}, from_raw(fields), current)",
        evaluate=evaluate,
        from_raw=Conditions.from_raw,
        fields=fields,
        current=CURRENT,
    )


def selecting(method: str, fields: Fields) -> Work:
    """From the field lines to what of a representation of 10 MB is sent."""
    return LongWork(
        f"select({method!r}, from_raw(fields), current, 10_000_000)",
        select=select,
        from_raw=Conditions.from_raw,
        fields=fields,
        current=CURRENT,
    )


def hostile_lines() -> Iterator[Line]:
    """The worst shape of each kind, in milliseconds from the field lines to the answer."""
    yield _worst("64 kB If-Match, PUT", _all(judging, "PUT", _tag_lists(b"if-match")))
    yield _worst("64 kB If-None-Match, GET", _all(judging, "GET", _tag_lists(b"if-none-match")))
    yield _worst("64 kB Range, GET", _all(selecting, "GET", _ranges()))
    yield _worst("64 kB If-Range, GET", _all(selecting, "GET", _if_ranges()))
    since = _dates(b"if-modified-since")
    yield _worst("64 kB If-Modified-Since, GET", _all(judging, "GET", since))
    names = (b"if-match", b"if-none-match", b"if-unmodified-since", b"x")
    yield _worst("16,000 lines, PUT", _all(judging, "PUT", _many_lines(*names)))
    names = (b"if-none-match", b"if-modified-since", b"range", b"if-range")
    yield _worst("16,000 lines, GET", _all(selecting, "GET", _many_lines(*names)))


def _all(
    make: Callable[[str, Fields], Work], method: str, shapes: dict[str, Fields]
) -> dict[str, Work]:
    return {name: make(method, fields) for name, fields in shapes.items()}


def _worst(name: str, works: dict[str, Work]) -> Line:
    quick = {shape: min(work.seconds(1) for _ in range(5)) for shape, work in works.items()}
    suspects = sorted(quick, key=quick.__getitem__)[-3:]
    found = [measure(shape, works[shape], LIMIT, rounds=15) for shape in suspects]
    worst = max(found, key=lambda line: line.value)
    return replace(worst, name=f"{name}, worst of {len(works)}: {worst.name}")
