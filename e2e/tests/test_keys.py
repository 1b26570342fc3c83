"""Keys over HTTP: who may see, make and revoke them, and what is written down of it."""

from __future__ import annotations

from pathlib import Path

from e2e.program import API, Server, serving

ROOT = "r" * 40


def made(server: Server, role: str, key: str | None = None) -> dict[str, str]:
    """A new key: what is shown of it, and its token."""
    content = {"owner": f"The {role}", "role": role}
    answer = server.client(key).post(f"{API}/keys", json=content)
    assert answer.status_code == 201, answer.text
    found: dict[str, str] = answer.json()
    return found


def test_nobody_whom_the_administrator_lets_in_can_lock_the_administrator_out(
    tmp_path: Path,
) -> None:
    """An admin key of FlagBit does not reach one of the installation; the next start works."""
    with serving(tmp_path, admin_key=ROOT) as server:
        own = server.client().get(f"{API}/keys").json()["items"][0]["id"]
        guest = server.client(made(server, "admin")["token"])
        tag = server.client().get(f"{API}/keys/{own}").headers["etag"]
        for fields in ({}, {"If-Match": tag}):
            answer = guest.post(f"{API}/keys/{own}/revoke", headers=fields)
            assert answer.status_code == 404, answer.text
            assert "etag" not in answer.headers
        assert own not in {one["id"] for one in guest.get(f"{API}/keys").json()["items"]}
        assert server.client().get(f"{API}/keys").status_code == 200
    with serving(tmp_path, admin_key=ROOT) as server:
        assert server.client().get(f"{API}/keys").status_code == 200


def test_the_audit_says_who_made_and_revoked_a_key_and_never_the_key(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        admin = made(server, "admin")
        reader = made(server, "read", admin["token"])
        polled = server.client().get(f"{API}/audit").headers["etag"]
        server.client(admin["token"]).post(f"{API}/keys/{reader['id']}/revoke")
        answer = server.client().get(f"{API}/audit", headers={"If-None-Match": polled})
        revoked, created = answer.json()["items"][:2]
        for entry, action in ((created, "created"), (revoked, "revoked")):
            assert (entry["kind"], entry["action"]) == ("key", action)
            assert (entry["actor"], entry["key_id"]) == ("The admin", admin["id"])
            assert entry["after"]["id"] == reader["id"]
        for token in (admin["token"], reader["token"]):
            assert token.rpartition("_")[2] not in answer.text
        writer = server.client(made(server, "write")["token"])
        kinds = {one["kind"] for one in writer.get(f"{API}/audit").json()["items"]}
        assert "key" not in kinds


def test_a_guest_who_is_an_admin_makes_and_revokes_keys_of_the_project(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        guest = made(server, "admin")["token"]
        other = made(server, "write", guest)
        assert server.client(other["token"]).get(f"{API}/flags").status_code == 200
        answer = server.client(guest).post(f"{API}/keys/{other['id']}/revoke")
        assert answer.status_code == 200, answer.text
        assert server.client(other["token"]).get(f"{API}/flags").status_code == 401
