"""The commands that every product has: which of them make data, and what they say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chassis.cli import command_line


def run(*words: str, **environment: str) -> Result:
    clean = {name: None for name in os.environ if name.startswith(("QUARTET_", "DATABASE_"))}
    main = command_line("notebook", ("notebook:PRODUCT",), "Keeps notes.")
    return CliRunner().invoke(main, words, env={**clean, **environment})


READING = [
    ["keys", "list"],
    ["keys", "revoke", "key_none"],
    ["keys", "rotate", "key_none"],
    ["keys", "recover"],
]


@pytest.mark.parametrize("words", READING)
def test_a_command_that_reads_makes_no_data(words: list[str], tmp_path: Path) -> None:
    """Run in the wrong folder, it must not leave a database there and say that all is well."""
    for folder in (tmp_path / "nothing", tmp_path):
        done = run(*words, "--data", str(folder))
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: There is no data at {folder}. Next: name its folder")
        assert "--data" in done.stderr
        assert "'serve'" in done.stderr
        assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", READING)
def test_a_command_that_reads_makes_no_schema(
    words: list[str], tmp_path: Path, postgres_dsn: str
) -> None:
    empty = {"DATABASE_URL": postgres_dsn, "QUARTET_SECRET": "s" * 32}
    for _ in range(2):
        done = run(*words, "--data", str(tmp_path), **empty)
        assert done.exit_code == 2
        assert "There is no data in the database of DATABASE_URL. Next: " in done.stderr
    assert run("keys", "create", "--owner", "Ada", "--data", str(tmp_path), **empty).exit_code == 0
    listed = run("keys", "list", "--data", str(tmp_path), **empty)
    assert (listed.exit_code, listed.stdout.split()[-1]) == (0, "Ada")

    without = run(*words, "--data", str(tmp_path), DATABASE_URL=postgres_dsn)
    assert without.exit_code == 2
    assert f"There is no secret.key at {tmp_path}. Next: " in without.stderr
    assert list(tmp_path.iterdir()) == []


def test_making_the_first_key_makes_the_data(tmp_path: Path) -> None:
    made = run("keys", "create", "--owner", "Ada", "--data", str(tmp_path / "new"))
    assert made.exit_code == 0, made.stderr
    assert run("keys", "list", "--data", str(tmp_path / "new")).stdout.endswith(" Ada\n")


def test_data_without_a_key_is_said(tmp_path: Path) -> None:
    assert run("migrate", "--data", str(tmp_path)).exit_code == 0
    listed = run("keys", "list", "--data", str(tmp_path))
    assert (listed.exit_code, listed.stdout) == (0, "")
    assert listed.stderr == "There are no keys.\n"
