"""The server as its users start it."""

from __future__ import annotations

from e2e.program import API, Server


def test_a_new_installation_has_two_environments(quartet: Server) -> None:
    listed = quartet.client().get(f"{API}/environments").json()
    assert [one["key"] for one in listed["items"]] == ["development", "production"]


def test_the_tag_is_what_sha256sum_says_of_the_body(quartet: Server) -> None:
    from hashlib import sha256

    quartet.new_flag("dark-mode")
    answer = quartet.client().get(f"{API}/flags/dark-mode")
    assert answer.headers["etag"] == f'W/"{sha256(answer.content).hexdigest()[:16]}"'
