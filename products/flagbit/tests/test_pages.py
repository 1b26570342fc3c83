"""The page without a browser: who may see it, what it holds, and that nothing in it can run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from sqlalchemy import text as statement_of
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.installation import Installation
from chassis.rights import Role
from chassis.settings import Settings
from flagbit.product import PRODUCT

ADMIN_KEY = "an-admin-key-of-more-than-32-characters"
HOSTILE = "<script>alert(1)</script> \"'&\u202etxt\x07"


def application(folder: Any, **settings: Any) -> Iterator[tuple[Installation, TestClient]]:
    opened = Installation.open([PRODUCT], Settings(data=folder, **settings))
    opened.keys.ensure_admin(ADMIN_KEY)
    with TestClient(Application(opened), follow_redirects=False) as client:
        yield opened, client
    opened.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, TestClient]]:
    """A server with two flags, one of which somebody hostile described."""
    for installation, client in application(tmp_path_factory.mktemp("data")):
        for key, description in (("dark-mode", "Dark colours"), ("hostile", HOSTILE)):
            made = client.post(
                "/flagbit/api/v1/flags",
                headers=as_admin(),
                json={
                    "key": key,
                    "type": "boolean",
                    "description": "" if key == "hostile" else description,
                    "tags": ["<b>"] if key == "hostile" else [],
                    "variants": {"on": True, "off": False},
                    "default_variant": "off",
                    "off_variant": "off",
                },
            )
            assert made.status_code == 201, made.text
        with installation.databases["flagbit"].writing() as connection:
            # The API refuses what cannot be seen; plain SQL asks nobody.
            statement = statement_of("UPDATE flag SET description = :text WHERE key = 'hostile'")
            connection.execute(statement, {"text": HOSTILE})
        yield installation, client


@pytest.fixture
def client(served: tuple[Installation, TestClient]) -> TestClient:
    """A client that carries no key and no cookie."""
    served[1].cookies.clear()
    return served[1]


def as_admin() -> dict[str, str]:
    return {"Authorization": f"Bearer {ADMIN_KEY}"}


def page(client: TestClient, address: str = "/flagbit/") -> str:
    answer = client.get(address, headers=as_admin())
    assert answer.status_code == 200
    return answer.text


class Outline(HTMLParser):
    """The elements of a page with their attributes, and the text of its scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style"):
            self.inline += data

    def links(self) -> list[str]:
        found = (
            attrs.get(name) for _, attrs in self.elements for name in ("href", "src", "action")
        )
        return [link for link in found if link]


# -- who ------------------------------------------------------------------------------------------


def test_strangers_are_sent_to_sign_in_and_back(client: TestClient) -> None:
    answer = client.get("/flagbit/?environment=development&flag=dark-mode")
    assert answer.status_code == 303
    there = answer.headers["location"]
    assert there == "/sign-in?next=/flagbit/%3Fenvironment%3Ddevelopment%26flag%3Ddark-mode"
    assert answer.headers["cache-control"] == "no-store"
    entered = client.post(
        "/sign-in",
        data={"key": ADMIN_KEY, "next": "/flagbit/?flag=dark-mode"},
        headers={"Origin": "http://testserver"},
    )
    assert entered.headers["location"] == "/flagbit/?flag=dark-mode"
    assert "dark-mode" in client.get("/flagbit/?flag=dark-mode").text


