"""The bytes that a state tag is made of, as vectors: a change here voids every tag ever sent."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifmatch.core.canonical import _kept_encoder, canonical, parse
from ifmatch.core.errors import NotCanonical

VECTORS: list[tuple[str, Any, bytes]] = [
    ("null", None, b"null"),
    ("true", True, b"true"),
    ("false", False, b"false"),
    ("an empty object", {}, b"{}"),
    ("an empty list", [], b"[]"),
    ("a tuple is a list", (1, (2,)), b"[1,[2]]"),
    ("no white space", {"a": [1, {"b": 2}]}, b'{"a":[1,{"b":2}]}'),
    ("1 is not 1.0", [1, 1.0], b"[1,1.0]"),
    ("true is not 1", [True, 1], b"[true,1]"),
    ("zero", [0, -0, 0.0, -0.0], b"[0,0,0.0,-0.0]"),
    ("shortest decimals", [0.1, 0.30000000000000004, 1 / 3],
     b"[0.1,0.30000000000000004,0.3333333333333333]"),
    ("the last float without an exponent", 1e15, b"1000000000000000.0"),
    ("the same, with all its digits", 9007199254740993.0, b"9007199254740992.0"),
    ("the first with one", 1e16, b"1e+16"),
    ("an exponent of three digits", [1e100, 1.5e300], b"[1e+100,1.5e+300]"),
    ("the last small one without an exponent", 1e-4, b"0.0001"),
    ("the first small one with one", 1e-5, b"1e-05"),
    ("two digits at least", 1e-7, b"1e-07"),
    ("the smallest", 5e-324, b"5e-324"),
    ("the largest", 1.7976931348623157e308, b"1.7976931348623157e+308"),
    ("2^53 and beyond", [2**53, 2**53 + 1, -(2**63) - 1, 2**64],
     b"[9007199254740992,9007199254740993,-9223372036854775809,18446744073709551616]"),
    ("an integer of 100 digits", 10**99, b"1" + b"0" * 99),
    ("names by code point", {"b": 0, "a": 0, "B": 0, "": 0, "é": 0, "aa": 0},
     '{"":0,"B":0,"a":0,"aa":0,"b":0,"é":0}'.encode()),
    # By UTF-16 units, as JavaScript and RFC 8785 sort, the two names would change places.
    ("names beyond the BMP", {"\U0001f600": 0, "\uffee": 0},
     '{"\uffee":0,"\U0001f600":0}'.encode()),
    ("composed is not decomposed", ["\u00e9", "e\u0301"], '["\u00e9","e\u0301"]'.encode()),
    ("what is escaped", '"\\\b\f\n\r\t', b'"\\"\\\\\\b\\f\\n\\r\\t"'),
    ("control characters", "\x00\x01\x0b\x1f", b'"\\u0000\\u0001\\u000b\\u001f"'),
    ("what is not escaped", "/\x7f<>&'\u2028\u2029é😀", "\"/\x7f<>&'\u2028\u2029é😀\"".encode()),
    ("escapes in names", {'a"\n': 0}, b'{"a\\"\\n":0}'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "written"), [case[1:] for case in VECTORS], ids=[case[0] for case in VECTORS]
)
def test_each_value_has_exactly_this_form(value: Any, written: bytes) -> None:
    assert canonical(value) == written


def test_without_the_c_encoder_the_form_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    chunks = _kept_encoder()
    for _, value, written in VECTORS:
        assert "".join(chunks(value, 0)).encode() == written


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def cycle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


REFUSED: list[tuple[str, Any]] = [
    ("NaN", math.nan),
    ("infinity", [math.inf]),
    ("minus infinity", {"a": -math.inf}),
    ("a lone high surrogate", "\ud800"),
    ("a lone low surrogate", ["a\udfff"]),
    ("a lone surrogate in a name", {"\ud800": 1}),
    ("bytes", b"a"),
    ("a set", {1}),
    ("an object", object()),
    ("names that cannot be sorted", {"a": 1, 2: 3}),
    ("a name that JSON has no word for", {(1, 2): 3}),
    ("a value that holds itself", cycle()),
    ("deeper than the interpreter goes", nested(100_000)),
]


@pytest.mark.parametrize("value", [case[1] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_json_cannot_say_is_refused_with_the_way_out(value: Any) -> None:
    with pytest.raises(NotCanonical, match="Make a state tag of plain dicts"):
        canonical(value)


@pytest.mark.parametrize("value", [case[1] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_without_the_c_encoder_the_same_is_refused(
    value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    monkeypatch.setattr("ifmatch.core.canonical._chunks", _kept_encoder())
    with pytest.raises(NotCanonical):
        canonical(value)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_the_form_reads_back_as_the_value_and_is_written_the_same_again(value: Any) -> None:
    try:
        written = canonical(value)
    except NotCanonical:
        assert any(0xD800 <= ord(char) < 0xE000 for char in json.dumps(value, ensure_ascii=False))
        return
    assert json.loads(written) == value
    assert canonical(json.loads(written)) == written


@given(st.dictionaries(st.text(max_size=3), st.integers(), max_size=6), st.randoms())
def test_the_order_in_which_members_were_added_does_not_show(
    value: dict[str, int], random: Any
) -> None:
    items = list(value.items())
    random.shuffle(items)
    if not any(0xD800 <= ord(char) < 0xE000 for name in value for char in name):
        assert canonical(dict(items)) == canonical(value)


# -- reading, as strictly -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": 1, "b": 0, "a": 2}', "The member 'a' occurs twice"),
        (b"[NaN]", "NaN is not a JSON number"),
        (b"[1e999]", "out of range"),
        (b'"\\ud800"', "half of a surrogate pair"),
        (b"\xff", "not UTF-8"),
        (b"1" * 5000, "out of range"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": }', "Expecting value"),
    ],
)
def test_what_two_readers_could_read_in_two_ways_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(json.JSONDecodeError, match=reason):
        parse(content)


def test_the_canonical_form_is_read_as_the_value_it_was_made_of() -> None:
    for _, value, written in VECTORS:
        assert canonical(parse(written)) == written, value


def test_finding_the_name_that_occurs_twice_takes_linear_time() -> None:
    """Comparing each name with each took half a minute for a third of a megabyte."""
    names = ",".join(f'"{number}":1' for number in range(60_000))
    began = time.perf_counter()
    with pytest.raises(json.JSONDecodeError, match="The member '59999' occurs twice"):
        parse(f'{{{names},"59999":1}}'.encode())
    assert time.perf_counter() - began < 5
