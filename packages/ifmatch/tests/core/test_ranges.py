"""What of a representation is sent: RFC 9110 sections 13.1.5, 14.1, 14.2 and 15.3.7."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifmatch.core.byteranges import media_type, multipart
from ifmatch.core.conditions import Conditions
from ifmatch.core.decide import Validators
from ifmatch.core.etag import ETag
from ifmatch.core.httpdate import format_http_date
from ifmatch.core.ranges import MAX_RANGES, PART_OVERHEAD, ByteRange, parse_bytes_range, select
from ifmatch.core.reply import partial_content, range_problem
from ifmatch.core.verdict import Outcome

NOW = 784_111_777
WHOLE, PART, NONE = Outcome.PROCEED, Outcome.PARTIAL_CONTENT, Outcome.RANGE_NOT_SATISFIABLE


@pytest.mark.parametrize(
    ("value", "specs"),
    [
        ("bytes=0-499", ((0, 499),)),
        ("bytes=500-", ((500, None),)),
        ("bytes=-500", ((None, 500),)),
        ("BYTES=0-0,-1", ((0, 0), (None, 1))),
        ("bytes= 0-999, 4500-5499, -1000", ((0, 999), (4500, 5499), (None, 1000))),
        ("bytes=,, 0-1 ,\t,2-3,", ((0, 1), (2, 3))),
        ("bytes=007-7", ((7, 7),)),
        ("bytes=-0", ((None, 0),)),
        (f"bytes={10**30}-{10**30 + 1}", ((10**30, 10**30 + 1),)),
        (f"bytes={'0' * 5000}1-", ((1, None),)),
        (f"bytes=0-{'9' * 5000}", ((0, 10**600),)),
        # 14.1.1: what is invalid makes all of it invalid.
        ("bytes=2-1", None),
        ("bytes=0-1, 5-4", None),
        (f"bytes=1{'0' * 5000}-9{'9' * 4999}", None),
        ("bytes=", None),
        ("bytes=,", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=0-1;2-3", None),
        ("bytes=0 -1", None),
        ("bytes =0-1", None),
        ("bytes=0-1 2-3", None),
        ("bytes=0-1, bytes=2-3", None),
        ("bytes=+1-2", None),
        ("bytes=\u0660-1", None),
        ("byte\u017f=0-1", None),  # the long s, which is an S where case is ignored in Unicode
        ("items=0-1", None),
        ("0-1", None),
        ("", None),
    ],
    ids=lambda value: value[:32] if isinstance(value, str) else None,
)
def test_a_range_is_read_as_the_grammar_has_it_or_not_at_all(value: str, specs: object) -> None:
    assert parse_bytes_range(value) == specs


def chosen(value: str, length: int = 1000) -> list[tuple[int, int]] | Outcome:
    selection = select("GET", Conditions(range=value), None, length)
    assert selection.length == length
    assert selection.why
    return [(first, last) for first, last in selection.ranges] or selection.outcome


@pytest.mark.parametrize(
    ("value", "ranges"),
    [
        ("bytes=0-0", [(0, 0)]),
        ("bytes=999-999", [(999, 999)]),
        ("bytes=0-", [(0, 999)]),
        ("bytes=900-5000", [(900, 999)]),
        ("bytes=-1", [(999, 999)]),
        ("bytes=-5000", [(0, 999)]),
        ("bytes=1000-", NONE),
        ("bytes=-0", NONE),
        ("bytes=1000-2000, -0", NONE),
        ("bytes=5000-, 0-9", [(0, 9)]),
        # Apart: in the order that was asked for. Near or over one another: joined.
        ("bytes=500-509, 0-9", [(500, 509), (0, 9)]),
        ("bytes=0-9, 90-99", [(0, 9), (90, 99)]),
        ("bytes=0-9, 89-99", [(0, 99)]),
        ("bytes=0-9, 10-19", [(0, 19)]),
        ("bytes=5-9, 0-99", [(0, 99)]),
        ("bytes=700-709, 0-9, 705-720, 400-409", [(700, 720), (0, 9), (400, 409)]),
        ("bytes=400-409, 0-9, 5-6", [(400, 409), (0, 9)]),
        (", ".join(["bytes=0-1"] + ["0-1"] * (MAX_RANGES - 1)), [(0, 1)]),
        (", ".join(["bytes=0-1"] + ["0-1"] * MAX_RANGES), WHOLE),
        ("bytes=x", WHOLE),
        ("rows=0-1", WHOLE),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_a_range_selects_bytes_of_a_representation_of_a_thousand(
    value: str, ranges: object
) -> None:
    assert chosen(value) == ranges


def test_a_gap_is_bridged_up_to_what_a_part_costs() -> None:
    near, apart = PART_OVERHEAD, PART_OVERHEAD + 1
    assert chosen(f"bytes=0-0, {near}-{near}") == [(0, near)]
    assert chosen(f"bytes=0-0, {apart}-{apart}") == [(0, 0), (apart, apart)]


@pytest.mark.parametrize("method", ["HEAD", "PUT", "POST", "get"])
def test_a_range_means_nothing_to_another_method(method: str) -> None:
    assert select(method, Conditions(range="bytes=0-1"), None, 10).outcome is WHOLE


def test_of_nothing_nothing_is_cut() -> None:
    for value in ("bytes=0-", "bytes=-1", "bytes=5-"):
        assert chosen(value, length=0) is WHOLE


STRONG = Validators(ETag("a"), NOW, last_modified_is_strong=True)
WEAK = Validators(ETag("a", weak=True), NOW)
DATE, LATER = format_http_date(NOW), format_http_date(NOW + 1)


@pytest.mark.parametrize(
    ("if_range", "current", "honoured"),
    [
        ('"a"', STRONG, True),
        ('"b"', STRONG, False),
        ('W/"a"', STRONG, False),
        ('"a"', WEAK, False),
        ('W/"a"', WEAK, False),
        ('"a", "b"', STRONG, False),
        ("a", STRONG, False),
        ("*", STRONG, False),
        ("", STRONG, False),
        (DATE, STRONG, True),
        ("Sun Nov  6 08:49:37 1994", STRONG, True),
        (LATER, STRONG, False),  # exactly, not "not after"
        (DATE, WEAK, False),  # 8.8.2.2: weak, unless the origin knows better
        ('"a"', Validators(None, NOW, last_modified_is_strong=True), False),
        (DATE, Validators(ETag("a")), False),
        ('"a"', None, False),
    ],
)
def test_if_range_holds_for_the_same_state_by_a_strong_validator(
    if_range: str, current: Validators | None, honoured: bool
) -> None:
    fields = [("Range", "bytes=0-1"), ("If-Range", if_range)]
    selection = select("GET", Conditions.from_fields(fields), current, 10)
    assert (selection.outcome is PART) is honoured
    if not honoured:
        assert selection.clause == "RFC 9110 section 13.1.5"


def test_if_range_is_ignored_without_a_range() -> None:
    asked = Conditions.from_fields([("If-Range", '"x"')])
    assert select("GET", asked, STRONG, 10).outcome is WHOLE


def test_an_unsatisfiable_range_of_another_state_gets_the_whole() -> None:
    """If-Range first: what is out of reach may be so because the representation has shrunk."""
    fields = [("Range", "bytes=500-"), ("If-Range", '"old"')]
    assert select("GET", Conditions.from_fields(fields), STRONG, 10).outcome is WHOLE


def test_an_unsatisfiable_range_after_if_range_is_ignored() -> None:
    """13.2.2 step 5 has 206 or 200 there; 416 is for a Range alone."""
    fields = [("Range", "bytes=500-"), ("If-Range", '"a"')]
    selection = select("GET", Conditions.from_fields(fields), STRONG, 10)
    assert (selection.outcome, selection.clause) == (WHOLE, "RFC 9110 section 13.2.2")


specs = st.one_of(
    st.builds("{}-{}".format, st.integers(0, 60), st.integers(0, 60)),
    st.builds("{}-".format, st.integers(0, 60)),
    st.builds("-{}".format, st.integers(0, 60)),
)


@given(st.lists(specs, min_size=1, max_size=6), st.integers(0, 50))
def test_what_is_sent_are_the_bytes_that_were_asked_for(asked: list[str], length: int) -> None:
    """Each asked byte is sent, none twice, and only bytes of gaps that were bridged beside them."""
    selection = select("GET", Conditions(range="bytes=" + ",".join(asked)), None, length)
    sent = [at for first, last in selection.ranges for at in range(first, last + 1)]
    assert len(sent) == len(set(sent))
    assert all(0 <= at < length for at in sent)
    if selection.outcome is PART:
        for first, last in parse_bytes_range("bytes=" + ",".join(asked)) or ():
            if first is None:
                wanted = range(max(0, length - (last or 0)), length)
            else:
                wanted = range(first, length if last is None else min(last + 1, length))
            assert set(wanted) <= set(sent)


@given(st.text() | st.text("bytes=0123456789-, \t", max_size=40).map("bytes=".__add__))
def test_no_value_raises(value: str) -> None:
    select("GET", Conditions(range=value), STRONG, 100)


HOSTILE = ["0-1,", "9", "-", ",", " ", ", ", "0-", "-1,", "1-0,", "0- ", "bytes=", "\xff"]


@pytest.mark.parametrize("tail", ["", "0-1", "x"])
@pytest.mark.parametrize("shape", HOSTILE)
def test_a_hostile_range_of_64_kb_gets_an_answer(shape: str, tail: str) -> None:
    """Each shape would hang a parser that tries a second way; the suite's time limit would show."""
    value = "bytes=" + shape * (65_536 // len(shape)) + tail
    assert len(select("GET", Conditions(range=value), STRONG, 1000).ranges) <= MAX_RANGES


# -- the answer -------------------------------------------------------------------------------

OF_THE_200 = [
    ("Content-Type", "text/plain"),
    ("ETag", '"a"'),
    ("Vary", "Accept"),
    ("Last-Modified", DATE),
    ("Set-Cookie", "a=1"),
    ("Content-Length", "1000"),
    ("Content-Digest", "sha-256=:AAAA:"),
    ("Repr-Digest", "sha-256=:BBBB:"),
]
CONTENT = bytes(number % 251 for number in range(1000))


def answer(value: str, *, if_range: bool = False) -> tuple[dict[str, str], bytes]:
    selection = select("GET", Conditions(range=value), None, len(CONTENT))
    fields, body = partial_content(
        OF_THE_200, CONTENT, selection, if_range=if_range, boundary="limit"
    )
    assert len(dict(fields)) == len(fields)
    return dict(fields), body


def test_a_single_part_says_where_it_belongs_and_how_long_it_is() -> None:
    fields, body = answer("bytes=10-19")
    assert body == CONTENT[10:20]
    assert fields["Content-Range"] == "bytes 10-19/1000"
    assert fields["Content-Length"] == "10"


def test_a_part_has_the_fields_of_the_whole_but_for_those_of_its_content() -> None:
    fields, _ = answer("bytes=10-19")
    for name in ("Content-Type", "ETag", "Vary", "Last-Modified", "Set-Cookie", "Repr-Digest"):
        assert name in fields
    assert "Content-Digest" not in fields


def test_after_if_range_what_the_client_knows_is_left_out() -> None:
    fields, _ = answer("bytes=10-19", if_range=True)
    assert set(fields) == {"ETag", "Vary", "Set-Cookie", "Content-Range", "Content-Length"}


def test_several_parts_are_delimited_and_each_says_where_it_belongs() -> None:
    fields, body = answer("bytes=500-509, 0-9")
    assert fields["Content-Type"] == media_type("limit") == "multipart/byteranges; boundary=limit"
    assert "Content-Range" not in fields
    assert fields["Content-Length"] == str(len(body))
    part = b"--limit\r\nContent-Type: text/plain\r\nContent-Range: bytes %s/1000\r\n\r\n%s\r\n"
    first, second = part % (b"500-509", CONTENT[500:510]), part % (b"0-9", CONTENT[:10])
    assert body == first + second + b"--limit--\r\n"


def test_parts_of_what_has_no_type_have_none() -> None:
    assert b"Content-Type" not in multipart(CONTENT, [ByteRange(0, 1)], None, "limit")


def test_a_416_names_the_length_and_the_way_on() -> None:
    details = range_problem(select("GET", Conditions(range="bytes=1000-"), None, 1000))
    assert (details["status"], details["length"], details["field"]) == (416, 1000, "Range")
    assert details["detail"].endswith("or leave Range out to get the whole.")
