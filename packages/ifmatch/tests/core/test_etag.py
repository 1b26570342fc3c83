"""Entity tags: what we print we can read, and nothing else is taken for one (RFC 9110 8.8.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifmatch.core.errors import MalformedField
from ifmatch.core.etag import ETag

ETAGC = [chr(code) for code in (0x21, *range(0x23, 0x7F), *range(0x80, 0x100))]
opaques = st.text(st.sampled_from(ETAGC))
etags = st.builds(ETag, opaques, st.booleans())


@given(etags)
def test_what_is_printed_is_read_as_the_same_tag(tag: ETag) -> None:
    assert ETag.parse(str(tag)) == tag


@given(st.one_of(st.text(), st.text('W/"w\\*, \x00\x7fé', max_size=12)))
def test_any_text_is_a_tag_that_prints_as_it_came_or_is_malformed(text: str) -> None:
    try:
        tag = ETag.parse(text)
    except MalformedField as malformed:
        error = malformed
    else:
        assert str(tag) == text
        return
    assert error.value == text
    assert str(error)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ('""', ETag("")),
        ('W/""', ETag("", weak=True)),
        ('"W/"', ETag("W/")),
        ('"a,b"', ETag("a,b")),
        ('"*"', ETag("*")),
        ('"\\"', ETag("\\")),
        ('"\x80\xff"', ETag("\x80\xff")),
        ('W/"015abd7f5cc57a2d"', ETag("015abd7f5cc57a2d", weak=True)),
    ],
)
def test_everything_etagc_allows_may_stand_between_the_quotes(text: str, tag: ETag) -> None:
    assert ETag.parse(text) == tag


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "*", '"a', 'a"', 'w/"a"', 'W/ "a"', 'W"a"', ' "a"', '"a" ', '"a"\n', '"a b"'),
        *('"a"b"', '"\x7f"', '"\x1f"', '"a", "b"', "'a'", '"\u20ac"'),
    ],
)
def test_what_is_not_one_entity_tag_is_malformed(text: str) -> None:
    with pytest.raises(MalformedField) as caught:
        ETag.parse(text)
    assert caught.value.field == "ETag"


@pytest.mark.parametrize("opaque", ['"', "a b", "a\n", "\x00", "\x7f", "\u20ac", "\t"])
def test_a_tag_that_could_not_be_sent_cannot_be_made(opaque: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be the opaque part .* use characters"):
        ETag(opaque)


@pytest.mark.parametrize(
    ("one", "other", "strong", "weak"),
    [
        # The table of RFC 9110 section 8.8.3.2.
        ('W/"1"', 'W/"1"', False, True),
        ('W/"1"', 'W/"2"', False, False),
        ('W/"1"', '"1"', False, True),
        ('"1"', '"1"', True, True),
        # Case counts, and the opaque part is never unquoted or decoded.
        ('"a"', '"A"', False, False),
        ('"%61"', '"a"', False, False),
    ],
)
def test_the_two_comparisons_answer_as_the_rfc_tabulates_them(
    one: str, other: str, strong: bool, weak: bool
) -> None:
    first, second = ETag.parse(one), ETag.parse(other)
    assert first.strongly_matches(second) is second.strongly_matches(first) is strong
    assert first.weakly_matches(second) is second.weakly_matches(first) is weak


@given(etags, etags)
def test_a_strong_match_is_a_weak_match_too(one: ETag, other: ETag) -> None:
    if one.strongly_matches(other):
        assert one.weakly_matches(other)
