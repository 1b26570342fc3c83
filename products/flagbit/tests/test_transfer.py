"""Export and import: the same again anywhere, all or nothing, over nobody's change."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from click.testing import CliRunner, Result
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.cli import command_line
from chassis.declarations import Declarations
from chassis.installation import Installation
from chassis.rights import Role
from chassis.settings import Settings
from flagbit.product import PRODUCT

ADMIN = "an-admin-key-of-more-than-32-characters"
SECRET = "s" * 32
API = "/flagbit/api/v1"
FLAG = f"{API}/flags/dark-mode"


@contextmanager
def serving(settings: Settings) -> Iterator[TestClient]:
    installation = Installation.open([PRODUCT], settings)
    installation.keys.ensure_admin(ADMIN)
    with TestClient(Application(installation), headers={"X-API-Key": ADMIN}) as client:
        PRODUCT.demo(installation.context(PRODUCT))
        client.app_state["installation"] = installation
        yield client


@pytest.fixture(params=["sqlite", "postgresql"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestClient]:
    environment = {"QUARTET_SECRET": SECRET}
    if request.param == "postgresql":
        environment["DATABASE_URL"] = request.getfixturevalue("postgres_dsn")
    with serving(Settings.load(environment, {"data": str(tmp_path / "data")})) as made:
        yield made


def exported(client: TestClient) -> tuple[dict[str, Any], str]:
    answer = client.get(f"{API}/export")
    assert answer.status_code == 200, answer.text
    return answer.json(), answer.headers["etag"]


def imported(client: TestClient, document: Any, tag: str | None, query: str = "") -> Any:
    headers = {} if tag is None else {"If-Match": tag}
    return client.post(f"{API}/import{query}", json=document, headers=headers)


def changed(document: dict[str, Any], description: str = "Imported") -> dict[str, Any]:
    """The same with one flag changed and one added."""
    new = copy.deepcopy(document)
    flags = new["projects"][0]["flags"]
    flags[1]["description"] = description
    flags.append(flags[0] | {"key": "new-flag"})
    return new


def trail(client: TestClient) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(f"{API}/audit").json()["items"]
    return items


# -- out --------------------------------------------------------------------------------------


def test_an_export_has_a_tag_and_a_name_for_its_file(client: TestClient) -> None:
    answer = client.get(f"{API}/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="flagbit-default.json"'
    assert answer.headers["cache-control"] == "private, no-cache"
    tag = {"If-None-Match": answer.headers["etag"]}
    assert client.get(f"{API}/export", headers=tag).status_code == 304


def test_the_tag_of_an_export_is_of_what_people_set_and_of_nothing_else(
    client: TestClient,
) -> None:
    """A change that was taken back leaves the export as it was, and so its tag."""
    _, before = exported(client)
    for text in ("Another", "Dark colours for those who ask for them."):
        tag = {"If-Match": client.get(FLAG).headers["etag"]}
        assert client.patch(FLAG, json={"description": text}, headers=tag).status_code == 200
        assert (exported(client)[1] == before) == (text != "Another")


# -- in ---------------------------------------------------------------------------------------


def test_an_import_creates_and_changes_deletes_nothing_and_is_in_the_trail(
    client: TestClient,
) -> None:
    document, tag = exported(client)
    known = len(trail(client))
    new = changed(document)
    removed = new["projects"][0]["flags"].pop(2)
    answer = imported(client, new, tag)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert {"created": 1, "dry_run": False}.items() <= report.items()
    assert {"action": "changed", "kind": "flag", "name": "default/dark-mode"} in report["changes"]
    now, fresh = exported(client)
    assert report["etag"] == fresh
    flags = {flag["key"]: flag for flag in now["projects"][0]["flags"]}
    assert flags["dark-mode"]["description"] == "Imported"
    assert flags[removed["key"]] == removed
    assert len(trail(client)) == known + report["created"] + report["changed"]
    assert {one["actor"] for one in trail(client)[:2]} == {"administrator"}


def test_an_import_of_what_is_there_writes_nothing(client: TestClient) -> None:
    document, tag = exported(client)
    flag, known = client.get(FLAG).headers["etag"], trail(client)
    report = imported(client, document, tag).json()
    assert (report["created"], report["changed"], report["changes"]) == (0, 0, [])
    assert (client.get(FLAG).headers["etag"], trail(client)) == (flag, known)


def test_an_import_needs_the_tag_of_the_export_that_it_replaces(client: TestClient) -> None:
    document, tag = exported(client)
    new = changed(document)
    assert imported(client, new, None).status_code == 428
    assert client.get(FLAG).json()["description"] != "Imported"
    theirs = {"If-Match": client.get(FLAG).headers["etag"]}
    client.patch(FLAG, json={"description": "Theirs"}, headers=theirs)
    refused = imported(client, new, tag)
    assert refused.status_code == 412
    assert refused.headers["etag"] == exported(client)[1]
    assert client.get(FLAG).json()["description"] == "Theirs"


def _import_at_once(client: TestClient) -> list[int]:
    """The answers to eight different imports on one and the same export."""
    document, tag = exported(client)
    together = Barrier(8, timeout=30)

    def one(number: int) -> int:
        new = changed(document, f"Import {number}")
        together.wait()
        return int(imported(client, new, tag).status_code)

    with ThreadPoolExecutor(8) as pool:
        return sorted(pool.map(one, range(8)))


@pytest.mark.race
def test_of_imports_on_one_export_one_wins(client: TestClient) -> None:
    assert _import_at_once(client) == [200] + [412] * 7


@pytest.mark.race
def test_twin_judged_early_only_several_win(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Declarations, "judging", staticmethod(lambda *_: None))
    assert _import_at_once(client).count(200) > 1


def test_a_dry_run_says_what_would_change_and_changes_nothing(client: TestClient) -> None:
    document, tag = exported(client)
    new, known = changed(document), trail(client)
    tried = imported(client, new, None, "?dry_run=true")
    assert tried.status_code == 200
    assert (exported(client), trail(client)) == ((document, tag), known)
    done = imported(client, new, tag).json()
    assert tried.json()["changes"] == done["changes"] != []
    assert tried.json()["dry_run"] is True
    assert imported(client, new, None, "?dry_run=perhaps").status_code == 422


def _wrong(where: list[str | int], value: Any) -> Any:
    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for step in where[:-1]:
            place = place[step]
        place[where[-1]] = value

    return change


LAST: list[str | int] = ["projects", 0, "flags", -1]
STATE = {"enabled": True, "fallthrough": {"variant": "on"}}
WRONG: dict[str, tuple[int, Any]] = {
    "another format": (422, _wrong(["format"], "quartet-export")),
    "a newer version": (422, _wrong(["version"], 2)),
    "keys": (422, _wrong(["keys"], {"items": []})),
    "another project": (422, _wrong(["projects", 0, "key"], "other")),
    "no project": (422, _wrong(["projects"], [])),
    "a variant that is none": (422, _wrong([*LAST, "default_variant"], "none")),
    "a value of another type": (422, _wrong([*LAST, "variants"], {"on": 1, "off": 0})),
    "a key that is no key": (422, _wrong([*LAST, "key"], "..")),
    "a flag twice": (422, _wrong([*LAST, "key"], "dark-mode")),
    "an unknown member": (422, _wrong([*LAST, "colour"], "red")),
    "no such environment": (422, _wrong([*LAST, "states"], {"nowhere": STATE})),
    "a state of another flag": (
        422,
        _wrong([*LAST, "states"], {"production": STATE | {"flag": "dark-mode"}}),
    ),
    "a state that serves nothing": (
        422,
        _wrong([*LAST, "states"], {"production": STATE | {"fallthrough": {"variant": "x"}}}),
    ),
    "an environment twice": (
        422,
        _wrong(["projects", 0, "environments"], [{"key": "a", "name": "A"}] * 2),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_fault_keeps_all_of_it_out(name: str, shared: TestClient) -> None:
    """The fault is in the last flag, after one that could be changed."""
    document, tag = exported(shared)
    known = trail(shared)
    new = changed(document)
    status, spoil = WRONG[name]
    spoil(new)
    answer = imported(shared, new, tag)
    assert answer.status_code == status, answer.text
    assert answer.json()["errors"][0]["pointer"].startswith("/")
    assert (exported(shared), trail(shared)) == ((document, tag), known)


def test_a_flag_keeps_its_type_and_the_variants_that_are_served(shared: TestClient) -> None:
    document, tag = exported(shared)
    new = changed(document)
    flag = new["projects"][0]["flags"][1]
    flag |= {"type": "string", "variants": {"on": "1", "off": "0"}, "states": {}}
    assert imported(shared, new, tag).json()["type"].endswith(":type-is-fixed")
    flag |= {"type": "boolean", "variants": {"off": False}}
    assert imported(shared, new, tag).json()["type"].endswith(":variant-in-use")
    assert exported(shared) == (document, tag)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server that every test leaves as it was."""
    settings = Settings.load(
        {"QUARTET_SECRET": SECRET}, {"data": str(tmp_path_factory.mktemp("data"))}
    )
    with serving(settings) as made:
        yield made


