"""Conditional requests made up by a seeded generator that likes the interesting ones.

Tags, dates and positions come from small worlds around the current state, so that about half of
the conditions hold. Every shape also comes broken in the ways that parsers get wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

from packages.ifmatch.tests.core.oracle import (
    DAY_NAME,
    DAY_NAME_L,
    MONTH,
    Settings,
    State,
)


class Example(NamedTuple):
    """One request to a resource in one state. Its repr can be pasted into a test."""

    method: str
    fields: list[tuple[str, str]]
    state: State | None
    settings: Settings
    now: int


def generated(count: int, seed: int) -> Iterator[Example]:
    """That many examples; the same seed gives the same ones."""
    random = Random(seed)
    for _ in range(count):
        yield example(random)


# How often each method comes, of a hundred. The last ones are traps: methods are case-sensitive.
METHODS = {
    "GET": 46,
    "HEAD": 7,
    "PUT": 18,
    "PATCH": 8,
    "DELETE": 8,
    "POST": 5,
    "QUERY": 2,
    "OPTIONS": 1,
    "CONNECT": 1,
    "TRACE": 1,
    "get": 1,
    "Options": 1,
    "M-SEARCH": 1,
}

# How often a request has each field, in percent.
FIELDS = {
    "If-Match": 34,
    "If-Unmodified-Since": 26,
    "If-None-Match": 38,
    "If-Modified-Since": 30,
    "Range": 0,  # see `example`
    "If-Range": 0,
}

NOISE = (
    ("Host", "example.com"),
    ("ETag", '"a"'),
    ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("If-Matches", "*"),
    ("If", '(["a"])'),
    ("X-If-None-Match", "*"),
    ("Accept-Ranges", "bytes"),
)


def chance(random: Random, percent: float) -> bool:
    return random.random() * 100 < percent


def example(random: Random) -> Example:
    (method,) = random.choices(tuple(METHODS), tuple(METHODS.values()))
    now = random.choice(NOWS)
    state = a_state(random, now)
    fields: list[tuple[str, str]] = []
    has_range = chance(random, 75 if method == "GET" else 10)
    for name, percent in FIELDS.items():
        if name == "Range":
            wanted = has_range
        elif name == "If-Range":
            wanted = chance(random, 35 if has_range else 4)
        else:
            # A request with a Range seldom has much else, or few would get as far as step 5.
            wanted = chance(random, percent / 3 if has_range and chance(random, 80) else percent)
        if wanted:
            fields += a_field(random, name, state, now)
    if chance(random, 10):
        fields.append(random.choice(NOISE))
    if chance(random, 50):
        random.shuffle(fields)
    return Example(method, fields, state, some_settings(random), now)


def some_settings(random: Random) -> Settings:
    return Settings(
        state_comparison=chance(random, 50),
        required=chance(random, 20),
        any_satisfies=chance(random, 50),
        refuse_malformed=chance(random, 65),
        ranges=chance(random, 85),
        safe=random.choice((True, False)) if chance(random, 12) else None,
    )


# -- states -----------------------------------------------------------------------------------

OPAQUE = ("a", "b", "", "a,b", "*", "W/", "!", "a\\", "\x80\xff", "\xe9", "'", "a;b=c", "#~", "A")


def moment(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]


# Clocks: of our days, and of those from which fifty years lead to a turn of the century.
NOWS = (
    moment(2026, 3, 1, 12, 0, 0),
    moment(2026, 7, 31, 23, 59, 59),
    moment(2044, 11, 6, 8, 49, 37),
    moment(2049, 12, 31, 23, 59, 59),
    moment(2050, 1, 1),
    moment(2024, 2, 29),
)

MODIFIED = (
    moment(1994, 11, 6, 8, 49, 37),
    moment(1994, 11, 6, 8, 50, 0),
    moment(2024, 2, 29, 23, 59, 59),
    moment(2024, 3, 1),
    moment(2000, 1, 1),
    moment(1999, 12, 31, 23, 59, 59),
    moment(2023, 9, 9, 9, 9, 9),
    moment(1970, 1, 1),
)

LENGTHS = (1, 2, 100, 500, 1000, 1000, 10_000, 10**20)


def a_state(random: Random, now: int) -> State | None:
    if chance(random, 10):
        return None
    etag = None
    if chance(random, 88):
        # Mostly the first few, so that two that are drawn are often the same.
        opaque = random.choice(OPAQUE[:2]) if chance(random, 70) else random.choice(OPAQUE)
        etag = f'W/"{opaque}"' if chance(random, 30) else f'"{opaque}"'
    modified = None
    if chance(random, 85):
        modified = random.choice((*MODIFIED, now, now - 1))
    return State(
        etag=etag,
        last_modified=modified,
        last_modified_strong=modified is not None and chance(random, 70),
        length=random.choice(LENGTHS) if chance(random, 90) else random.choice((None, 0)),
    )


# -- fields -----------------------------------------------------------------------------------


def a_field(random: Random, name: str, state: State | None, now: int) -> list[tuple[str, str]]:
    """The lines of one field, their names and their edges written as senders do."""
    if name in ("If-Match", "If-None-Match"):
        lines = tag_lines(random, state)
    elif name in ("If-Modified-Since", "If-Unmodified-Since"):
        lines = date_lines(random, state, now)
    elif name == "Range":
        lines = range_lines(random, state)
    else:
        lines = if_range_lines(random, state, now)
    if chance(random, 2):
        at = random.randrange(len(lines))
        lines[at] = damaged(random, lines[at])
    if chance(random, 3):
        lines.insert(random.randrange(len(lines) + 1), random.choice(("", lines[0], " ,")))
    if chance(random, 10):
        name = random.choice((name.lower(), name.upper(), name.swapcase()))
    return [(name, padded(random, line)) for line in lines]


def padded(random: Random, line: str) -> str:
    """White space at the edges: SP and HTAB are none of the value, any other is."""
    if chance(random, 8):
        return random.choice((" ", "\t", " \t ")) + line + random.choice(("", " ", "\t\t"))
    if chance(random, 1):
        return line + random.choice(("\n", "\xa0", "\x0b", "\u2003", "\x00", "\x85"))
    return line


def damaged(random: Random, text: str) -> str:
    """The text with one character gone, doubled, replaced, put in, or in the other case."""
    if text == "":
        return "x"
    at = random.randrange(len(text))
    before, char, after = text[:at], text[at], text[at + 1 :]
    other = random.choice('"*,W/ \t-=:0159aG\x7f\x80\xb2\u0100\uff11')
    return before + random.choice(("", char * 2, other, other + char, char.swapcase())) + after


BROKEN_TAGS = (
    ["a"],
    ['"a'],
    ['a"'],
    ['"'],
    ['w/"a"'],
    ['W/ "a"'],
    ["W/a"],
    ['W"a"'],
    ['/"a"'],
    ['W/W/"a"'],
    ["'a'"],
    ['"a" "b"'],
    ['"a""b"'],
    ['"a"b'],
    ['"a";"b"'],
    ['"a b"'],
    ['"a\tb"'],
    ['"a\x7f"'],
    ['"a\x00"'],
    ['"\u0100"'],
    ['"a", "\u20ac"'],
    ['"a\\"b"'],
    ['*, "a"'],
    ['"a", *'],
    ["*", '"a"'],
    ['"a"', "*"],
    ["*,"],
    [",*"],
    ["*, *"],
    ["*", "*"],
    ["*", ""],
    ["**"],
    ['"*'],
    [""],
    [","],
    [" ,\t, "],
    ["", ""],
    ['"a', 'b"'],
    ['"a"', "b"],
    ['"a"\n'],
    ['"a"\r\n ,"b"'],
    ["null"],
    ["Sun, 06 Nov 1994 08:49:37 GMT"],
)

SEPARATORS = (", ", ", ", ", ", ",", " , ", ",,", ", ,\t", "\t,", ",   ,,")


def tag_lines(random: Random, state: State | None) -> list[str]:
    """A `*`, a list on one line or on several, or something that is neither."""
    kind = random.random()
    if kind < 0.17:
        return ["*"]
    if kind < 0.33:
        return list(random.choice(BROKEN_TAGS))
    lines = [random.choice(("", "", "", "", "", ",", ", ,"))]
    many = 60 if chance(random, 1) else random.choice((1, 1, 1, 2, 2, 3, 5))
    for index in range(many):
        if index and chance(random, 20):
            lines.append("")
        elif index:
            lines[-1] += random.choice(SEPARATORS)
        # The longer the list, the less likely each of its tags is the current one.
        lines[-1] += a_tag(random, state, 55 if many == 1 else 70 / many)
    lines[-1] += random.choice(("", "", "", "", "", ",", " , "))
    return lines


def a_tag(random: Random, state: State | None, percent: float) -> str:
    """An entity-tag, with that chance of the current one's opaque part."""
    opaque = random.choice(OPAQUE)
    if state is not None and state.etag is not None and chance(random, percent):
        opaque = state.etag.removeprefix("W/")[1:-1]
    return f'W/"{opaque}"' if chance(random, 30) else f'"{opaque}"'


