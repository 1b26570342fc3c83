"""The pages /keys and /sessions: forms that work without scripts, from our own pages only."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from chassis.installation import Installation
from chassis.keys import KeyRecord, Role
from chassis.sessions import Sessions

ADMIN = "an-admin-key-of-more-than-32-characters"
OURS = {"Sec-Fetch-Site": "same-origin"}
NEW = {"owner": "Ben", "role": "write", "product": "", "project": "", "environment": "", "days": ""}


@pytest.fixture
def signed_in(client: TestClient) -> TestClient:
    sign_in(client, ADMIN)
    return client


def sign_in(client: TestClient, key: str) -> None:
    client.cookies.clear()
    sent = OURS | {"User-Agent": "A <b>browser</b>"}
    assert client.post("/sign-in", data={"key": key}, headers=sent).status_code == 303


def token_of(text: str) -> str:
    found = re.search(r"ifm_[A-Za-z0-9]{8}_[A-Za-z0-9]{32}", text)
    assert found, text
    return found[0]


def record_of(installation: Installation, token: str) -> KeyRecord:
    found = installation.keys.authenticate(token)
    assert found is not None
    record = installation.keys.get(found.key_id)
    assert record is not None
    return record


def test_an_admin_makes_a_key_that_is_shown_once(
    signed_in: TestClient, installation: Installation
) -> None:
    answer = signed_in.post("/keys", data=NEW | {"days": "30"}, headers=OURS)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    token = token_of(answer.text)
    made = record_of(installation, token)
    assert (made.owner, made.role) == ("Ben", "write")
    assert made.expires == made.created + 30 * 86400
    page = signed_in.get("/keys").text
    assert token not in page
    assert made.prefix in page


def test_what_is_wrong_is_said_above_the_form_as_it_was_filled_in(
    signed_in: TestClient, installation: Installation
) -> None:
    for change, status, said in (
        ({"owner": "  "}, 422, "owner&#39;s name"),
        ({"role": "root"}, 422, "There is no role"),
        ({"days": "soon"}, 422, "Write 1 to 3660 days"),
        ({"role": "jot"}, 422, "Name the product"),
    ):
        answer = signed_in.post("/keys", data=NEW | {"project": "<shop>"} | change, headers=OURS)
        assert answer.status_code == status
        assert said in answer.text
        assert 'value="&lt;shop&gt;"' in answer.text
    assert len(installation.keys.list()) == 1


def test_owners_are_shown_as_text(signed_in: TestClient) -> None:
    signed_in.post("/keys", data=NEW | {"owner": "<script>alert(1)</script>"}, headers=OURS)
    assert "<script>alert" not in signed_in.get("/keys").text


def test_a_key_is_rotated_and_revoked_after_a_question(
    signed_in: TestClient, installation: Installation
) -> None:
    key, _ = installation.keys.create("Ben", Role.READ)
    assert "How long" in signed_in.get(f"/keys/{key.id}/rotate").text
    sent = {"overlap": "24"}
    answer = signed_in.post(f"/keys/{key.id}/rotate", data=sent, headers=OURS)
    assert record_of(installation, token_of(answer.text)).replaces == key.id
    assert "cannot be undone" in signed_in.get(f"/keys/{key.id}/revoke").text
    before = installation.keys.get(key.id)
    assert before is not None
    assert before.revoked is None
    done = signed_in.post(f"/keys/{key.id}/revoke", data={"x": "y"}, headers=OURS)
    assert (done.status_code, done.headers["location"]) == (303, "/keys")
    after = installation.keys.get(key.id)
    assert after is not None
    assert after.revoked is not None


def test_one_does_not_revoke_the_key_that_one_is_signed_in_with(
    signed_in: TestClient, installation: Installation
) -> None:
    own = installation.keys.an_admin().id
    answer = signed_in.post(f"/keys/{own}/revoke", data={"x": "y"}, headers=OURS)
    assert answer.status_code == 409
    assert "another admin key" in answer.text


def test_only_admins_see_the_page_and_others_are_asked_to_sign_in(
    client: TestClient, installation: Installation
) -> None:
    answer = client.get("/keys")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/keys")
    _, token = installation.keys.create("Ben", Role.WRITE)
    sign_in(client, token)
    for path in ("/keys", "/keys/key_1/rotate", "/keys/key_1/revoke"):
        assert client.get(path).status_code == 403
    assert client.post("/keys", data=NEW, headers=OURS).status_code == 403
    assert 'href="/keys"' not in client.get("/").text


def test_a_bound_admin_sees_what_it_covers(client: TestClient, installation: Installation) -> None:
    wide, _ = installation.keys.create("Wide", Role.READ)
    narrow, _ = installation.keys.create("Narrow", Role.READ, "notebook")
    _, token = installation.keys.create("Bound", Role.ADMIN, "notebook")
    sign_in(client, token)
    page = client.get("/keys").text
    assert narrow.prefix in page
    assert wide.prefix not in page
    assert client.get(f"/keys/{wide.id}/revoke").status_code == 404
    refused = client.post("/keys", data=NEW, headers=OURS)
    assert refused.status_code == 403
    assert "elsewhere, too" in refused.text
    assert client.post("/keys", data=NEW | {"product": "notebook"}, headers=OURS).status_code == 200


FORGED = [
    {},
    {"Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    {"Sec-Fetch-Site": "same-site"},
]
FORMS = ["/keys", "/keys/key_1/rotate", "/keys/key_1/revoke", "/sessions/end", "/sessions/end-all"]


def test_a_form_of_another_page_does_nothing(
    signed_in: TestClient, installation: Installation
) -> None:
    for path in FORMS:
        for forged in FORGED:
            answer = signed_in.post(path, data=NEW, headers=forged)
            said = (answer.status_code, answer.json()["type"])
            assert said == (403, "urn:ifmatch:problem:cross-site-request"), (path, forged)
    assert len(installation.keys.list()) == 1
    assert signed_in.get("/keys").status_code == 200


def test_without_the_guard_another_page_would_make_a_key(
    signed_in: TestClient, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the cookie alone would be enough."""
    monkeypatch.setattr(Sessions, "refuse_forged", lambda *_: None)
    signed_in.post("/keys", data=NEW, headers={"Origin": "https://evil.example"})
    assert len(installation.keys.list()) == 2


