"""Whatever is sent, the answer is a problem that names the place and the cure, and nothing changed.

Each table is of what may not be accepted. No row ends in a 500.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from e2e.operations import FLAG, JSON, MERGE_PATCH, STATE, reads
from e2e.program import API, Server, serving
from e2e.wire import ask

OFREP = "/flagbit/ofrep/v1/evaluate/flags"
STATE_PATH = f"{API}/flags/kept/environments/production"


@dataclass
class Place:
    """A server, and what it holds before a test."""

    server: Server
    admin: httpx.Client
    machine: str
    revoked: str

    def everything(self) -> list[bytes]:
        places = ["flags?environment=production", "environments", "projects", "keys", "audit"]
        return [self.admin.get(f"{API}/{place}").content for place in places]

    def tag(self, path: str) -> str:
        return str(self.admin.get(path).headers["etag"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with serving(tmp_path_factory.mktemp("data")) as server:
        server.new_flag("kept")
        admin = server.client()
        made = admin.post(f"{API}/keys", json={"owner": "gone", "role": "admin"}).json()
        admin.post(f"{API}/keys/{made['id']}/revoke")
        machine = server.new_key("server", "production")
        yield Place(server, admin, machine, made["token"])
        assert "Traceback" not in server.log.read_text()


@pytest.fixture
def unchanged(place: Place) -> Iterator[Place]:
    """The place, which a test leaves as it was."""
    before = place.everything()
    yield place
    assert place.everything() == before


CURE = re.compile(
    r"\b(Send|Correct|Add|Remove|Use|Leave|Check|Give|Name|Take|Make|List|Read|Switch|Widen|GET|"
    r"See|Create|should|needs|lists|at most|may only|cannot)\b"
)
"""Words of an order or of a bound: what to do next, or what would have been taken."""


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """It is a problem of that status, complete, and kept by nobody."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text[:300]}"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    details: dict[str, Any] = answer.json()
    assert details["status"] == status
    assert details["type"].startswith("urn:ifmatch:problem:")
    assert details["title"]
    assert CURE.search(details["detail"]), f"no next step in {details['detail']!r}"
    assert len(answer.content) < 20_000
    return details


OF_PYTHON = re.compile(
    r"dictionary|instance of|extract fields|should match pattern|Input should|after validation",
    re.I,
)
"""What means nothing to who sent JSON."""


def errors(answer: httpx.Response) -> dict[str, str]:
    """What is wrong, by JSON pointer; each place once, and in words of JSON."""
    found = problem(answer, 422)["errors"]
    assert len({one["pointer"] for one in found}) == len(found), found
    for one in found:
        assert not OF_PYTHON.search(one["detail"]), one
    return {one["pointer"]: one["detail"] for one in found}


# -- content that is no JSON ----------------------------------------------------------------------