# -- dates ------------------------------------------------------------------------------------

BROKEN_DATES = (
    "",
    "0",
    "-1",
    "784111777",
    "*",
    '"a"',
    "now",
    "1994-11-06T08:49:37Z",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 gmt",
    "Sun, 06 Nov 1994 08:49:37GMT",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49 GMT",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun,  6 Nov 1994 08:49:37 GMT",
    "Sun,06 Nov 1994 08:49:37 GMT",
    "Sun 06 Nov 1994 08:49:37 GMT",
    "06 Nov 1994 08:49:37 GMT",
    "Sunday, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06-Nov-94 08:49:37 GMT",
    "Sunday, 06-Nov-1994 08:49:37 GMT",
    "Sunday, 06 Nov 94 08:49:37 GMT",
    "Sunday, 6-Nov-94 08:49:37 GMT",
    "Son, 06 Nov 1994 08:49:37 GMT",
    "sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 NOV 1994 08:49:37 GMT",
    "Sun, 06 Nov 0000 08:49:37 GMT",
    "Sun Nov  6 08:49:37 0000",
    "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 31 Nov 1994 08:49:37 GMT",
    "Wed, 29 Feb 2023 08:49:37 GMT",
    "Thu, 29 Feb 1900 08:49:37 GMT",
    "Wednesday, 29-Feb-23 08:49:37 GMT",
    "Wed Feb 29 08:49:37 2023",
    "Sun, 06 Nov 1994 24:00:00 GMT",
    "Sun, 06 Nov 1994 08:60:00 GMT",
    "Sun, 06 Nov 1994 08:49:61 GMT",
    "Sun, 06 Nov 1994 8:49:37 GMT",
    "Sun, 06 Nov 1994 -8:49:37 GMT",
    "Sun, +6 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 19_4 08:49:37 GMT",
    "Sun, 06 Nov \uff11\uff19\uff19\uff14 08:49:37 GMT",
    "Sun, 0\xb2 Nov 1994 08:49:37 GMT",
    "Sun Nov 6 08:49:37 1994",
    "Sun Nov  6 08:49:37 1994 GMT",
    "Sun Nov   6 08:49:37 1994",
    "Sun Nov  0 08:49:37 1994",
    "Sun Nov  6 08:49:37 94",
    "Sun, 06 Nov 1994 08:49:37 GMT\n",
    "Sun, 06 Nov 1994 08:49:37 GMT; length=7",
    "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 2094 08:49:37 GMT",
)

