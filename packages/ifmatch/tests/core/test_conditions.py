"""The fields of one request, read once: nothing is decided, nothing is lost, nothing raises."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifmatch.core.conditions import NO_CONDITIONS, Conditions
from ifmatch.core.errors import MalformedField
from ifmatch.core.etag import ETag
from ifmatch.core.fieldlist import TagList

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


def test_a_request_without_preconditions_has_none_and_costs_no_object() -> None:
    assert Conditions.from_raw([(b"host", b"example"), (b"accept", b"*/*")]) is NO_CONDITIONS
    assert Conditions.from_fields([("Host", "example")]) is NO_CONDITIONS
    assert Conditions() == NO_CONDITIONS


def test_each_field_is_read_under_its_own_name() -> None:
    asked = Conditions.from_raw(
        [
            (b"if-match", b'"a"'),
            (b"if-none-match", b'W/"b"'),
            (b"if-modified-since", DATE.encode()),
            (b"if-unmodified-since", b"Thu, 01 Jan 1970 00:00:00 GMT"),
            (b"if-range", b'"c"'),
            (b"range", b"bytes=0-1"),
        ]
    )
    assert asked == Conditions('"a"', 'W/"b"', 784_111_777, 0, "bytes=0-1", ETag("c"))
    assert asked.if_match == TagList(('"a"',))
    assert asked.if_none_match == TagList(('W/"b"',))


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (['"c"'], ETag("c")),
        (['W/"c"'], ETag("c", weak=True)),
        ([f" {DATE}"], 784_111_777),
        (['"c"', '"c"'], None),
        (['"c", "d"'], None),
        (["c"], None),
        ([""], None),
        ([f'"{DATE}'], None),
    ],
)
def test_if_range_is_one_tag_or_one_date_or_an_error(
    values: list[str], read: ETag | int | None
) -> None:
    found = Conditions.from_fields([("If-Range", value) for value in values]).if_range
    if read is None:
        assert isinstance(found, MalformedField)
        assert "neither one entity tag nor an HTTP date" in found.reason
    else:
        assert found == read


def test_a_poll_s_tag_is_at_hand_as_text_only_where_it_is_judged_first() -> None:
    poll = ("If-None-Match", '"a"')
    assert Conditions.from_fields([poll]).first_none_match == '"a"'
    for before in (("If-Match", '"a"'), ("If-Unmodified-Since", DATE)):
        assert Conditions.from_fields([poll, before]).first_none_match is None
    assert Conditions.from_fields([poll, ("If-Modified-Since", DATE)]).first_none_match == '"a"'


def test_a_year_of_two_digits_is_read_from_the_instant_that_is_given() -> None:
    asked = [("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT")]
    assert Conditions.from_fields(asked, now=784_111_777).if_modified_since == 784_111_777
    raw = [(name.lower().encode(), value.encode()) for name, value in asked]
    assert Conditions.from_raw(raw, now=784_111_777).if_modified_since == 784_111_777


def test_all_lines_of_a_field_count_whatever_stands_between() -> None:
    asked = Conditions.from_raw([(b"if-match", b'"a"'), (b"host", b"x"), (b"if-match", b'"b"')])
    assert asked.if_match == TagList(('"a"', '"b"'))


@pytest.mark.parametrize("name", ["If-Match", "if-match", "IF-MATCH", "iF-mAtCh"])
def test_the_case_of_a_name_does_not_matter(name: str) -> None:
    assert Conditions.from_fields([(name, '"a"')]).if_match == TagList(('"a"',))


def test_octets_and_text_read_alike() -> None:
    octets = Conditions.from_raw([(b"if-none-match", b'"\xe9"')])
    text = Conditions.from_fields([("If-None-Match", '"\xe9"')])
    assert octets == text
    assert octets.if_none_match == TagList(('"\xe9"',))
    several = Conditions.from_raw([(b"if-none-match", b'"\xe9"'), (b"range", b"bytes=0-1")])
    assert several == Conditions(none_match='"\xe9"', range="bytes=0-1")


def test_a_character_beyond_latin_1_spoils_its_field_and_never_becomes_another_tag() -> None:
    asked = Conditions.from_fields([("If-Match", '"\u20ac"'), ("If-Match\u20ac", "*")])
    assert isinstance(asked.if_match, MalformedField)
    assert asked.if_match.position == 1


def test_a_malformed_field_is_kept_as_the_error_beside_what_is_well_formed() -> None:
    asked = Conditions.from_fields([("If-Match", "a"), ("If-None-Match", '"b"')])
    assert isinstance(asked.if_match, MalformedField)
    assert asked.if_match.suggestion == '"a"'
    assert asked.if_none_match == TagList(('"b"',))


def test_a_kept_error_keeps_no_frames_alive() -> None:
    asked = Conditions.from_fields([("If-Match", "a")])
    assert isinstance(asked.if_match, MalformedField)
    assert asked.if_match.__traceback__ is None
    assert not any(type(held).__name__ == "frame" for held in gc.get_referents(asked.if_match))


@pytest.mark.parametrize("field", ["If-Modified-Since", "If-Unmodified-Since"])
@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ([DATE], 784_111_777),
        ([f" {DATE}\t"], 784_111_777),
        ([""], None),
        (["yesterday"], None),
        (["Sun, 06 Nov 1994 08:49:37 CET"], None),
        ([DATE, DATE], None),  # two dates are not one date
    ],
)
def test_an_invalid_date_is_as_if_absent(
    field: str, values: list[str], seconds: int | None
) -> None:
    asked = Conditions.from_fields([(field, value) for value in values])
    assert (asked.if_modified_since, asked.if_unmodified_since) == (
        (seconds, None) if field == "If-Modified-Since" else (None, seconds)
    )


NAMES = [b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"host"]


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.binary(max_size=40))))
def test_no_octets_raise(fields: list[tuple[bytes, bytes]]) -> None:
    asked = Conditions.from_raw(fields)
    sent = {name for name, _ in fields}
    assert (asked.if_match is None) is (b"if-match" not in sent)
    assert (asked.if_none_match is None) is (b"if-none-match" not in sent)


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=40))))
def test_no_text_raises(fields: list[tuple[str, str]]) -> None:
    Conditions.from_fields(fields)