# -- sessions ---------------------------------------------------------------------------------


def test_the_page_lists_ones_own_sessions_and_ends_one(
    client: TestClient, installation: Installation
) -> None:
    own = installation.keys.an_admin().id
    other = installation.sessions.begin(own, "Elsewhere")
    stranger = installation.sessions.begin(
        installation.keys.create("Ben", Role.READ)[0].id, "Ben's"
    )
    sign_in(client, ADMIN)
    page = client.get("/sessions").text
    assert "A &lt;b&gt;browser&lt;/b&gt;" in page
    assert "Elsewhere" in page
    assert "Ben" not in page
    for token in (other, stranger):
        form = {"id": installation.sessions.id_of(token)}
        assert client.post("/sessions/end", data=form, headers=OURS).status_code == 303
    assert installation.sessions.principal(other) is None
    assert installation.sessions.principal(stranger) is not None
    assert client.get("/sessions").status_code == 200
    client.post("/sessions/end", data={"id": "%"}, headers=OURS)
    assert client.get("/sessions").status_code == 200


def test_signing_out_everywhere_ends_every_session_and_link_of_the_key(
    client: TestClient, installation: Installation
) -> None:
    own = installation.keys.an_admin().id
    other, link = installation.sessions.begin(own), installation.sessions.create_link(own)
    stranger = installation.sessions.begin(installation.keys.create("Ben", Role.READ)[0].id)
    sign_in(client, ADMIN)
    mine = client.cookies["quartet_session"]
    answer = client.post("/sessions/end-all", headers=OURS)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert [installation.sessions.principal(one) for one in (mine, other)] == [None, None]
    assert installation.sessions.use_link(link) is None
    assert installation.sessions.principal(stranger) is not None
    assert installation.keys.authenticate(ADMIN) is not None


@pytest.mark.parametrize("overlap", [0, 60])
def test_the_sessions_of_a_key_end_with_it(installation: Installation, overlap: int) -> None:
    key, _ = installation.keys.create("Ben", Role.ADMIN)
    session = installation.sessions.begin(key.id)
    installation.keys.rotate(key.id, overlap=overlap)
    assert (installation.sessions.principal(session) is None) is (overlap == 0)