# Valid, although they look odd: day names that do not fit, leap seconds, the edges of the calendar.
ODD_DATES = (
    "Mon, 06 Nov 1994 08:49:37 GMT",
    "Monday, 06-Nov-94 08:49:37 GMT",
    "Mon Nov  6 08:49:37 1994",
    "Sun Nov 06 08:49:37 1994",
    "Sat, 31 Dec 2016 23:59:60 GMT",
    "Sun, 06 Nov 1994 08:49:60 GMT",
    "Sunday, 06-Nov-94 08:49:60 GMT",
    "Fri Dec 31 23:59:60 1999",
    "Mon, 01 Jan 0001 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:60 GMT",
    "Tue, 29 Feb 2000 00:00:00 GMT",
    "Thursday, 29-Feb-24 23:59:59 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT",
)


def date_lines(random: Random, state: State | None, now: int) -> list[str]:
    kind = random.random()
    if kind < 0.10:
        return [random.choice(BROKEN_DATES)]
    if kind < 0.17:
        return [random.choice(ODD_DATES)]
    line = a_date(random, state, now)
    if kind < 0.20:
        return [line, random.choice((line, a_date(random, state, now), ""))]
    if kind < 0.22:
        return [f"{line}, {line}"]
    return [line]


def a_date(random: Random, state: State | None, now: int) -> str:
    """Around the modification date, in one of the three forms."""
    if chance(random, 12):
        return half_a_century_on(random, now)
    base = now if state is None or state.last_modified is None else state.last_modified
    offset = random.choice((0, 0, 0, -1, 1, -60, 60, -86_400, 86_400, -(10**8), 10**8))
    return written(random, base + offset)


