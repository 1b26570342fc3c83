"""Whatever is sent to the API and to OFREP, the answers are of the shapes that are promised.

Schemathesis reads the description of the API, and finds nothing that it does not describe. OFREP
has a description of its own, the protocol's; Hypothesis makes up contexts for it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e2e import front_api
from e2e.operations import FLAG, JSON, MERGE_PATCH, operations
from e2e.program import API, BIN, Server, serving

REQUESTS = 2000
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "allow_header_conformance",
    "use_after_free",
    "ignored_auth",
)


@dataclass(frozen=True)
class Run:
    """What Schemathesis made of a description: its report, and every answer that it got."""

    status: int
    report: str
    answers: list[tuple[int, str, str]]

    @property
    def statuses(self) -> Counter[int]:
        return Counter(status for status, _, _ in self.answers)

    @property
    def succeeded(self) -> int:
        return sum(count for status, count in self.statuses.items() if status < 300)

    @property
    def reached(self) -> set[tuple[str, str]]:
        """Operations that succeeded at least once."""
        return {(method, path) for status, method, path in self.answers if 200 <= status < 300}


def fuzzed(
    server: Server,
    folder: Path,
    description: str,
    base: str,
    hooks: str,
    n: int,
    key: str | None = None,
) -> Run:
    """Let Schemathesis send about `n` requests to each operation below `base`.

    They have the administrator's key, unless another is given.
    """
    key = key or server.admin_key
    log = folder / "answers"
    api = server.url + base
    done = subprocess.run(
        [
            *(BIN / "schemathesis", "run", description, "--url", api),
            *("--header", f"Authorization: Bearer {key}"),
            *("--checks", ",".join(CHECKS), "--continue-on-failure", "--no-shrink"),
            *("--max-examples", str(n), "--suppress-health-check", "all", "--no-color"),
        ],
        cwd=folder,
        env=os.environ
        | {"SCHEMATHESIS_HOOKS": hooks, "PYTHONPATH": str(Path.cwd())}
        | {"FUZZING_API": api, "FUZZING_KEY": key, "FUZZING_LOG": str(log)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split(" ", 2) for line in log.read_text().splitlines()]
    answers = [(int(status), method, path) for status, method, path in lines]
    run = Run(done.returncode, done.stdout[-20_000:] + done.stderr[-2000:], answers)
    told = f"{len(answers)} requests, {run.succeeded} with success"
    print(f"{told}: {sorted(run.statuses.items())}")
    return run


def assert_promises_kept(run: Run, server: Server, least: int) -> None:
    """No answer beside the description, no 500, and at least so many requests."""
    assert run.status == 0, run.report
    assert len(run.answers) >= least
    assert max(run.statuses) < 500
    assert "Traceback" not in server.log.read_text()


def assert_reached(run: Run, known: set[tuple[str, str]]) -> None:
    """A fifth succeeded, and each operation at least once."""
    assert run.succeeded >= 0.2 * len(run.answers)
    assert known - run.reached == set(), "never with success"


def described(description: Any) -> set[tuple[str, str]]:
    """The operations of a description: method and path."""
    return {
        (method.upper(), path)
        for path, methods in description["paths"].items()
        for method in methods
        if method != "parameters"
    }


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_every_answer_is_one_that_the_description_has(tmp_path: Path) -> None:
    """At least 2,000 requests, a fifth of them with success, and no answer that is not described.

    Some follow from answers before them: what was made is read, edited and deleted. Methods that
    the description does not have are answered 405, which it need not name.
    """
    with serving(tmp_path / "data") as server:
        for key in ("a", "b"):
            server.new_flag(key)
        server.new_key("read")
        known = {(one.method, one.template) for one in operations(server)}
        description = f"{server.url}{API}/openapi.json"
        run = fuzzed(server, tmp_path, description, API, "e2e.fuzzing", 45)
        assert_promises_kept(run, server, REQUESTS)
        assert_reached(run, known)
        assert re.search(r"^ *✅ +Stateful$", run.report, re.M), run.report
        links = re.search(r"^ *API Links: +(\d+) covered /", run.report, re.M)
        assert links is not None, run.report
        assert int(links[1]) >= 5, "answers that lead to requests were hardly followed"
        print(links[0].strip())


@pytest.mark.full
@pytest.mark.timeout(600)
def test_every_answer_of_an_evaluation_is_one_that_its_description_has(tmp_path: Path) -> None:
    """OFREP as FlagBit describes it; what the protocol itself asks for stands below."""
    with serving(tmp_path / "data") as server:
        server.new_flag("a")
        key = server.new_key("server", "production")
        base = "/flagbit/ofrep"
        description = f"{server.url}{base}/openapi.json"
        run = fuzzed(server, tmp_path, description, base, "e2e.fuzzing_front", 30, key)
        assert_promises_kept(run, server, 60)
        assert run.succeeded > 0


@pytest.mark.full
@pytest.mark.timeout(600)
def test_every_answer_of_the_front_is_one_that_is_promised(tmp_path: Path) -> None:
    """Health, numbers, the overview and the playground: no 500, and no status beside the table."""
    description = tmp_path / "front.json"
    description.write_text(json.dumps(front_api.DESCRIPTION))
    with serving(tmp_path / "data") as server:
        run = fuzzed(server, tmp_path, str(description), "", "e2e.fuzzing_front", 30)
        assert_promises_kept(run, server, 300)
        assert_reached(run, described(front_api.DESCRIPTION))


@pytest.mark.full
@pytest.mark.timeout(600)
def test_every_answer_about_keys_is_one_that_their_description_has(tmp_path: Path) -> None:
    """The keys of all products, which the front makes, rotates and revokes."""
    base = "/api/v1"
    with serving(tmp_path / "data") as server:
        description = f"{server.url}{base}/openapi.json"
        run = fuzzed(server, tmp_path, description, base, "e2e.fuzzing", 30)
        assert_promises_kept(run, server, 200)
        assert_reached(run, described(httpx.get(description).json()))


APIS = {API, "/flagbit/ofrep", "/api/v1"}
"""Where an API begins that a test here fuzzes. Who adds one, adds its fuzzing."""


def test_every_description_that_quartet_serves_is_fuzzed(quartet: Server) -> None:
    """A description is found where one is looked for: below each product and the front."""
    client = quartet.client()
    names = [one["name"] for one in client.get("/overview").json()["items"]]
    assert "flagbit" in names
    places = [
        f"{below}{api}"
        for below in ["", *(f"/{name}" for name in names)]
        for api in ("", "/api", "/api/v1", "/api/v2", "/ofrep", "/ofrep/v1")
    ]
    served = {one for one in places if client.get(f"{one}/openapi.json").status_code == 200}
    assert served
    assert served <= APIS, f"{served - APIS} has a description and no fuzzing in this file"


# -- OFREP ----------------------------------------------------------------------------------------

OFREP = "/flagbit/ofrep/v1/evaluate/flags"
CONDITIONS: dict[str, tuple[str, list[Any]]] = {
    # operator: the attribute that it looks at, with which values
    "equals": ("plan", ["pro", 1, True]),
    "contains": ("plan", ["r"]),
    "starts_with": ("plan", ["p"]),
    "ends_with": ("plan", ["o"]),
    "lt": ("age", [18]),
    "lte": ("age", [18]),
    "gt": ("age", [1.5]),
    "gte": ("age", [-3]),
    "before": ("at", ["2030-01-01T00:00:00Z"]),
    "after": ("at", ["2020-02-29T00:00:00+01:00"]),
    "semver_eq": ("version", ["1.2.3"]),
    "semver_lt": ("version", ["2.0.0-rc.1"]),
    "semver_gt": ("version", ["0.0.1"]),
    "exists": ("user.plan", []),
}
FLAGS = sorted(operator.replace("_", "-") for operator in CONDITIONS)
ATTRIBUTES = ("plan", "age", "at", "version", "user", "user.plan")

integers = st.integers() | st.integers(-(10**400), 10**400)
values = st.one_of(
    st.none(),
    st.booleans(),
    integers,
    st.floats(),  # NaN and the infinities are no JSON
    st.text(st.characters()),
    st.sampled_from(["pro", "1.2.3", "v1", "1.2.3-rc.1+x", "2020-02-29", "9999-12-31T23:59:60Z"]),
    st.sampled_from(["2020-01-01T00:00:00+99:99", "", " ", "\0", "1" * 5000, "\ud800"]),
)
odd = st.recursive(
    values,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(ATTRIBUTES) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
somebody = st.fixed_dictionaries({"targetingKey": st.text(min_size=1)}, optional={"age": integers})
contexts = st.fixed_dictionaries({}, optional=dict.fromkeys(("targetingKey", *ATTRIBUTES), odd))


def nested(depth: int) -> bytes:
    return b'{"context":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


texts = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([10, 100, 1000, 10_000]).map(nested),
    st.sampled_from(
        [
            b"",
            b'{"context": {"targetingKey": "a", "targetingKey": "b"}}',
            b'{"context": {}, "context": {"targetingKey": "a"}}',
            b'{"context": {"age": ' + b"9" * 5000 + b"}}",
            b'{"context": {"age": 1e999}}',
            b'{"context": {"age": -1e-999, "targetingKey": "a"}}',
            b'{"context": {"plan": "\\ud800"}}',
            b'{"context": {"targetingKey": "a"',
            b'{"context": {"targetingKey": "\xff"}}',
            b'\xef\xbb\xbf{"context": {}}',
            b'{"context": {"targetingKey": "' + b"x" * 65_536 + b'"}}',
        ]
    ),
)
contents = st.one_of(
    *(
        one.map(lambda context: json.dumps({"context": context}).encode())
        for one in (somebody, contexts, contexts, odd)
    ),
    odd.map(lambda document: json.dumps(document).encode()),
    texts,
)
kinds = st.sampled_from(
    [JSON] * 15 + ["application/json; charset=latin-1", "text/plain", MERGE_PATCH, "", "nonsense"]
)
keys = st.sampled_from(
    [*FLAGS, *FLAGS, *FLAGS, "nothing", "..", "a/b", "a?b", "\0", "größe", "\u202e", "k" * 2000]
)
conditions = st.sampled_from([None] * 6 + ["*", '"x"', "broken", 'W/"'])


@pytest.fixture(scope="module")
def evaluating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a flag for each operator; half of them divide people."""
    with serving(tmp_path_factory.mktemp("data")) as server:
        client = server.client()
        for number, (operator, (attribute, listed)) in enumerate(CONDITIONS.items()):
            key = operator.replace("_", "-")
            server.new_flag(key, **FLAG, client_visible=number % 3 == 0)
            condition: dict[str, Any] = {"attribute": attribute, "op": operator}
            condition |= {"negate": number % 4 == 0} | ({"values": listed} if listed else {})
            state = {
                "enabled": True,
                "rules": [{"id": "r", "conditions": [condition], "serve": {"variant": "on"}}],
                "fallthrough": {"split": {"on": 1, "off": 1}} if number % 2 else {"variant": "off"},
            }
            path = f"{API}/flags/{key}/environments/production"
            fields = {"If-Match": client.get(path).headers["etag"]}
            answer = client.put(path, json=state, headers=fields)
            assert answer.status_code == 200, answer.text
        yield server
        assert "Traceback" not in server.log.read_text()


