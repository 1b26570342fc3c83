"""A 304 is decided without its body: what each store runs for a tag, and what it builds."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ifmatch import state_tag

KEY = ("ada", 1)
CONTENT = {"title", "n", "ratio", "data"}


def note(title: str = "Tea", n: int = 0) -> dict[str, Any]:
    return {"title": title, "n": n, "ratio": 0.5, "data": {"much": ["of", "it"]}}


def words(statement: str) -> set[str]:
    """The names in a statement; whatever is in quotation marks for strings is none."""
    return set(re.findall(r"\w+", re.sub(r"'[^']*'", "", statement)))


class Builder:
    """Builds bodies, and counts them."""

    def __init__(self) -> None:
        self.built = 0

    def __call__(self, row: Any) -> dict[str, Any]:
        self.built += 1
        return {name: row[name] for name in ("title", "n", "ratio", "data")}


@pytest.fixture
def builder() -> Builder:
    return Builder()


@pytest.fixture
def store(opened: Any, builder: Builder) -> Any:
    """One with a row, which has answered before: it has looked for its triggers."""
    made = opened.store(represent=builder)
    made.create(KEY, note())
    made.tag(KEY)
    made.collection_tag()
    made.collection_tag({"owner": "ada"})
    builder.built = 0
    return made


def test_a_fresh_tag_is_one_statement_that_names_no_content_and_builds_no_body(
    opened: Any, builder: Builder, store: Any
) -> None:
    with opened.watch.log() as statements:
        tag = store.tag(KEY)
    assert tag == state_tag(note())
    [statement] = statements
    assert words(statement) & CONTENT == set()
    # The tag is known to be of that version and incarnation, or its stamp is looked at, too.
    assert {opened.rows.table, "version", "incarnation"} <= words(statement)
    assert "*" not in statement
    assert "ORDER" not in words(statement)
    assert builder.built == 0


def test_a_stale_tag_is_a_look_at_the_row_more_and_builds_one_body(
    opened: Any, builder: Builder, store: Any
) -> None:
    """The last look finds the row whole, so that its tag and its body are of one state.

    Before it one asks for the tag, and one, where the store remembers it, whether it still is.
    """
    opened.rows.update(KEY, {"title": "raw"})
    with opened.watch.log() as statements:
        tag = store.tag(KEY)
    assert tag == state_tag(note("raw"))
    *asked, last = statements
    assert 1 <= len(asked) <= 2
    assert all(words(one) & CONTENT == set() for one in asked)
    assert words(last) >= CONTENT
    assert builder.built == 1


def test_a_key_that_nothing_is_under_is_one_statement_too(opened: Any, store: Any) -> None:
    with opened.watch.log() as statements:
        assert store.tag(("grace", 1)) is None
    [statement] = statements
    assert words(statement) & CONTENT == set()


def test_a_read_is_one_statement_and_names_the_content(opened: Any, store: Any) -> None:
    """The twin: the log would show a body that is read."""
    with opened.watch.log() as statements:
        store.read(KEY)
    [statement] = statements
    assert words(statement) >= CONTENT


@pytest.mark.parametrize("scope", [{}, {"owner": "ada"}], ids=["everything", "an owner"])
def test_the_tag_of_a_collection_is_one_statement_that_names_not_even_the_table(
    opened: Any, builder: Builder, store: Any, scope: dict[str, Any]
) -> None:
    with opened.watch.log() as statements:
        store.collection_tag(scope, query={"page": 1})
    [statement] = statements
    assert words(statement) & {*CONTENT, "owner", opened.rows.number, opened.rows.table} == set()
    assert builder.built == 0


def test_the_triggers_of_a_collection_are_looked_for_once(opened: Any) -> None:
    store = opened.store()
    with opened.watch.log() as statements:
        for _ in range(3):
            store.collection_tag()
    assert len(statements) == 4
    assert "trigger" in statements[0]
