"""What the description promises is what the server does: every status of every operation.

The operations and their statuses are those of the running server's descriptions. Of each status
there is a way to bring it about, and the answer has the status, the media type and the tag that
the description gives it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

import httpx
import pytest

from e2e.operations import JSON, Operation, operations, reads
from e2e.program import API, Server, serving

OWN_MEANING = {"409", "429"}
"""Statuses that a resource or the moment has its own reasons for; they have tests of their own."""

OFREP = "/flagbit/ofrep"
QUESTION = {"context": {"targetingKey": "user-1"}}

numbers = count(1)


class Customer:
    """Brings each status of an operation about."""

    def __init__(self, server: Server) -> None:
        self.server, self.client = server, server.client()
        self.reads = reads(server)
        self.other_key = server.new_key("server", "production")
        elsewhere = {"product": "flagbit", "project": "nothing"}
        made = self.client.post("/api/v1/keys", json={"owner": "a", "role": "admin"} | elsewhere)
        self.stranger = made.raise_for_status().json()["token"]
        self.there = self.names()

    def names(self) -> dict[str, list[str]]:
        """Something new for every parameter of a path; there is one project only."""
        number = next(numbers)
        flag, environment = f"flag-{number}", f"environment-{number}"
        self.server.new_flag(flag)
        content = {"key": environment, "name": "New"}
        self.client.post(f"{API}/environments", json=content).raise_for_status()
        made = self.client.post(f"{API}/keys", json={"owner": "a machine", "role": "read"})
        return {
            "key": [flag],
            "flag": [flag],
            "environment": [environment],
            "project": ["default"],
            "id": [made.raise_for_status().json()["id"]],
        }

    def ask(self, operation: Operation, status: str) -> httpx.Response:
        """A request that is answered with the status."""
        makes = status.startswith("2") and not operation.is_safe
        (path,) = operation.paths(self.names() if makes else self.there)
        fields, content = operation.edit() if not operation.is_safe else ({}, None)
        if isinstance(content, dict) and "key" in content:
            content = content | {"key": f"made-{next(numbers)}"}
        read = operation if operation.is_safe else operation.tagged(self.reads)
        (place,) = read.paths(dict(zip(_names(operation), _values(operation, path), strict=True)))
        tag = self.client.get(place).headers["etag"]
        if not operation.is_safe:
            fields |= {"If-Match": tag}
        sent: dict[str, Any] = {"json": content} if content is not None else {}
        match status:
            case "201" if operation.method == "PUT":
                path = path.rpartition("/")[0] + f"/made-{next(numbers)}"
                fields = {"If-None-Match": "*"}
            case "304":
                fields = {"If-None-Match": tag}
            case "400" if operation.is_safe:
                fields = {"X-API-Key": self.other_key}
            case "400":
                fields |= {"If-Match": "broken"}
            case "401":
                return httpx.request(operation.method, self.server.url + path, headers=fields)
            case "403":
                fields |= {"Authorization": f"Bearer {self.other_key}"}
            case "404" if "environment" in operation.parameters("query"):
                path += "?environment=nothing"
            case "404" if "{" not in operation.template:
                fields |= {"Authorization": f"Bearer {self.stranger}"}
            case "404":
                (path,) = operation.paths({name: ["nothing"] for name in self.there})
            case "412":
                fields |= {"If-Match": 'W/"another"'}
            case "413":
                sent = {"content": b" " * 1_048_577}
                fields |= {"Content-Type": JSON}
            case "415":
                sent, fields = {"content": b"text"}, fields | {"Content-Type": "text/plain"}
            case "422":
                path += "?nonsense=1"
            case "428":
                del fields["If-Match"]
        return self.client.request(operation.method, path, headers=fields, **sent)


def _names(operation: Operation) -> list[str]:
    return operation.parameters("path")


def _values(operation: Operation, path: str) -> list[list[str]]:
    """What the path has for each parameter of its operation."""
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", API + operation.template)
    found = re.fullmatch(pattern, path)
    assert found is not None
    return [[found[name]] for name in _names(operation)]


def departures(described: Mapping[str, Any], status: str, answer: httpx.Response) -> Iterator[str]:
    """What an answer has otherwise than the description says."""
    if answer.status_code != int(status):
        yield f"answered {answer.status_code}: {answer.text[:200]}"
        return
    promised = described["responses"][status]
    media_types = set(promised.get("content", ())) or {None}
    media_type = answer.headers.get("content-type")
    if int(status) not in (204, 304) and media_type not in media_types:
        yield f"is {media_type}"
    if "ETag" in promised.get("headers", ()):
        pattern = promised["headers"]["ETag"]["schema"]["pattern"]
        if not re.search(pattern, answer.headers.get("etag", "")):
            yield f"has the tag {answer.headers.get('etag')}"
    if int(status) >= 400 and media_type == "application/problem+json":
        problem = answer.json()
        if problem["status"] != int(status) or not problem["detail"]:
            yield f"says {problem}"


@pytest.fixture(scope="module")
def customer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Customer]:
    with serving(tmp_path_factory.mktemp("data")) as server:
        yield Customer(server)
        assert "Traceback" not in server.log.read_text()


def test_every_status_that_an_operation_promises_can_be_had(customer: Customer) -> None:
    asked = 0
    wrong = []
    for operation in operations(customer.server):
        for status in set(operation.described["responses"]) - OWN_MEANING:
            answer = customer.ask(operation, status)
            said = departures(operation.described, status, answer)
            wrong += [f"{operation}, {status}: {one}" for one in said]
            asked += 1
    assert wrong == []
    assert asked > 150


def test_head_is_answered_as_get_without_its_content(customer: Customer) -> None:
    for operation in customer.reads:
        (path,) = operation.paths(customer.there)
        got, head = customer.client.get(path), customer.client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == got.headers["etag"]
        assert head.headers["content-length"] == str(len(got.content))


# -- OFREP ----------------------------------------------------------------------------------------

Request = Callable[[Customer, str], httpx.Response]


def evaluate(customer: Customer, path: str, key: str | None = None, **sent: Any) -> httpx.Response:
    fields = {"Authorization": f"Bearer {key or customer.other_key}"} | sent.pop("headers", {})
    sent = sent or {"json": QUESTION}
    return httpx.post(customer.server.url + OFREP + path, headers=fields, **sent)


def unchanged(customer: Customer, path: str) -> httpx.Response:
    tag = evaluate(customer, path).headers["etag"]
    return evaluate(customer, path, headers={"If-None-Match": tag})


EVALUATED: dict[str, Request] = {
    "200": evaluate,
    "304": unchanged,
    "400": lambda customer, path: evaluate(customer, path, json={"context": 1}),
    "401": lambda customer, path: evaluate(customer, path, "x" * 40),
    "403": lambda customer, path: evaluate(customer, path, customer.server.admin_key),
    "404": lambda customer, path: evaluate(customer, f"{path}-nothing"),
    "412": lambda customer, path: evaluate(customer, path, headers={"If-Match": '"other"'}),
    "413": lambda customer, path: evaluate(customer, path, json={"a": "x" * 70_000}),
    "415": lambda customer, path: evaluate(customer, path, content=b"text"),
}


def test_every_status_that_evaluation_promises_can_be_had(customer: Customer) -> None:
    document = httpx.get(f"{customer.server.url}{OFREP}/openapi.json").json()
    customer.server.new_flag("evaluated")
    wrong = []
    for template, methods in document["paths"].items():
        for status in set(methods["post"]["responses"]) - OWN_MEANING:
            answer = EVALUATED[status](customer, template.format(key="evaluated"))
            said = departures(methods["post"], status, answer)
            wrong += [f"{template}, {status}: {one}" for one in said]
    assert wrong == []
