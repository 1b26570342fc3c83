"""The manual and the how-to are true: their examples are run as they stand there, page by page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

from ifmatch.cli.commands import group

DOCS = Path(__file__).parents[4] / "docs"
PAGES = ("reference/ifmatch-cli.md", "how-to/explain-a-412.md")
BIN = Path(sys.executable).parent
ENVIRONMENT = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONUTF8": "1"}


def shell(command: str, folder: Path, environment: Mapping[str, str] = ENVIRONMENT) -> str:
    """What a command prints, errors among it."""
    return subprocess.run(
        ["sh", "-c", command],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
        check=False,
    ).stdout


def examples(page: str) -> Iterator[tuple[str, str]]:
    """Each command with what it prints; one that ends with <<'END' goes on to that line."""
    blocks = re.findall(r"^```console\n(.*?)^```", page, re.M | re.S)
    for block in blocks:
        for one in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, newline, output = one.partition("\n")
            if command.endswith("<<'END'"):
                text, end, output = output.partition("END\n")
                command += newline + text + end
            yield command, output


@pytest.mark.parametrize("name", PAGES)
def test_each_example_prints_what_the_page_says(name: str, tmp_path: Path) -> None:
    found = list(examples((DOCS / name).read_text("utf-8")))
    assert len(found) > 4
    for command, output in found:
        assert shell(command, tmp_path) == output, f"$ {command}"


def test_the_manual_names_each_option() -> None:
    page = (DOCS / PAGES[0]).read_text("utf-8")
    for command in group.commands.values():
        for parameter in command.params:
            for word in (*parameter.opts, *parameter.secondary_opts):
                assert word in page or not word.startswith("-"), word


@pytest.mark.parametrize("command", [None, *group.commands])
def test_each_help_ends_with_an_example_that_runs(command: str | None, tmp_path: Path) -> None:
    one = group if command is None else group.commands[command]
    lines = one.get_help(click.Context(one, info_name="ifmatch")).splitlines()
    assert lines[-2].strip() == "Example:"
    shown = shell(f"{lines[-1]} && echo well", tmp_path)
    assert shown.endswith("\nwell\n")
    assert all(len(line) <= 80 for line in lines)
