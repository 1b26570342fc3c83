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
        (["keys"], "create list revoke"),
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


def test_a_key_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    words = ["keys", "create", "--owner", " ", "--data", str(tmp_path)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert result.stderr == "error: A key needs its owner's name: 1 to 200 printable characters.\n"