def half_a_century_on(random: Random, now: int) -> str:
    """A date of two digits near the day where its century changes."""
    today = datetime.fromtimestamp(now, UTC)
    day = min(today.day, 28) if today.month == 2 else today.day
    day = max(1, day + random.choice((-1, 0, 0, 0)))
    then = today.replace(year=today.year + 50 + random.choice((-1, 0, 0, 0, 1)), day=day)
    return rfc850_form(int(then.timestamp()) + random.choice((-1, 0, 1)))


def written(random: Random, seconds: int) -> str:
    form = random.choice((imf_form, imf_form, rfc850_form, asctime_form))
    if seconds % 60 == 0 and chance(random, 30):
        return form(seconds - 1).replace(":59 ", ":60 ")
    return form(seconds)


def imf_form(seconds: int) -> str:
    when = datetime.fromtimestamp(seconds, UTC)
    date = f"{when.day:02} {MONTH[when.month - 1]} {when.year:04}"
    return f"{DAY_NAME[when.weekday()]}, {date} {when:%H:%M:%S} GMT"


def rfc850_form(seconds: int) -> str:
    when = datetime.fromtimestamp(seconds, UTC)
    date = f"{when.day:02}-{MONTH[when.month - 1]}-{when.year % 100:02}"
    return f"{DAY_NAME_L[when.weekday()]}, {date} {when:%H:%M:%S} GMT"


def asctime_form(seconds: int) -> str:
    when = datetime.fromtimestamp(seconds, UTC)
    date = f"{DAY_NAME[when.weekday()]} {MONTH[when.month - 1]} {when.day:2}"
    return f"{date} {when:%H:%M:%S} {when.year:04}"


# -- ranges -----------------------------------------------------------------------------------

BROKEN_RANGES = (
    "",
    "*",
    "bytes",
    "bytes=",
    "bytes=,",
    "bytes= , ,",
    "bytes=-",
    "bytes=--1",
    "bytes=1--2",
    "bytes=0-1-2",
    "bytes=5-2",
    "bytes=0-1,5-2",
    "bytes=a-b",
    "bytes=0x0-0x5",
    "bytes=+0-5",
    "bytes=0-+5",
    "bytes=1_0-2_0",
    "bytes=0-\xb2",
    "bytes=\u0663-\u0665",
    "bytes=0 - 5",
    "bytes=0- 5",
    "bytes= 0-5 6-7",
    "bytes =0-5",
    "bytes:0-5",
    "bytes 0-5",
    "bytes 0-5/10",
    "bytes=0-5;q=1",
    "bytes==0-5",
    "=0-5",
    "0-5",
    "items=0-5",
    "byte=0-5",
    "bytess=0-5",
    "byte\u017f=0-5",
    "none=0-5",
    "bytes=0-0,x",
    "bytes=*",
    "bytes=0.0-5",
    "bytes=5",
    "bytes=0-1, bytes=3-4",
    'bytes="0-5"',
)

