"""The program as it is installed: real processes, a real terminal, and no click."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).parent / "ifmatch"
PUT = ("explain", "--method", "PUT", "--etag", '"b"', "-H", 'If-Match: "a"')


def run(
    *words: str | bytes, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [PROGRAM, *words],
        input=stdin,
        capture_output=True,
        env={"PATH": os.environ["PATH"]} | environment,
        timeout=60,
        check=False,
    )


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )


def test_it_says_its_version() -> None:
    assert run("--version").stdout == f"ifmatch {version('ifmatch')}\n".encode()


def test_without_a_command_it_shows_its_help() -> None:
    done = run()
    assert done.returncode == 2
    assert b"Usage: ifmatch [OPTIONS] COMMAND" in done.stdout + done.stderr


def test_an_explanation_is_no_failure_unless_asked_for() -> None:
    assert run(*PUT).returncode == 0
    assert run(*PUT, "--exit-status").returncode == 1
    wrong = run("explain", "--etag", "a")
    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert b"--etag '\"a\"'" in wrong.stderr
    assert b"Traceback" not in wrong.stderr


def test_without_click_it_says_in_one_line_how_to_get_it() -> None:
    """The base install has the command, and no click."""
    done = python("import sys; sys.modules['click'] = None\nfrom ifmatch.cli import main; main()")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "The command ifmatch needs click. Next: pip install 'ifmatch[cli]'\n"


def test_another_missing_module_is_not_taken_for_click() -> None:
    hidden = "import sys; sys.modules['textwrap'] = None\nfrom ifmatch.cli import main; main()"
    assert "ModuleNotFoundError" in python(hidden).stderr


def test_it_starts_with_click_and_the_core_and_opens_no_other_room() -> None:
    done = python("import sys; import ifmatch.cli.commands; print(*sys.modules)")
    loaded = done.stdout.split()
    rooms = {name.split(".")[1] for name in loaded if name.startswith("ifmatch.")}
    assert rooms == {"cli", "core"}
    assert "ifmatch.core.explain" not in loaded, "a command imports what it needs itself"
    assert not {"starlette", "sqlalchemy", "anyio"} & set(loaded)
    assert "click" not in python("import sys; import ifmatch.cli; print(*sys.modules)").stdout


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are of Unix")
@pytest.mark.parametrize(
    ("environment", "words", "coloured"),
    [
        ({"TERM": "xterm"}, (), True),
        ({"TERM": "dumb"}, (), False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, (), False),
        ({"TERM": "xterm", "NO_COLOR": ""}, (), True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, ("--color",), True),
        ({"TERM": "xterm"}, ("--no-color",), False),
    ],
)
def test_a_terminal_gets_colours_unless_they_are_not_wanted(
    environment: dict[str, str], words: tuple[str, ...], coloured: bool
) -> None:
    ours, theirs = os.openpty()
    try:
        subprocess.run(
            [PROGRAM, *PUT, *words],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            env={"PATH": os.environ["PATH"]} | environment,
            timeout=60,
            check=True,
        )
        shown = os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)
    assert b"412 Precondition Failed" in shown
    assert (b"\x1b[" in shown) == coloured


@pytest.mark.skipif(os.name != "posix", reason="arguments are octets on Unix")
def test_octets_that_are_no_text_are_compared_and_written_out() -> None:
    same = run("explain", "--etag", b'"\xff"', "-H", b'If-None-Match: "\xff"')
    assert b"304 Not Modified" in same.stdout
    missing = run("tag", b"no\xff\x1bfile")
    assert missing.returncode == 2
    assert b"There is no file no\\udcff\\x1bfile." in missing.stderr


def test_a_narrow_character_set_is_no_reason_to_fail() -> None:
    text = '["\u00e9\u65d7"]'.encode()
    done = run("tag", "-", stdin=text, PYTHONIOENCODING="latin-1")
    assert done.returncode == 0
    assert b'canonical  ["\xe9\\u65d7"]\n' in done.stdout
    exact = run("tag", "--canonical", "-", stdin=text, PYTHONIOENCODING="latin-1")
    assert exact.stdout == text


@pytest.mark.skipif(os.name != "posix", reason="sh closes it")
@pytest.mark.parametrize("command", ["tag", "explain"])
def test_a_closed_standard_input_is_said(command: str) -> None:
    words = ["sh", "-c", f"exec '{PROGRAM}' {command} - <&-"]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert b"error: Standard input is closed." in done.stderr
