"""The command line without a server: its help, its manual, and how quickly it starts."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import httpx
import pytest
from click.testing import CliRunner, Result

from flagbit import cli
from flagbit.client import manual
from flagbit.client.http import Api

PAGE = Path(__file__).parents[3] / "docs/reference/flagbit-cli.md"
SERVER_SIDE = {"alembic", "fastapi", "pydantic", "sqlalchemy", "starlette", "uvicorn"}


def run(*words: str, stdin: str | None = None, **environment: str | None) -> Result:
    variables = {"FLAGBIT_API_KEY": "key", "FLAGBIT_URL": None} | environment
    return CliRunner().invoke(cli.main, words, input=stdin, env=variables)


def loaded(program: str) -> set[str]:
    """The top-level modules that a program has loaded when it ends."""
    report = "print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\n{report}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_the_command_starts_without_what_the_server_is_made_of() -> None:
    modules = loaded("import flagbit.cli")
    assert not modules & (SERVER_SIDE | {"httpx", "httpcore", "rich"})
    assert "click" in modules


def test_speaking_to_a_server_needs_httpx_and_nothing_of_the_server() -> None:
    program = (
        "from flagbit.cli import main\n"
        "main(['flags', 'list', '--url', 'http://127.0.0.1:9'], standalone_mode=False)"
    )
    quiet = f"try:\n    {program.replace(chr(10), chr(10) + '    ')}\nexcept SystemExit: pass"
    modules = loaded(f"import os; os.environ['FLAGBIT_API_KEY'] = 'key'\n{quiet}")
    assert "httpx" in modules
    assert not modules & SERVER_SIDE


def test_the_manual_is_current() -> None:
    text = PAGE.read_text("utf-8")
    assert text == manual.page(text), "run: python -m flagbit.client.manual " + str(PAGE)


def test_the_manual_refuses_a_page_without_its_marker() -> None:
    with pytest.raises(ValueError, match="no marker"):
        manual.page("# A page")


def test_the_manual_names_each_exit_status_and_each_command() -> None:
    text = PAGE.read_text("utf-8")
    for status in range(5):
        assert f"\n| {status} | " in text
    first = text.partition("\n## ")[0]
    for name in cli.main.commands:
        assert re.search(rf"`(flagbit )?{name}`", first), name
    group = cli.main.commands["flags"]
    assert isinstance(group, click.Group)
    for name in group.commands:
        assert f"## flagbit flags {name}\n" in text


def test_the_version_is_said() -> None:
    done = run("--version")
    assert (done.exit_code, done.stdout) == (0, f"flagbit {version('flagbit')}\n")


def test_no_option_takes_a_key() -> None:
    """A secret among the arguments is seen by everybody on the machine."""
    names = [
        option
        for group in (cli.main.commands["flags"], cli.main.commands["environments"])
        if isinstance(group, click.Group)
        for command in group.commands.values()
        for parameter in command.params
        for option in parameter.opts
    ]
    assert "--key-file" in names
    assert not {"--key", "--api-key", "--token", "--password"} & set(names)


@pytest.mark.parametrize("key", ["", "   ", "\n"])
def test_a_missing_key_is_said_with_the_next_step(key: str) -> None:
    done = run("flags", "list", FLAGBIT_API_KEY=key)
    assert done.exit_code == 2
    assert "no API key in FLAGBIT_API_KEY" in done.stderr
    assert "--key-file" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("key", ["two words", "schlüssel", "a\nb", "a\x00b"])
def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(key: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(key, "utf-8")
    done = run("flags", "list", "--key-file", str(file))
    assert done.exit_code == 2
    assert "is no API key" in done.stderr
    assert key not in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["flags", "set", "k"], "There is nothing to change"),
        (["flags", "set", "k", "a=1", "--patch", "{}"], "FIELD=VALUE and --patch are given"),
        (["flags", "set", "k", "--patch", "[]"], "no JSON object"),
        (["flags", "set", "k", "--patch", "{"], "line 1, column 2"),
        (["flags", "set", "k", "--file", "-"], "not JSON"),
        (["flags", "set", "k", "a"], "FIELD=VALUE"),
        (["flags", "set", "../k", "a=1"], "cannot be the key of a flag"),
        (["flags", "get", "k", "-e", "?"], "cannot be the key of an environment"),
        (["flags", "create", "k", "--type", "string"], "needs variants"),
        (["flags", "create", "k", "--type", "string", "--variant", "a"], "NAME=VALUE"),
        (["flags", "create", "k", "--type", "string", "--variant", "a=b"], "--default"),
        (["flags", "list", "--url", "http://user:word@127.0.0.1/"], "user or a password"),
    ],
)
def test_wrong_usage_has_status_2_and_says_what_to_do(words: list[str], says: str) -> None:
    done = run(*words, stdin="{,")
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr
    assert "\nNext: " in done.stderr


SIZE = ("flags", "create", "k", "--type", "object", "--default", "a")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["flags", "set", "k", "--patch", '{"tags": [], "tags": ["a"]}'], "'tags' occurs twice"),
        (["flags", "set", "k", "--file", "-"], "'description' occurs twice"),
        (["flags", "set", "k", "variants.x=true", "variants.x=false"], "variants.x is set twice"),
        ([*SIZE, "--variant", 'a={"x": 1, "x": 2}'], "'x' occurs twice"),
        ([*SIZE, "--variant", "a={}", "--variant", "a={}"], "variant a is given twice"),
        (["flags", "set", "k", "a=1", "--mine", "--theirs"], "--mine and --theirs"),
        (["flags", "toggle", "k", "-e", "a", "--off", "--on"], "--on / --off is given twice"),
        (
            ["flags", "get", "k", "-e", "a", "--environment", "b"],
            "--environment / -e is given twice",
        ),
        (["flags", "set", "k", "--patch", "{}", "--patch", "{}"], "--patch is given twice"),
        (["keys", "list", "--data", "a", "--data", "b"], "--data is given twice"),
    ],
)
def test_what_could_be_meant_in_two_ways_is_refused(words: list[str], says: str) -> None:
    done = run(*words, stdin='{"description": "a", "description": "b"}')
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr
    assert "once" in done.stderr.splitlines()[-1] or "one of them" in done.stderr.splitlines()[-1]


def test_an_option_that_may_be_given_again_is_taken_each_time() -> None:
    words = ["flags", "create", "k", "--tag", "a", "--tag", "b", "--url", "http://127.0.0.1:9"]
    assert "Nothing answers" in run(*words).stderr


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose every word would colour, clear or turn round what a terminal shows."""
    evil = "\x1b[2J\x9b\u202e\r"
    detail = {"type": "urn:ifmatch:problem:forbidden", "detail": evil}
    detail["errors"] = [{"pointer": evil, "detail": evil}]  # type: ignore[assignment]
    entry = {"kind": "flag", "actor": evil, "action": evil, "at": evil, "before": {"a": 1}}
    entry |= {"after": {evil: evil}}

    def reply(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/audit"):
            return httpx.Response(200, json={"items": [entry]})
        if path.endswith("/refused"):
            kind = {"Content-Type": "application/problem+json"}
            return httpx.Response(403, json=detail, headers=kind)
        if path.endswith(("/flags", "/environments")):
            one = {"key": evil, "type": evil, "tags": [evil], "name": evil, "description": evil}
            return httpx.Response(200, json={"items": [one]})
        content = {evil: evil, "a": 0, "variants": {evil: evil}}
        return httpx.Response(200, json=content, headers={"ETag": '"a"'})

    def api(url: str, key: str, timeout: float) -> Api:
        return Api(url, key, timeout, httpx.MockTransport(reply))

    monkeypatch.setattr(cli, "Api", api)


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(
    "words",
    [
        ["flags", "list"],
        ["flags", "list", "--json"],
        ["flags", "get", "k"],
        ["flags", "get", "k", "--json"],
        ["flags", "get", "refused"],
        ["flags", "history", "k"],
        ["flags", "history", "k", "--json"],
        ["flags", "set", "k", "--patch", '{"a": 1}'],
        ["flags", "set", "k", "--patch", '{"a": 1}', "--if-match", '"x"'],
        ["flags", "set", "k", "a=1"],
        ["environments", "list"],
    ],
)
def test_nothing_that_a_server_says_reaches_the_terminal_raw(words: list[str]) -> None:
    done = run(*words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.stdout + done.stderr
    assert not {"\x1b", "\x9b", "\u202e", "\r", "\x85"} & set(done.stdout + done.stderr)
