"""A FlagBit of one flag, in memory, to which anything can happen between two requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from flagbit.client.http import Api
from ifmatch import state_tag

PROBLEM = "application/problem+json"
NOW = "2026-11-22T12:00:00.000Z"
Hook = Callable[[], httpx.Response | None]


class Origin:
    """Holds the flag `size`. `before_writes` are called one by one, before each write.

    Such a hook may change the flag as somebody else, answer in the flag's place, or raise. Hooks of
    `after_writes` stand between a write that is done and its answer.
    """

    def __init__(self) -> None:
        self.flag: dict[str, Any] | None = {
            "key": "size",
            "type": "integer",
            "description": "",
            "tags": ["ui"],
            "variants": {"a": 1},
            "default_variant": "a",
            "revision": 1,
        }
        self.audit: list[dict[str, Any]] = []
        self.before_writes: list[Hook] = []
        self.after_writes: list[Hook] = []
        self.writes: list[httpx.Request] = []
        self._note("Ada", "created", None)

    def api(self, **options: Any) -> Api:
        return Api("http://flagbit.test", "key", transport=httpx.MockTransport(self), **options)

    @property
    def tag(self) -> str:
        return "" if self.flag is None else str(state_tag(self.flag))

    def become(self, by: str = "Grace", **values: Any) -> None:
        """Somebody changes the flag."""
        before = self.flag
        assert before is not None
        self.flag = before | values | {"revision": before["revision"] + 1}
        self._note(by, "changed", before)

    def vanish(self, by: str = "Grace") -> None:
        """Somebody deletes the flag."""
        before, self.flag = self.flag, None
        self._note(by, "deleted", before)

    def _note(self, by: str, action: str, before: Any) -> None:
        entry: dict[str, Any] = {"actor": by, "at": NOW, "action": action, "kind": "flag"}
        entry |= {
            "environment": None,
            "before": before,
            "after": self.flag,
            "etag": self.tag or None,
        }
        self.audit.insert(0, entry)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/audit":
            start = int(request.url.params.get("cursor", 0))
            more = start + 2 < len(self.audit)
            page = {
                "items": self.audit[start : start + 2],
                "next": str(start + 2) if more else None,
            }
            return httpx.Response(200, json=page)
        assert request.url.path == "/api/v1/flags/size"
        if request.method == "GET":
            return self._answer()
        self.writes.append(request)
        answer = self.before_writes.pop(0)() if self.before_writes else None
        answer = answer or self._written(request)
        instead = self.after_writes.pop(0)() if self.after_writes else None
        return instead or answer

    def _written(self, request: httpx.Request) -> httpx.Response:
        create = request.headers.get("if-none-match") == "*"
        if self.flag is None and not create:
            return problem(404, "flag-not-found", "There is no flag size.")
        if (self.flag is not None) if create else (request.headers["if-match"] != self.tag):
            return self.refusal()
        if request.method == "DELETE":
            self.vanish("me")
            return httpx.Response(204)
        content = json.loads(request.content)
        if self.flag is None:
            self.flag = {"archived": False, "revision": 1} | content
            self._note("me", "created", None)
        else:
            content.pop("revision", None)
            self.become("me", **content)
        return self._answer()

    def refusal(self) -> httpx.Response:
        """412, which says who made the last change."""
        last = {"by": self.audit[0]["actor"], "at": NOW, "action": self.audit[0]["action"]}
        return problem(412, "precondition-failed", "It was changed.", last_change=last)

    def _answer(self) -> httpx.Response:
        if self.flag is None:
            return problem(404, "flag-not-found", "There is no flag size.")
        return httpx.Response(200, json=self.flag, headers={"ETag": self.tag})


def problem(status: int, slug: str, detail: str, **more: Any) -> httpx.Response:
    content = {"type": f"urn:ifmatch:problem:{slug}", "status": status, "detail": detail} | more
    return httpx.Response(status, content=json.dumps(content), headers={"Content-Type": PROBLEM})


@pytest.fixture
def origin() -> Origin:
    return Origin()
