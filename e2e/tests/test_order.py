"""What is judged when: who asks, for what, under which condition, and only then the content.

Over bare sockets, because what matters is what was not asked for. A client that sends
`Expect: 100-continue` gets no 100 Continue before its refusal; a client that announces two
megabytes and never sends them has its answer at once.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from e2e.operations import FLAG, JSON, MERGE_PATCH, STATE, edits, guarding_address
from e2e.program import API, Server, serving
from e2e.wire import Answer, Fields, ask, exchange, head, until_closed

AT_ONCE = 5.0
"""Seconds: long enough for a busy machine, far too short for somebody who waits for content."""

LARGE = 2_000_000

CONTENTS = {
    "broken JSON": (JSON, b'{"enabled": tru'),
    "a wrong type": (JSON, b'{"enabled": 17, "name": [], "variants": "x", "owner": null}'),
    "another media type": ("text/plain", b"hello"),
    "two megabytes": (JSON, b'"' + b"x" * (LARGE - 2) + b'"'),
}

STATE_PATH = f"{API}/flags/order/environments/production"
ROUTES: dict[str, tuple[str, str, str | None]] = {
    # name: method, an address where there is something, one where there is nothing
    "POST flag": ("POST", f"{API}/flags", None),
    "PUT flag": ("PUT", f"{API}/flags/order", f"{API}/flags/nothing"),
    "PATCH flag": ("PATCH", f"{API}/flags/order", f"{API}/flags/nothing"),
    "DELETE flag": ("DELETE", f"{API}/flags/order", f"{API}/flags/nothing"),
    "PUT state": ("PUT", STATE_PATH, f"{API}/flags/nothing/environments/production"),
    "PATCH state": ("PATCH", STATE_PATH, f"{API}/flags/order/environments/nowhere"),
    "toggle state": ("POST", f"{STATE_PATH}/toggle", f"{API}/flags/x/environments/y/toggle"),
    "POST environment": ("POST", f"{API}/environments", None),
    "PUT environment": ("PUT", f"{API}/environments/order", f"{API}/environments/nowhere"),
    "PATCH environment": ("PATCH", f"{API}/environments/order", f"{API}/environments/nowhere"),
    "DELETE environment": ("DELETE", f"{API}/environments/order", f"{API}/environments/nowhere"),
    "PUT project": ("PUT", f"{API}/projects/default", f"{API}/projects/nothing"),
    "PATCH project": ("PATCH", f"{API}/projects/default", f"{API}/projects/nothing"),
    "import project": ("POST", f"{API}/import", None),
    "POST key": ("POST", f"{API}/keys", None),
    "rotate key": ("POST", f"{API}/keys/{{key}}/rotate", f"{API}/keys/key_nothing/rotate"),
    "revoke key": ("POST", f"{API}/keys/{{key}}/revoke", f"{API}/keys/key_nothing/revoke"),
}
UNCONDITIONAL = {"POST flag", "POST environment", "POST key", "rotate key", "revoke key"}
"""No condition is required for what is new, nor where a key has leaked."""
FOR_ADMINS = {route for route in ROUTES if not route.endswith(("flag", "state"))}

MALFORMED = {
    # value: position of the fault, corrected field
    'order"': (0, '"order"'),
    "order": (0, '"order"'),
    '"order': (6, '"order"'),
    "'order'": (0, '"order"'),
    'w/"order"': (0, 'W/"order"'),
    'W/ "order"': (0, 'W/"order"'),
    "W/order": (0, 'W/"order"'),
    '"a" "b"': (4, '"a", "b"'),
    '"a", b': (5, '"a", "b"'),
    '"a, b"': (3, None),
    '*, "a"': (0, None),
    '"a", *': (5, None),
    '"a b"': (2, None),
    "": (0, None),
    ",": (0, None),
    '"a"; "b"': (3, None),
}


@dataclass
class Place:
    """A server with something to edit, and keys of each strength."""

    server: Server
    keys: dict[str, str]
    key_id: str

    def path(self, path: str) -> str:
        return path.format(key=self.key_id)

    def tag(self, path: str) -> str:
        return str(self.admin.get(guarding_address(self.path(path))).headers["etag"])

    @property
    def admin(self) -> httpx.Client:
        return self._admin

    def __post_init__(self) -> None:
        self._admin = self.server.client()

    def everything(self) -> list[bytes]:
        places = ["flags?environment=production", "environments", "projects", "keys", "audit"]
        return [self.admin.get(f"{API}/{place}").content for place in places]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with serving(tmp_path_factory.mktemp("data")) as server:
        server.new_flag("order")
        client = server.client()
        environment = {"key": "order", "name": "Order"}
        assert client.post(f"{API}/environments", json=environment).status_code == 201
        key = client.post(f"{API}/keys", json={"owner": "A key", "role": "read"}).json()["id"]
        keys = {role: server.new_key(role) for role in ("read", "write")}
        yield Place(server, keys | {"admin": server.admin_key}, key)


def bearer(key: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {key}"


def refusals(place: Place, route: str) -> list[tuple[int, str, list[tuple[str, str]]]]:
    """What is refused before the content is looked at, in order: status, path, fields."""
    _, path, unknown = ROUTES[route]
    path, admin = place.path(path), bearer(place.keys["admin"])
    # Each also has what would be refused later, so that the order is what is tested.
    bad = ("If-Match", "broken")
    cases = [
        (401, path, [bad]),
        (403, path, [bearer(place.keys["read"]), bad]),
    ]
    if unknown is not None:
        cases += [
            (401, unknown, [bearer("x" * 40), bad]),
            (403, unknown, [bearer(place.keys["read"]), bad]),
            (404, unknown, [admin, bad]),
        ]
    if route in FOR_ADMINS:
        cases.append((403, path, [bearer(place.keys["write"]), bad]))
    cases += [
        (400, path, [admin, bad]),
        (412, path, [admin, ("If-Match", '"old"')]),
        (412, path, [admin, ("If-Match", 'W/"old", "older"')]),
        (412, path, [admin, ("If-None-Match", "*")]),
    ]
    if route not in UNCONDITIONAL:
        cases += [(428, path, [admin]), (428, path, [admin, ("If-Match", "*")])]
    return cases


def check(answer: Answer, status: int) -> dict[str, Any]:
    """It is this problem, said at once, and no content was asked for."""
    assert answer.status == status, answer.content
    assert answer.interim == (), "100 Continue was sent before a refusal"
    assert answer.seconds < AT_ONCE
    assert answer.field("content-type") == "application/problem+json"
    assert answer.field("cache-control") == "no-store"
    details: dict[str, Any] = json.loads(answer.content)
    assert details["status"] == status
    return details


def sent_in_three_ways(place: Place, method: str, path: str, fields: Fields) -> Iterator[Answer]:
    """With content that waits for 100 Continue, that is announced and never sent, that is sent."""
    port = place.server.port
    for kind, content in CONTENTS.values():
        typed = [*fields, ("Content-Type", kind)]
        waiting = [*typed, ("Expect", "100-continue")]
        yield ask(port, method, path, waiting, announced=len(content))
        if len(content) == LARGE:
            yield ask(port, method, path, typed, announced=LARGE)
            yield ask(port, method, path, [*typed, ("Transfer-Encoding", "chunked")])
        else:
            yield ask(port, method, path, typed, content)


def test_every_edit_that_is_described_is_in_the_table(place: Place) -> None:
    """A route that is new fails here until it is judged with the others."""
    described = edits(place.server)
    matching = {
        name: [
            str(one)
            for one in described
            if one.method == method
            and re.fullmatch(re.sub(r"{\w+}", "[^/]+", API + one.template), place.path(path))
        ]
        for name, (method, path, _) in ROUTES.items()
    }
    found = sorted(one for matched in matching.values() for one in matched)
    assert found == sorted(map(str, described)), matching


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.timeout(300)
def test_refusals_come_in_order_and_before_the_content(place: Place, route: str) -> None:
    """401, 403, 404, 400, 428 and 412 are said whatever the content is, and before it is asked."""
    before = place.everything()
    for status, path, fields in refusals(place, route):
        for answer in sent_in_three_ways(place, ROUTES[route][0], path, fields):
            details = check(answer, status)
            assert (answer.field("etag") is not None) == (status in (412, 428))
            if status == 412:
                assert details["etag"] == answer.field("etag") == place.tag(path)
    assert place.everything() == before


@pytest.mark.parametrize("route", sorted(FOR_ADMINS))
def test_a_key_that_may_write_flags_changes_nothing_else(place: Place, route: str) -> None:
    """Not even with the right tag."""
    method, path, _ = ROUTES[route]
    path = place.path(path)
    fields = [bearer(place.keys["write"]), ("If-Match", place.tag(path))]
    check(ask(place.server.port, method, path, fields), 403)


@pytest.mark.parametrize("value", MALFORMED)
@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
def test_a_malformed_condition_is_refused_with_its_place_and_its_cure(
    place: Place, name: str, value: str
) -> None:
    """400 names the offset of the fault, and the field as it should have been, where that is clear.

    With two megabytes announced, none of which are asked for.
    """
    position, corrected = MALFORMED[value]
    before = place.everything()
    for method, path, _ in (ROUTES["PUT flag"], ROUTES["PATCH state"], ROUTES["DELETE flag"]):
        fields = [bearer(place.keys["write"]), (name, value), ("Content-Type", JSON)]
        if name == "If-None-Match":
            fields.append(("If-Match", place.tag(path)))  # which holds, so this one is reached
        waiting = [*fields, ("Expect", "100-continue")]
        details = check(ask(place.server.port, method, path, waiting, announced=LARGE), 400)
        assert details["position"] == position
        assert details.get("suggestion") == (corrected and f"{name}: {corrected}")
        assert details["field"] == name
        assert name in details["detail"]
    assert place.everything() == before


def right(place: Place, route: str) -> list[tuple[str, str]]:
    """The fields of a request that may be done, as far as its head goes."""
    return [bearer(place.keys["admin"]), ("If-Match", place.tag(ROUTES[route][1]))]


OLD = [("If-Match", '"old"')]
WITH_CONTENT = [route for route in ROUTES if not route.startswith(("DELETE", "revoke"))]


@pytest.mark.parametrize("route", ROUTES)
def test_too_much_and_another_type_are_refused_unread(place: Place, route: str) -> None:
    """413 and 415 follow from the head alone."""
    method, path, _ = ROUTES[route]
    path, port, before = place.path(path), place.server.port, place.everything()
    for more in ([("Expect", "100-continue")], []):
        fields = [*right(place, route), *more]
        large = ask(port, method, path, [*fields, ("Content-Type", JSON)], announced=LARGE)
        assert "1,048,576" in check(large, 413)["detail"]
        text = [*fields, ("Content-Type", "text/plain")]
        answer = ask(port, method, path, text, announced=5)
        check(answer, 415)
        taken = answer.field("accept-patch" if method == "PATCH" else "accept")
        assert taken is not None
        assert JSON in taken
        assert (MERGE_PATCH in taken) == (method == "PATCH")
        assert check(ask(port, method, path, fields, announced=5), 415)
    assert place.everything() == before


@pytest.mark.parametrize("route", [one for one in WITH_CONTENT if not one.startswith("PATCH")])
def test_a_patch_is_taken_by_patch_alone(place: Place, route: str) -> None:
    """PUT would take what the patch leaves out for what is to be reset."""
    method, path = ROUTES[route][0], place.path(ROUTES[route][1])
    fields, before = [*right(place, route), ("Content-Type", MERGE_PATCH)], place.everything()
    answer = ask(place.server.port, method, path, fields, place.admin.get(path).content or b"{}")
    assert JSON in check(answer, 415)["detail"]
    assert place.everything() == before


@pytest.mark.parametrize("kind", [JSON, MERGE_PATCH])
def test_patch_takes_its_content_under_either_name(place: Place, kind: str) -> None:
    fields = [*right(place, "PATCH state"), ("Content-Type", kind)]
    assert ask(place.server.port, "PATCH", STATE_PATH, fields, b"{}").status == 200


@pytest.mark.parametrize("status", [412, 413])
@pytest.mark.parametrize("route", ROUTES)
def test_who_really_sends_two_megabytes_hears_the_same(
    place: Place, route: str, status: int
) -> None:
    """The refusal is not lost to a client that is still sending, whether quickly or slowly."""
    method, path, _ = ROUTES[route]
    fields = right(place, route) if status == 413 else [*OLD, bearer(place.keys["admin"])]
    path, before = place.path(path), place.everything()
    fields += [("Content-Type", JSON), ("Content-Length", str(LARGE))]
    for pause in (0.0, 0.005):
        sent: list[int] = []

        def send(line: socket.socket, pause: float = pause, sent: list[int] = sent) -> None:
            line.sendall(head(method, path, fields))
            for _ in range(20):
                line.sendall(b"x" * (LARGE // 20))
                sent.append(LARGE // 20)
                time.sleep(pause)

        check(exchange(place.server.port, send), status)
        assert sum(sent) == LARGE
    assert place.everything() == before


@pytest.mark.parametrize("status", [412, 413])
def test_after_two_megabytes_the_connection_takes_the_next_request(
    place: Place, status: int
) -> None:
    """Content that was refused unread is not taken for a request."""
    fields = right(place, "PUT state") if status == 413 else [*OLD, bearer(place.keys["admin"])]
    fields += [("Content-Type", JSON), ("Content-Length", str(LARGE))]
    asking = head("GET", STATE_PATH, [bearer(place.keys["admin"]), ("Connection", "close")])
    request = head("PUT", STATE_PATH, fields) + CONTENTS["two megabytes"][1] + asking
    answers = until_closed(place.server.port, request)
    assert [int(one) for one in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)] == [status, 200]


@pytest.mark.parametrize("route", WITH_CONTENT)
def test_wrong_content_is_refused_last(place: Place, route: str) -> None:
    """422 is the last of all; only for it is the content asked for."""
    method, path = ROUTES[route][0], place.path(ROUTES[route][1])
    port, before = place.server.port, place.everything()
    for name in ("broken JSON", "a wrong type"):
        kind, content = CONTENTS[name]
        fields = [*right(place, route), ("Content-Type", kind)]
        details = check(ask(port, method, path, fields, content), 422)
        assert "Nothing was changed" in details["detail"]
        assert ("errors" in details) == (name == "a wrong type")
    assert place.everything() == before


def test_who_waits_for_100_continue_gets_it_when_all_but_the_content_is_right(
    place: Place,
) -> None:
    fields = [*right(place, "PUT state"), ("Content-Type", JSON), ("Expect", "100-continue")]
    content = json.dumps(STATE).encode()

    def send(line: socket.socket) -> None:
        line.sendall(head("PUT", STATE_PATH, [*fields, ("Content-Length", str(len(content)))]))
        assert line.recv(1024, socket.MSG_PEEK).startswith(b"HTTP/1.1 100 ")
        line.sendall(content)

    answer = exchange(place.server.port, send)
    assert (answer.status, answer.interim) == (200, (100,))


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


@pytest.mark.parametrize("route", WITH_CONTENT)
def test_content_of_no_announced_length_is_cut_at_the_limit(place: Place, route: str) -> None:
    """Two megabytes in chunks end in 413, without waiting for the last chunk."""
    method, path = ROUTES[route][0], place.path(ROUTES[route][1])
    chunked = [("Content-Type", JSON), ("Transfer-Encoding", "chunked")]
    fields, before = [*right(place, route), *chunked], place.everything()

    def send(line: socket.socket) -> None:
        line.sendall(head(method, path, fields))
        for _ in range(20):
            line.sendall(chunk(b"x" * 100_000))

    answer = exchange(place.server.port, send)
    assert answer.status == 413, answer.content
    assert answer.seconds < AT_ONCE
    assert place.everything() == before


def test_what_comes_after_the_content_is_no_part_of_it(place: Place) -> None:
    content = json.dumps(STATE).encode()
    port = place.server.port
    fields = [*right(place, "PUT state"), ("Content-Type", JSON)]
    longer = ask(port, "PUT", STATE_PATH, fields, content + b"x" * 5000, announced=len(content))
    # The server may see the rest before it has answered, and then refuses the connection.
    assert longer.status in (200, 400)
    assert "Traceback" not in place.server.log.read_text()


def test_a_client_that_leaves_in_the_middle_changes_nothing(place: Place) -> None:
    fields = [*right(place, "PUT state"), ("Content-Type", JSON), ("Content-Length", "500")]
    before = place.everything()
    with socket.create_connection(("127.0.0.1", place.server.port)) as line:
        line.sendall(head("PUT", STATE_PATH, fields) + b'{"enabled"')
    time.sleep(0.3)
    assert place.everything() == before
    assert "Traceback" not in place.server.log.read_text()


# -- an old tag is refused at once, whatever the content --------------------------------------


def _same(place: Place) -> tuple[bytes, list[tuple[str, str]]]:
    """A PUT of what is there, on an old tag."""
    content = place.admin.get(STATE_PATH).content
    return content, [
        bearer(place.keys["write"]),
        ("If-Match", 'W/"old"'),
        ("Content-Type", JSON),
    ]


def test_who_wants_what_somebody_else_did_meanwhile_is_told(place: Place) -> None:
    """13.1.1 would allow a 2xx; but two who count one up would then both believe they counted."""
    content, fields = _same(place)
    check(ask(place.server.port, "PUT", STATE_PATH, fields, content), 412)


@pytest.mark.parametrize("sent", [0, 10])
def test_content_that_comes_slowly_is_not_waited_for(place: Place, sent: int) -> None:
    """An old tag and a body that trickles: 412 at once, not when the client pleases."""
    content, fields = _same(place)
    before = place.everything()
    answer = ask(
        place.server.port, "PUT", STATE_PATH, fields, content[:sent], announced=len(content)
    )
    assert answer.status == 412
    assert answer.seconds < 2.5
    assert place.everything() == before


@pytest.mark.parametrize("name", ["broken JSON", "a wrong type", "another media type"])
def test_with_an_old_tag_wrong_content_is_still_412(place: Place, name: str) -> None:
    kind, content = CONTENTS[name]
    fields = [bearer(place.keys["write"]), ("If-Match", 'W/"old"'), ("Content-Type", kind)]
    for route in ("PUT flag", "PATCH state", "toggle state"):
        method, path, _ = ROUTES[route]
        check(ask(place.server.port, method, path, fields, content), 412)


def test_create_only_has_no_such_excuse(place: Place) -> None:
    """`If-None-Match: *` on what exists fails, even where the content is the same (13.1.2)."""
    content = json.dumps(FLAG).encode()
    fields = [bearer(place.keys["write"]), ("If-None-Match", "*"), ("Content-Type", JSON)]
    check(ask(place.server.port, "PUT", f"{API}/flags/order", fields, content), 412)
