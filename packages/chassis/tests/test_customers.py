"""The page for an API's customers: made of the description, and nothing in it is more than text."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from chassis import customers
from chassis.customers.examples import FETCH, MODULE, PYTHON, SHELL, Sample, examples
from chassis.customers.promises import Condition, api
from chassis.installation import Installation, find_product
from chassis.settings import Settings

ETAG = {"ETag": {"schema": {"type": "string", "pattern": '^W/"[^"]*"$'}}}
IF_MATCH = {"name": "If-Match", "in": "header"}
DOCUMENT: dict[str, Any] = {
    "info": {"title": "Notes"},
    "security": [{"bearer": []}],
    "paths": {
        "/notes/{key}": {
            "get": {
                "summary": "Read Note",
                "description": "One note.\n\nMore.",
                "security": [{"bearer": ["read"]}, {"field": ["read"]}],
                "responses": {
                    "304": {"description": "Current.", "headers": ETAG},
                    "200": {"description": "There it is.", "headers": ETAG},
                },
            },
            "put": {"parameters": [IF_MATCH], "responses": {"428": {}, "200": {}}},
        },
        "/notes": {"post": {"parameters": [IF_MATCH], "responses": {"201": {}}}},
        "/ask": {"post": {"responses": {"304": {}}, "security": []}},
        "/plain": {"get": {"responses": {"200": {}}}},
    },
}
SAMPLE = Sample("/notes", "/notes/tea", "tags", "reviewed", ("/ask", {"who": "it's me"}))


def promise(method: str, path: str, document: dict[str, Any] = DOCUMENT) -> Any:
    return next(
        one for one in api(document, "/v1").promises if (one.method, one.path) == (method, path)
    )


# -- promises --------------------------------------------------------------------------------------


def test_a_read_with_304_can_be_polled_and_names_its_role() -> None:
    read = promise("GET", "/notes/{key}")
    assert read.polled
    assert read.head
    assert not read.safe_post
    assert read.roles == ("read",)
    assert read.summary == "One note."
    assert [(one.status, one.meaning) for one in read.answers] == [
        (200, "There it is."),
        (304, "Current."),
    ]
    assert not promise("GET", "/plain").polled


def test_an_edit_needs_a_condition_where_428_is_described_and_takes_one_where_not() -> None:
    assert promise("PUT", "/notes/{key}").condition is Condition.REQUIRED
    assert promise("POST", "/notes").condition is Condition.TAKEN
    assert promise("GET", "/notes/{key}").condition is None


def test_a_post_with_304_only_reads() -> None:
    assert promise("POST", "/ask").safe_post
    assert not promise("POST", "/notes").safe_post


def test_public_is_what_needs_no_key() -> None:
    assert promise("POST", "/ask").public
    assert not promise("GET", "/plain").public, "the document's own says otherwise"


def test_tags_are_weak_where_every_pattern_says_so() -> None:
    assert api(DOCUMENT, "/v1").weak
    strong = {"ETag": {"schema": {"pattern": '^(W/)?"[^"]*"$'}}}
    answers = {"200": {"headers": strong}}
    other = {**DOCUMENT, "paths": {**DOCUMENT["paths"], "/x": {"get": {"responses": answers}}}}
    assert not api(other, "/v1").weak


# -- examples --------------------------------------------------------------------------------------

HOSTILE = "http://a\"b'c$(touch x)`d`\\<edited>\n.test"


def made(origin: str = "http://localhost", sample: Sample = SAMPLE) -> dict[tuple[str, str], str]:
    found = examples(sample, lambda path: origin + path, f"{origin}/modules")
    return {(one.about, one.language): one.source for one in found}


@pytest.mark.parametrize("about", ["poll", "edit"])
@pytest.mark.parametrize("language", [SHELL, PYTHON, FETCH, MODULE])
def test_an_address_is_a_text_in_every_language_whatever_is_in_it(
    about: str, language: str
) -> None:
    """The host may come from the request: it must not become part of the program."""
    source = made(HOSTILE)[about, language]
    address = HOSTILE + (SAMPLE.listed if about == "poll" else SAMPLE.edited)
    if language == SHELL:
        assert f"url={address}" in shlex.split(source.partition("for ")[0], comments=True)
    elif language == PYTHON:
        texts = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
        assert address in [one.value for one in texts]
    else:
        (line,) = [one for one in source.splitlines() if one.startswith("const url = ")]
        assert ast.literal_eval(line.removeprefix("const url = ").rstrip(";")) == address


def test_there_is_no_example_of_what_a_product_does_not_have() -> None:
    without = Sample("/notes", "/notes/tea", "tags", "reviewed")
    assert {about for about, _ in made(sample=without)} == {"poll", "edit", "fetch"}
    assert {about for about, _ in made(sample=Sample("/notes"))} == {"poll", "fetch"}
    assert {about for about, _ in made()} == {"poll", "edit", "fetch", "ask"}


def test_every_blank_is_filled_in() -> None:
    for source in made().values():
        for blank in ("listed", "edited", "member", "added", "asked", "content", "modules"):
            assert f"<{blank}>" not in source


# -- the page --------------------------------------------------------------------------------------


def served(
    installation: Installation, document: dict[str, Any] = DOCUMENT, sample: Sample = SAMPLE
) -> TestClient:
    context = installation.context(installation.products[0])
    described = {"/v1": lambda: document}
    routes = customers.page(context, "Notebook", described, lambda _: sample)
    return TestClient(Starlette(routes=routes))


def test_the_page_has_every_operation_and_asks_nobody_for_a_key(
    installation: Installation,
) -> None:
    answer = served(installation).get("/developers")
    assert answer.status_code == 200
    for path, methods in DOCUMENT["paths"].items():
        for method in methods:
            assert f">{method.upper()} {path}<" in answer.text
    assert "Tags here are weak" in answer.text


def test_a_page_without_edits_has_no_chapter_on_them(installation: Installation) -> None:
    page = served(installation, sample=Sample("/notes")).get("/developers").text
    assert 'id="poll"' in page
    assert 'id="edit"' not in page
    assert 'href="#edit"' not in page


def test_the_page_says_so_where_tags_are_strong(installation: Installation) -> None:
    document = {**DOCUMENT, "paths": {"/x": {"get": {"responses": {"200": {"headers": {}}}}}}}
    document["paths"]["/x"]["get"]["responses"]["200"]["headers"] = {
        "ETag": {"schema": {"pattern": '^(W/)?"[^"]*"$'}}
    }
    assert "Tags here are strong" in served(installation, document).get("/developers").text


def test_markup_in_an_example_or_a_description_stays_text(installation: Installation) -> None:
    hostile = "<script>alert(1)</script>"
    answers = {"200": {"description": hostile}}
    document = {**DOCUMENT, "paths": {f"/{hostile}": {"get": {"responses": answers}}}}
    sample = Sample("/notes", f"/notes/{hostile}", hostile, hostile)
    page = served(installation, document, sample).get("/developers").text
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)") > 10


def test_a_description_is_served_once_made_with_a_tag() -> None:
    times = []

    def make() -> dict[str, Any]:
        times.append(1)
        return DOCUMENT

    client = TestClient(Starlette(routes=[customers.description("/openapi.json", make)]))
    first = client.get("/openapi.json")
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (first.json(), again.status_code, len(times)) == (DOCUMENT, 304, 1)


def test_examples_have_the_public_address_with_its_prefix(tmp_path: Path) -> None:
    environment = {"QUARTET_SECRET": "s" * 32, "PUBLIC_URL": "https://tools.example.test/ours"}
    settings = Settings.load(environment, {"data": str(tmp_path / "data")})
    installation = Installation.open([find_product("notebook:PRODUCT")], settings)
    page = served(installation).get("/developers", headers={"Host": "elsewhere.test"}).text
    installation.close()
    ours = "https://tools.example.test/ours"
    assert f"{ours}/notebook/notes" in page
    assert f"{ours}/assets/" in page
    assert "elsewhere.test" not in page
