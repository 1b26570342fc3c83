"""The decision as data: every arrow of the table of RFC 9110 section 13.2.2, on both sides.

A case says what a request to a resource in some state is answered. `answer` is the status, 0 where
the method is performed; `by` is the field that decided.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifmatch.core.conditions import Comparison, Conditions
from ifmatch.core.decide import (
    IGNORING_METHODS,
    SAFE_METHODS,
    STEPS,
    Policy,
    Validators,
    counts_on,
    evaluate,
)
from ifmatch.core.errors import MalformedField
from ifmatch.core.etag import ETag
from ifmatch.core.fieldlist import TagList
from ifmatch.core.httpdate import format_http_date
from ifmatch.core.verdict import PROCEED, Outcome

NOW = 784_111_777
EARLIER, LATER = format_http_date(NOW - 1), format_http_date(NOW + 1)
SAME = format_http_date(NOW)

STRONG = Validators(ETag("a"), NOW)
WEAK = Validators(ETag("a", weak=True), NOW)
TAG_ONLY = Validators(ETag("a"))
DATE_ONLY = Validators(None, NOW)
BARE = Validators()
NOTHING = None

DEFAULT = Policy()
STATE = Policy(Comparison.STATE)
REQUIRED = Policy(Comparison.STATE, required=True)
ANY_WILL_DO = Policy(Comparison.STATE, required=True, any_satisfies=True)
LENIENT = Policy(Comparison.STATE, refuse_malformed=False)
LENIENT_REQUIRED = Policy(Comparison.STATE, required=True, refuse_malformed=False)

M, N, IMS, IUS = "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"
REQUIRES = "RFC 6585 section 3"


class Case(NamedTuple):
    id: str
    clause: str
    method: str
    state: Validators | None
    fields: list[tuple[str, str]]
    policy: Policy
    answer: int
    by: str | None = None
    safe: bool | None = None


# fmt: off
CASES = [
    # -- no condition -------------------------------------------------------------------------
    Case("get plain", "13.2.2", "GET", STRONG, [], DEFAULT, 0),
    Case("put plain", "13.2.2", "PUT", STRONG, [], DEFAULT, 0),
    Case("put plain to nothing", "13.2.2", "PUT", NOTHING, [], DEFAULT, 0),

    # -- step 1: If-Match ---------------------------------------------------------------------
    Case("match one of several", "13.1.1", "PUT", STRONG, [(M, '"x", "a"')], DEFAULT, 0),
    Case("match on a second line", "13.1.1", "PUT", STRONG, [(M, '"x"'), (M, '"a"')], DEFAULT, 0),
    Case("match none", "13.1.1", "PUT", STRONG, [(M, '"x", "y"')], DEFAULT, 412, M),
    Case("match on delete", "13.1.1", "DELETE", STRONG, [(M, '"x"')], DEFAULT, 412, M),
    Case("match on patch", "13.1.1", "PATCH", STRONG, [(M, '"a"')], DEFAULT, 0),
    Case("match on post", "13.1.1", "POST", STRONG, [(M, '"x"')], DEFAULT, 412, M),
    Case("match on an unknown method", "13.1.1", "FROB", STRONG, [(M, '"x"')], DEFAULT, 412, M),
    Case("match on get", "13.1.1", "GET", STRONG, [(M, '"a"')], DEFAULT, 0),
    Case("no match on get", "13.1.1", "GET", STRONG, [(M, '"x"')], DEFAULT, 412, M),
    Case("no match on head", "13.1.1", "HEAD", STRONG, [(M, '"x"')], DEFAULT, 412, M),
    Case("any, something there", "13.1.1", "PUT", STRONG, [(M, "*")], DEFAULT, 0),
    Case("any, nothing known of it", "13.1.1", "PUT", BARE, [(M, "*")], DEFAULT, 0),
    Case("any, nothing there", "13.1.1", "PUT", NOTHING, [(M, "*")], DEFAULT, 412, M),
    Case("a tag, nothing there", "13.1.1", "PUT", NOTHING, [(M, '"a"')], DEFAULT, 412, M),
    Case("a tag, something without one", "13.1.1", "PUT", DATE_ONLY, [(M, '"a"')], DEFAULT, 412, M),

    # -- step 1: STRICT is the RFC, STATE compares opaque parts -------------------------------
    Case("strict: weak, weak", "8.8.3.2", "PUT", WEAK, [(M, 'W/"a"')], DEFAULT, 412, M),
    Case("strict: weak sent", "8.8.3.2", "PUT", STRONG, [(M, 'W/"a"')], DEFAULT, 412, M),
    Case("strict: weak stored", "8.8.3.2", "PUT", WEAK, [(M, '"a"')], DEFAULT, 412, M),
    Case("state: weak, weak", "13.1.1", "PUT", WEAK, [(M, 'W/"a"')], STATE, 0),
    Case("state: weak sent", "13.1.1", "PUT", STRONG, [(M, 'W/"a"')], STATE, 0),
    Case("state: weak stored", "13.1.1", "PUT", WEAK, [(M, '"a"')], STATE, 0),
    Case("state: another", "13.1.1", "PUT", WEAK, [(M, 'W/"x"')], STATE, 412, M),
    Case("state: on get", "13.1.1", "GET", WEAK, [(M, 'W/"a"')], STATE, 0),

    # -- step 2: If-Unmodified-Since, only where If-Match is absent ---------------------------
    Case("unmodified", "13.1.4", "PUT", STRONG, [(IUS, SAME)], DEFAULT, 0),
    Case("unmodified, later date", "13.1.4", "PUT", DATE_ONLY, [(IUS, LATER)], DEFAULT, 0),
    Case("modified", "13.1.4", "PUT", STRONG, [(IUS, EARLIER)], DEFAULT, 412, IUS),
    Case("modified, on get", "13.1.4", "GET", STRONG, [(IUS, EARLIER)], DEFAULT, 412, IUS),
    Case("no date to compare", "13.1.4", "PUT", TAG_ONLY, [(IUS, EARLIER)], DEFAULT, 0),
    Case("nothing to compare", "13.1.4", "PUT", NOTHING, [(IUS, EARLIER)], DEFAULT, 0),
    Case("invalid date", "13.1.4", "PUT", STRONG, [(IUS, "yesterday")], DEFAULT, 0),
    Case("two dates", "13.1.4", "PUT", STRONG, [(IUS, EARLIER), (IUS, EARLIER)], DEFAULT, 0),
    Case("a tag outweighs the date", "13.1.4", "PUT", STRONG, [(M, '"a"'), (IUS, EARLIER)],
         DEFAULT, 0),
    Case("the date cannot help a tag", "13.2.2", "PUT", STRONG, [(M, '"x"'), (IUS, LATER)],
         DEFAULT, 412, M),

    # -- step 3: If-None-Match, always by weak comparison -------------------------------------
    Case("fresh", "13.1.2", "GET", STRONG, [(N, '"a"')], DEFAULT, 304, N),
    Case("fresh, on head", "13.1.2", "HEAD", STRONG, [(N, '"a"')], DEFAULT, 304, N),
    Case("fresh, one of several", "13.1.2", "GET", STRONG, [(N, '"x", W/"a"')], DEFAULT, 304, N),
    Case("fresh, weak stored", "13.1.2", "GET", WEAK, [(N, '"a"')], DEFAULT, 304, N),
    Case("fresh, weak both", "13.1.2", "GET", WEAK, [(N, 'W/"a"')], DEFAULT, 304, N),
    Case("stale", "13.1.2", "GET", STRONG, [(N, '"x"')], DEFAULT, 0),
    Case("stale, only the case differs", "8.8.3", "GET", STRONG, [(N, '"A"')], DEFAULT, 0),
    Case("stale, the tag is a part of it", "8.8.3", "GET", STRONG, [(N, '"aa"')], DEFAULT, 0),
    Case("any, on get", "13.1.2", "GET", BARE, [(N, "*")], DEFAULT, 304, N),
    Case("any, nothing there, on get", "13.1.2", "GET", NOTHING, [(N, "*")], DEFAULT, 0),
    Case("a tag, nothing there, on get", "13.1.2", "GET", NOTHING, [(N, '"a"')], DEFAULT, 0),
    Case("a tag, only a date there", "13.1.2", "GET", DATE_ONLY, [(N, '"a"')], DEFAULT, 0),
    Case("create", "13.1.2", "PUT", NOTHING, [(N, "*")], DEFAULT, 0),
    Case("create, it exists", "13.1.2", "PUT", BARE, [(N, "*")], DEFAULT, 412, N),
    Case("write unless it is this", "13.1.2", "PUT", STRONG, [(N, '"a"')], DEFAULT, 412, N),
    Case("write unless, weakly", "13.1.2", "PUT", WEAK, [(N, '"a"')], DEFAULT, 412, N),
    Case("write unless, it is not", "13.1.2", "PUT", STRONG, [(N, '"x"')], DEFAULT, 0),
    Case("post is not safe", "13.1.2", "POST", STRONG, [(N, '"a"')], DEFAULT, 412, N),

    # -- steps 1 and 2 lead to step 3 ---------------------------------------------------------
    Case("match holds, then fresh", "13.2.2", "GET", STRONG, [(M, '"a"'), (N, '"a"')],
         DEFAULT, 304, N),
    Case("match holds, then exists", "13.2.2", "PUT", STRONG, [(M, '"a"'), (N, "*")],
         DEFAULT, 412, N),
    Case("match holds, then not this", "13.2.2", "PUT", STRONG, [(M, '"a"'), (N, '"x"')],
         DEFAULT, 0),
    Case("match fails first", "13.2.2", "GET", STRONG, [(M, '"x"'), (N, '"a"')], DEFAULT, 412, M),
    Case("unmodified, then fresh", "13.2.2", "GET", STRONG, [(IUS, SAME), (N, '"a"')],
         DEFAULT, 304, N),
    Case("modified first", "13.2.2", "GET", STRONG, [(IUS, EARLIER), (N, '"a"')],
         DEFAULT, 412, IUS),
    Case("no date, then fresh", "13.2.2", "GET", TAG_ONLY, [(IUS, EARLIER), (N, '"a"')],
         DEFAULT, 304, N),

    # -- step 4: If-Modified-Since, safe methods, only where If-None-Match is absent -----------
    Case("not modified", "13.1.3", "GET", DATE_ONLY, [(IMS, SAME)], DEFAULT, 304, IMS),
    Case("not modified, later date", "13.1.3", "HEAD", STRONG, [(IMS, LATER)], DEFAULT, 304, IMS),
    Case("modified since", "13.1.3", "GET", STRONG, [(IMS, EARLIER)], DEFAULT, 0),
    Case("ims: no date to compare", "13.1.3", "GET", TAG_ONLY, [(IMS, SAME)], DEFAULT, 0),
    Case("ims: nothing there", "13.1.3", "GET", NOTHING, [(IMS, SAME)], DEFAULT, 0),
    Case("ims: invalid", "13.1.3", "GET", STRONG, [(IMS, "0")], DEFAULT, 0),
    Case("ims: on a write", "13.1.3", "PUT", STRONG, [(IMS, SAME)], DEFAULT, 0),
    Case("ims: beside a stale tag", "13.1.3", "GET", STRONG, [(N, '"x"'), (IMS, SAME)],
         DEFAULT, 0),
    Case("ims: beside a fresh tag", "13.2.2", "GET", STRONG, [(N, '"a"'), (IMS, EARLIER)],
         DEFAULT, 304, N),
    Case("ims: after match", "13.2.2", "GET", STRONG, [(M, '"a"'), (IMS, SAME)],
         DEFAULT, 304, IMS),
    Case("ims: after unmodified", "13.2.2", "GET", STRONG, [(IUS, SAME), (IMS, SAME)],
         DEFAULT, 304, IMS),

    # -- malformed: refused on a write, harmless on a read ------------------------------------
    Case("bad match, put", "13.1.1", "PUT", STRONG, [(M, "a")], DEFAULT, 400, M),
    Case("bad match, nothing there", "13.1.1", "PUT", NOTHING, [(M, "a")], DEFAULT, 400, M),
    Case("one bad member spoils all", "13.1.1", "PUT", STRONG, [(M, '"a", b')], DEFAULT, 400, M),
    Case("any beside a tag", "13.1.1", "PUT", STRONG, [(M, '*, "a"')], DEFAULT, 400, M),
    Case("an empty match", "13.1.1", "PUT", STRONG, [(M, "")], DEFAULT, 400, M),
    Case("bad match, lenient", "13.1.1", "PUT", STRONG, [(M, "a")], LENIENT, 412, M),
    Case("bad match, get", "13.1.1", "GET", STRONG, [(M, "a")], DEFAULT, 412, M),
    Case("bad match hides a date", "13.1.1", "PUT", STRONG, [(M, "a"), (IUS, SAME)],
         DEFAULT, 400, M),
    Case("bad none-match, put", "13.1.2", "PUT", STRONG, [(N, "a")], DEFAULT, 400, N),
    Case("bad none-match, lenient", "13.1.2", "PUT", STRONG, [(N, "a")], LENIENT, 412, N),
    Case("bad none-match, get", "13.1.2", "GET", STRONG, [(N, "a")], DEFAULT, 0),
    Case("bad none-match hides a date", "13.1.3", "GET", STRONG, [(N, "a"), (IMS, SAME)],
         DEFAULT, 0),
    Case("bad none-match after a match", "13.1.2", "PUT", STRONG, [(M, '"a"'), (N, "a")],
         DEFAULT, 400, N),
    Case("bad none-match is not reached", "13.2.2", "PUT", STRONG, [(M, '"x"'), (N, "a")],
         DEFAULT, 412, M),
    Case("bad both, the first counts", "13.2.2", "PUT", STRONG, [(N, "a"), (M, "a")],
         DEFAULT, 400, M),

    # -- required (RFC 6585 section 3) --------------------------------------------------------
    Case("required, none", REQUIRES, "PUT", WEAK, [], REQUIRED, 428, M),
    Case("required, none, nothing there", REQUIRES, "PUT", NOTHING, [], REQUIRED, 428, M),
    Case("required, a tag", REQUIRES, "PUT", WEAK, [(M, 'W/"a"')], REQUIRED, 0),
    Case("required, a wrong tag", "13.1.1", "PUT", WEAK, [(M, 'W/"x"')], REQUIRED, 412, M),
    Case("required, create", REQUIRES, "PUT", NOTHING, [(N, "*")], REQUIRED, 0),
    Case("required, create, exists", "13.1.2", "PUT", WEAK, [(N, "*")], REQUIRED, 412, N),
    Case("required, a list to avoid", REQUIRES, "PUT", WEAK, [(N, '"x"')], REQUIRED, 428, M),
    Case("required, a date", REQUIRES, "PUT", WEAK, [(IUS, SAME)], REQUIRED, 428, M),
    Case("required, any", REQUIRES, "PUT", WEAK, [(M, "*")], REQUIRED, 428, M),
    Case("required, any will do", REQUIRES, "PUT", WEAK, [(M, "*")], ANY_WILL_DO, 0),
    Case("required, any beside create", REQUIRES, "PUT", WEAK, [(M, "*"), (N, "*")],
         REQUIRED, 428, M),
    Case("any will do, none", REQUIRES, "DELETE", WEAK, [], ANY_WILL_DO, 428, M),
    Case("any will do, nothing there", "13.1.1", "PUT", NOTHING, [(M, "*")], ANY_WILL_DO, 412, M),
    Case("required, malformed match", "13.1.1", "PUT", WEAK, [(M, "a")], REQUIRED, 400, M),
    Case("required, malformed create", "13.1.2", "PUT", WEAK, [(N, "a")], REQUIRED, 400, N),
    Case("required, malformed, lenient", "13.1.1", "PUT", WEAK, [(M, "a")], LENIENT_REQUIRED,
         412, M),
    Case("required, get", REQUIRES, "GET", WEAK, [], REQUIRED, 0),
    Case("required, head", REQUIRES, "HEAD", WEAK, [], REQUIRED, 0),
    Case("required, options", "13.2.1", "OPTIONS", WEAK, [], REQUIRED, 0),
    Case("required, safe post", REQUIRES, "POST", WEAK, [], REQUIRED, 0, safe=True),

    # -- a POST (or QUERY) marked as a safe read ----------------------------------------------
    Case("safe post, fresh", "13.1.2", "POST", WEAK, [(N, 'W/"a"')], DEFAULT, 304, N, safe=True),
    Case("safe post, stale", "13.1.2", "POST", WEAK, [(N, 'W/"x"')], DEFAULT, 0, safe=True),
    Case("safe post, malformed", "13.1.2", "POST", WEAK, [(N, "a")], DEFAULT, 0, safe=True),
    Case("safe post, bad match", "13.1.1", "POST", WEAK, [(M, "a")], DEFAULT, 412, M, safe=True),
    Case("safe post, date", "13.1.3", "POST", WEAK, [(IMS, SAME)], DEFAULT, 0, safe=True),
    Case("a get with effects, date", "13.1.3", "GET", WEAK, [(IMS, SAME)], DEFAULT, 0, safe=False),
    Case("safe query", "13.1.2", "QUERY", WEAK, [(N, '"a"')], DEFAULT, 304, N, safe=True),
    Case("query unmarked", "13.1.2", "QUERY", WEAK, [(N, '"a"')], DEFAULT, 412, N),
    Case("a get with effects", "13.1.2", "GET", WEAK, [(N, '"a"')], DEFAULT, 412, N, safe=False),
    Case("a get with effects, polled", "13.1.2", "GET", STRONG, [(N, '"a"')], DEFAULT, 412, N,
         safe=False),

    # -- methods that ignore all of it --------------------------------------------------------
    Case("options", "13.2.1", "OPTIONS", STRONG, [(M, '"x"'), (N, '"a"')], DEFAULT, 0),
    Case("trace", "13.2.1", "TRACE", STRONG, [(M, "a")], DEFAULT, 0),
    Case("connect", "13.2.1", "CONNECT", STRONG, [(N, "*")], DEFAULT, 0),
    Case("options, though marked", "13.2.1", "OPTIONS", STRONG, [(N, '"a"')], DEFAULT, 0,
         safe=True),
    Case("methods are case-sensitive", "9.1", "get", STRONG, [(N, '"a"')], DEFAULT, 412, N),
]
# fmt: on


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_request_is_answered_as_its_clause_says(case: Case) -> None:
    verdict = evaluate(
        case.method, Conditions.from_fields(case.fields), case.state, case.policy, safe=case.safe
    )
    assert (verdict.status, verdict.field) == (case.answer, case.by)
    if case.answer in (304, 400, 412) and case.clause.startswith("13.1"):
        assert verdict.clause == f"RFC 9110 section {case.clause}"
    if case.answer == 428:
        assert verdict.clause == REQUIRES
    assert (verdict.malformed is not None) is (
        case.answer in (400, 412)
        and any(
            name == case.by and isinstance(read(name, case.fields), MalformedField)
            for name, _ in case.fields
        )
    )


@pytest.mark.parametrize("status", [200, 201, 204, 206, 299, 412])
def test_conditions_count_where_the_answer_without_them_would_be_2xx_or_412(status: int) -> None:
    assert counts_on(status)


@pytest.mark.parametrize(
    "status", [100, 199, 300, 304, 308, 400, 401, 403, 404, 405, 410, 411, 413, 428, 500]
)
def test_conditions_are_left_out_where_the_answer_without_them_is_another(status: int) -> None:
    assert not counts_on(status)


@pytest.mark.parametrize(
    ("tag", "text"), [(ETag("a"), '"a"'), (ETag("a", weak=True), 'W/"a"'), (None, None)]
)
def test_validators_know_their_tag_as_an_etag_field_shows_it(
    tag: ETag | None, text: str | None
) -> None:
    assert Validators(tag).text == text


def read(name: str, fields: list[tuple[str, str]]) -> TagList | MalformedField | None:
    asked = Conditions.from_fields(fields)
    return {M: asked.if_match, N: asked.if_none_match}.get(name)


def test_each_case_has_a_name_of_its_own() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


def test_the_table_stands_in_the_order_of_the_rfc_and_no_arrow_leads_back() -> None:
    assert [step.field for step in STEPS.values()] == [M, IUS, N, IMS]
    assert [step.clause for step in STEPS.values()] == ["13.1.1", "13.1.4", "13.1.2", "13.1.3"]
    for at, step in STEPS.items():
        for to in (step.if_absent, step.if_holds):
            assert to is None or (to in STEPS and to > at)


def test_the_cases_walk_every_arrow_of_the_table_on_both_sides() -> None:
    """Each field decides each outcome that its row names, for reads and for writes."""
    seen = {
        (case.by, case.answer, case.safe if case.safe is not None else case.method in SAFE_METHODS)
        for case in CASES
    }
    for step in STEPS.values():
        assert (step.field, step.fails_safe.value, True) in seen
        if step.field != IMS:  # which is not judged on a write
            assert (step.field, step.fails_writing.value, False) in seen
    for refused in (M, N):
        assert (refused, 400, False) in seen
    assert (M, 428, False) in seen


tag_lists = st.one_of(
    st.none(),
    st.just("*"),
    st.lists(st.sampled_from(['"a"', 'W/"a"', '"b"']), min_size=1).map(", ".join),
    st.just("a"),
)
dates = st.none() | st.integers(0, 3)
conditions = st.builds(Conditions, tag_lists, tag_lists, dates, dates)
states = st.none() | st.builds(
    Validators, st.none() | st.builds(ETag, st.sampled_from("ab"), st.booleans()), dates
)
policies = st.builds(
    Policy, st.sampled_from(Comparison), st.booleans(), st.booleans(), st.booleans()
)
methods = st.sampled_from(["GET", "HEAD", "PUT", "PATCH", "DELETE", "POST", *IGNORING_METHODS])


@given(methods, conditions, states, policies)
def test_every_request_gets_an_answer_that_fits_its_method(
    method: str, asked: Conditions, state: Validators | None, policy: Policy
) -> None:
    outcome = evaluate(method, asked, state, policy).outcome
    if method in IGNORING_METHODS:
        assert outcome is Outcome.PROCEED
    elif method in SAFE_METHODS:
        assert outcome in (Outcome.PROCEED, Outcome.NOT_MODIFIED, Outcome.PRECONDITION_FAILED)
    else:
        assert outcome is not Outcome.NOT_MODIFIED
        assert policy.refuse_malformed or outcome is not Outcome.MALFORMED
        assert policy.required or outcome is not Outcome.PRECONDITION_REQUIRED


@given(methods, conditions, states, policies)
def test_a_write_that_proceeds_under_if_match_found_what_it_named(
    method: str, asked: Conditions, state: Validators | None, policy: Policy
) -> None:
    """The promise to a writer: with If-Match, well formed or not, no unseen state is replaced."""
    if method in IGNORING_METHODS or asked.if_match is None:
        return
    if evaluate(method, asked, state, policy).proceeds:
        assert isinstance(asked.if_match, TagList)
        assert state is not None
        if asked.if_match.members is not None:
            assert state.etag is not None
            opaque = {ETag.parse(member).opaque for member in asked.if_match.members}
            assert state.etag.opaque in opaque


@given(conditions, states)
def test_strict_never_lets_through_what_state_would_stop(
    asked: Conditions, state: Validators | None
) -> None:
    if evaluate("PUT", asked, state, Policy(Comparison.STRICT)).proceeds:
        assert evaluate("PUT", asked, state, Policy(Comparison.STATE)).proceeds


def test_a_request_without_conditions_gets_the_one_shared_verdict() -> None:
    assert evaluate("GET", Conditions(), STRONG) is PROCEED
