"""Fields of every answer: ours are added, an application's own stay."""

from __future__ import annotations

from typing import Any

from chassis.headers import CONTENT_SECURITY_POLICY, request_id, with_security

CSP, NOSNIFF = b"content-security-policy", b"x-content-type-options"


def test_an_answer_with_its_own_policy_keeps_it() -> None:
    """What was captured from strangers is shown under a stricter one."""
    own = {"type": "http.response.start", "status": 200, "headers": [(CSP, b"sandbox")]}
    fields = with_security(own, "1")["headers"]
    assert [value for name, value in fields if name == CSP] == [b"sandbox"]
    assert (NOSNIFF, b"nosniff") in fields


def test_the_application_s_own_message_is_left_alone() -> None:
    own = {"type": "http.response.start", "status": 200, "headers": ()}
    fields = with_security(own, "1")["headers"]
    assert (CSP, CONTENT_SECURITY_POLICY.encode()) in fields
    assert own["headers"] == ()
    assert with_security({"type": "http.response.start", "status": 200}, "1")["headers"] == fields


def test_requests_have_different_numbers_that_stay() -> None:
    one: dict[str, Any] = {"headers": []}
    two: dict[str, Any] = {"headers": []}
    assert request_id(one) == request_id(one) != request_id(two)