SPEC_SEPARATORS = (",", ",", ",", ", ", ", ", " ,", ",,", "\t, ,")


def range_lines(random: Random, state: State | None) -> list[str]:
    if chance(random, 12):
        return [random.choice(BROKEN_RANGES)]
    length = 1000 if state is None or not state.length else state.length
    specs = beyond(random, length) if chance(random, 35) else range_specs(random, length)
    unit = random.choice(("Bytes", "BYTES", "bYtEs")) if chance(random, 6) else "bytes"
    lines = [f"{unit}={random.choice(('', '', '', '', '', '', ' ', ',', ' , '))}{specs[0]}"]
    for spec in specs[1:]:
        if chance(random, 2):
            lines.append(spec)
        else:
            lines[-1] += random.choice(SPEC_SEPARATORS) + spec
    lines[-1] += random.choice(("", "", "", "", "", "", ",", " "))
    return lines


def beyond(random: Random, length: int) -> list[str]:
    """Nothing of it is there."""
    specs = (f"{length}-", f"{length}-{length}", f"{length + 7}-{length + 99}", "-0", "-000")
    far = f"{10**30}-", f"{length}-{10**30}", f"00{length}-"
    return random.choices(specs + far, k=random.choice((1, 1, 1, 2, 3)))


def range_specs(random: Random, length: int) -> list[str]:
    """One or a few; now and then as many as are served, or one more."""
    if chance(random, 3):
        many = random.choice((99, 100, 100, 100, 101, 101, 101, 150))
        return [random.choice(("0-0", "-1", f"{200 * n}-{200 * n}")) for n in range(many)]
    if chance(random, 30):
        return row(random)
    return [range_spec(random, length) for _ in range(random.choice((1, 1, 1, 1, 2, 2, 3, 6)))]


def row(random: Random) -> list[str]:
    """Ranges one after the other with gaps about as large as may be closed, then mixed."""
    specs, at = [], random.choice((0, 0, 5))
    for _ in range(random.choice((2, 2, 3, 4, 7))):
        last = at + random.choice((0, 1, 9, 99))
        specs.append(f"{at}-{last}")
        at = last + 1 + random.choice((-1, 0, 1, 78, 79, 80, 80, 81, 200))
    if chance(random, 60):
        random.shuffle(specs)
    return specs


def range_spec(random: Random, length: int) -> str:
    kind = random.random()
    if kind < 0.15:
        return random.choice(beyond(random, length))
    if kind < 0.40:
        edges = (1, 1, 5, length // 2, length - 1, length, length + 1, 10**30)
        return f"-{random.choice(edges)}"
    first = random.choice((0, 0, 1, length // 4, length // 2, length - 1))
    if kind < 0.55:
        return f"{first}-"
    if kind < 0.56:
        return f"{'0' * 5000}{first}-{'9' * 5000}"
    last = first + random.choice((0, 0, 1, 9, 78, 79, 80, 81, length // 3, length, 10**30))
    return f"{first:03}-{last}"


def if_range_lines(random: Random, state: State | None, now: int) -> list[str]:
    kind = random.random()
    if kind < 0.10:
        return list(random.choice(BROKEN_TAGS))
    if kind < 0.15:
        return [random.choice(BROKEN_DATES)]
    if kind < 0.20:
        return ["*"]
    if kind < 0.25:
        tag = a_tag(random, state, 90)
        return random.choice(([tag, tag], [f"{tag}, {tag}"], [f"{tag},"]))
    if state is not None and state.last_modified is not None and kind < 0.45:
        return [written(random, state.last_modified)]
    if kind < 0.55:
        return [a_date(random, state, now)]
    return [a_tag(random, state, 75)]
