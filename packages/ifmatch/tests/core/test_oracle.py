"""The library decides as a second opinion does, which was typed from the RFC and shares no code.

First the oracle itself is held to examples by hand, most of them the RFC's own. Then the generator
is held to its spread, and to telling a wrong evaluator from a right one. Then the two are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from ifmatch.core.conditions import Conditions
from ifmatch.core.decide import evaluate
from ifmatch.core.ranges import select
from ifmatch.core.verdict import Outcome
from packages.ifmatch.tests.core import oracle
from packages.ifmatch.tests.core.oracle import OUTCOMES, Answer, Settings, State, judge
from packages.ifmatch.tests.core.requests import Example, generated
from packages.ifmatch.tests.core.translation import translated

SEED = 9110
FEW, MANY = 5_000, 100_000

# -- the oracle by itself ---------------------------------------------------------------------

NOW = 1_790_000_000  # in September 2026
MODIFIED = 784_111_777
SAME = "Sun, 06 Nov 1994 08:49:37 GMT"
OTHER = "Sat, 29 Oct 1994 19:43:31 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"

M, N = "If-Match", "If-None-Match"
IMS, IUS, IR = "If-Modified-Since", "If-Unmodified-Since", "If-Range"

XYZZY = State('"xyzzy"', MODIFIED, last_modified_strong=True, length=10_000)
WEAK = State('W/"1"', MODIFIED, length=10_000)
ONE = State('"1"')
DEFAULT = Settings()
REQUIRED = Settings(required=True)

Fields = list[tuple[str, str]]

# Each: the clause and what it is about, then the method, the fields, the state, the settings, and
# the outcome.
BY_HAND: list[tuple[str, str, Fields, State | None, Settings, str]] = [
    ("13.1.1 one tag", "PUT", [(M, '"xyzzy"')], XYZZY, DEFAULT, "perform"),
    (
        "13.1.1 a list",
        "PUT",
        [(M, '"c3piozzzz", "r2d2xxxx", "xyzzy"')],
        XYZZY,
        DEFAULT,
        "perform",
    ),
    ("13.1.1 no match", "PUT", [(M, '"r2d2xxxx"')], XYZZY, DEFAULT, "precondition-failed"),
    ("13.1.1 a star", "PUT", [(M, "*")], XYZZY, DEFAULT, "perform"),
    ("13.1.1 a star and nothing", "PUT", [(M, "*")], None, DEFAULT, "precondition-failed"),
    ("13.1.1 a star in a list", "PUT", [(M, '*, "xyzzy"')], XYZZY, DEFAULT, "malformed"),
    ("13.1.1 on a GET", "GET", [(M, '"r2d2xxxx"')], XYZZY, DEFAULT, "precondition-failed"),
    ("8.8.3.2 weak, weak", "PUT", [(M, 'W/"1"')], WEAK, DEFAULT, "precondition-failed"),
    ("8.8.3.2 weak, strong", "PUT", [(M, 'W/"1"')], ONE, DEFAULT, "precondition-failed"),
    ("8.8.3.2 weakly, weak, strong", "GET", [(N, 'W/"1"')], ONE, DEFAULT, "not-modified"),
    ("8.8.3.2 weakly, weak, other", "GET", [(N, 'W/"2"')], WEAK, DEFAULT, "perform"),
    (
        "13.1.1 by the state",
        "PUT",
        [(M, '"1"')],
        WEAK,
        Settings(state_comparison=True),
        "perform",
    ),
    ("13.1.2 revalidation", "GET", [(N, 'W/"a", W/"xyzzy"')], XYZZY, DEFAULT, "not-modified"),
    ("13.1.2 on a write", "PUT", [(N, '"xyzzy"')], XYZZY, DEFAULT, "precondition-failed"),
    ("13.1.2 create, there", "PUT", [(N, "*")], XYZZY, DEFAULT, "precondition-failed"),
    ("13.1.2 create, nothing", "PUT", [(N, "*")], None, DEFAULT, "perform"),
    ("13.1.3 not modified", "GET", [(IMS, SAME)], XYZZY, DEFAULT, "not-modified"),
    ("13.1.3 modified", "GET", [(IMS, OTHER)], XYZZY, DEFAULT, "perform"),
    ("13.1.3 not on a write", "PUT", [(IMS, SAME)], XYZZY, DEFAULT, "perform"),
    ("13.1.3 tags are better", "GET", [(N, '"a"'), (IMS, SAME)], XYZZY, DEFAULT, "perform"),
    (
        "13.1.3 also where they are broken",
        "GET",
        [(N, "a"), (IMS, SAME)],
        XYZZY,
        DEFAULT,
        "perform",
    ),
    ("13.1.3 two dates", "GET", [(IMS, SAME), (IMS, SAME)], XYZZY, DEFAULT, "perform"),
    ("13.1.4 modified", "PUT", [(IUS, OTHER)], XYZZY, DEFAULT, "precondition-failed"),
    ("13.1.4 not modified", "PUT", [(IUS, SAME)], XYZZY, DEFAULT, "perform"),
    ("13.1.4 tags are better", "PUT", [(M, '"xyzzy"'), (IUS, OTHER)], XYZZY, DEFAULT, "perform"),
    ("13.1.4 no date to compare", "PUT", [(IUS, OTHER)], ONE, DEFAULT, "perform"),
    ("13.2.1 OPTIONS", "OPTIONS", [(M, '"a"'), (N, "*")], XYZZY, REQUIRED, "perform"),
    (
        "13.2.2 both steps",
        "GET",
        [(M, "*"), (N, '"xyzzy"')],
        XYZZY,
        DEFAULT,
        "not-modified",
    ),
    ("6585 3 unconditional", "PUT", [], XYZZY, REQUIRED, "precondition-required"),
    ("6585 3 any state", "PUT", [(M, "*")], XYZZY, REQUIRED, "precondition-required"),
    ("6585 3 a reader", "GET", [], XYZZY, REQUIRED, "perform"),
]


@pytest.mark.parametrize(
    ("method", "fields", "state", "settings", "outcome"),
    [case[1:] for case in BY_HAND],
    ids=[case[0] for case in BY_HAND],
)
def test_the_oracle_answers_the_examples_of_the_rfc(
    method: str, fields: Fields, state: State | None, settings: Settings, outcome: str
) -> None:
    assert judge(method, fields, state, settings, NOW).outcome == outcome


@pytest.mark.parametrize(
    ("value", "ranges"),
    [
        ("bytes=0-499", [(0, 499)]),
        ("bytes=500-999", [(500, 999)]),
        ("bytes=-500", [(9500, 9999)]),
        ("bytes=9500-", [(9500, 9999)]),
        ("bytes=0-0,-1", [(0, 0), (9999, 9999)]),
        ("bytes= 0-999, 4500-5499, -1000", [(0, 999), (4500, 5499), (9000, 9999)]),
        ("bytes=500-600,601-999", [(500, 999)]),
        ("bytes=500-700,601-999", [(500, 999)]),
        ("bytes=-20000", [(0, 9999)]),
        ("bytes=9000-20000, 10000-", [(9000, 9999)]),
        ("bytes=200-299, 5000-5001, 0-120", [(0, 299), (5000, 5001)]),
        ("bytes=200-299, 0-119", [(200, 299), (0, 119)]),
    ],
)
def test_the_oracle_finds_the_ranges_of_14_1_2(value: str, ranges: list[tuple[int, int]]) -> None:
    answer = judge("GET", [("Range", value)], XYZZY, DEFAULT, NOW)
    assert answer == Answer("partial", "Range", ranges)


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ([("Range", "bytes=10000-")], "range-not-satisfiable"),
        ([("Range", "bytes=-0, 20000-20001")], "range-not-satisfiable"),
        ([("Range", "bytes=5-2")], "perform"),
        ([("Range", "seconds=0-1")], "perform"),
        ([("Range", "bytes=0-1"), (IR, '"xyzzy"')], "partial"),
        ([("Range", "bytes=0-1"), (IR, 'W/"xyzzy"')], "perform"),
        ([("Range", "bytes=0-1"), (IR, SAME)], "partial"),
        ([("Range", "bytes=0-1"), (IR, LATER)], "perform"),
        ([("Range", "bytes=10000-"), (IR, '"old"')], "perform"),
        ([("Range", "bytes=0-1"), (N, '"xyzzy"')], "not-modified"),
        ([("Range", "bytes=0-1"), (M, '"old"')], "precondition-failed"),
    ],
)
def test_the_oracle_weighs_if_range_last(fields: Fields, outcome: str) -> None:
    assert judge("GET", fields, XYZZY, DEFAULT, NOW).outcome == outcome


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", MODIFIED),
        ("Sunday, 06-Nov-94 08:49:37 GMT", MODIFIED),
        ("Sun Nov  6 08:49:37 1994", MODIFIED),
        ("Sun Nov 06 08:49:37 1994", MODIFIED),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
        ("Thursday, 01-Jan-70 00:00:00 GMT", 3_155_760_000),
        ("Saturday, 06-Nov-76 08:49:37 GMT", 216_118_177),
        ("sun, 06 Nov 1994 08:49:37 GMT", None),
        ("Sun, 6 Nov 1994 08:49:37 GMT", None),
        ("Wed, 29 Feb 2023 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 24:00:00 GMT", None),
        ("Sun, 06 Nov 0000 08:49:37 GMT", None),
    ],
)
def test_the_oracle_reads_the_three_forms_of_5_6_7(text: str, seconds: int | None) -> None:
    assert oracle.http_date(text, NOW) == seconds


@pytest.mark.parametrize(
    ("value", "members"),
    [
        ('"foo","bar"', 2),
        ('"foo" ,"bar",', 2),
        ('"foo" , ,"bar","charlie"', 3),
        ('"a,b"', 1),
        ("", 0),
        (",", 0),
        (",   ,", 0),
        ('"a" "b"', 0),
    ],
)
def test_the_oracle_reads_lists_as_5_6_1_2_does(value: str, members: int) -> None:
    assert len(oracle.list_of_entity_tags(value)) == members


# -- the generator ----------------------------------------------------------------------------


def spread(examples: list[Example]) -> dict[str, float]:
    """How often each outcome comes, in percent."""
    counted = Counter(judge(*example).outcome for example in examples)
    return {outcome: 100 * counted[outcome] / len(examples) for outcome in OUTCOMES}


@pytest.mark.parametrize("count", [20_000, pytest.param(MANY, marks=pytest.mark.full)])
def test_every_outcome_comes_often(count: int) -> None:
    found = spread(list(generated(count, SEED)))
    rare = {"precondition-required": 1, "malformed": 1}
    missing = {name: share for name, share in found.items() if share < rare.get(name, 2)}
    assert not missing


def test_the_same_seed_makes_the_same_examples_and_they_can_be_pasted() -> None:
    for one, other in zip(generated(200, SEED), generated(200, SEED), strict=True):
        assert one == other
        assert eval(repr(one)) == one


def no_fold(text: str, now: int) -> int | None:
    """Two-digit years as POSIX reads them, whatever the clock says."""
    date = oracle.imf_fixdate(text) or oracle.asctime_date(text)
    return date or oracle.rfc850_date(text, now=0)


def every_line_for_itself(fields: Fields, name: str) -> str:
    return oracle.field_lines(fields, name)[-1]


def without_obs_text(char: str) -> bool:
    return char == "!" or "#" <= char <= "~"


def with_any_text(char: str) -> bool:
    return char == "!" or char >= "#"


def always(*_: object) -> bool:
    return True


def never(*_: object) -> bool:
    return False


# Mistakes that evaluators make: a rule of the oracle, and what a wrong one has in its place.
MISTAKES: list[tuple[str, object]] = [
    ("strong_comparison", oracle.weak_comparison),
    ("weak_comparison", oracle.strong_comparison),
    ("is_etagc", without_obs_text),
    ("is_etagc", with_any_text),
    ("is_malformed_tags", never),
    ("without_ows", str.strip),
    ("field_value", every_line_for_itself),
    ("if_match", always),
    ("if_none_match", always),
    ("if_modified_since", always),
    ("if_unmodified_since", always),
    ("if_range", always),
    ("if_range", never),
    ("is_conditional_enough", never),
    ("imf_fixdate", never),
    ("asctime_date", lambda _: None),
    ("rfc850_date", lambda _text, _now: None),
    ("http_date", no_fold),
    ("SMALLEST_GAP", 79),
    ("SMALLEST_GAP", 81),
    ("MOST_RANGES", 99),
    ("MOST_RANGES", 101),
    ("coalesced", sorted),
]


@pytest.mark.parametrize(
    ("rule", "mistake"), MISTAKES, ids=[f"{rule} {n}" for n, (rule, _) in enumerate(MISTAKES)]
)
def test_a_mistake_would_be_noticed(
    rule: str, mistake: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The examples are interesting: a wrong rule answers at least one of them differently."""
    examples = list(generated(FEW, SEED))
    right = [judge(*example) for example in examples]
    monkeypatch.setattr(oracle, rule, mistake)
    assert any(judge(*e) != answer for e, answer in zip(examples, right, strict=True))


