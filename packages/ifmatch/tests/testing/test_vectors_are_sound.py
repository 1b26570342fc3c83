"""The vectors keep their own rules: they fit their schemas, and every clause has both sides."""

from __future__ import annotations

import doctest
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from ifmatch.testing import vectors
from ifmatch.testing.vectors import Case, cases, clauses

ROOT = Path(__file__).parents[4]
FOLDER = Path(vectors.__file__).parent
FILES = sorted(path for path in FOLDER.glob("*.json") if "schema" not in path.name)
SCHEMAS = sorted(FOLDER.glob("*schema.json"))
CASES = cases()
CLAUSES = clauses()


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def strings(value: Any) -> list[str]:
    """Every string in a JSON value, names of members included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return []


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_each_schema_is_one(path: Path) -> None:
    jsonschema_rs.meta.validate(read(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_file_fits_the_schema_that_it_names(path: Path) -> None:
    content = read(path)
    schema = jsonschema_rs.validator_for(read(FOLDER / content["$schema"]))
    found = [f"{error.instance_path}: {error.message}" for error in schema.iter_errors(content)]
    assert found == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_member_is_written_twice(path: Path) -> None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs), pairs
        return dict(pairs)

    json.loads(path.read_text("utf-8"), object_pairs_hook=once)


def test_there_are_enough_cases_and_none_is_left_out() -> None:
    written = [
        case for path in FILES if path.name != "clauses.json" for case in read(path)["cases"]
    ]
    assert written == CASES
    assert len(CASES) >= 300


def test_each_case_and_each_clause_has_an_id_of_its_own() -> None:
    named = [case["id"] for case in CASES] + [clause["id"] for clause in CLAUSES]
    assert [name for name, times in Counter(named).items() if times > 1] == []


def test_a_case_is_named_after_its_file() -> None:
    for path in FILES:
        for case in read(path).get("cases", []):
            assert case["id"].startswith(f"{path.stem}/")


def test_a_clause_is_numbered_in_its_section() -> None:
    seen: Counter[str] = Counter()
    for clause in CLAUSES:
        seen[clause["section"]] += 1
        section = clause["section"].removeprefix("RFC ").replace(" ", ".")
        assert clause["id"] == f"{section}-{seen[clause['section']]}"


def test_no_case_is_put_twice() -> None:
    first: dict[str, str] = {}
    for case in CASES:
        put = [case["given"], case.get("policy"), case.get("now"), case["request"]]
        assert first.setdefault(json.dumps(put, sort_keys=True), case["id"]) == case["id"]


def test_each_sentence_is_said_once_in_its_file() -> None:
    said = Counter((case["id"].partition("/")[0], case["says"]) for case in CASES)
    assert [sentence for sentence, times in said.items() if times > 1] == []


def test_every_string_can_travel() -> None:
    """No control characters but tabs, and nothing that is not one octet."""
    for case in CASES:
        for text in strings(case):
            assert re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", text), case["id"]


def sides() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for case in CASES:
        for name, side in case["shows"].items():
            found.setdefault(name, set()).add(side)
    return found


def test_every_clause_that_a_case_shows_exists_and_is_ours() -> None:
    status = {clause["id"]: clause["status"] for clause in CLAUSES}
    for name in sides():
        assert status[name] != "not applicable"


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause["id"])
def test_what_is_ours_is_shown_on_both_sides_or_tested_elsewhere(clause: vectors.Clause) -> None:
    if clause["status"] != "not applicable":
        assert clause["tests"] or sides().get(clause["id"]) == {"met", "edge"}


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause["id"])
def test_what_a_clause_points_to_exists(clause: vectors.Clause) -> None:
    for test in clause["tests"]:
        path, _, name = test.partition("::")
        assert re.search(rf"def {name}\(", (ROOT / path).read_text("utf-8"))
    for place in clause["where"]:
        path, _, name = place.partition(": ")
        source = ROOT / "packages/ifmatch/src/ifmatch" / path
        assert name.rpartition(".")[2] in source.read_text("utf-8")
    if "deviation" in clause:
        assert f"`{clause['deviation']}`" in (ROOT / "docs/deviations.md").read_text("utf-8")


def asks(case: Case, name: str) -> bool:
    return any(field.lower() == name.lower() for field, _ in case["request"]["fields"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_an_expectation_fits_its_request(case: Case) -> None:
    """Slips of the pen: what is typed here in two places says the same in both."""
    method, given, expect = case["request"]["method"], case["given"], case["expect"]
    policy = case.get("policy", {})
    outcome, field, status = expect["outcome"], expect["field"], expect["status"]
    safe = method in ("GET", "HEAD") or (method == "POST" and "safe" in policy)
    if field is not None and outcome != "precondition-required":
        assert asks(case, field)
    if outcome == "not-modified":
        assert safe
    if outcome in ("malformed", "precondition-required"):
        assert not safe
    if outcome == "precondition-required":
        assert policy["required"]
    if given is not None and "plain" in given:
        assert (outcome, status) == ("perform", given["plain"])
    elif outcome == "perform":
        nothing = {"PUT": 201, "GET": 404, "HEAD": 404, "PATCH": 404, "DELETE": 404}
        something = {"GET": 200, "HEAD": 200, "POST": 200}
        assert status == (nothing if given is None else something).get(method, 204)
    if given is None:
        assert method in ("PUT", "GET", "HEAD", "PATCH", "DELETE")
    if outcome == "precondition-failed":
        # Where malformed fields are not refused, it is they that fail in our cases.
        excusable = field != "If-None-Match" and policy.get("refuse_malformed", True)
        assert expect.get("excused", False) is (method == "PUT" and given is not None and excusable)
    if method == "HEAD" or outcome == "not-modified":
        assert expect.get("body", "") == ""


@pytest.mark.parametrize(
    "case", [case for case in CASES if "ranges" in case["expect"]], ids=lambda case: case["id"]
)
def test_a_part_is_a_part_of_the_content(case: Case) -> None:
    assert case["given"] is not None
    content = case["given"].get("content", "hello")
    expect = case["expect"]
    for first, last in expect["ranges"]:
        assert 0 <= first <= last < len(content)
    fields = expect.get("fields", {})
    if len(expect["ranges"]) == 1:
        [(first, last)] = expect["ranges"]
        assert expect["body"] == content[first : last + 1]
        whole = f"bytes {first}-{last}/{len(content)}"
        assert fields.get("Content-Range", whole) == whole
    else:
        assert "Content-Range" in expect["absent"]


def test_a_416_names_the_length_of_the_content() -> None:
    for case in CASES:
        if case["expect"]["status"] == 416:
            assert case["given"] is not None
            length = len(case["given"].get("content", "hello"))
            assert case["expect"]["fields"]["Content-Range"] == f"bytes */{length}"


def test_a_year_of_two_digits_comes_with_a_clock() -> None:
    for case in CASES:
        obsolete = any(
            re.search(r"day, \d\d-[A-Z][a-z]{2}-\d\d ", value)
            for _, value in case["request"]["fields"]
        )
        assert not obsolete or "now" in case, case["id"]


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(vectors).failed == 0
