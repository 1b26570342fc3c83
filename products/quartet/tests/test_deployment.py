"""What deploy/ hands out is what the page shows, and names commands and files that exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from chassis.installation import find_product
from chassis.settings import read_settings
from chassis.sources import DEFAULT
from harness.programs import SYSTEMD_ANALYZE
from quartet.cli import PRODUCTS, main

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs/how-to/deploy.md").read_text("utf-8")
SHOWN = dict(re.findall(r"^`deploy/(\S+)`:\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
UNIT = (DEPLOY / "quartet.service").read_text("utf-8")
CONTAINER = (DEPLOY / "Containerfile").read_text("utf-8")
PROGRAM = "/opt/quartet/bin/quartet"


@pytest.mark.parametrize("name", sorted(path.name for path in DEPLOY.iterdir()))
def test_each_file_is_on_the_page_as_it_is(name: str) -> None:
    assert SHOWN[name] == (DEPLOY / name).read_text("utf-8")


def directives(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)


def settings_of(words: list[str], environment: dict[str, str]) -> dict[str, str]:
    """Variables and their sources, as the program would read them; raises what is unknown."""
    flags = {"config": words[words.index("--config") + 1]} if "--config" in words else {}
    products = [find_product(reference) for reference in PRODUCTS]
    reading = read_settings(environment, dict(flags), products)
    assert reading.faults == ()
    return {one.setting.variable: one.source for one in reading.found if one.source != DEFAULT}


# -- systemd --------------------------------------------------------------------------------------


def commands() -> Iterator[list[str]]:
    for directive in ("ExecStartPre", "ExecStart"):
        for command in directives(directive):
            yield shlex.split(command)


def test_the_unit_s_commands_are_commands_of_ours_with_its_settings(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s" * 64)
    environment = dict(one.partition("=")[::2] for one in directives("Environment"))
    environment = {name: value.replace("%d", str(tmp_path)) for name, value in environment.items()}
    seen = []
    for program, command, *words in commands():
        assert program == PROGRAM
        seen.append(command)
        moved = [
            str(DEPLOY / "quartet.env") if word == "/etc/quartet/quartet.env" else word
            for word in words
        ]
        shown = CliRunner().invoke(main, [command, *moved, "--help"])
        assert shown.exit_code == 0, shown.output
        assert settings_of(moved, environment)["QUARTET_SECRET"] == "QUARTET_SECRET_FILE"
    assert seen == ["check-config", "serve"]


def test_the_unit_s_check_finds_its_settings_fit(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s" * 64)
    (tmp_path / "secret").chmod(0o600)
    text = (DEPLOY / "quartet.env").read_text("utf-8").replace("/var/lib/quartet", str(tmp_path))
    (tmp_path / "quartet.env").write_text(text.replace("PORT=8000", "PORT=0"))
    words = ["check-config", "--config", str(tmp_path / "quartet.env")]
    clean = {name: None for name in os.environ if name.startswith(("QUARTET_", "DATABASE_"))}
    environment = {**clean, "QUARTET_SECRET_FILE": str(tmp_path / "secret")}
    done = CliRunner().invoke(main, words, env=environment)
    assert done.exit_code == 0, done.output
    assert "warning" not in done.output


def test_the_data_is_where_the_unit_lets_it_be() -> None:
    (state,) = directives("StateDirectory")
    environment = (DEPLOY / "quartet.env").read_text("utf-8")
    assert f"\nQUARTET_DATA=/var/lib/{state}\n" in environment


def test_the_unit_waits_longer_than_the_server_takes_to_stop() -> None:
    from chassis.application import STOPS_WITHIN
    from chassis.server import _STOP_SECONDS

    (limit,) = directives("TimeoutStopSec")
    assert int(limit) > _STOP_SECONDS + STOPS_WITHIN


needs_systemd = pytest.mark.skipif(
    SYSTEMD_ANALYZE.find() is None, reason=f"no systemd: {SYSTEMD_ANALYZE.how_to_get}"
)


@needs_systemd
def test_systemd_has_nothing_to_say_against_the_unit(tmp_path: Path) -> None:
    """The program is not installed here, so another one stands in for it."""
    unit = tmp_path / "quartet.service"
    unit.write_text(UNIT.replace(PROGRAM, "/bin/true"))
    words = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    about_it = [line for line in done.stderr.splitlines() if "quartet.service" in line]
    assert about_it == []


@needs_systemd
def test_a_mistake_in_the_unit_would_be_found(tmp_path: Path) -> None:
    """The twin."""
    unit = tmp_path / "quartet.service"
    unit.write_text(UNIT.replace(PROGRAM, "/bin/true").replace("UMask=", "UMusk="))
    words = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "UMusk" in done.stderr


# -- the container --------------------------------------------------------------------------------


def test_the_container_copies_and_installs_files_that_exist() -> None:
    named = set(re.findall(r"(?:requirements|packages|products)/[\w./-]+", CONTAINER))
    assert {"requirements/run.txt", "requirements/build.txt"} <= named
    for path in named:
        assert (ROOT / path).exists(), path


def test_the_container_runs_a_command_of_ours_with_its_settings_as_nobody_special() -> None:
    (program,) = re.findall(r'^ENTRYPOINT \["(.*)"\]$', CONTAINER, re.MULTILINE)
    (command,) = re.findall(r'^CMD \["(.*)"\]$', CONTAINER, re.MULTILINE)
    (given,) = re.findall(r"^ENV (.*)$", CONTAINER, re.MULTILINE)
    assert program == PROGRAM
    assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0
    environment = dict(one.partition("=")[::2] for one in given.split())
    assert set(settings_of([], environment)) == {"QUARTET_HOST", "QUARTET_PORT", "QUARTET_DATA"}
    (volume,) = re.findall(r"^VOLUME (\S+)$", CONTAINER, re.MULTILINE)
    assert environment["QUARTET_DATA"] == volume
    users = re.findall(r"^USER (\S+)$", CONTAINER, re.MULTILINE)
    assert users[-1] not in ("0", "root")
    assert f"EXPOSE {environment['QUARTET_PORT']}" in CONTAINER
    assert f"127.0.0.1:{environment['QUARTET_PORT']}/readyz" in CONTAINER


def test_the_commands_on_the_page_exist() -> None:
    for words in re.findall(r"`(quartet [a-z][^`]*)`|^    (?:\S+/)?(quartet [a-z].*)$", PAGE):
        command = [word for word in shlex.split("".join(words))[1:] if word[0].isalpha()]
        assert CliRunner().invoke(main, [*command[:2], "--help"]).exit_code == 0, words
