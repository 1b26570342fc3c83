"""The command `flagbit`, run as a program against a real server, alone and several at once."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.program import API, BIN, Server, free_port
from e2e.raw_sql import RawSQL

Ran = subprocess.CompletedProcess[str]
FLAGBIT = str(BIN / "flagbit")


@dataclass
class Person:
    """Somebody with a key, who runs the command."""

    url: str
    key: str
    folder: Path

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return kept | {"FLAGBIT_URL": self.url, "FLAGBIT_API_KEY": self.key}

    def run(self, *words: str, stdin: str = "", status: int | None = 0, **more: str) -> Ran:
        done = subprocess.run(
            [FLAGBIT, *words],
            env=self.environment() | more,
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        if status is not None:
            assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        if done.returncode:
            assert done.stdout == ""
        return done

    def get(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("flags", "get", *words, "--json").stdout)
        return found


@pytest.fixture
def person(quartet: Server, tmp_path: Path) -> Callable[[str], Person]:
    """Makes somebody of that name, who may write."""

    def make(name: str) -> Person:
        return Person(f"{quartet.url}/flagbit", quartet.new_key("write", owner=name), tmp_path)

    return make


@pytest.fixture
def ada(person: Callable[[str], Person]) -> Person:
    return person("Ada")


@pytest.fixture
def grace(person: Callable[[str], Person]) -> Person:
    return person("Grace")


@pytest.fixture
def flag(quartet: Server, request: pytest.FixtureRequest) -> str:
    """A new flag, named after the test."""
    key = request.node.name.partition("[")[0][-100:]
    quartet.new_flag(key, description="As it was", tags=["ui"])
    return str(key)


# -- alone ---------------------------------------------------------------------------------------


def test_flags_are_created_listed_read_changed_and_deleted(ada: Person) -> None:
    ada.run(
        *("flags", "create", "page-size", "--type", "integer", "--default", "small"),
        *("--variant", "small=10", "--variant", "large=50", "--tag", "search"),
    )
    listed = ada.run("flags", "list", "-e", "production", "--tag", "search").stdout.splitlines()
    assert [line.split()[:4] for line in listed] == [
        ["KEY", "TYPE", "STATE", "DEFAULT"],
        ["page-size", "integer", "off", "small"],
    ]
    said = ada.run("flags", "set", "page-size", "variants.v1.0=7", "description=true").stdout
    assert '  description: "" -> "true"\n  variants.v1.0: (nothing) -> 7\n' in said
    assert "variants.v1.0      7\n" in ada.run("flags", "get", "page-size").stdout
    assert ada.get("page-size")["variants"] == {"small": 10, "large": 50, "v1.0": 7}
    ada.run("flags", "set", "page-size", "--patch", '{"variants": {"v1.0": null}}')
    history = ada.run("flags", "history", "page-size").stdout
    assert [line.split()[1:] for line in history.splitlines() if not line.startswith(" ")] == [
        ["Ada", "changed"],
        ["Ada", "changed"],
        ["Ada", "created"],
    ]
    ada.run("flags", "delete", "page-size")
    gone = ada.run("flags", "get", "page-size", status=1)
    assert "There is no flag 'page-size'" in gone.stderr


def test_a_flag_is_switched_in_one_environment(ada: Person, flag: str) -> None:
    ada.run("flags", "toggle", flag, "-e", "production")
    assert ada.get(flag, "-e", "production")["enabled"] is True
    assert ada.get(flag, "-e", "development")["enabled"] is False
    again = ada.run("flags", "toggle", flag, "-e", "production", "--on")
    assert "is so already" in again.stdout
    saved = ada.run("flags", "toggle", flag, "-e", "production", "--off", "--json").stdout
    assert json.loads(saved)["enabled"] is False
    ada.run("flags", "set", flag, "-e", "production", 'fallthrough={"variant": "on"}')
    assert ada.get(flag, "-e", "production")["fallthrough"] == {"variant": "on"}


def test_environments_are_listed(ada: Person) -> None:
    assert ada.run("environments", "list").stdout.splitlines()[1:] == [
        "development  Development",
        "production   Production",
    ]


def test_a_hostile_description_reaches_no_terminal(ada: Person, flag: str, quartet: Server) -> None:
    """The API refuses one; plain SQL asks nobody."""
    hostile = "\x1b[31m\x9bJ\u202egpj"
    refused = ada.run(
        "flags", "set", flag, "--patch", json.dumps({"description": hostile}), status=None
    )
    assert refused.returncode != 0
    statement = "UPDATE flag SET description = %s WHERE key = %s"
    assert RawSQL(quartet.log.parent).execute("flagbit", statement, hostile, flag) == 1
    assert ada.get(flag)["description"] == hostile
    shown = [ada.run("flags", *words).stdout for words in (["list"], ["get", flag])]
    ada.run("flags", "set", flag, "--patch", json.dumps({"description": "clean"}))
    shown.append(ada.run("flags", "history", flag).stdout)
    assert "clean" in shown[-1]
    for text in (refused.stderr, *shown):
        assert not {"\x1b", "\x9b", "\u202e"} & set(text), text


# -- two people ----------------------------------------------------------------------------------


def test_a_conflict_says_whose_change_came_first_and_writes_nothing(
    ada: Person, grace: Person, flag: str
) -> None:
    tag = ada.get(flag)["etag"]
    grace.run("flags", "set", flag, "description=Of Grace", "client_visible=true")
    before = ada.get(flag)
    words = ["flags", "set", flag, "description=Of Ada", "tags=[]", "--if-match", tag]
    refused = ada.run(*words, status=3).stderr
    assert "changed by Grace at 20" in refused
    assert '    base    "As it was"\n    mine    "Of Ada"\n    theirs  "Of Grace"\n' in refused
    assert "  client_visible: false -> true\n" in refused
    assert refused.splitlines()[-1].startswith("Next: ")
    assert "--theirs" in refused
    assert "--mine" in refused
    assert ada.get(flag) == before

    kept = ada.run(*words, "--theirs")
    assert "Grace changed client_visible, description meanwhile." in kept.stderr
    assert "You both changed description: theirs stays, and the rest of yours" in kept.stderr
    after = ada.get(flag)
    assert (after["description"], after["tags"], after["client_visible"]) == ("Of Grace", [], True)
    nothing = ada.run("flags", "set", flag, "description=Of Ada", "--if-match", tag, "--theirs")
    assert nothing.stderr.endswith("You both changed description: theirs stays.\n")
    assert nothing.stdout == f"{flag} stays as they left it; nothing was written.\n"
    assert "yours took the place of theirs" in ada.run(*words, "--mine").stderr
    assert ada.get(flag)["description"] == "Of Ada"


def test_a_held_edit_is_never_made_anew(ada: Person, grace: Person, flag: str) -> None:
    tag = ada.get(flag)["etag"]
    grace.run("flags", "set", flag, "tags=[]")
    ada.run("flags", "set", flag, "description=Of Ada", "--if-match", tag, status=3)
    assert ada.get(flag)["description"] == "As it was"


def test_a_file_edited_meanwhile_is_merged_with_what_others_did(
    ada: Person, grace: Person, flag: str
) -> None:
    mine = ada.get(flag) | {"tags": ["mine"]}
    grace.run("flags", "set", flag, "description=Of Grace")
    said = ada.run("flags", "set", flag, "--file", "-", stdin=json.dumps(mine)).stderr
    assert said == (
        "Grace changed description meanwhile; your change was made anew on top of that.\n"
    )
    assert (ada.get(flag)["description"], ada.get(flag)["tags"]) == ("Of Grace", ["mine"])
    grace.run("flags", "set", flag, 'tags=["of Grace"]')
    (ada.folder / "flag.json").write_text(json.dumps(mine | {"tags": ["again"]}))
    ada.run("flags", "set", flag, "--file", "flag.json", status=3)
    assert ada.get(flag)["tags"] == ["of Grace"]


def test_colours_are_for_terminals_that_want_them(ada: Person, grace: Person, flag: str) -> None:
    tag = ada.get(flag)["etag"]
    grace.run("flags", "set", flag, "description=Of Grace")
    words = [FLAGBIT, "flags", "set", flag, "description=Of Ada", "--if-match", tag]

    def on_a_terminal(**more: str) -> bytes:
        main, side = pty.openpty()
        environment = ada.environment() | {"TERM": "xterm"} | more
        subprocess.run(words, env=environment, stderr=side, timeout=60, check=False)
        os.close(side)
        shown = b""
        try:
            while chunk := os.read(main, 65536):
                shown += chunk
        except OSError:  # Linux says so at the end
            pass
        os.close(main)
        return shown

    assert b"\x1b[32mmine" in on_a_terminal()
    assert b"\x1b" not in on_a_terminal(NO_COLOR="1")


# -- between reading and writing -----------------------------------------------------------------


class Between(ThreadingHTTPServer):
    """Stands between the command and the server, where a test can do something at each write."""

    def __init__(self, server: Server) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.upstream = httpx.Client(base_url=server.url, timeout=30)
        self.before: list[Callable[[], object]] = []
        self.lose: list[str] = []  # "request" or "answer", one for each write
        self.writes = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/flagbit"


class _Passing(BaseHTTPRequestHandler):
    server: Between

    def _pass(self) -> None:
        between = self.server
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        lose = ""
        if self.command != "GET":
            between.writes += 1
            if between.before:
                between.before.pop(0)()
            lose = between.lose.pop(0) if between.lose else ""
        if lose == "request":
            return
        kept = {"authorization", "content-type", "if-match", "if-none-match"}
        fields = {name: text for name, text in self.headers.items() if name.lower() in kept}
        answer = between.upstream.request(self.command, self.path, content=content, headers=fields)
        if lose == "answer":
            return
        self.send_response(answer.status_code)
        for name in ("content-type", "etag"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_PUT = do_DELETE = _pass  # noqa: N815 (names that http.server looks for)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def between(quartet: Server) -> Iterator[Between]:
    with Between(quartet) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()
        found.upstream.close()


def test_changes_of_different_fields_in_one_moment_both_survive(
    ada: Person, grace: Person, flag: str, between: Between
) -> None:
    ada.url = between.url
    between.before = [lambda: grace.run("flags", "set", flag, "description=Of Grace")]
    said = ada.run("flags", "set", flag, 'tags=["of Ada"]')
    assert "Grace changed description meanwhile; your change was made anew" in said.stderr
    assert between.writes == 2
    assert (ada.get(flag)["description"], ada.get(flag)["tags"]) == ("Of Grace", ["of Ada"])


def test_changes_of_one_field_in_one_moment_stop_the_second(
    ada: Person, grace: Person, flag: str, between: Between
) -> None:
    ada.url = between.url
    between.before = [lambda: grace.run("flags", "set", flag, "description=Of Grace")]
    said = ada.run("flags", "set", flag, "description=Of Ada", 'tags=["of Ada"]', status=3)
    assert "Grace" in said.stderr
    assert between.writes == 1
    assert (ada.get(flag)["description"], ada.get(flag)["tags"]) == ("Of Grace", ["ui"])


def test_a_lost_answer_is_looked_up_and_a_lost_request_is_not_repeated(
    ada: Person, flag: str, between: Between
) -> None:
    ada.url = between.url
    between.lose = ["answer", "request", "answer"]
    said = ada.run("flags", "set", flag, "description=First")
    assert "The answer was lost, but the change was saved." in said.stderr
    unknown = ada.run("flags", "set", flag, "description=Second", status=4)
    assert "It is not known whether" in unknown.stderr
    assert unknown.stderr.splitlines()[-1].startswith("Next: ")
    assert ada.get(flag)["description"] == "First"
    made = ada.run("flags", "create", "made-in-the-dark")
    assert "The answer was lost, but the change was saved." in made.stderr
    assert between.writes == 3


# -- many at once --------------------------------------------------------------------------------


@pytest.mark.race
def test_what_eight_commands_add_at_once_is_all_there(ada: Person, flag: str) -> None:
    """Each adds a variant of its own; a conflict, if the tries run out, is not acknowledged."""

    def add(name: str) -> set[str]:
        done = ada.run("flags", "set", flag, f"variants.{name}=true", status=None)
        assert done.returncode in (0, 3), done.stderr
        return {name} if done.returncode == 0 else set()

    names = [f"of-writer-{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        acknowledged = set().union(*pool.map(add, names))
    assert acknowledged
    assert set(ada.get(flag)["variants"]) == {"on", "off"} | acknowledged


@pytest.mark.race
def test_a_counter_ends_at_the_number_of_edits_that_were_acknowledged(
    ada: Person, flag: str
) -> None:
    """The twin below loses, so this is not luck."""
    ada.run("flags", "set", flag, "description=0")

    def count(writer: int) -> int:
        saved = 0
        for _ in range(2):
            now = ada.get(flag)
            text = f"{int(now['description']) + 1}"
            words = ["flags", "set", flag, f"description={text}", "--if-match", now["etag"]]
            saved += ada.run(*words, status=None).returncode == 0
        return saved

    with ThreadPoolExecutor(4) as pool:
        acknowledged = sum(pool.map(count, range(4)))
    assert acknowledged > 0
    assert int(ada.get(flag)["description"]) == acknowledged


@contextmanager
def without_conditions(server: Server) -> Iterator[None]:
    with server.client() as admin:
        path = f"{API}/projects/default"

        def require(wanted: bool) -> None:
            tag = admin.get(path).headers["etag"]
            patch = {"require_conditions": wanted}
            answer = admin.patch(path, json=patch, headers={"If-Match": tag})
            assert answer.status_code == 200, answer.text

        require(False)
        try:
            yield
        finally:
            require(True)


@pytest.mark.race
def test_the_twin_of_the_counter_without_if_match_loses_edits_it_acknowledged(
    quartet: Server, ada: Person, flag: str
) -> None:
    ada.run("flags", "set", flag, "description=0")
    have_read = threading.Barrier(4)

    def count(writer: int) -> bool:
        with httpx.Client(base_url=quartet.url, headers={"X-API-Key": ada.key}) as naive:
            now = naive.get(f"{API}/flags/{flag}").json()
            have_read.wait(30)
            now["description"] = f"{int(now['description'].split()[0]) + 1} by {writer}"
            return naive.put(f"{API}/flags/{flag}", json=now).status_code == 200

    with without_conditions(quartet), ThreadPoolExecutor(4) as pool:
        acknowledged = sum(pool.map(count, range(4)))
    assert acknowledged == 4
    assert int(ada.get(flag)["description"].split()[0]) < acknowledged


# -- what can be wrong ---------------------------------------------------------------------------


def test_each_thing_that_can_be_wrong_is_said_with_the_next_step(
    quartet: Server, ada: Person, flag: str
) -> None:
    reader = quartet.new_key("read")
    nobody = f"http://127.0.0.1:{free_port()}/flagbit"
    toggle = ("flags", "toggle", flag, "-e", "production")
    cases: list[tuple[tuple[str, ...], dict[str, str], int, str, str]] = [
        (("flags", "list"), {"FLAGBIT_API_KEY": ""}, 2, "no API key", "--key-file"),
        (("flags", "list"), {"FLAGBIT_API_KEY": "wrong"}, 1, "does not accept", "keys create"),
        (("flags", "list"), {"FLAGBIT_URL": nobody}, 1, "Nothing answers", "flagbit serve"),
        (("flags", "list"), {"FLAGBIT_URL": quartet.url}, 1, "is not FlagBit", "--url"),
        (("flags", "list", "-e", "nowhere"), {}, 1, "no environment", "environments list"),
        (toggle, {"FLAGBIT_API_KEY": reader}, 1, "", "role 'write'"),
        (("flags", "get", "nothing"), {}, 1, "no flag 'nothing'", "flags list"),
        (("flags", "set", flag, "--patch", "{"), {}, 2, "line 1, column 2", "Correct"),
        (("flags", "set", flag, "enabled=true"), {}, 2, "in each environment", "--environment"),
        (("flags", "set", flag, 'tags="ui"'), {}, 1, "\n  tags: ", "Correct it"),
        (("flags", "create", flag), {}, 3, "already", "Take another key"),
        (("flags", "list", "--key-file", "missing"), {}, 2, "cannot be read", "holds an API key"),
    ]
    for words, environment, status, says, next_step in cases:
        said = ada.run(*words, status=status, **environment).stderr
        assert said.startswith("error: "), words
        assert says in said, words
        assert next_step in said.partition("\nNext: ")[2], words


def test_a_refusal_says_which_command_helps(ada: Person, flag: str) -> None:
    def refused(*words: str) -> str:
        return ada.run("flags", *words, status=1).stderr

    ada.run("flags", "set", flag, "-e", "production", "enabled=true")
    ada.run("flags", "set", flag, "-e", "production", 'fallthrough={"variant": "on"}')
    in_use = refused("set", flag, "--patch", '{"variants": {"on": null}}')
    assert "is served in the environment production" in in_use
    assert f"'flagbit flags set {flag} -e production'" in in_use
    assert f"'flagbit flags set {flag} archived=true'" in refused("delete", flag)
    wrong = refused("set", flag, "variants.on=1")
    assert "variants.on: this is an integer; write true or false, for a flag of type" in wrong
    ada.run("flags", "set", flag, "archived=true")
    archived = refused("toggle", flag, "-e", "production")
    assert f"'flagbit flags set {flag} archived=false'" in archived
    for said in (in_use, wrong, archived):
        assert "errors" not in said
        assert "PATCH" not in said


def test_a_key_comes_from_a_file_too(ada: Person) -> None:
    (ada.folder / "key").write_text(f"{ada.key}\n")
    ada.run("flags", "list", "--key-file", "key", FLAGBIT_API_KEY="")


def test_the_command_makes_keys_where_the_data_is(tmp_path: Path) -> None:
    made = subprocess.run(
        [FLAGBIT, "keys", "create", "--owner", "Ada", "--data", str(tmp_path)],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert len(made.stdout.strip()) > 20
