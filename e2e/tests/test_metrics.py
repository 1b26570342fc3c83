"""What a running server says it saved and refused is what its clients saw."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from e2e.program import API, Server

FLAGS = f"{API}/flags"
ENVIRONMENT = "/flagbit/ofrep/v1"
MEMBERS = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
def read(quartet: Server) -> Callable[..., float]:
    """The sum of the samples of a name that have those labels."""

    def sum_of(name: str, **labels: str) -> float:
        text = quartet.client().get("/metrics").text
        samples = re.findall(rf"^{name}{{(.*?)}} (\S+)$", text, re.MULTILINE)
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(float(value) for has, value in samples if all(one in has for one in wanted))

    return sum_of


def test_polls_of_a_list_save_what_it_weighs(quartet: Server, read: Callable[..., float]) -> None:
    client = quartet.client()
    quartet.new_flag("polled", description="as long as it is")
    whole = client.get(FLAGS)
    before = read("http_unsent_bytes_total")
    same = {"If-None-Match": whole.headers["ETag"]}
    assert [client.get(FLAGS, headers=same).status_code for _ in range(5)] == [304] * 5
    assert read("http_unsent_bytes_total") - before == 5 * len(whole.content)
    where = {"product": "flagbit", "route": "/api/v1/flags", "method": "GET"}
    assert read("http_requests_total", **where, status="304") == 5


def test_a_poll_of_an_sdk_is_a_post_and_saves_as_much(
    quartet: Server, read: Callable[..., float]
) -> None:
    client = quartet.client(quartet.new_key("server", "production"))
    path, asked = f"{ENVIRONMENT}/evaluate/flags", {"context": {"targetingKey": "ada"}}
    whole = client.post(path, json=asked)
    assert whole.status_code == 200, whole.text
    before = read("http_unsent_bytes_total")
    same = {"If-None-Match": whole.headers["ETag"]}
    assert client.post(path, json=asked, headers=same).status_code == 304
    assert read("http_unsent_bytes_total") - before == len(whole.content)


def test_a_change_that_came_late_and_one_without_a_condition_are_counted(
    quartet: Server, read: Callable[..., float]
) -> None:
    client = quartet.client()
    made = quartet.new_flag("edited")
    path = f"{FLAGS}/edited"
    tag = {"If-Match": made.headers["ETag"]} | MEMBERS
    assert client.patch(path, content='{"description": "mine"}', headers=tag).status_code == 200
    assert client.patch(path, content='{"description": "late"}', headers=tag).status_code == 412
    assert client.patch(path, content='{"description": "x"}', headers=MEMBERS).status_code == 428
    where = {"product": "flagbit", "route": "/api/v1/flags/{key}", "method": "PATCH"}
    found = {code: read("http_requests_total", **where, status=code) for code in ("412", "428")}
    assert found == {"412": 1, "428": 1}


def test_the_figures_need_a_key_of_no_product(quartet: Server) -> None:
    bound = quartet.new_key("read")  # FlagBit makes keys for itself
    statuses = [
        client.get("/metrics").status_code
        for client in (quartet.client(), quartet.client(bound), quartet.client("nobody's"))
    ]
    assert statuses == [200, 403, 401]
