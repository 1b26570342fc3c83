"""The decision and the tags, beside the least that could be done instead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256

from benchmarks.hostile import hostile_lines
from benchmarks.rounds import Line, LongWork, Work, compare
from ifmatch import (
    Comparison,
    Conditions,
    ETag,
    Policy,
    Validators,
    bytes_tag,
    evaluate,
    state_tag,
)

OPAQUE = "0123456789abcdef"
STATE = Validators(ETag(OPAQUE, weak=True))
FILE = Validators(ETag(OPAQUE))

# The fields of a browser's request, as ASGI gives them; the condition is added to them.
NINE = [
    (b"host", b"api.example.test"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json"),
    (b"accept-language", b"en-GB,en;q=0.7,de;q=0.3"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"authorization", b"Bearer 0123456789abcdef0123456789abcdef"),
    (b"referer", b"https://app.example.test/notes"),
    (b"cookie", b"theme=dark; session=0123456789abcdef0123456789abcdef"),
    (b"connection", b"keep-alive"),
]


def fresh(text: str) -> str:
    """The same text in another place: a request's text is never the very object we hold."""
    return text.encode("latin-1").decode("latin-1")


def equal(one: str, other: str) -> bool:
    """The least that anybody could do."""
    return one == other


def equality() -> Work:
    """The peer of every decision: `==` in a function, of two texts that are equal."""
    text = f'W/"{OPAQUE}"'
    return Work("equal(one, other)", equal=equal, one=fresh(text), other=fresh(text))


def decision(method: str, conditions: Conditions, current: Validators, **policy: Policy) -> Work:
    """One public call of `evaluate`, with conditions and validators in hand."""
    given = "".join(f", {name}" for name in policy)
    return Work(
        f"evaluate({method!r}, asked, current{given})",
        evaluate=evaluate,
        asked=conditions,
        current=current,
        **policy,
    )


def lines() -> Iterator[Line]:
    """The lines of the core."""
    yield from _evaluation()
    yield from hostile_lines()
    yield from _state_tags()
    yield from _bytes_tags()


def _evaluation() -> Iterator[Line]:
    weak, strong = fresh(f'W/"{OPAQUE}"'), fresh(f'"{OPAQUE}"')
    three = f'W/"fedcba9876543210", W/"00000000deadbeef", {weak}'
    equals = equality()

    def beside(name: str, work: Work, limit: float | None = None) -> Line:
        return compare(f"{name} / ==", work, equals, limit)

    # `Conditions` hold a tag list as text, unparsed: that a poll of what has not changed is judged
    # without parsing is what this line is about. What it costs to collect them stands below.
    asked = Conditions(none_match=weak)
    yield beside("evaluate, GET, If-None-Match, one exact tag", decision("GET", asked, STATE), 3)
    other = Conditions(none_match='W/"fedcba9876543210"')
    yield beside("evaluate, GET, If-None-Match, another tag", decision("GET", other, STATE))
    listed = Conditions(none_match=three)
    yield beside("evaluate, GET, If-None-Match, three tags", decision("GET", listed, STATE))
    yield beside("evaluate, GET, no conditions", decision("GET", Conditions.from_raw([]), STATE))
    guard = Conditions(match=strong)
    yield beside("evaluate, PUT, If-Match, one exact tag", decision("PUT", guard, FILE))
    state = Policy(comparison=Comparison.STATE)
    guard = Conditions(match=weak)
    exact = decision("PUT", guard, STATE, policy=state)
    yield beside("evaluate, PUT, If-Match, one exact tag, STATE", exact)

    for name, fields in {
        "If-None-Match among ten": [*NINE, (b"if-none-match", weak.encode())],
        "none among ten": [*NINE, (b"dnt", b"1")],
    }.items():
        collect = Work(
            "evaluate('GET', from_raw(fields), current)",
            evaluate=evaluate,
            from_raw=Conditions.from_raw,
            fields=fields,
            current=STATE,
        )
        yield beside(f"collect from ASGI and evaluate, {name}", collect)


def states() -> Iterator[tuple[str, object]]:
    """A small, a usual and a large state, with their sizes as canonical JSON."""
    flag = {
        "key": "dark-mode",
        "enabled": True,
        "weight": 0.25,
        "description": "The dark colours, for those who asked for them – and nobody else",
        "rules": [
            {"id": f"rule-{n}", "if": {"country": ["de", "fr", "it"]}, "then": "on", "share": n}
            for n in range(6)
        ],
    }
    yield "30 B", {"id": 17, "title": "Buy milk!!"}
    yield "600 B", flag
    yield "50 kB", [flag | {"key": f"flag-{n}"} for n in range(84)]


def _state_tags() -> Iterator[Line]:
    # The same form with the same options, kept: nothing quicker is public in the standard library.
    encoder = json.JSONEncoder(
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
        check_circular=False,
    )
    for size, state in states():
        kind = LongWork if size == "50 kB" else Work
        tag = kind("state_tag(state)", state_tag=state_tag, state=state)
        digest = kind(
            "sha256(encode(state).encode()).hexdigest()",
            sha256=sha256,
            encode=encoder.encode,
            state=state,
        )
        yield compare(f"tag of a state of {size} / kept encoder + sha256", tag, digest, 1.10)
        dumps = "sha256(dumps(state, sort_keys=True).encode()).hexdigest()"
        plain = kind(dumps, sha256=sha256, dumps=json.dumps, state=state)
        yield compare(f"tag of a state of {size} / json.dumps + sha256", tag, plain)


def _bytes_tags() -> Iterator[Line]:
    # Below 50 kB an object and a slice weigh more than 3 % of a hash by SHA instructions.
    limits = {1_000: None, 10_000: None, 20_000: None, 50_000: 1.03, 1_000_000: 1.03}
    for size, limit in limits.items():
        content = b"x" * size
        tag = LongWork("bytes_tag(content)", bytes_tag=bytes_tag, content=content)
        digest = LongWork("sha256(content).hexdigest()", sha256=sha256, content=content)
        yield compare(f"tag of {size // 1000:,} kB in hand / sha256", tag, digest, limit)