# -- the two of them --------------------------------------------------------------------------

NAMES = {
    Outcome.PROCEED: "perform",
    Outcome.NOT_MODIFIED: "not-modified",
    Outcome.PRECONDITION_FAILED: "precondition-failed",
    Outcome.PRECONDITION_REQUIRED: "precondition-required",
    Outcome.MALFORMED: "malformed",
    Outcome.PARTIAL_CONTENT: "partial",
    Outcome.RANGE_NOT_SATISFIABLE: "range-not-satisfiable",
}


def library(example: Example) -> Answer:
    """What the library does with the example, in the words of the oracle."""
    method, fields, current, policy, more = translated(example)
    conditions = Conditions.from_fields(fields, now=more["now"])
    verdict = evaluate(method, conditions, current, policy, safe=more["safe"])
    answer = Answer(NAMES[verdict.outcome], verdict.field)
    if not verdict.proceeds or current is None or more["length"] is None:
        return answer
    selection = select(method, conditions, current, more["length"])
    if selection.outcome is Outcome.PROCEED:
        return answer
    ranges = [(first, last) for first, last in selection.ranges]
    return Answer(NAMES[selection.outcome], "Range", ranges)


def disagreement(example: Example) -> str | None:
    """The example and both answers, to be pasted into a test; None if the two agree."""
    expected = judge(*example)
    try:
        found: object = library(example)
    except Exception as error:
        found = error
    if found == expected:
        return None
    return f"{example!r}\n    the oracle:  {expected!r}\n    the library: {found!r}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.full)])
def test_the_library_and_the_oracle_agree(
    count: int, record_property: Callable[[str, object], None]
) -> None:
    examples = list(generated(count, SEED))
    found = [text for example in examples if (text := disagreement(example))]
    agreed = f"{count - len(found):,} of {count:,}"
    shares = ", ".join(f"{name} {share:.1f} %" for name, share in spread(examples).items())
    record_property("figure", f"the oracle agrees on {agreed} requests ({shares})")
    if found:
        # The shortest say it best.
        shown = "\n".join(sorted(found, key=len)[:5])
        pytest.fail(f"agreed on {agreed}; the shortest disagreements:\n{shown}", pytrace=False)
