"""The vectors' states and settings as the library's own values."""

from __future__ import annotations

from ifmatch.core.conditions import Comparison
from ifmatch.core.decide import Policy, Validators
from ifmatch.core.etag import ETag
from ifmatch.core.httpdate import parse_http_date
from ifmatch.core.verdict import Outcome
from ifmatch.testing.vectors import Case

NAMES = {
    Outcome.PROCEED: "perform",
    Outcome.PARTIAL_CONTENT: "partial",
    Outcome.NOT_MODIFIED: "not-modified",
    Outcome.MALFORMED: "malformed",
    Outcome.PRECONDITION_FAILED: "precondition-failed",
    Outcome.RANGE_NOT_SATISFIABLE: "range-not-satisfiable",
    Outcome.PRECONDITION_REQUIRED: "precondition-required",
}
"""What the vectors call each outcome."""

CONTENT = "hello"


def policy_of(case: Case) -> Policy:
    """How the resource reads conditions."""
    asked = case.get("policy", {})
    return Policy(
        Comparison(asked.get("comparison", "strict")),
        required=asked.get("required", False),
        any_satisfies=asked.get("any_satisfies", False),
        refuse_malformed=asked.get("refuse_malformed", True),
    )


def validators_of(case: Case) -> Validators | None:
    """What the current representation is known by; None where there is none."""
    given = case["given"]
    if given is None:
        return None
    etag = ETag.parse(given["etag"]) if "etag" in given else None
    modified = None
    if "last_modified" in given:
        modified = parse_http_date(given["last_modified"])
        assert modified is not None
    return Validators(etag, modified, given.get("last_modified_strong", False))


def content_of(case: Case) -> bytes:
    """The bytes of the representation."""
    return (case["given"] or {}).get("content", CONTENT).encode("ascii")


def plain_status(case: Case) -> int:
    """What the same request is answered without its conditions; 200 for any success."""
    if case["given"] is None and (is_read(case) or case["request"]["method"] in _NEEDS_A_RESOURCE):
        return 404
    return (case["given"] or {}).get("plain", 200)


_NEEDS_A_RESOURCE = ("DELETE", "PATCH")


def now_of(case: Case) -> int | None:
    """The instant on the server's clock, where the case depends on it."""
    return parse_http_date(case["now"]) if "now" in case else None


def is_read(case: Case) -> bool:
    """GET, HEAD, and what is marked as a read."""
    return case["request"]["method"] in ("GET", "HEAD") or case.get("policy", {}).get("safe", False)
