"""Errors: one base, a clause, a next step; they survive the way to another process."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from ifmatch.core import errors
from ifmatch.core.errors import (
    Conflict,
    IfMatchError,
    ImpossibleDeclaration,
    MalformedField,
    Missing,
    NaiveInstant,
    NotCanonical,
)
from ifmatch.core.etag import ETag
from ifmatch.core.verdict import Outcome, Verdict

FAILED = Verdict(Outcome.PRECONDITION_FAILED, "If-Match", "RFC 9110 section 13.1.1")
EXAMPLES: list[IfMatchError] = [
    MalformedField("If-Match", "a", 0, "an entity tag stands in quotation marks", '"a"'),
    MalformedField("If-Match", "", 0, "it names no entity tag"),
    Conflict(ETag("a"), FAILED),
    Conflict(None, FAILED),
    Missing(("notes", 7)),
    NaiveInstant(datetime(2026, 3, 1, tzinfo=UTC).replace(tzinfo=None)),
    NotCanonical("No canonical JSON. Use plain dicts."),
    ImpossibleDeclaration("It could never work. Do this instead."),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_each_error_survives_the_way_to_another_process(error: IfMatchError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)


def test_every_error_of_the_room_is_caught_by_one_name() -> None:
    found = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert found == {IfMatchError, *map(type, EXAMPLES)}
    assert all(issubclass(each, IfMatchError) for each in found)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (MalformedField, ValueError),
        (Missing, LookupError),
        (NaiveInstant, ValueError),
        (NotCanonical, TypeError),
        (ImpossibleDeclaration, ValueError),
    ],
)
def test_who_knows_only_the_builtin_errors_catches_them_too(
    error: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(error, builtin)


def test_the_message_of_a_malformed_field_says_where_why_and_what_to_send() -> None:
    assert str(EXAMPLES[0]) == (
        "If-Match is malformed at offset 0: an entity tag stands in quotation marks. "
        'Send If-Match: "a"'
    )
    assert str(EXAMPLES[1]).endswith(
        'Send If-Match: "tag" with the tag as the ETag field of an answer gave it, quotes included.'
    )


def test_a_conflict_says_what_is_stored_now_and_what_to_do() -> None:
    assert 'its tag is now "a"' in str(EXAMPLES[2])
    assert "nothing is stored there" in str(EXAMPLES[3])
    assert str(EXAMPLES[2]).endswith("write with the fresh tag.")


def test_a_missing_thing_is_named() -> None:
    assert str(EXAMPLES[4]).startswith("Nothing is stored under ('notes', 7).")


def test_errors_about_requests_know_their_clause() -> None:
    assert MalformedField.clause == "RFC 9110 section 8.8.3"
    assert Conflict.clause == "RFC 9110 section 13.1.1"
    assert Missing.clause == "RFC 9110 section 15.5.5"
