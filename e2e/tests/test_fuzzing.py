"""Schemathesis reads the description of the API, and finds nothing that it does not describe."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from e2e.operations import operations
from e2e.program import API, BIN, serving

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


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_every_answer_is_one_that_the_description_has(tmp_path: Path) -> None:
    """At least 2,000 requests, a fifth of them with success, and no answer that is not described.

    Methods that the description does not have are answered 405, which it need not name.
    """
    with serving(tmp_path / "data") as server:
        for key in ("a", "b"):
            server.new_flag(key)
        server.new_key("read")
        known = {(one.method, one.template) for one in operations(server)}
        log = tmp_path / "answers"
        api = server.url + API
        done = subprocess.run(
            [
                *(BIN / "schemathesis", "run", f"{api}/openapi.json", "--url", api),
                *("--header", f"Authorization: Bearer {server.admin_key}"),
                *("--checks", ",".join(CHECKS), "--continue-on-failure", "--no-shrink"),
                *("--max-examples", "60", "--suppress-health-check", "all", "--no-color"),
            ],
            cwd=tmp_path,
            env=os.environ
            | {"SCHEMATHESIS_HOOKS": "e2e.fuzzing", "PYTHONPATH": str(Path.cwd())}
            | {"FUZZING_API": api, "FUZZING_KEY": server.admin_key, "FUZZING_LOG": str(log)},
            capture_output=True,
            text=True,
            check=False,
        )
        report = done.stdout[-20_000:]
        answers = [line.split(" ", 2) for line in log.read_text().splitlines()]
        statuses = Counter(int(status) for status, _, _ in answers)
        succeeded = sum(count for status, count in statuses.items() if status < 300)
        print(f"{len(answers)} requests, {succeeded} with success: {sorted(statuses.items())}")
        assert done.returncode == 0, report
        assert len(answers) >= REQUESTS
        assert succeeded >= 0.2 * len(answers)
        reached = {(method, path) for status, method, path in answers if status[0] == "2"}
        assert known - reached == set(), "never with success"
        assert max(statuses) < 500
        assert "Traceback" not in server.log.read_text()
