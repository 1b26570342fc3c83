"""Every error has one shape, says the next step, and gives nothing away."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from starlette.testclient import TestClient

from chassis.problems import Problem
from chassis.validation import AT_MOST

Json = dict[str, Any]

# id, method, path, what is sent, status, slug, and what else has to be in it
CASES: list[tuple[str, str, str, Json, int, str, Json]] = [
    ("ours", "GET", "/notebook/fail/problem", {}, 409, "cannot-now", {"until": "noon"}),
    ("no route", "GET", "/notebook/nowhere", {}, 404, "not-found", {}),
    ("no product", "GET", "/nowhere", {}, 404, "not-found", {}),
    ("no asset", "GET", "/assets/nowhere", {}, 404, "not-found", {}),
    ("method", "PATCH", "/notebook/whoami", {}, 405, "method-not-allowed", {}),
    ("no key", "GET", "/notebook/whoami", {}, 401, "not-authenticated", {}),
    ("validation", "POST", "/notebook/orders", {"json": {}}, 422, "validation-failed", {}),
    (
        "broken JSON",
        "POST",
        "/notebook/orders",
        {"content": '{\n "name": }', "headers": {"Content-Type": "application/json"}},
        422,
        "malformed-json",
        {"line": 2, "column": 10},
    ),
    (
        "no UTF-8",
        "POST",
        "/notebook/orders",
        {"content": b'"\xff"', "headers": {"Content-Type": "application/json"}},
        422,
        "malformed-json",
        {},
    ),
    (
        "nested too deeply",
        "POST",
        "/notebook/orders",
        {"content": b"[" * 200_000, "headers": {"Content-Type": "application/json"}},
        422,
        "malformed-json",
        {},
    ),
    ("conflict", "GET", "/notebook/fail/conflict", {}, 412, "precondition-failed", {}),
    ("database", "GET", "/notebook/fail/database", {}, 503, "database-unavailable", {}),
    ("unforeseen", "GET", "/notebook/fail/unforeseen", {}, 500, "internal-error", {}),
]


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "slug", "members"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_every_error_is_a_problem_that_is_not_stored(
    client: TestClient, method: str, path: str, sent: Json, status: int, slug: str, members: Json
) -> None:
    answer = client.request(method, path, **sent)
    problem = answer.json()
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert problem["type"] == f"urn:ifmatch:problem:{slug}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"].strip()[-1] in '.:"' or "If-Match" in problem["detail"]
    assert problem.items() >= members.items()


def test_a_missing_thing_is_404(client: TestClient, admin: dict[str, str]) -> None:
    answer = client.delete("/notebook/notes/gone", headers=admin)
    assert (answer.status_code, answer.json()["title"]) == (404, "Not found")


def test_a_conflict_carries_the_current_tag(client: TestClient) -> None:
    answer = client.get("/notebook/fail/conflict")
    assert answer.headers["etag"] == answer.json()["etag"] == 'W/"now"'


def test_405_names_every_method_of_the_address(client: TestClient) -> None:
    assert client.post("/notebook/notes/x").headers["allow"] == "DELETE, PUT"
    assert client.put("/sign-in").headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/notebook/whoami/", "/notebook/notes/x/", "/sign-in/"])
def test_a_slash_too_many_leads_nowhere_whatever_host_is_named(
    client: TestClient, method: str, path: str
) -> None:
    """Starlette would answer with a Location that has the request's Host."""
    answer = client.request(method, path, headers={"Host": "evil.example"})
    assert answer.status_code == 404
    assert "location" not in answer.headers
    assert "evil.example" not in answer.text
    assert answer.json()["detail"].endswith("Check the path, and the slash at its end.")


def test_a_status_without_a_type_of_ours_is_about_blank(client: TestClient) -> None:
    """RFC 9457 section 4.2.1: the status says it all, and its phrase is the title."""
    answer = client.get("/notebook/fail/teapot")
    assert answer.json() == {
        "type": "about:blank",
        "title": "I'm a Teapot",
        "status": 418,
        "detail": "Correct the request and try again.",
    }
    assert answer.headers["x-pot"] == "short"  # those of the raised error are kept
    assert "link" not in answer.headers


