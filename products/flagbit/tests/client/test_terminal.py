"""Nothing that a flag holds reaches the terminal as more than text."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagbit.client.terminal import cut, machine_readable, shown, table, visible, width

HOSTILE = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TREES: st.SearchStrategy[Any] = st.recursive(
    HOSTILE, lambda one: st.lists(one) | st.dictionaries(HOSTILE, one), max_leaves=5
)


def is_harmless(text: str) -> bool:
    return not any(unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp", "Cs") for one in text)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x9b31m", r"\x9b31m"),
        ("\x7f", r"\x7f"),
        ("user\u202egpj.exe", r"user\u202egpj.exe"),
        ("\u200bzero", r"\u200bzero"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
        ("Grüße, 旗", "Grüße, 旗"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, seen: str) -> None:
    assert visible(text) == seen


@given(HOSTILE)
def test_no_text_holds_anything_unseen_when_shown(text: str) -> None:
    assert is_harmless(visible(text))
    assert is_harmless(shown({text: [text]}))


@given(TREES, st.sampled_from(["utf-8", "UTF8", "latin-1", "ascii"]))
def test_json_for_programs_reads_back_the_same_and_is_harmless(value: Any, encoding: str) -> None:
    text = machine_readable(value, encoding)
    assert json.loads(text) == value
    assert is_harmless(text.replace("\n", ""))
    text.encode("utf-8" if encoding.lower().startswith("utf") else "ascii")


@given(HOSTILE, st.integers(1, 30))
def test_a_text_is_cut_to_its_columns(text: str, columns: int) -> None:
    assert width(cut(visible(text), columns)) <= columns


def test_a_table_keeps_its_columns_in_line() -> None:
    shown_table = table(["KEY", "DESCRIPTION"], [["旗", "wide"], ["\x1b[1m", "bold"]], 20)
    assert shown_table == "KEY      DESCRIPTION\n旗       wide\n\\x1b[1m  bold"
