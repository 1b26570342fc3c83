"""The ways to make a tag: different bodies never share one, and it stays while the body stays."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifmatch.core.canonical import canonical
from ifmatch.core.errors import NotCanonical
from ifmatch.core.etag import ETag
from ifmatch.core.tags import bytes_tag, composed_tag, state_digest, state_tag, version_tag

small = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-2, 2) | st.sampled_from("ab1"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": 1}, 'W/"015abd7f5cc57a2d"'),
        ({}, 'W/"44136fa355b3678a"'),
        (None, 'W/"74234e98afe7498f"'),
        ({"title": "é", "n": 1.0}, 'W/"5c94e3b3f0f2b11f"'),
    ],
)
def test_a_state_tag_is_weak_and_16_hex_digits_of_sha_256(value: Any, written: str) -> None:
    assert str(state_tag(value)) == written
    assert state_tag(value).opaque == sha256(canonical(value)).hexdigest()[:16]


@given(small, small)
def test_state_tags_agree_exactly_where_the_canonical_forms_do(one: Any, other: Any) -> None:
    assert (state_tag(one) == state_tag(other)) is (canonical(one) == canonical(other))


def test_a_value_without_a_canonical_form_gets_no_tag() -> None:
    with pytest.raises(NotCanonical):
        state_tag({"at": object()})


def test_a_bytes_tag_is_strong_and_the_same_however_the_bytes_are_held() -> None:
    tag = bytes_tag(b"hello")
    assert str(tag) == '"2cf24dba5fb0a30e26e83b2ac5b9e29e"'
    assert bytes_tag(bytearray(b"hello")) == bytes_tag(memoryview(b"hello")) == tag
    assert bytes_tag([b"he", b"", b"llo"]) == bytes_tag(iter([b"hello"])) == tag
    assert bytes_tag(b"") == bytes_tag([]) != tag


def test_a_state_digest_takes_whatever_a_server_holds_a_body_in() -> None:
    assert state_digest(bytearray(b"{}")) == state_digest(memoryview(b"{}")) == "44136fa355b3678a"


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({}, 'W/"42"'),
        ({"epoch": "7"}, 'W/"42-7"'),
        ({"coding": "gzip"}, 'W/"42-gzip"'),
        ({"epoch": "7", "coding": "gzip"}, '"42-7-gzip"'),
        ({"epoch": "", "coding": ""}, 'W/"42"'),
    ],
)
def test_a_version_tag_is_strong_only_where_epoch_and_coding_are_in_it(
    given: dict[str, str], written: str
) -> None:
    assert str(version_tag(42, **given)) == written


def test_an_epoch_that_could_not_be_sent_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be the opaque part"):
        version_tag(1, epoch='a"b')


def test_a_composed_tag_depends_on_every_part_and_on_their_order() -> None:
    a, b = ETag("a", weak=True), ETag("b", weak=True)
    tags = [
        composed_tag(),
        composed_tag("notes"),
        composed_tag("notes", []),
        composed_tag("notes", [a]),
        composed_tag("notes", [b]),
        composed_tag("notes", [a, b]),
        composed_tag("notes", [b, a]),
        composed_tag("notes", [a, b, a]),
        composed_tag("notes", [a, b, b]),
        composed_tag("notes", [[a], b]),
        composed_tag("notes", {"page": 2}, [a, b]),
        composed_tag("notes", a),
        composed_tag("notes", a, b),
    ]
    assert len(set(tags)) == len(tags)
    assert all(tag.weak for tag in tags)


def test_parts_that_are_lists_or_tuples_compose_alike() -> None:
    assert composed_tag("x", [ETag("a")]) == composed_tag("x", (ETag("a"),))


def test_a_part_that_json_cannot_say_is_refused() -> None:
    with pytest.raises(NotCanonical):
        composed_tag("notes", {"tag": ETag("a")})
