"""The README is true: its commands are run as they stand there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.program import Server

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.M | re.S)
    assert found, f"the README has no {language} block any more"
    return list(found)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl: install curl")
def test_the_curl_walk_ends_with_one_saved_edit_and_one_refused(
    quartet: Server, tmp_path: Path
) -> None:
    script = "set -eu\n" + blocks("sh")[0].replace("http://127.0.0.1:8000", quartet.url)
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env={"KEY": quartet.admin_key, "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "\n200\n304\n" in done.stdout
    assert '"enabled":true' in done.stdout
    assert '"status":412' in done.stdout.replace(" ", "")
    assert '"by":"administrator"' in done.stdout.replace(" ", "")


def test_the_example_of_an_api_runs_and_refuses_the_second_writer(tmp_path: Path) -> None:
    probe = """
from starlette.testclient import TestClient

client = TestClient(app)
tag = client.get("/notes/1").headers["etag"]
assert client.get("/notes/1", headers={"If-None-Match": tag}).status_code == 304
assert client.put("/notes/1", json={"title": "Milk"}).status_code == 428
first = client.put("/notes/1", json={"title": "Milk"}, headers={"If-Match": tag})
second = client.put("/notes/1", json={"title": "Rum"}, headers={"If-Match": tag})
print(first.status_code, second.status_code)
"""
    program = tmp_path / "api.py"
    program.write_text(blocks("python")[0] + probe)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(program)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "200 412\n", done.stderr


def test_both_commands_of_the_start_are_commands_of_dev_py() -> None:
    for command in re.findall(r"^    python3 dev\.py (\w+)", README.read_text(), re.M):
        shown = subprocess.run(
            [sys.executable, str(README.parent / "dev.py"), command, "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert shown.returncode == 0, shown.stderr