def is_evaluation(found: Any) -> bool:
    """A success or a failure of one flag, as OFREP has them."""
    if "errorCode" in found:
        return (
            set(found) <= {"key", "errorCode", "errorDetails"}
            and found["errorCode"]
            in {
                "PARSE_ERROR",
                "INVALID_CONTEXT",
                "TARGETING_KEY_MISSING",
                "FLAG_NOT_FOUND",
                "GENERAL",
            }
            and len(found["errorDetails"]) > 10
        )
    return (
        set(found) == {"key", "value", "reason", "variant", "metadata"}
        and found["reason"] in {"STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED", "DEFAULT"}
        and found["variant"] in ("on", "off")
        and found["value"] is (found["variant"] == "on")
    )


def is_ofrep(answer: httpx.Response, *, bulk: bool) -> bool:
    """What the protocol has for this status."""
    if answer.status_code == 304:
        return bulk and answer.content == b"" and "etag" in answer.headers
    if answer.headers["content-type"] == "application/problem+json":
        return answer.json()["status"] == answer.status_code and len(answer.json()["detail"]) > 10
    found = answer.json()
    if answer.headers["content-type"] != JSON or not isinstance(found, dict):
        return False
    if answer.status_code == 200 and bulk:
        return set(found) == {"flags", "metadata"} and all(map(is_evaluation, found["flags"]))
    return is_evaluation(found) and ("errorCode" in found) == (answer.status_code != 200)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bulk", [False, True], ids=["one flag", "all flags"])
