"""The front: pages, sign-in, health, and the fields that every answer carries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.headers import CONTENT_SECURITY_POLICY
from chassis.installation import Installation, find_product
from chassis.settings import Settings

ADMIN = "an-admin-key-of-more-than-32-characters"
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def link(installation: Installation) -> str:
    return installation.sessions.create_link(installation.keys.an_admin().id)


def test_the_front_page_lists_the_products(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    for part in ('href="/notebook/"', "Keeps notes", 'href="/second/"', 'href="/sign-in"'):
        assert part in page.text


def test_every_link_and_asset_of_our_pages_is_there(client: TestClient) -> None:
    for page in ("/", "/sign-in"):
        found = re.findall(r'(?:href|src|action)="([^"]+)"', client.get(page).text)
        for address in set(found) - {"/notebook/", "/second/"}:
            assert client.get(address).status_code == 200, address


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/sign-in", "/assets/shared/icon.svg"]
)
def test_head_works_where_get_does(client: TestClient, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers.get("content-type") == get.headers.get("content-type")


@pytest.mark.parametrize("path", ["/", "/notebook/notes", "/nowhere", "/notebook/fail/any"])
def test_every_answer_carries_the_security_fields_and_a_number(
    client: TestClient, path: str
) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert re.fullmatch(r"[0-9a-f]{10}-[0-9a-f]+", headers["x-request-id"])


@pytest.mark.parametrize(
    ("sent", "kept"), [("abc-1.2_3", True), ("x" * 65, False), ("a b", False), ("a\tb", False)]
)
def test_a_number_from_a_proxy_is_kept_if_it_is_fit_for_a_log(
    client: TestClient, sent: str, kept: bool
) -> None:
    answer = client.get("/healthz", headers={"X-Request-Id": sent})
    assert (answer.headers["x-request-id"] == sent) is kept


# -- health ---------------------------------------------------------------------------------


def test_it_is_alive_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_it_is_not_ready_with_migrations_to_do(
    client: TestClient, installation: Installation
) -> None:
    with installation.databases["second"].writing() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:ifmatch:problem:not-ready"
    assert answer.json()["databases"] == {"second": "has migrations to do"}
    assert client.get("/healthz").status_code == 200


def test_it_is_not_ready_without_its_database(
    client: TestClient, installation: Installation, tmp_path: Path
) -> None:
    installation.databases["second"].close()
    (tmp_path / "data" / "second.db").unlink()
    (tmp_path / "data" / "second.db").mkdir()
    answer = client.get("/readyz")
    assert answer.json()["databases"] == {"second": "does not answer"}
    assert str(tmp_path) not in answer.text


# -- signing in ---------------------------------------------------------------------------------


def session_of(client: TestClient) -> str | None:
    return client.cookies.get("quartet_session")


def test_a_link_signs_in_once_and_leaves_the_address_bar(client: TestClient, link: str) -> None:
    answer = client.get(f"/sign-in?token={link}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert answer.headers["cache-control"] == "no-store"
    assert "administrator" in client.get("/").text
    client.cookies.clear()
    again = client.get(f"/sign-in?token={link}")
    assert again.status_code == 401
    assert "was used already" in again.text
    assert session_of(client) is None


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {}),
        ("GET", {"Sec-Purpose": "prefetch;prerender"}),
        ("GET", {"Sec-Fetch-Site": "cross-site"}),
        ("GET", {"Sec-Fetch-Site": "same-site"}),
    ],
)
def test_only_a_person_uses_a_link_up(
    client: TestClient, link: str, method: str, headers: dict[str, str]
) -> None:
    answer = client.request(method, f"/sign-in?token={link}", headers=headers)
    assert answer.status_code == 200
    assert session_of(client) is None
    confirmed = client.post("/sign-in", data={"token": link, "next": "/"}, headers=OURS)
    assert confirmed.status_code == 303
    assert session_of(client) is not None


def test_a_key_signs_in_and_goes_where_the_person_wanted(client: TestClient) -> None:
    form = {"key": f" {ADMIN} ", "next": "/notebook/page?a=1"}
    answer = client.post("/sign-in", data=form, headers=OURS)
    assert (answer.status_code, answer.headers["location"]) == (303, "/notebook/page?a=1")
    assert client.get("/notebook/page").text == "administrator"


@pytest.mark.parametrize(
    "there",
    ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nX: y", "evil", ""],
)
def test_nobody_is_sent_elsewhere(client: TestClient, there: str) -> None:
    answer = client.post("/sign-in", data={"key": ADMIN, "next": there}, headers=OURS)
    assert answer.headers["location"] == "/"


def test_an_unknown_key_is_told_on_the_page_and_not_repeated(client: TestClient) -> None:
    answer = client.post("/sign-in", data={"key": "hunter2"}, headers=OURS)
    assert answer.status_code == 401
    assert "not known" in answer.text
    assert "hunter2" not in answer.text


def test_a_key_for_machines_does_not_sign_in(
    client: TestClient, installation: Installation
) -> None:
    _, token = installation.keys.create("SDK", "jot", "notebook")
    assert client.post("/sign-in", data={"key": token}, headers=OURS).status_code == 401


def test_what_was_asked_is_escaped(client: TestClient) -> None:
    page = client.get("/sign-in", params={"next": '/"><script>'})
    assert "<script>" not in page.text


def test_nobody_is_signed_in_by_a_foreign_page(client: TestClient) -> None:
    assert client.post("/sign-in", data={"key": ADMIN}).status_code == 403
    assert session_of(client) is None


def test_signing_out_ends_the_session(client: TestClient, link: str) -> None:
    client.get(f"/sign-in?token={link}")
    session = session_of(client)
    assert client.post("/sign-out").status_code == 403
    answer = client.post("/sign-out", headers=OURS)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert session_of(client) is None
    kept = {"Cookie": f"quartet_session={session}"}
    assert client.get("/notebook/whoami", headers=kept).status_code == 401
    assert client.get("/sign-out").status_code == 405


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        ("x" * 10_001, "application/x-www-form-urlencoded", 413),
        ("{}", "application/json", 415),
        ("&".join(f"a{i}=1" for i in range(20)), "application/x-www-form-urlencoded", 400),
        (b"key=\xff", "application/x-www-form-urlencoded", 400),
    ],
)
def test_what_is_no_form_is_refused(
    client: TestClient, content: str, kind: str, status: int
) -> None:
    headers = OURS | {"Content-Type": kind}
    assert client.post("/sign-in", content=content, headers=headers).status_code == status


# -- behind a proxy -------------------------------------------------------------------------------


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings.load({"PUBLIC_URL": "https://example.org/tools"}, {"data": str(tmp_path)})
    products = [find_product("notebook:PRODUCT"), find_product("notebook:SECOND")]
    installation = Installation.open(products, settings)
    with TestClient(Application(installation), follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize("sent", ["", "/tools"])
def test_a_proxy_may_take_its_prefix_off_or_not(proxied: TestClient, sent: str) -> None:
    assert proxied.get(f"{sent}/healthz").status_code == 200
    assert 'href="/tools/notebook/"' in proxied.get(f"{sent}/").text
    assert proxied.get(f"{sent}/notebook").headers["location"] == "/tools/notebook/"
    assert proxied.get(f"{sent}/assets/shared/icon.svg").status_code == 200
    assert proxied.get(f"{sent}/notebook/where").json() == {
        "path": "/tools/notebook/where",
        "url": "https://example.org/tools/notebook/x",
    }
    answer = proxied.get(f"{sent}/notebook/page")
    assert answer.headers["location"] == "/tools/sign-in?next=/tools/notebook/page"


def test_one_product_alone_has_a_front_page_too(tmp_path: Path) -> None:
    settings = Settings.load({}, {"data": str(tmp_path)})
    application = Application(Installation.open([find_product("notebook:PRODUCT")], settings))
    with TestClient(application, follow_redirects=False) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert 'href="/notebook/"' in page.text
