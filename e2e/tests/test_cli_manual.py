"""The manual of `flagbit` is true: its examples are run as they stand there, in one go."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from e2e.program import BIN, serving

MANUAL = Path(__file__).parents[2] / "docs/reference/flagbit-cli.md"


def examples() -> Iterator[tuple[str, str]]:
    """Each command with what it prints; … stands for anything."""
    blocks = re.findall(r"^```console\n(.*?)^```", MANUAL.read_text("utf-8"), re.M | re.S)
    for block in blocks:
        for one in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = one.partition("\n")
            yield command, output


def test_each_example_prints_what_the_manual_says(tmp_path: Path) -> None:
    found = list(examples())
    assert len(found) > 9
    with serving(tmp_path / "data", "--demo") as server:
        environment = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "FLAGBIT_URL": f"{server.url}/flagbit",
            "FLAGBIT_API_KEY": server.admin_key,
        }
        for command, output in found:
            done = subprocess.run(
                ["sh", "-c", command],
                env=environment,
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                timeout=60,
                check=False,
            )
            expected = ".*?".join(re.escape(part) for part in output.split("…"))
            assert re.fullmatch(expected, done.stdout, re.S), f"$ {command}\n{done.stdout}"