def test_whatever_context_is_sent_an_evaluation_answers_as_ofrep_has_it(
    evaluating: Server, bulk: bool
) -> None:
    """At least 300 requests, a fifth of them with success, and never a 500.

    Somebody with any name and any age is always evaluated.
    """
    people = {role: evaluating.new_key(role, "production") for role in ("server", "client")}
    clients = [evaluating.client(key) for key in [*people.values(), evaluating.new_key("read")]]
    statuses: Counter[int] = Counter()

    def post(
        client: httpx.Client, key: str, content: bytes, fields: dict[str, str]
    ) -> httpx.Response:
        path = OFREP if bulk else f"{OFREP}/{quote(key, safe='')}"
        answer = client.post(path, content=content, headers={"Content-Type": JSON} | fields)
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, answer.text
        assert is_ofrep(answer, bulk=bulk), f"{answer.status_code}: {answer.text[:500]}"
        return answer

    @settings(max_examples=150, database=None)
    @given(key=st.sampled_from(FLAGS), context=somebody)
    def sent_right(key: str, context: dict[str, Any]) -> None:
        content = json.dumps({"context": context}).encode()
        assert post(clients[0], key, content, {}).status_code == 200

    @settings(max_examples=350, suppress_health_check=list(HealthCheck), database=None)
    @given(
        client=st.sampled_from([clients[0]] * 8 + clients[1:]),
        key=st.just("") if bulk else keys,
        content=contents,
        kind=kinds,
        condition=conditions,
    )
    def sent(
        client: httpx.Client, key: str, content: bytes, kind: str, condition: str | None
    ) -> None:
        fields = {"Content-Type": kind} | ({"If-None-Match": condition} if condition else {})
        post(client, key, content, fields)

    sent_right()
    sent()
    succeeded = sum(count for status, count in statuses.items() if status < 300)
    print(f"{statuses.total()} requests, {succeeded} with success: {sorted(statuses.items())}")
    assert statuses.total() >= 300
    assert succeeded >= 0.2 * statuses.total()
