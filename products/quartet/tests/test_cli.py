"""The command `quartet`: quick to start, and with every option that the documentation promises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from chassis.installation import find_product
from chassis.product import Product
from quartet.cli import PRODUCTS, main


def test_the_command_starts_without_what_only_the_server_needs() -> None:
    code = "import sys, quartet.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"sqlalchemy", "alembic", "fastapi", "starlette", "pydantic", "uvicorn", "jinja2"}
    assert heavy.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("reference", PRODUCTS)
def test_each_product_is_there(reference: str) -> None:
    product = find_product(reference)
    assert isinstance(product, Product)
    assert reference.startswith(product.name)


def test_the_version_is_said() -> None:
    said = CliRunner().invoke(main, ["--version"]).output
    assert said == f"quartet {version('quartet')}\n"


def test_serve_has_the_options_of_the_documentation() -> None:
    said = CliRunner().invoke(main, ["serve", "--help"]).output
    expected = {"--host", "--port", "--data", "--demo", "--workers", "--shared-sqlite"}
    assert expected <= set(re.findall(r"--[a-z-]+", said))
    for variable in ("QUARTET_PORT", "PUBLIC_URL"):
        assert variable in said


@pytest.mark.parametrize(
    ("command", "does"),
    [
        ([], "serve check-config migrate keys"),
        (["keys"], "create list recover revoke rotate"),
    ],
)
def test_the_commands_are_named_in_the_help(command: list[str], does: str) -> None:
    said = CliRunner().invoke(main, [*command, "--help"]).output
    assert all(re.search(rf"^  {one} ", said, re.MULTILINE) for one in does.split())


def test_keys_are_made_listed_and_revoked_at_the_machine(tmp_path: Path) -> None:
    def run(*words: str) -> str:
        result = CliRunner().invoke(main, [*words, "--data", str(tmp_path)], env=clean)
        assert result.exit_code == 0, result.output
        return result.stdout

    clean = {name: None for name in os.environ if name.startswith(("QUARTET_", "DATABASE_"))}
    place = ("--product", "flagbit", "--project", "shop", "--environment", "production")
    token = run("keys", "create", "--owner", "Ada", "--role", "server", *place).strip()
    (line,) = run("keys", "list").splitlines()
    assert re.fullmatch(r"ifm_[A-Za-z0-9]{8}_[A-Za-z0-9]{32}", token)
    assert line.split()[1:] == [token[:12], "server", "flagbit/shop/production", "valid", "Ada"]
    assert "is revoked" in run("keys", "revoke", line.split()[0])
    assert "revoked" in run("keys", "list")


def test_a_key_is_rotated_and_an_administrator_made_at_the_machine(tmp_path: Path) -> None:
    """What was lost is found again there: a successor that was not seen, and every admin key."""
    clean = {name: None for name in os.environ if name.startswith(("QUARTET_", "DATABASE_"))}

    def run(*words: str, status: int = 0) -> str:
        result = CliRunner().invoke(main, [*words, "--data", str(tmp_path)], env=clean)
        assert result.exit_code == status, result.output
        return result.stdout if status == 0 else result.stderr

    def listed(owner: str) -> list[list[str]]:
        rows = [line.split() for line in run("keys", "list").splitlines()]
        return [row for row in rows if row[-1] == owner]

    def states(owner: str) -> list[str]:
        return sorted(row[4] for row in listed(owner))

    run("keys", "create", "--owner", "Ada", "--role", "server", "--environment", "production")
    first = listed("Ada")[0][0]
    tokens = {run("keys", "rotate", first).strip() for _ in range(2)}
    assert len(tokens) == 2
    assert states("Ada") == ["revoked", "until", "valid"]
    run("keys", "create", "--owner", "Ben", "--days", "30")
    assert states("Ben") == ["until"]
    run("keys", "rotate", "--overlap", "0", listed("Ben")[0][0])
    assert states("Ben") == ["revoked", "valid"]
    token = run("keys", "recover").strip()
    assert re.fullmatch(r"ifm_[A-Za-z0-9]{8}_[A-Za-z0-9]{32}", token)
    (last,) = listed("administrator")
    assert last[1:] == [token[:12], "admin", "all", "valid", "administrator"]
    assert "There is no key" in run("keys", "rotate", "key_none", status=2)
    assert "There is no role" in run("keys", "create", "--owner", "A", "--role", "x", status=2)


def test_a_key_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    words = ["keys", "create", "--owner", " ", "--data", str(tmp_path)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert result.stderr == "error: A key needs its owner's name: 1 to 200 printable characters.\n"
