"""The answers: a 304 that carries what 15.4.5 says, a refusal that says how to go on."""

from __future__ import annotations

import json

import pytest

from ifmatch.core.conditions import Conditions
from ifmatch.core.decide import DEFAULT_POLICY, Policy, Validators, evaluate
from ifmatch.core.errors import MalformedField
from ifmatch.core.etag import ETag
from ifmatch.core.reply import (
    REPRESENTATION_METADATA,
    keeps_in_304,
    not_modified_fields,
    not_modified_raw,
    problem,
)
from ifmatch.core.verdict import PROCEED, Outcome, Verdict

TAG = ETag("b", weak=True)
LENIENT = Policy(refuse_malformed=False)
REQUIRED = Verdict(Outcome.PRECONDITION_REQUIRED, "If-Match", "RFC 6585 section 3")


def refusal(
    method: str,
    fields: list[tuple[str, str]],
    current: Validators | None,
    policy: Policy = DEFAULT_POLICY,
) -> Verdict:
    verdict = evaluate(method, Conditions.from_fields(fields), current, policy)
    assert not verdict.proceeds
    return verdict


@pytest.mark.parametrize(
    "name",
    [
        *("Cache-Control", "Content-Location", "Date", "ETag", "Expires", "Vary"),  # 15.4.5: MUST
        *("Set-Cookie", "Access-Control-Allow-Origin", "Content-Security-Policy", "X-Request-Id"),
        *("Strict-Transport-Security", "Link", "Server-Timing"),
    ],
)
def test_a_304_keeps_what_guides_caches_and_what_describes_no_content(name: str) -> None:
    assert keeps_in_304(name)
    assert keeps_in_304(name.lower())


@pytest.mark.parametrize(
    "name", ["Content-Length", "content-type", "CONTENT-ENCODING", "Last-Modified", "Repr-Digest"]
)
def test_a_304_drops_what_describes_the_content_it_does_not_have(name: str) -> None:
    assert not keeps_in_304(name)
    assert name.lower() in REPRESENTATION_METADATA


def test_the_fields_of_a_304_stand_in_their_order_and_repeat_what_was_repeated() -> None:
    fields = [
        ("Content-Type", "text/plain"),
        ("Set-Cookie", "a=1"),
        ("ETag", '"x"'),
        ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Set-Cookie", "b=2"),
        ("Content-Length", "5"),
    ]
    kept = [("Set-Cookie", "a=1"), ("ETag", '"x"'), ("Set-Cookie", "b=2")]
    assert not_modified_fields(fields) == kept
    assert not_modified_fields(iter(fields)) == kept


def test_without_an_entity_tag_the_304_keeps_the_date_that_it_rests_on() -> None:
    fields = [("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"), ("content-length", "5")]
    assert not_modified_fields(fields) == fields[:1]


@pytest.mark.parametrize("tag", [[], [("ETag", '"x"')], [("etag", '"x"')]], ids=str)
def test_fields_as_asgi_gives_them_are_kept_and_dropped_alike(tag: list[tuple[str, str]]) -> None:
    """Lower case is what ASGI asks of an application; not every application heeds it."""
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    fields = [("Content-Length", "5"), ("vary", "Accept"), *tag, ("Last-Modified", date)]
    raw = [(name.encode(), value.encode()) for name, value in fields]
    kept = [(name.decode(), value.decode()) for name, value in not_modified_raw(raw)]
    assert kept == not_modified_fields(fields) == [fields[1], *(tag or fields[-1:])]


def test_a_412_names_the_current_tag_and_the_way_on() -> None:
    verdict = refusal("PUT", [("If-Match", 'W/"a"')], Validators(TAG))
    assert problem(verdict, TAG) == {
        "type": "urn:ifmatch:problem:precondition-failed",
        "title": "The precondition failed",
        "status": 412,
        "detail": "It was changed since you read it. Nothing was overwritten. Read it again, make "
        'your change anew, and send If-Match: W/"b"',
        "clause": "RFC 9110 section 13.1.1",
        "field": "If-Match",
        "etag": 'W/"b"',
    }


def test_a_412_on_nothing_says_how_to_create_it_and_has_no_tag() -> None:
    details = problem(refusal("PUT", [("If-Match", "*")], None), None)
    assert "There is nothing here to change" in details["detail"]
    assert "etag" not in details


def test_a_412_to_a_creation_says_that_it_exists() -> None:
    details = problem(refusal("PUT", [("If-None-Match", "*")], Validators(TAG)), TAG)
    assert details["detail"].startswith("It exists already.")
    assert details["etag"] == 'W/"b"'


def test_a_412_by_date_does_not_claim_that_nothing_is_there() -> None:
    """A resource may have a date and no tag: no current tag does not mean no resource."""
    fields = [("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")]
    details = problem(refusal("PUT", fields, Validators(None, 784_111_778)), None)
    assert details["detail"].startswith("It was changed after the date you sent.")
    assert details["clause"] == "RFC 9110 section 13.1.4"


def test_a_428_names_both_fields_that_satisfy_it() -> None:
    details = problem(REQUIRED, TAG)
    assert details["status"] == 428
    assert details["clause"] == "RFC 6585 section 3"
    assert "send its ETag as If-Match" in details["detail"]
    assert "send If-None-Match: *" in details["detail"]


def test_a_400_names_the_place_and_the_corrected_field_and_no_tag() -> None:
    """The tag is left out: who cannot write a tag yet should not copy one blindly."""
    details = problem(refusal("PUT", [("If-Match", '"x", abc')], Validators(TAG)), TAG)
    assert details == {
        "type": "urn:ifmatch:problem:malformed-condition",
        "title": "The condition is malformed",
        "status": 400,
        "detail": "Nothing was changed. If-Match is malformed at offset 5: an entity tag stands "
        'in quotation marks. Send If-Match: "x", "abc"',
        "clause": "RFC 9110 section 13.1.1",
        "field": "If-Match",
        "position": 5,
        "suggestion": 'If-Match: "x", "abc"',
    }


def test_a_400_without_a_guess_has_no_suggestion() -> None:
    details = problem(refusal("PUT", [("If-Match", "*, *")], Validators(TAG)), TAG)
    assert details["position"] == 0
    assert "suggestion" not in details


def test_a_malformed_field_that_has_failed_keeps_its_place_beside_the_tag() -> None:
    verdict = refusal("PUT", [("If-Match", "a")], Validators(TAG), LENIENT)
    details = problem(verdict, TAG)
    assert (details["status"], details["position"], details["etag"]) == (412, 0, 'W/"b"')


def test_extensions_are_added_as_they_are_and_the_whole_is_json() -> None:
    details = problem(REQUIRED, TAG, changed_by="Ada", at=[1])
    assert (details["changed_by"], details["at"]) == ("Ada", [1])
    assert json.loads(json.dumps(details)) == details


def test_a_verdict_that_does_not_refuse_has_no_problem() -> None:
    for verdict in (PROCEED, Verdict(Outcome.NOT_MODIFIED)):
        with pytest.raises(KeyError):
            problem(verdict, None)


def test_the_outcomes_are_the_statuses_that_are_answered() -> None:
    assert [outcome.value for outcome in Outcome] == [0, 206, 304, 400, 412, 416, 428]
    assert PROCEED.proceeds
    assert PROCEED.status == 0
    malformed = MalformedField("If-Match", "a", 0, "it is none")
    assert Verdict(Outcome.MALFORMED, "If-Match", malformed=malformed).status == 400