def test_keys_that_only_evaluate_see_no_page(
    served: tuple[Installation, TestClient], client: TestClient
) -> None:
    _, token = served[0].keys.create("an app", "server", "flagbit", "default", "production")
    answer = client.get("/flagbit/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403


def test_readers_get_a_page_that_says_so(
    served: tuple[Installation, TestClient], client: TestClient
) -> None:
    _, token = served[0].keys.create("Rosa", Role.READ, "flagbit", "default")
    html = client.get("/flagbit/", headers={"Authorization": f"Bearer {token}"}).text
    assert 'data-can-edit="no"' in html
    assert "may read only" in html


# -- what -----------------------------------------------------------------------------------------


def test_without_scripts_every_flag_shows_its_state_in_each_environment(
    client: TestClient,
) -> None:
    html = page(client)
    for text in ("dark-mode", "Dark colours", "hostile"):
        assert text in html
    for environment in ("development", "production"):
        assert len(re.findall(f"{environment}</span> <strong>off</strong>", html)) == 2


@pytest.mark.parametrize(
    ("query", "there", "not_there"),
    [
        ("q=COLOURS", "dark-mode", 'data-key="hostile"'),
        ("q=nothing-has-this", "No flag has this", 'data-key="dark-mode"'),
        ("archived=true", "No flag is archived", 'data-key="dark-mode"'),
        ("environment=nowhere", 'data-environment="production"', "nowhere"),
        ("q=%00", "dark-mode", "\0"),
        ("flag=no-such-flag", "dark-mode", "no-such-flag"),
    ],
)
def test_the_address_chooses_what_is_listed(
    client: TestClient, query: str, there: str, not_there: str
) -> None:
    html = page(client, f"/flagbit/?{query}")
    assert there in html
    assert not_there not in html


# -- nothing in it can run ------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/flagbit/", "/flagbit/?flag=hostile"])
def test_what_others_sent_is_text(client: TestClient, address: str) -> None:
    html = page(client, address)
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &#34;&#39;&amp;" in html
    assert "\u202e" not in html
    assert '<span class="unseen">U+202E</span>' in html
    assert '<span class="unseen">U+0007</span>' in html
    assert "&lt;b&gt;" in html


def test_what_is_searched_for_is_text(client: TestClient) -> None:
    assert 'value="&#34;&gt;&lt;script&gt;"' in page(client, '/flagbit/?q="><script>')


def test_no_script_and_no_style_stands_in_the_page(client: TestClient) -> None:
    outline = Outline(page(client))
    assert outline.inline.strip() == ""
    assert not [attrs for _, attrs in outline.elements if "style" in attrs]
    assert not [name for _, attrs in outline.elements for name in attrs if name.startswith("on")]


def test_the_policy_allows_our_own_files_and_nothing_else(client: TestClient) -> None:
    answer = client.get("/flagbit/", headers=as_admin())
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"


def test_everything_that_it_loads_is_ours_and_there(client: TestClient) -> None:
    for link in Outline(page(client)).links():
        if not link.startswith("#"):
            assert link.startswith("/")
            assert client.get(link, headers=as_admin()).status_code in (200, 303, 307, 405)


# -- what it loads --------------------------------------------------------------------------------


def script(client: TestClient) -> str:
    return next(link for link in Outline(page(client)).links() if link.endswith("main.js"))


def test_files_are_kept_for_good_under_the_digest_of_them_all(client: TestClient) -> None:
    answer = client.get(script(client))
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    again = client.get(script(client), headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.parametrize("digest", ["", "0123456789ab/"])
def test_under_another_digest_files_are_sent_and_asked_for_again(
    client: TestClient, digest: str
) -> None:
    answer = client.get(f"/flagbit/assets/{digest}main.js")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, no-cache"


@pytest.mark.parametrize("name", ["nowhere.js", "../app.py", "..%2Fapp.py", "%2e%2e/app.py"])
def test_only_the_files_of_the_folder_are_served(client: TestClient, name: str) -> None:
    assert client.get(f"/flagbit/assets/0/{name}").status_code in (303, 404)


def test_links_carry_the_prefix_of_the_proxy(tmp_path: Any) -> None:
    public = "https://example.test/tools"
    for _, client in application(tmp_path / "data", public_url=public):
        links = Outline(page(client, "/tools/flagbit/")).links()
        assert all(link.startswith(("/tools/", "#")) for link in links)
        assert client.get(script_of(links)).status_code == 200


def script_of(links: list[str]) -> str:
    return next(link for link in links if link.endswith("main.js"))