NO_JSON: dict[str, bytes] = {
    "nothing": b" ",
    "cut off": b'{"enabled": tru',
    "a comma too many": b'{"enabled": true,}',
    "single quotes": b"{'enabled': true}",
    "a comment": b'{"enabled": true} // yes',
    "two values": b"{} {}",
    "NaN": b'{"enabled": true, "x": NaN}',
    "infinity": b'{"x": -Infinity}',
    "1e999": b'{"x": 1e999}',
    "5,000 digits": b'{"x": ' + b"9" * 5000 + b"}",
    "5,000 digits before a point": b'{"x": ' + b"9" * 5000 + b".5}",
    "a member twice": b'{"enabled": true, "enabled": false}',
    "a member twice, deep within": b'{"x": [{"a": 1, "a": 1}]}',
    "a member twice, written in two ways": b'{"a": 1, "\\u0061": 2}',
    "half of a surrogate pair": b'{"x": "\\ud800"}',
    "half of a surrogate pair as a name": b'{"\\udfff": 1}',
    "a control character": b'{"x": "a\nb"}',
    "a NUL byte": b'{"x": "a\x00b"}',
    "latin-1": '{"x": "ä"}'.encode("latin-1"),
    "UTF-16": '{"x": 1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"x": 1}',
    "overlong UTF-8": b'{"x": "\xc0\xaf"}',
    "10,000 lists deep": b"[" * 10_000 + b"]" * 10_000,
    "10,000 objects deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "100,000 lists never closed": b"[" * 100_000,
}

NOWHERE = {
    *("NaN", "infinity", "1e999", "5,000 digits", "5,000 digits before a point"),
    *("a member twice", "a member twice, deep within", "a member twice, written in two ways"),
    *("half of a surrogate pair", "half of a surrogate pair as a name"),
    *("latin-1", "UTF-16", "overlong UTF-8"),
    *("10,000 lists deep", "10,000 objects deep", "100,000 lists never closed"),
}
"""Where the place is not known, so none is named."""


@pytest.mark.parametrize("name", NO_JSON)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_what_is_no_json_is_refused_with_its_place(
    unchanged: Place, method: str, name: str
) -> None:
    path = f"{API}/environments" if method == "POST" else STATE_PATH
    kind = MERGE_PATCH if method == "PATCH" else JSON
    fields = {"If-Match": unchanged.tag(path), "Content-Type": kind}
    answer = unchanged.admin.request(method, path, content=NO_JSON[name], headers=fields)
    details = problem(answer, 422)
    assert details["type"] == "urn:ifmatch:problem:malformed-json"
    assert "Nothing was changed" in details["detail"]
    assert " at at " not in details["detail"]
    assert "utf-8-sig" not in details["detail"]
    if name in NOWHERE:
        assert " line " not in details["detail"]
        assert {"line", "column"}.isdisjoint(details)
    else:
        assert f"at line {details['line']}, column {details['column']}" in details["detail"]
        assert (details["line"], details["column"]) >= (1, 1)


@pytest.mark.parametrize("name", NO_JSON)
@pytest.mark.parametrize("key", ["/kept", ""])
def test_what_is_no_json_is_a_parse_error_to_an_evaluation(
    unchanged: Place, key: str, name: str
) -> None:
    fields = {"Authorization": f"Bearer {unchanged.machine}", "Content-Type": JSON}
    url = f"{unchanged.server.url}{OFREP}{key}"
    content = NO_JSON[name]
    if len(content) > 65_536:
        content = content[:65_536]
    answer = httpx.post(url, content=content, headers=fields)
    assert answer.status_code == 400
    assert answer.json()["errorCode"] == "PARSE_ERROR"
    assert "Send JSON" in answer.json()["errorDetails"]
    assert ("at line" in answer.json()["errorDetails"]) == (name not in NOWHERE)


# -- content of the wrong shape -------------------------------------------------------------------

DEEP: Any = 1
for _ in range(40):
    DEEP = {"a": DEEP}

FLAGS: dict[str, tuple[Any, str]] = {
    # what is wrong: content, the pointer that names it
    "a list": ([], ""),
    "a number": (7, ""),
    "nothing": (None, ""),
    "an unknown member": (FLAG | {"key": "n", "colour": "red"}, "/colour"),
    "no key": (FLAG, "/key"),
    "no type": ({k: v for k, v in FLAG.items() if k != "type"} | {"key": "n"}, "/type"),
    "another type": (FLAG | {"key": "n", "type": "bool"}, "/type"),
    "a number as text": (FLAG | {"key": "n", "description": 7}, "/description"),
    "text as a switch": (FLAG | {"key": "n", "archived": "true"}, "/archived"),
    "1 as a switch": (FLAG | {"key": "n", "client_visible": 1}, "/client_visible"),
    "a long text": (FLAG | {"key": "n", "description": "x" * 2001}, "/description"),
    "NUL in a text": (FLAG | {"key": "n", "description": "a\0b"}, "/description"),
    "no variants": (FLAG | {"key": "n", "variants": {}}, "/variants"),
    "variants in a list": (FLAG | {"key": "n", "variants": [True]}, "/variants"),
    "a value of another type": (
        FLAG | {"key": "n", "variants": {"on": "yes", "off": False}},
        "/variants/on",
    ),
    "1 as a boolean": (FLAG | {"key": "n", "variants": {"on": 1, "off": False}}, "/variants/on"),
    "an integer with a point": (
        FLAG | {"key": "n", "type": "integer", "variants": {"on": 1.5, "off": 0}},
        "/variants/on",
    ),
    "a large integer": (
        FLAG | {"key": "n", "type": "integer", "variants": {"on": 2**53, "off": 0}},
        "/variants/on",
    ),
    "NUL in a value": (
        FLAG | {"key": "n", "type": "string", "variants": {"on": "\0", "off": ""}},
        "/variants/on",
    ),
    "NUL deep in a value": (
        FLAG | {"key": "n", "type": "object", "variants": {"on": {"a": ["\0"]}, "off": {}}},
        "/variants/on/a/0",
    ),
    "a deep value": (
        FLAG | {"key": "n", "type": "object", "variants": {"on": DEEP, "off": {}}},
        "/variants/on",
    ),
    "a default that is no variant": (
        FLAG | {"key": "n", "default_variant": "maybe"},
        "/default_variant",
    ),
    "a variant with a space": (
        FLAG | {"key": "n", "variants": {"on": True, "off": False, "a b": True}},
        "/variants/a b",
    ),
    "too many tags": (FLAG | {"key": "n", "tags": [f"t{n}" for n in range(51)]}, "/tags"),
    "a tag that nobody sees": (FLAG | {"key": "n", "tags": ["\x01"]}, "/tags/0"),
    "a tag that turns the text around": (FLAG | {"key": "n", "tags": ["a\u202e"]}, "/tags/0"),
    "a description that does": (FLAG | {"key": "n", "description": "a\u202e"}, "/description"),
    "a tag that is no text": (FLAG | {"key": "n", "tags": [None]}, "/tags/0"),
    "a key with a slash": (FLAG | {"key": "a/b"}, "/key"),
    "a key with a space": (FLAG | {"key": "a b"}, "/key"),
    "a key with an umlaut": (FLAG | {"key": "größe"}, "/key"),
    "an empty key": (FLAG | {"key": ""}, "/key"),
    "a long key": (FLAG | {"key": "k" * 129}, "/key"),
    "a dot as a key": (FLAG | {"key": "."}, "/key"),
    "two dots as a key": (FLAG | {"key": ".."}, "/key"),
    "a line after the key": (FLAG | {"key": "n\n"}, "/key"),
    "a key that is a number": (FLAG | {"key": 7}, "/key"),
}


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_of_the_wrong_shape_is_refused_by_its_member(unchanged: Place, name: str) -> None:
    content, pointer = FLAGS[name]
    answer = unchanged.admin.post(f"{API}/flags", json=content)
    found = errors(answer)
    assert any(one == pointer or one.startswith(f"{pointer}/") for one in found), found
    for detail in found.values():
        assert len(detail) > 15, "too short to help"


def rule(**more: Any) -> dict[str, Any]:
    condition = {"attribute": "a", "op": "equals", "values": [1]} | more
    rules = [{"id": "r", "conditions": [condition], "serve": {"variant": "on"}}]
    return STATE | {"rules": rules}


STATES: dict[str, tuple[Any, str]] = {
    "a list": ([], ""),
    "no switch": ({"fallthrough": {"variant": "on"}}, "/enabled"),
    "a switch that is text": (STATE | {"enabled": "yes"}, "/enabled"),
    "no such variant": (STATE | {"fallthrough": {"variant": "maybe"}}, "/fallthrough/variant"),
    "neither variant nor split": (STATE | {"fallthrough": {}}, "/fallthrough"),
    "both": (STATE | {"fallthrough": {"variant": "on", "split": {"on": 1}}}, "/fallthrough"),
    "an empty split": (STATE | {"fallthrough": {"split": {}}}, "/fallthrough/split"),
    "a weight below zero": (STATE | {"fallthrough": {"split": {"on": -1}}}, "/fallthrough/split"),
    "weights of nothing": (
        STATE | {"fallthrough": {"split": {"on": 0, "off": 0}}},
        "/fallthrough/split",
    ),
    "a weight that is no whole number": (
        STATE | {"fallthrough": {"split": {"on": 0.5}}},
        "/fallthrough/split/on",
    ),
    "a huge weight": (STATE | {"fallthrough": {"split": {"on": 10**30}}}, "/fallthrough/split/on"),
    "an unknown operator": (rule(op="regex"), "/rules/0/conditions/0/op"),
    "no attribute": (rule(attribute=""), "/rules/0/conditions/0/attribute"),
    "no values": (rule(values=[]), "/rules/0/conditions/0/values"),
    "a comparison with text": (rule(op="lt", values=["x"]), "/rules/0/conditions/0/values/0"),
    "no version": (rule(op="semver_lt", values=["one"]), "/rules/0/conditions/0/values/0"),
    "no date": (rule(op="before", values=["tomorrow"]), "/rules/0/conditions/0/values/0"),
    "an unknown member of a rule": (rule(colour="red"), "/rules/0/conditions/0/colour"),
    "1,001 values": (rule(values=list(range(1001))), "/rules/0/conditions/0/values"),
    "101 rules": (
        STATE | {"rules": [rule()["rules"][0] | {"id": f"r{n}"} for n in range(101)]},
        "/rules",
    ),
    "two rules of one name": (STATE | {"rules": rule()["rules"] * 2}, "/rules/1/id"),
    "another flag": (STATE | {"flag": "other"}, "/flag"),
    "another environment": (STATE | {"environment": "development"}, "/environment"),
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_of_the_wrong_shape_is_refused_by_its_member(unchanged: Place, name: str) -> None:
    content, pointer = STATES[name]
    fields = {"If-Match": unchanged.tag(STATE_PATH)}
    found = errors(unchanged.admin.put(STATE_PATH, json=content, headers=fields))
    assert any(one == pointer or one.startswith(f"{pointer}/") for one in found), found


@pytest.mark.parametrize(
    ("fallthrough", "found"),
    [
        ("on", {"/fallthrough": "either"}),
        ({"variant": "on", "split": {"on": 1}}, {"/fallthrough": "either"}),
        ({}, {"/fallthrough": "either"}),
        ({"split": {"on": 0.5, "off": 1}}, {"/fallthrough/split/on": "whole number"}),
        ({"split": {"split": 1}}, {"/fallthrough/split/split": "no variant"}),
        ({"split": {"a b": 1}}, {"/fallthrough/split/a b": "letters, digits"}),
        ({"variant": 7}, {"/fallthrough/variant": "a string"}),
        ({"variant": "on", "bucket_by": "x"}, {"/fallthrough/bucket_by": "not known"}),
    ],
)
def test_only_what_is_wrong_with_what_is_served_is_named(
    unchanged: Place, fallthrough: Any, found: dict[str, str]
) -> None:
    fields = {"If-Match": unchanged.tag(STATE_PATH)}
    content = STATE | {"fallthrough": fallthrough}
    said = errors(unchanged.admin.put(STATE_PATH, json=content, headers=fields))
    assert list(said) == list(found)
    for pointer, words in found.items():
        assert words in said[pointer]


def test_a_patch_that_adds_a_split_to_a_variant_is_told_to_take_the_variant_away(
    place: Place,
) -> None:
    place.server.new_flag("mixed")
    path = f"{API}/flags/mixed/environments/production"

    def patch(fallthrough: Any) -> httpx.Response:
        fields = {"If-Match": place.tag(path), "Content-Type": MERGE_PATCH}
        return place.admin.patch(path, json={"fallthrough": fallthrough}, headers=fields)

    split = {"split": {"on": 1, "off": 2}}
    assert '"variant": null' in errors(patch(split))["/fallthrough"]
    assert patch(split | {"variant": None}).status_code == 200
    assert patch({"split": {"on": 5}}).status_code == 200
    away = errors(patch({"variant": "on"}))["/fallthrough"]
    assert '"split": null, "bucket_by": null' in away
    assert patch({"variant": "on", "split": None, "bucket_by": None}).status_code == 200


@pytest.mark.parametrize("content", [{"type": "string"}, {"type": "float"}])
def test_a_flag_keeps_its_type_for_good(unchanged: Place, content: Any) -> None:
    path = f"{API}/flags/kept"
    fields = {"If-Match": unchanged.tag(path), "Content-Type": MERGE_PATCH}
    details = problem(unchanged.admin.patch(path, json=content, headers=fields), 409)
    assert details["type"] == "urn:ifmatch:problem:type-is-fixed"
    assert "for good" in details["detail"]


PATCHES: dict[str, tuple[str, Any, str]] = {
    "a flag's revision": (f"{API}/flags/kept", {"revision": 7}, "/revision"),
    "a flag's unknown member": (f"{API}/flags/kept", {"colour": "red"}, "/colour"),
    "a flag's type away": (f"{API}/flags/kept", {"type": None}, "/type"),
    "the variant that a flag is off with": (
        f"{API}/flags/kept",
        {"variants": {"off": None}},
        "/off_variant",
    ),
    "a flag's key": (f"{API}/flags/kept", {"key": "other"}, "/key"),
    "a flag's key, no text": (f"{API}/flags/kept", {"key": ["kept"]}, "/key"),
    "a state's flag, no text": (STATE_PATH, {"flag": {"a": 1}}, "/flag"),
    "a state's environment, no text": (STATE_PATH, {"environment": {}}, "/environment"),
    "a state's environment, a number": (STATE_PATH, {"environment": 7}, "/environment"),
    "an environment's key, no text": (f"{API}/environments/production", {"key": {}}, "/key"),
    "a project's key, no text": (f"{API}/projects/default", {"key": [1]}, "/key"),
    "a state's switch": (STATE_PATH, {"enabled": 1}, "/enabled"),
    "a state's switch away": (STATE_PATH, {"enabled": None}, "/enabled"),
    "a state's unknown member": (STATE_PATH, {"colour": "red"}, "/colour"),
    "a state's rules": (STATE_PATH, {"rules": {"0": {}}}, "/rules"),
    "an environment's name away": (f"{API}/environments/production", {"name": None}, "/name"),
    "a project's name": (f"{API}/projects/default", {"name": "a\u2067b"}, "/name"),
    "an environment's name, turned": (
        f"{API}/environments/production",
        {"name": "\u202e"},
        "/name",
    ),
    "an environment's name": (f"{API}/environments/production", {"name": "a\0b"}, "/name"),
    "a project's setting": (
        f"{API}/projects/default",
        {"require_conditions": "no"},
        "/require_conditions",
    ),
}


@pytest.mark.parametrize("name", PATCHES)
def test_a_patch_to_the_wrong_shape_is_refused_by_its_member(unchanged: Place, name: str) -> None:
    path, content, pointer = PATCHES[name]
    fields = {"If-Match": unchanged.tag(path), "Content-Type": MERGE_PATCH}
    found = errors(unchanged.admin.patch(path, json=content, headers=fields))
    assert any(one == pointer or one.startswith(pointer) for one in found), found


KEYS: dict[str, tuple[Any, str]] = {
    "no owner": ({"role": "read"}, "/owner"),
    "an empty owner": ({"owner": "", "role": "read"}, "/owner"),
    "an owner of blanks": ({"owner": "  ", "role": "read"}, "/owner"),
    "an owner over two lines": ({"owner": "a\nb", "role": "read"}, "/owner"),
    "an owner that turns the text around": ({"owner": "a\u202eb", "role": "read"}, "/owner"),
    "an unknown role": ({"owner": "a", "role": "root"}, "/role"),
    "a machine for no environment": ({"owner": "a", "role": "server"}, "/environment"),
    "a person for one": (
        {"owner": "a", "role": "read", "environment": "production"},
        "/environment",
    ),
    "an unknown environment": (
        {"owner": "a", "role": "server", "environment": "nowhere"},
        "/environment",
    ),
    "an unknown member": ({"owner": "a", "role": "read", "token": "mine"}, "/token"),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_of_the_wrong_shape_is_refused_by_its_member(unchanged: Place, name: str) -> None:
    content, pointer = KEYS[name]
    assert pointer in errors(unchanged.admin.post(f"{API}/keys", json=content))


@pytest.mark.parametrize("path", ["flags", "keys", "environments"])
def test_content_that_is_too_long_is_refused_with_the_limit(unchanged: Place, path: str) -> None:
    long = {"key": "long", "name": "x" * 1_100_000}
    details = problem(unchanged.admin.post(f"{API}/{path}", json=long), 413)
    assert "1,048,576" in details["detail"]


# -- addresses ------------------------------------------------------------------------------------

ODD_KEYS = {
    "a%2Fb": "an encoded slash",
    "a%00b": "NUL",
    "%2e%2e": "two dots, encoded",
    "..%2Fkeys": "the way up",
    "gr%C3%B6%C3%9Fe": "an umlaut",
    "%FF": "no UTF-8",
    "a%20b": "a space",
    "a%0Ab": "a line feed",
    "k" * 129: "129 characters",
    "k" * 8000: "8,000 characters",
    "%E2%80%AE": "a character that turns the text around",
    "kept%0A": "a line feed after a key that is there",
}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "template",
    [
        "flags/{}",
        "flags/kept/environments/{}",
        "flags/{}/environments/production",
        "environments/{}",
        "projects/{}",
        "keys/{}",
    ],
)
def test_a_key_that_nothing_can_have_leads_nowhere(
    unchanged: Place, template: str, method: str
) -> None:
    """404, 405 where the address takes no such method, or 422 where it would have been created."""
    fields = [
        ("Authorization", f"Bearer {unchanged.server.admin_key}"),
        ("If-None-Match", "*"),
        ("Content-Type", MERGE_PATCH if method == "PATCH" else JSON),
    ]
    content = b"" if method == "HEAD" else json.dumps(FLAG).encode()
    for key, name in ODD_KEYS.items():
        path = f"{API}/{template.format(key)}"
        answer = ask(unchanged.server.port, method, path, fields, content)
        assert answer.status in {404, 405, 422 if method == "PUT" else 404}, name
        assert answer.field("etag") is None
        assert answer.field("content-type") == "application/problem+json"
        if method != "HEAD":
            assert CURE.search(json.loads(answer.content)["detail"]), name


@pytest.mark.parametrize("key", ODD_KEYS, ids=ODD_KEYS.get)
def test_a_key_that_no_flag_can_have_is_not_found_by_an_evaluation(
    unchanged: Place, key: str
) -> None:
    fields = [("Authorization", f"Bearer {unchanged.machine}"), ("Content-Type", JSON)]
    answer = ask(unchanged.server.port, "POST", f"{OFREP}/{key}", fields, b"{}")
    assert answer.status == 404


QUERIES = {
    "flags?limit=0": "limit",
    "flags?limit=501": "limit",
    "flags?limit=-1": "limit",
    "flags?limit=1.5": "limit",
    "flags?limit=": "limit",
    "flags?limit=%D9%A1": "limit",
    "flags?limit=" + "9" * 5000: "limit",
    "flags?limit=000000001999999": "limit",
    "flags?limit=000000001" + "9" * 5000: "limit",
    "environments?limit=000000001" + "9" * 24: "limit",
    "projects?limit=000000001" + "9" * 24: "limit",
    "audit?limit=000000001" + "9" * 24: "limit",
    "flags?cursor=a%00b": "cursor",
    "flags?cursor=" + "k" * 129: "cursor",
    "flags?cursor=a/b": "cursor",
    "flags?archived=yes": "archived",
    "flags?tag=%00": "tag",
    "flags?q=" + "x" * 201: "q",
    "flags?environment=%00": "environment",
    "flags?environment=": "environment",
    "flags?foo=bar": "foo",
    "flags?Limit=1": "Limit",
    "flags?=": "",
    "flags?limit=1&limit=2": "limit",
    "flags/kept?environment=production": "environment",
    "flags/kept/environments/production?x": "x",
    "environments?q=a": "q",
    "projects?archived=true": "archived",
    "audit?project=default": "project",
    "keys?limit=x&cursor=%00": "limit",
    "keys?cursor=%00": "cursor",
    "environments?limit=0": "limit",
    "projects?cursor=%2F": "cursor",
    "audit?cursor=latest": "cursor",
    "audit?cursor=" + "9" * 30: "cursor",
    "audit?flag=a%2Fb": "flag",
    "audit?environment=": "environment",
}


@pytest.mark.parametrize("query", QUERIES, ids=[query[:40] for query in QUERIES])
@pytest.mark.parametrize("tag", [None, "*"])
def test_a_bad_query_is_refused_by_its_name(unchanged: Place, query: str, tag: str | None) -> None:
    """Also where `If-None-Match: *` would have been answered 304."""
    fields = {} if tag is None else {"If-None-Match": tag}
    answer = unchanged.admin.get(f"{API}/{query}", headers=fields)
    (error,) = problem(answer, 422)["errors"]
    assert (error["in"], error["name"]) == ("query", QUERIES[query])
    assert CURE.search(error["detail"])


@pytest.mark.parametrize("tag", [None, "*"])
def test_states_in_an_environment_that_is_not_there_are_not_found(
    unchanged: Place, tag: str | None
) -> None:
    """Left out, they would look like flags that have none."""
    fields = {} if tag is None else {"If-None-Match": tag}
    answer = unchanged.admin.get(f"{API}/flags?environment=nope", headers=fields)
    details = problem(answer, 404)
    assert details["type"] == "urn:ifmatch:problem:environment-not-found"
    assert details["environment"] == "nope"
    assert details["errors"][0]["name"] == "environment"
    assert f"GET {API}/environments lists" in details["detail"]


@pytest.mark.parametrize("path", ["flags/nothing", "flags/kept/environments/nope", "keys/no"])
def test_what_is_not_there_is_not_found_whatever_the_query_is(unchanged: Place, path: str) -> None:
    problem(unchanged.admin.get(f"{API}/{path}?foo=bar"), 404)


def test_every_read_names_the_queries_that_it_takes(unchanged: Place) -> None:
    """Those of the description, and it takes no others."""
    names = {"key": ["kept"], "flag": ["kept"], "environment": ["production"]}
    names |= {
        "project": ["default"],
        "id": [unchanged.admin.get(f"{API}/keys").json()["items"][0]["id"]],
    }
    for operation in reads(unchanged.server):
        answer = unchanged.admin.get(f"{operation.paths(names)[0]}?surplus=1")
        (error,) = problem(answer, 422)["errors"]
        taken = ", ".join(operation.parameters("query"))
        assert error["detail"].endswith(f"Send only {taken}." if taken else "Send none here.")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_an_edit_takes_no_query(unchanged: Place, method: str) -> None:
    """Above all none that was meant to say which state is edited."""
    path = f"{API}/flags/kept"
    fields = {"If-Match": unchanged.tag(path)}
    answer = unchanged.admin.request(method, f"{path}?environment=x", json=FLAG, headers=fields)
    assert problem(answer, 422)["errors"][0]["name"] == "environment"


# -- keys -----------------------------------------------------------------------------------------

KEY_FIELDS: dict[str, dict[str, str]] = {
    "none": {},
    "unknown": {"Authorization": "Bearer ifm_aaaaaaaa_" + "b" * 32},
    "empty": {"Authorization": "Bearer"},
    "no scheme": {"Authorization": "ifm_aaaaaaaa_" + "b" * 32},
    "another scheme": {"Authorization": "Basic YTpi"},
    "very long": {"X-API-Key": "k" * 20_000},
    "an umlaut": {"X-API-Key": "schlüssel".encode().decode("latin-1")},
    "an unknown session": {"Cookie": "session=nothing"},
    "revoked": {"X-API-Key": "{revoked}"},
}


@pytest.mark.parametrize("name", KEY_FIELDS)
@pytest.mark.parametrize("path", [f"{API}/flags", f"{API}/keys", f"{API}/flags/nothing", OFREP])
def test_without_a_key_that_is_valid_nobody_is_told_anything(
    unchanged: Place, path: str, name: str
) -> None:
    """One answer for no, unknown, malformed and revoked keys, for what is there and what is not."""
    fields = {
        known: value.format(revoked=unchanged.revoked) for known, value in KEY_FIELDS[name].items()
    }
    method = "POST" if path == OFREP else "GET"
    url = f"{unchanged.server.url}{path}"
    encoded = [(known, value.encode("latin-1")) for known, value in fields.items()]
    answer = httpx.request(method, url, headers=[(k.encode(), v) for k, v in encoded])
    if path == OFREP:
        assert answer.status_code == 401
        said = answer.json()["errorDetails"]
    else:
        said = problem(answer, 401)["detail"]
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in said
    assert "etag" not in answer.headers


def test_two_different_keys_are_a_contradiction(unchanged: Place) -> None:
    fields = {"X-API-Key": unchanged.machine}
    answer = unchanged.admin.get(f"{API}/flags", headers=fields)
    problem(answer, 400)


# -- methods and addresses that are not there -----------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "flags", {"GET", "HEAD", "POST"}),
        ("POST", "flags/kept", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("DELETE", "flags/kept/environments/production", {"GET", "HEAD", "PUT", "PATCH"}),
        ("GET", "keys/x/revoke", {"POST"}),
        ("PUT", "audit", {"GET", "HEAD"}),
        ("DELETE", "keys/x", {"GET", "HEAD"}),
    ],
)
def test_a_method_that_is_not_taken_is_refused_with_those_that_are(
    unchanged: Place, method: str, path: str, allowed: set[str]
) -> None:
    answer = unchanged.admin.request(method, f"{API}/{path}", headers={"If-Match": "broken"})
    problem(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_who_would_delete_a_key_is_told_how_to_revoke_it(unchanged: Place) -> None:
    details = problem(unchanged.admin.delete(f"{API}/keys/key_x"), 405)
    assert f"POST {API}/keys/{{id}}/revoke" in details["detail"]


@pytest.mark.parametrize(
    ("path", "missing", "lists"),
    [
        ("flags/nothing", "no flag 'nothing'", "flags"),
        ("flags/nothing/environments/production", "no flag 'nothing'", "flags"),
        ("flags/nothing/environments/nope", "no flag 'nothing'", "flags"),
        ("flags/kept/environments/nope", "no environment 'nope'", "environments"),
        ("flags/a%00b/environments/nope", "no flag 'a\\x00b'", "flags"),
        ("environments/nope", "no environment 'nope'", "environments"),
        ("projects/nope", "no project 'nope'", "projects"),
        ("keys/nope", "no such key", "keys"),
    ],
)
def test_what_is_not_there_is_named_with_the_list_of_what_is(
    unchanged: Place, path: str, missing: str, lists: str
) -> None:
    details = problem(unchanged.admin.get(f"{API}/{path}"), 404)
    assert missing in details["detail"]
    assert f"GET {API}/{lists} lists" in details["detail"]


@pytest.mark.parametrize("path", ["/", "/nothing", "/flags/kept/nothing", "//flags"])
def test_an_address_that_is_not_there_is_a_problem_too(unchanged: Place, path: str) -> None:
    problem(unchanged.admin.get(API + path), 404)


@pytest.mark.parametrize(
    "path", [f"{API}/flags/", f"{API}/flags/kept/", f"{API}/keys/", "/sign-in/"]
)
def test_a_slash_too_many_sends_nobody_to_the_host_that_the_request_names(
    unchanged: Place, path: str
) -> None:
    answer = unchanged.admin.get(path, headers={"Host": "evil.example"})
    assert "location" not in answer.headers
    problem(answer, 404)


def test_a_product_without_its_slash_leads_to_a_path_of_ours(unchanged: Place) -> None:
    answer = unchanged.admin.get("/flagbit", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers["location"]) == (307, "/flagbit/")


# -- evaluation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [[], 7, "x", None, {"context": []}, {"context": "x"}])
@pytest.mark.parametrize("key", ["/kept", ""])
def test_a_context_that_is_no_object_is_invalid(
    unchanged: Place, key: str, content: object
) -> None:
    fields = {"Authorization": f"Bearer {unchanged.machine}", "Content-Type": JSON}
    url = f"{unchanged.server.url}{OFREP}{key}"
    answer = httpx.post(url, content=json.dumps(content).encode(), headers=fields)
    assert answer.status_code == 400
    assert answer.json()["errorCode"] == "INVALID_CONTEXT"
    assert "Send " in answer.json()["errorDetails"]


@pytest.mark.parametrize("key", ["/kept", ""])
def test_a_context_that_is_too_long_is_refused(unchanged: Place, key: str) -> None:
    fields = {"Authorization": f"Bearer {unchanged.machine}"}
    content = {"context": {"text": "x" * 70_000}}
    answer = httpx.post(f"{unchanged.server.url}{OFREP}{key}", json=content, headers=fields)
    assert answer.status_code == 413
    assert answer.json()["errorCode"] == "INVALID_CONTEXT"
    assert "65,536" in answer.json()["errorDetails"]
