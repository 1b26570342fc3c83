"""FIELD=VALUE: what it may be, and what is said of what it may not be."""

from __future__ import annotations

from typing import Any

import pytest

from flagbit.client.assignments import Assignment, assign, parse, read_json, read_object, value_of
from flagbit.client.failures import BadInput

FLAG: dict[str, Any] = {
    "key": "size",
    "type": "integer",
    "description": "",
    "tags": [],
    "default_variant": "a",
    "variants": {"a": 1},
}
STATE: dict[str, Any] = {
    "flag": "size",
    "environment": "production",
    "enabled": False,
    "rules": [],
    "fallthrough": {"variant": "a"},
    "off_variant": "a",
}


def set_in(document: dict[str, Any], *words: str) -> dict[str, Any]:
    return assign(document, [Assignment.parse(word) for word in words])


@pytest.mark.parametrize(
    ("word", "member", "value"),
    [
        ('tags=["a","b"]', "tags", ["a", "b"]),
        ("description=Two words", "description", "Two words"),
        ("description=42", "description", "42"),
        ("description=null", "description", "null"),
        ('description="quoted"', "description", "quoted"),
        ("description=", "description", ""),
        ("description=a=b", "description", "a=b"),
        ("default_variant=true", "default_variant", "true"),
        ("variants.v1.0=2", "variants", {"a": 1, "v1.0": 2}),
        ("variants.a=1e999", "variants", {"a": "1e999"}),
        ("variants.a=NaN", "variants", {"a": "NaN"}),
        ('variants={"b": 3}', "variants", {"b": 3}),
    ],
)
def test_a_value_is_json_or_else_text(word: str, member: str, value: Any) -> None:
    assert set_in(FLAG, word)[member] == value


def test_only_what_is_named_changes_and_the_original_stays() -> None:
    made = set_in(FLAG, "variants.b=2", "variants.c=3", "description=x")
    assert made == FLAG | {"variants": {"a": 1, "b": 2, "c": 3}, "description": "x"}
    assert FLAG["variants"] == {"a": 1}


def test_the_value_of_a_string_flag_is_text_and_that_of_a_float_flag_a_float() -> None:
    assert set_in(FLAG | {"type": "string"}, "variants.a=42")["variants"] == {"a": "42"}
    made = set_in(FLAG | {"type": "float"}, "variants.a=42")["variants"]["a"]
    assert isinstance(made, float)


def test_the_off_variant_of_a_state_can_be_nothing() -> None:
    assert set_in(STATE, "off_variant=null")["off_variant"] is None


@pytest.mark.parametrize(
    ("document", "word", "hint"),
    [
        (FLAG, "enabled", "FIELD=VALUE"),
        (FLAG, "=1", "FIELD=VALUE"),
        (FLAG, "enabled=true", "--environment"),
        (FLAG, "colour=red", "default_variant, description, tags, variants"),
        (FLAG, "key=other", "Leave it out"),
        (FLAG, "variants.=1", "--patch"),
        (STATE, "fallthrough.variant=b", "--patch"),
        (STATE, "description=x", "leave out --environment"),
    ],
)
def test_a_field_that_cannot_be_set_is_named_with_a_way_on(
    document: dict[str, Any], word: str, hint: str
) -> None:
    with pytest.raises(BadInput) as caught:
        set_in(document, word)
    assert hint in f"{caught.value.message} {caught.value.next_step}"


@pytest.mark.parametrize("text", ["{", '{"a": NaN}', '{"a": 1e999}', "[" * 100_000, "1" * 5000])
def test_broken_json_is_refused_and_never_anything_else(text: str) -> None:
    with pytest.raises(BadInput, match="is not JSON"):
        read_json(text, "The patch")


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '[{"b": {"a": 1, "a": 1}}]'])
def test_json_that_two_readers_could_read_in_two_ways_is_refused(text: str) -> None:
    """As the API does (docs/decisions/0017): the client must not choose for it."""
    with pytest.raises(BadInput, match=r"The patch is ambiguous: the member 'a' occurs twice\."):
        read_json(text, "The patch")
    with pytest.raises(BadInput, match="the member 'a' occurs twice"):
        value_of(text, kind="object")
    assert value_of(text, kind="string") == text  # where it is text, nobody reads it


@pytest.mark.parametrize(
    ("words", "twice"),
    [
        (["variants.a=1", "variants.a=2"], "variants.a"),
        (["tags=[]", "enabled=true", "tags=[]"], "tags"),
        (["variants={}", "variants.a=1"], "variants"),
        (["variants.a=1", "variants={}"], "variants"),
    ],
)
def test_a_field_is_set_once(words: list[str], twice: str) -> None:
    with pytest.raises(BadInput, match=rf"{twice} is set twice") as caught:
        parse(words)
    assert "once" in (caught.value.next_step or "")


def test_fields_beside_each_other_are_set_together() -> None:
    assert [one.path for one in parse(["variants.a=1", "variants.a.b=2", "tags=[]"])] == [
        ("variants", "a"),
        ("variants", "a.b"),
        ("tags",),
    ]


def test_broken_json_says_where() -> None:
    with pytest.raises(BadInput, match="line 2, column 1"):
        read_json('{"a": 1,\n}', "The patch")


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(BadInput, match="no JSON object"):
        read_object("[]", "The patch")