def test_what_nobody_foresaw_says_a_number_and_is_logged_under_it(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get("/notebook/fail/unforeseen")
    assert "hunter2" not in answer.text
    number = answer.json()["request"]
    assert number == answer.headers["x-request-id"]
    (record,) = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert number in record.getMessage()
    assert record.exc_info is not None


def test_half_an_answer_does_not_look_whole(client: TestClient) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        client.get("/notebook/half")


def test_a_failed_statement_is_logged_without_its_parameters(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get("/notebook/fail/database")
    assert "hunter2" not in answer.text + caplog.text
    assert answer.headers["retry-after"] == "1"


# -- validation ---------------------------------------------------------------------------------


def errors(client: TestClient, body: Any, query: str = "") -> list[Json]:
    answer = client.post(f"/notebook/orders{query}", json=body)
    assert answer.status_code == 422
    found: list[Json] = answer.json()["errors"]
    return found


def test_each_field_is_named_with_its_remedy(client: TestClient) -> None:
    body = {"colour": "red", "shapes": [{"kind": "circle", "radius": "wide"}]}
    found = {one["pointer"]: one["detail"] for one in errors(client, body)}
    assert found == {
        "/name": "It is missing. Add it.",
        "/shapes/0/radius": ("It should be a valid integer, unable to parse string as an integer."),
        "/colour": "It is not known here. Remove it, or correct its name.",
    }


def test_a_missing_field_of_a_union_is_named_without_the_union(client: TestClient) -> None:
    (one,) = errors(client, {"name": "a", "shapes": [{"kind": "square"}]})
    assert one == {"pointer": "/shapes/0/side", "detail": "It is missing. Add it."}


def test_an_unknown_member_of_a_union_is_not_repeated(client: TestClient) -> None:
    (one,) = errors(client, {"name": "a", "shapes": [{"kind": "hunter2"}]})
    assert one["pointer"] == "/shapes/0"
    assert one["detail"] == "'kind' should be one of 'circle', 'square'."


def test_our_own_validators_speak_for_themselves(client: TestClient) -> None:
    (one,) = errors(client, {"name": "a b"})
    assert one == {"pointer": "/name", "detail": "It has a space. Use a name without."}


def test_a_query_parameter_is_named_as_one(client: TestClient) -> None:
    (one,) = errors(client, {"name": "a"}, "?limit=11")
    assert one == {
        "in": "query",
        "name": "limit",
        "detail": "It should be less than or equal to 10.",
    }


def test_no_body_at_all_is_the_empty_pointer(client: TestClient) -> None:
    answer = client.post("/notebook/orders")
    assert answer.json()["errors"] == [{"pointer": "", "detail": "It is missing. Add it."}]


def test_what_was_sent_is_never_repeated(client: TestClient) -> None:
    huge = "hunter2" * 10_000
    answer = client.post("/notebook/orders", json={"name": huge, "password": huge, huge: 1})
    assert len(answer.content) < 2000
    assert '"password"' not in answer.text.replace("/password", "")
    assert "hunter2hunter2" not in answer.json()["errors"][0]["detail"]


def test_a_flood_of_errors_is_cut_and_counted(client: TestClient) -> None:
    answer = client.post("/notebook/orders", json={"name": "a"} | {f"x{i}": i for i in range(50)})
    problem = answer.json()
    assert len(problem["errors"]) == AT_MOST
    assert problem["more"] == 50 - AT_MOST


def test_a_pointer_escapes_what_it_must(client: TestClient) -> None:
    (one,) = errors(client, {"name": "a", "x/y~z": 1})
    assert one["pointer"] == "/x~1y~0z"


def test_plain_code_can_send_a_problem_itself() -> None:
    answer = Problem(404, "no-bin", "No bin. Make one.", headers={"X-A": "b"}, bin="x").response()
    assert answer.status_code == 404
    assert answer.headers["x-a"] == "b"
    assert answer.body == (
        b'{"type":"urn:ifmatch:problem:no-bin","title":"No bin","status":404,'
        b'"detail":"No bin. Make one.","bin":"x"}'
    )