@pytest.mark.parametrize(("role", "reads"), [("write", 200), ("read", 200), ("server", 403)])
def test_only_an_admin_imports(role: str, reads: int, shared: TestClient) -> None:
    document, tag = exported(shared)
    installation: Installation = shared.app_state["installation"]
    _, token = installation.keys.create(role, role, "flagbit", "default", "production")
    key = {"X-API-Key": token}
    assert shared.get(f"{API}/export", headers=key).status_code == reads
    for query in ("", "?dry_run=true"):
        headers = key | {"If-Match": tag}
        answer = shared.post(f"{API}/import{query}", json=document, headers=headers)
        assert answer.status_code == 403


def test_the_export_of_a_project_that_is_not_there_is_404(shared: TestClient) -> None:
    installation: Installation = shared.app_state["installation"]
    _, token = installation.keys.create("nobody", Role.ADMIN, "flagbit", "nothing")
    key = {"X-API-Key": token}
    for answer in (
        shared.get(f"{API}/export", headers=key),
        shared.post(f"{API}/import", headers=key | {"If-Match": '"x"'}, json={}),
    ):
        assert answer.status_code == 404
        assert answer.json()["type"].endswith(":project-not-found")


# -- on the machine -----------------------------------------------------------------------------


def run(*words: str, given: bytes | None = None, **environment: str) -> Result:
    clean = {name: None for name in os.environ if name.startswith(("QUARTET_", "DATABASE_"))}
    main = command_line("quartet", ("flagbit.product:PRODUCT",), "Serves.")
    return CliRunner().invoke(main, words, input=given, env={**clean, **environment})


