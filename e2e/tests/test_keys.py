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


def test_a_guest_who_is_an_admin_makes_and_revokes_keys_of_the_project(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        guest = made(server, "admin")["token"]
        other = made(server, "write", guest)
        assert server.client(other["token"]).get(f"{API}/flags").status_code == 200
        answer = server.client(guest).post(f"{API}/keys/{other['id']}/revoke")
        assert answer.status_code == 200, answer.text
        assert server.client(other["token"]).get(f"{API}/flags").status_code == 401
