"""What is told of a request is what was decided, and why, in words that a person can act on."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from ifmatch.core.conditions import Comparison, Conditions
from ifmatch.core.decide import STEPS, Policy, Validators, evaluate
from ifmatch.core.etag import ETag
from ifmatch.core.explain import PHRASES, explain
from ifmatch.core.httpdate import format_http_date
from ifmatch.core.verdict import Outcome
from packages.ifmatch.tests.core.requests import generated
from packages.ifmatch.tests.core.translation import translated

NOW = 784_111_777
STRONG, WEAK = Validators(ETag("a"), NOW), Validators(ETag("a", weak=True), NOW)
BEFORE, AFTER = format_http_date(NOW - 1), format_http_date(NOW + 1)
STATE = Policy(Comparison.STATE)
M, N, IMS, IUS = "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"


@pytest.mark.parametrize(
    ("method", "fields", "current", "policy", "step", "said", "words"),
    [
        ("PUT", [], STRONG, STATE, 0, "absent", "it was not sent"),
        ("PUT", [(M, '"a"')], STRONG, Policy(), 0, "holds", "among its tags, by strong"),
        ("PUT", [(M, '"x"')], STRONG, STATE, 0, "fails", '"a" is not among its tags'),
        ("PUT", [(M, 'W/"a"')], WEAK, Policy(), 0, "fails", "never matches by strong comparison"),
        ("PUT", [(M, 'W/"a"')], WEAK, STATE, 0, "holds", "by weak comparison"),
        ("PUT", [(M, "*")], STRONG, STATE, 0, "holds", "`*` stands for any"),
        ("PUT", [(M, "*")], None, STATE, 0, "fails", "no current representation"),
        ("PUT", [(M, '"a"')], Validators(None, 1), STATE, 0, "fails", "has no entity tag"),
        ("PUT", [(M, "a")], STRONG, STATE, 0, "malformed", "offset 0: an entity tag stands"),
        ("PUT", [(M, "a")], STRONG, STATE, 1, "not judged", "If-Match has decided"),
        ("PUT", [(M, '"a"'), (IUS, AFTER)], STRONG, STATE, 1, "not judged", "If-Match was sent"),
        ("PUT", [(IUS, AFTER)], STRONG, STATE, 1, "holds", "is not after"),
        ("PUT", [(IUS, BEFORE)], STRONG, STATE, 1, "fails", "is after"),
        ("PUT", [(IUS, "soon")], STRONG, STATE, 1, "absent", "not one valid HTTP date"),
        ("PUT", [(IUS, AFTER)], None, STATE, 1, "absent", "no modification date"),
        ("GET", [(N, '"a"')], STRONG, STATE, 2, "fails", '"a" is among its tags'),
        ("GET", [(N, '"x"')], STRONG, STATE, 2, "holds", "is not among"),
        ("GET", [(N, "x")], STRONG, STATE, 2, "holds", "on a read it names nothing"),
        ("PUT", [(N, "x")], STRONG, STATE, 2, "malformed", 'Send If-None-Match: "x"'),
        ("GET", [(N, '"x"'), (IMS, AFTER)], STRONG, STATE, 3, "not judged", "If-None-Match was"),
        ("GET", [(IMS, AFTER)], STRONG, STATE, 3, "fails", "is not after"),
        ("GET", [(IMS, BEFORE)], STRONG, STATE, 3, "holds", "is after"),
        ("PUT", [(IMS, AFTER)], STRONG, STATE, 3, "absent", "it is for GET and HEAD"),
    ],
)
def test_each_step_says_what_it_found_and_why(
    method: str,
    fields: list[tuple[str, str]],
    current: Validators | None,
    policy: Policy,
    step: int,
    said: str,
    words: str,
) -> None:
    told = explain(method, fields, current, policy).steps[step]
    assert told.said == said
    assert words in told.because
    assert bool(told.leads_to) is (said != "not judged")
    assert told.field == list(STEPS.values())[step].field


@pytest.mark.parametrize(
    ("fields", "said", "leads"),
    [
        ([("Range", "bytes=0-1")], "holds", "206 Partial Content"),
        ([("Range", "bytes=90-")], "holds", "416 Range Not Satisfiable"),
        ([("Range", "bytes=x")], "ignored", "200, the whole"),
        ([("Range", "bytes=0-1"), ("If-Range", '"a"')], "holds", "206 Partial Content"),
        ([("Range", "bytes=0-1"), ("If-Range", '"x"')], "fails", "200, the whole"),
        ([("If-Range", '"a"')], "absent", "200, the whole"),
    ],
)
def test_the_last_step_says_what_of_the_representation_is_sent(
    fields: list[tuple[str, str]], said: str, leads: str
) -> None:
    told = explain("GET", fields, STRONG, length=10)
    assert (told.steps[-1].said, told.steps[-1].leads_to) == (said, leads)
    assert len(told.steps) == 5


def test_ranges_are_told_of_only_where_they_were_asked_for_and_are_supported() -> None:
    asked = [("Range", "bytes=0-1")]
    assert len(explain("GET", asked, STRONG).steps) == 4
    assert len(explain("GET", [], STRONG, length=10).steps) == 4
    assert len(explain("GET", [*asked, (N, '"a"')], STRONG, length=10).steps) == 4


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([], "this one does not"),
        ([(M, "*")], "`*` does not say"),
        ([(N, '"a"')], "If-None-Match with tags does not say"),
    ],
)
def test_a_missing_condition_is_asked_for_before_any_step(
    fields: list[tuple[str, str]], words: str
) -> None:
    told = explain("PUT", fields, STRONG, Policy(required=True))
    (step,) = told.steps
    assert (step.clause, step.leads_to) == ("RFC 6585 3", "428 Precondition Required")
    assert words in step.because


def test_a_method_that_selects_nothing_is_not_judged() -> None:
    (step,) = explain("OPTIONS", [(M, "x")], STRONG).steps
    assert (step.clause, step.said) == ("13.2.1", "not judged")


def test_the_whole_is_told_as_plain_json() -> None:
    told = explain("GET", [("Range", "bytes=0-1, 500-")], STRONG, length=1000).as_json()
    assert json.loads(json.dumps(told)) == told
    assert told["outcome"] == "partial-content"
    assert (told["status"], told["field"]) == (206, "Range")
    assert told["ranges"] == [[0, 1], [500, 999]]
    refused = explain("PUT", [(M, "a")], STRONG).as_json()
    assert (refused["status"], refused["position"], refused["suggestion"]) == (400, 0, '"a"')
    assert explain("GET", [], STRONG).as_json()["status"] is None
    assert set(PHRASES) == set(Outcome)


def test_every_request_is_told_as_it_is_decided() -> None:
    """Of 3,000 requests: the outcome that is decided, by steps of which each leads to the next."""
    for example in generated(3_000, 1):
        method, fields, current, policy, more = translated(example)
        told = explain(method, fields, current, policy, **more)
        conditions = Conditions.from_fields(fields, more["now"])
        verdict = evaluate(method, conditions, current, policy, safe=more["safe"])
        assert told.verdict == verdict, example
        steps = dict(enumerate(told.steps[:4], 1))
        if len(steps) < 4:
            continue
        taken = [number for number, step in steps.items() if step.leads_to]
        for at, after in pairwise(taken):
            assert steps[at].leads_to == f"step {after}", example
        assert steps[taken[-1]].leads_to == PHRASES[verdict.outcome], example