def filled(folder: Path) -> str:
    """A folder with samples; returns a token that is valid there."""
    with serving(Settings(data=folder)) as client:
        installation: Installation = client.app_state["installation"]
        return installation.keys.create("Ada", Role.ADMIN)[1]


def test_an_export_is_the_same_again_from_sqlite_to_postgresql_and_back(
    tmp_path: Path, postgres_dsn: str
) -> None:
    filled(tmp_path / "one")
    first = run("export", "--data", str(tmp_path / "one"))
    assert first.exit_code == 0, first.stderr
    words = ["--data", str(tmp_path / "two")]
    done = run("import", "-", *words, given=first.stdout_bytes, DATABASE_URL=postgres_dsn)
    assert done.exit_code == 0, done.stderr
    second = run("export", *words, DATABASE_URL=postgres_dsn)
    (tmp_path / "file").write_bytes(second.stdout_bytes)
    done = run("import", str(tmp_path / "file"), "--data", str(tmp_path / "three"))
    assert done.exit_code == 0, done.stderr
    third = run("export", "--data", str(tmp_path / "three"))
    assert first.stdout == second.stdout == third.stdout
    assert len(json.loads(first.stdout)["products"]["flagbit"]["projects"][0]["flags"]) == 4
    again = run("import", str(tmp_path / "file"), "--data", str(tmp_path / "three"))
    assert (again.stdout, "0 created, 0 changed" in again.stderr) == ("", True)


def test_keys_go_out_and_come_in_only_when_asked_for_and_fit_only_their_secret(
    tmp_path: Path,
) -> None:
    token, one = filled(tmp_path / "one"), str(tmp_path / "one")
    words = ["--role", "server", "--product", "flagbit", "--environment", "production"]
    assert run("keys", "create", "--owner", "shop", *words, "--data", one).exit_code == 0
    assert "digest" not in run("export", "--data", one).stdout
    whole = run("export", "--with-keys", "--data", one).stdout_bytes
    assert token.encode() not in whole
    secret = (tmp_path / "one" / "secret.key").read_text().strip()

    def valid(folder: str, **environment: str) -> bool:
        settings = Settings.load(environment, {"data": str(tmp_path / folder)})
        installation = Installation.open([PRODUCT], settings, serving=False)
        try:
            return installation.keys.authenticate(token) is not None
        finally:
            installation.close()

    for folder, words, environment, status, works in (
        ("plain", [], {"QUARTET_SECRET": secret}, 0, False),
        ("other", ["--with-keys"], {"QUARTET_SECRET": SECRET}, 2, False),
        ("same", ["--with-keys"], {"QUARTET_SECRET": secret}, 0, True),
    ):
        place = ["--data", str(tmp_path / folder)]
        done = run("import", "-", *words, *place, given=whole, **environment)
        assert done.exit_code == status, done.stderr
        assert valid(folder, **environment) is works


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b'{"format": "quartet-export"}', b"\xff\xfe", b"NaN"),
        b'{"format": "quartet-export", "version": 2, "products": {}}',
        b'{"format": "quartet-export", "version": 1, "products": {"cronping": {}}}',
        b'{"format": "quartet-export", "version": 1, "products": {"flagbit": {}}}',
        b'{"format": "quartet-export", "version": 1, "products": {"flagbit": []}}',
    ],
)
def test_what_is_no_export_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    done = run("import", "-", "--data", str(tmp_path / "data"), given=content)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "Next: " in done.stderr


def test_an_export_into_a_file_is_for_its_owner_alone_and_overwrites_nothing(
    tmp_path: Path,
) -> None:
    filled(tmp_path / "one")
    words = ["export", "--data", str(tmp_path / "one"), "--output", str(tmp_path / "file")]
    assert run(*words).exit_code == 0
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    done = run(*words)
    assert (done.exit_code, "Name a new file." in done.stderr) == (2, True)
    unknown = run("export", "--product", "cronping", "--data", str(tmp_path / "one"))
    assert (unknown.exit_code, "Those that have: flagbit." in unknown.stderr) == (2, True)
