"""Each type of problem is a row with a page, and each problem leads to its page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from chassis.application import Application
from chassis.installation import Installation, find_product
from chassis.problem_links import ProblemLinks
from chassis.problem_types import TYPES, ProblemType, types_of
from chassis.problems import Problem, Unhandled
from chassis.settings import Settings
from ifmatch import Outcome, Verdict
from ifmatch.core.etag import ETag
from ifmatch.core.reply import problem

NOTEBOOK = find_product("notebook:PRODUCT")


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[TestClient]:
    """A client of a server behind a prefix."""
    settings = Settings.load(
        {"PUBLIC_URL": "https://example.org/tools"}, {"data": str(tmp_path / "behind")}
    )
    with TestClient(Application(Installation.open([NOTEBOOK], settings))) as client:
        yield client


# -- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", TYPES, ids=[one.slug for one in TYPES])
def test_each_row_says_what_it_means_and_what_to_do(one: ProblemType) -> None:
    assert one.slug == one.slug.lower().strip("-")
    assert all(400 <= status < 600 for status in one.statuses)
    for text in (one.meaning, one.remedy):
        assert text.endswith(".")
    shown = json.loads(one.example)
    assert (shown["type"], shown["title"], shown["status"]) == (one.urn, one.title, one.statuses[0])
    assert shown["detail"]
    assert list(shown)[4:] == list(one.members)


def test_slugs_are_of_one_type_each() -> None:
    assert len({one.slug for one in TYPES}) == len(TYPES)
    assert types_of([NOTEBOOK, find_product("notebook:SECOND")]) == types_of([NOTEBOOK])


def test_a_product_cannot_give_a_slug_another_meaning() -> None:
    other = replace(TYPES[0], meaning="Something else.")
    with pytest.raises(ValueError, match=f"{TYPES[0].slug} of notebook is another one's"):
        types_of([replace(NOTEBOOK, problems=(other,))])


@pytest.mark.parametrize(
    "outcome", [Outcome.MALFORMED, Outcome.PRECONDITION_FAILED, Outcome.PRECONDITION_REQUIRED]
)
def test_the_library_s_own_problems_are_rows(outcome: Outcome) -> None:
    details = problem(Verdict(outcome, "If-Match"), ETag("a"))
    row = types_of([])[details["type"].rpartition(":")[2]]
    assert (details["title"], details["status"]) == (row.title, row.statuses[0])
    assert set(details) - {"type", "title", "status", "detail"} <= set(row.members)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Problem(404, "no-row", "There is no row. Add one."),
        lambda: Problem(409, "not-found", "Another status. Use 404."),
        lambda: Problem(404, "not-found", "Another title. Leave it out.", title="Lost"),
        lambda: Problem(404, "not-found", "Another member. Leave it out.", where="here"),
    ],
)
def test_a_problem_that_is_not_as_its_row_says_is_not_made_in_tests(
    make: Callable[[], Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="problem"):
        make()
    monkeypatch.setattr(Problem, "expected", None)  # an operator gets the answer all the same
    assert make().response().status_code >= 400


# -- the link -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/nowhere", "/notebook/nowhere", "/notebook/whoami"])
def test_each_problem_leads_to_its_page(client: TestClient, behind: TestClient, path: str) -> None:
    for who, prefix in ((client, ""), (behind, "/tools"), (behind, "")):
        answer = who.get(f"{prefix}{path}")
        slug = answer.json()["type"].rpartition(":")[2]
        link = answer.links["help"]["url"]
        assert link == f"{'/tools' if who is behind else ''}/problems/{slug}"
        page = who.get(link)
        assert page.status_code == 200
        assert answer.json()["title"] in page.text


def test_a_conflict_of_the_library_leads_to_its_page(client: TestClient) -> None:
    answer = client.get("/notebook/fail/conflict")
    assert answer.headers["link"] == '</problems/precondition-failed>; rel="help"'
    assert answer.headers["etag"] == answer.json()["etag"]


def test_what_is_no_problem_or_has_no_page_has_no_link(client: TestClient) -> None:
    for path in ("/healthz", "/notebook/notes", "/problems", "/notebook/fail/teapot"):
        assert "link" not in client.get(path).headers


@pytest.mark.parametrize("content", [b"", b"[]", b'"x"', b"{", b'{"type": 1}', b"\xff", b"{}" * 99])
def test_content_that_is_no_problem_of_ours_is_sent_as_it_is(content: bytes) -> None:
    links = ProblemLinks(["not-found"], "")
    assert links.link(content) == []
    assert links.link(b'{"type": "urn:ifmatch:problem:not-found"}' + b" " * 70_000) == []


def test_an_answer_in_pieces_arrives_whole() -> None:
    """Without a link: that would mean to wait for a stream's end."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/problem+json")]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        for part in (b'{"type": "urn:ifmatch:', b'problem:not-found"}'):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    links = ProblemLinks(["not-found"], "")
    answer = TestClient(Unhandled(app, outermost=True, links=links)).get("/")
    assert answer.json() == {"type": "urn:ifmatch:problem:not-found"}
    assert "link" not in answer.headers


def test_a_failure_after_a_problem_began_is_still_one_answer() -> None:
    """Held back for its link, it had not been sent yet: the failure is what is answered."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/problem+json")]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        raise RuntimeError("broken")

    links = ProblemLinks(["internal-error"], "")
    answer = TestClient(Unhandled(app, outermost=True, links=links)).get("/")
    assert answer.status_code == 500
    assert answer.headers["link"] == '</problems/internal-error>; rel="help"'


# -- the pages ------------------------------------------------------------------------------------


def test_every_type_has_a_page_that_the_index_leads_to(client: TestClient) -> None:
    index = client.get("/problems")
    for slug, one in types_of([NOTEBOOK]).items():
        assert f'href="/problems/{slug}"' in index.text
        page = client.get(f"/problems/{slug}")
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        for shown in (one.title, one.urn, one.shown_statuses, *one.members):
            assert shown in page.text
        assert "style=" not in page.text


def test_a_page_is_asked_for_again_and_not_sent_again(client: TestClient) -> None:
    tags = set()
    for path in ("/problems", "/problems/not-found"):
        first = client.get(path)
        tags.add(first.headers["etag"])
        assert first.headers["cache-control"] == "public, no-cache"
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        head = client.head(path)
        assert (head.status_code, head.content) == (200, b"")
    assert len(tags) == 2


def test_a_page_that_is_not_there_is_a_problem_itself(client: TestClient) -> None:
    answer = client.get("/problems/nothing-of-the-kind")
    assert answer.status_code == 404
    assert answer.headers["link"] == '</problems/not-found>; rel="help"'


def test_pages_behind_a_prefix_lead_behind_it(behind: TestClient) -> None:
    page = behind.get("/tools/problems/not-found")
    assert 'href="/tools/problems"' in page.text
    assert 'href="/problems' not in page.text
