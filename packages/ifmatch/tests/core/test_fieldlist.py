"""If-Match and If-None-Match values: read wholly, or refused wholly (RFC 9110 5.6.1, 13.1.1)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ifmatch.core.errors import MalformedField
from ifmatch.core.etag import ETag
from ifmatch.core.fieldlist import TagList, parse_tag_list

ETAGC = [chr(code) for code in (0x21, *range(0x23, 0x7F), *range(0x80, 0x100))]
etags = st.builds(ETag, st.text(st.sampled_from(ETAGC), max_size=8), st.booleans())
commas = st.sampled_from([",", ", ", " ,", "\t,\t", ",,", " , ,\t, "])
ows = st.sampled_from(["", " ", "\t ", " ,", ", "])


def read(*lines: str) -> TagList:
    return parse_tag_list("If-Match", ", ".join(lines))


def refused(*lines: str) -> MalformedField:
    with pytest.raises(MalformedField) as caught:
        read(*lines)
    return caught.value


def answer(*lines: str) -> TagList | MalformedField:
    try:
        return read(*lines)
    except MalformedField as error:
        return error


WELL_FORMED: list[tuple[str, list[str], tuple[str, ...] | None]] = [
    ("one tag", ['"a"'], ('"a"',)),
    ("a weak tag", ['W/"a"'], ('W/"a"',)),
    ("a list", ['"a", W/"b","c"'], ('"a"', 'W/"b"', '"c"')),
    ("the order and repetitions stay", ['"b", "a", "b"'], ('"b"', '"a"', '"b"')),
    ("several lines count together", ['"a"', 'W/"b", "c"'], ('"a"', 'W/"b"', '"c"')),
    ("an empty line beside a full one", ["", '"a"', " "], ('"a"',)),
    ("empty members are skipped", [', ,"a",,\t, "b",'], ('"a"', '"b"')),
    ("white space around members", ['\t "a" \t,\t "b" '], ('"a"', '"b"')),
    ("a comma inside a tag", ['"a,b", "c"'], ('"a,b"', '"c"')),
    ("a list inside a tag", ['"a,W/b,*"'], ('"a,W/b,*"',)),
    ("a star inside a tag", ['"*"'], ('"*"',)),
    ("a prefix inside a tag", ['"W/"'], ('"W/"',)),
    ("an empty opaque part", ['"", W/""'], ('""', 'W/""')),
    ("obs-text", ['"\x80\xff"'], ('"\x80\xff"',)),
    ("a backslash is a character like any other", ['"a\\"'], ('"a\\"',)),
    ("any", ["*"], None),
    ("any, with white space", [" \t* "], None),
]


@pytest.mark.parametrize(
    ("lines", "members"),
    [case[1:] for case in WELL_FORMED],
    ids=[case[0] for case in WELL_FORMED],
)
def test_a_well_formed_value_is_read_as_it_came(
    lines: list[str], members: tuple[str, ...] | None
) -> None:
    found = read(*lines)
    assert found.members == members
    assert found.is_any is (members is None)


MALFORMED: list[tuple[str, list[str], int, str, str | None]] = [
    # id, lines, position in the combined value, words of the reason, suggestion
    ("nothing", [""], 0, "no entity tag", None),
    ("white space", [" \t"], 0, "no entity tag", None),
    ("commas only", [", ,"], 0, "no entity tag", None),
    ("two empty lines", ["", ""], 0, "no entity tag", None),
    ("no quotes", ["a1b2"], 0, "in quotation marks", '"a1b2"'),
    ("no quotes, in a list", ['"a", b'], 5, "in quotation marks", '"a", "b"'),
    ("no quotes around a weak one", ["W/a"], 0, "in quotation marks", 'W/"a"'),
    ("single quotes", ["'a'"], 0, "in quotation marks", '"a"'),
    ("quotes escaped by a shell", ['\\"a\\"'], 0, "in quotation marks", '"a"'),
    ("typographic quotes", ["\u201ca\u201d"], 0, "in quotation marks", None),
    ("the same, as octets", ["\xe2\x80\x9ca\xe2\x80\x9d"], 0, "in quotation marks", None),
    ("lower-case prefix", ['w/"a"'], 0, "weak prefix is written W/", 'W/"a"'),
    ("prefix apart", ['"x", W/ "a"'], 5, "weak prefix is written W/", '"x", W/"a"'),
    ("not closed", ['"abc'], 4, "closing quotation mark", '"abc"'),
    ("not closed, in a list", ['"a", "b'], 7, "closing quotation mark", None),
    ("not opened", ['abc"'], 0, "in quotation marks", '"abc"'),
    ("a space inside", ['"a b"'], 2, "' ' is not allowed", None),
    ("one tag or two", ['"a, b"'], 3, "' ' is not allowed", None),
    ("a control character", ['"a\x00"'], 2, "'\\x00' is not allowed", None),
    ("DEL", ['"\x7f"'], 1, "'\\x7f' is not allowed", None),
    ("beyond latin-1", ['"\u20ac"'], 1, "'\\u20ac' is not allowed", None),
    ("no comma", ['"a" "b"'], 4, "a comma is missing", '"a", "b"'),
    ("no comma and no space", ['"a""b"'], 3, "a comma is missing", None),
    ("another separator", ['"a"; "b"'], 3, "a comma is missing", None),
    ("a remainder", ['"a"b'], 3, "a comma is missing", None),
    ("a line feed", ['"a"\n'], 3, "a comma is missing", None),
    ("any beside a tag", ['*, "a"'], 0, "'*' stands for itself", None),
    ("a tag beside any", ['"a", *'], 5, "'*' stands for itself", None),
    ("any twice", ["*, *"], 0, "'*' stands for itself", None),
    ("any on two lines", ["*", "*"], 0, "'*' stands for itself", None),
    ("any and an empty member", ["*,"], 0, "'*' stands for itself", None),
    ("a fault on a later line", ['"a"', "b"], 5, "in quotation marks", '"a", "b"'),
]


@pytest.mark.parametrize(
    ("lines", "position", "reason", "suggestion"),
    [case[1:] for case in MALFORMED],
    ids=[case[0] for case in MALFORMED],
)
def test_a_malformed_value_is_refused_with_its_place_and_the_way_out(
    lines: list[str], position: int, reason: str, suggestion: str | None
) -> None:
    error = refused(*lines)
    assert error.field == "If-Match"
    assert error.value == ", ".join(lines)
    assert (error.position, error.suggestion) == (position, suggestion)
    assert reason in error.reason
    assert str(error).endswith(error.next_step)
    assert "Send If-Match: " in error.next_step


@given(st.lists(etags, min_size=1, max_size=6), ows, ows, st.data())
def test_every_list_of_tags_that_can_be_written_is_read_back(
    tags: list[ETag], before: str, after: str, data: st.DataObject
) -> None:
    written = str(tags[0])
    for tag in tags[1:]:
        written += data.draw(commas) + str(tag)
    assert read(before + written + after).members == tuple(map(str, tags))


@given(st.lists(st.lists(etags, min_size=1, max_size=3), min_size=1, max_size=4))
def test_lines_and_one_joined_line_say_the_same(lines: list[list[ETag]]) -> None:
    written = [", ".join(map(str, line)) for line in lines]
    assert read(*written) == read(", ".join(written))


@given(st.lists(st.one_of(st.text(), st.text("W/\"w\\*', \tax\x00é", max_size=16)), min_size=1))
@example(["*"])
@example(['"'])
def test_no_input_raises_anything_but_malformed_field(lines: list[str]) -> None:
    value = ", ".join(lines)
    found = answer(*lines)
    if isinstance(found, TagList):
        for member in found.members or ():
            assert str(ETag.parse(member)) == member
            assert member in value
    else:
        assert 0 <= found.position <= len(value)
        assert str(found)
        if found.suggestion is not None:
            assert read(found.suggestion).members is not None


HOSTILE_BYTES = 65_536
HOSTILE = [
    '"', "W/", 'W/"', '"a', '"a"', '""', '"",', ",", " ", "\t", ", ", "*", "*,", 'W/"",', '"a" ',
    '"a b"', "a,", "'", '\\"', "\xff", "\x00", '" ', 'w/"a",', "W/ ",
]  # fmt: skip


@pytest.mark.parametrize("tail", ["", '"', "x", "*", " ,", "\x00"], ids=ascii)
@pytest.mark.parametrize("shape", HOSTILE, ids=ascii)
def test_a_hostile_value_of_64_kb_gets_an_answer(shape: str, tail: str) -> None:
    """Each shape would hang a parser that tries a second way; the suite's time limit would show."""
    found = answer(shape * (HOSTILE_BYTES // len(shape)) + tail)
    if isinstance(found, MalformedField):
        assert len(str(found)) < 1_000, "an error page does not repeat what it was sent"


def test_a_list_of_20_000_tags_is_read_and_searched() -> None:
    found = read(", ".join(f'"{number}"' for number in range(20_000)))
    assert found.members is not None
    assert len(found.members) == 20_000
    assert found.has_strong(ETag("19999"))
    assert not found.has_weak(ETag("20000"))


@pytest.mark.parametrize(
    ("members", "tag", "strong", "weak"),
    [
        (('"a"', '"b"'), ETag("b"), True, True),
        (('"a"',), ETag("b"), False, False),
        (('W/"a"',), ETag("a"), False, True),
        (('"a"',), ETag("a", weak=True), False, True),
        (('W/"a"',), ETag("a", weak=True), False, True),
        (('"W/"',), ETag("W/"), True, True),
        (('""',), ETag(""), True, True),
        ((), ETag(""), False, False),
        (None, ETag("a"), False, False),
    ],
)
def test_membership_is_asked_by_name_of_the_comparison(
    members: tuple[str, ...] | None, tag: ETag, strong: bool, weak: bool
) -> None:
    listed = TagList(members)
    assert listed.has_strong(tag) is strong
    assert listed.has_weak(tag) is weak


@given(st.lists(etags, max_size=5), etags)
def test_membership_agrees_with_comparing_one_by_one(tags: list[ETag], tag: ETag) -> None:
    listed = TagList(tuple(map(str, tags)))
    assert listed.has_strong(tag) is any(each.strongly_matches(tag) for each in tags)
    assert listed.has_weak(tag) is any(each.weakly_matches(tag) for each in tags)
