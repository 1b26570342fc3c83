"""`check-config`: what `serve` would find, with the remedy, and without changing anything."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chassis.checkup import Finding, Severity, check
from chassis.cli import command_line
from chassis.database import Database
from chassis.installation import Installation, find_product
from chassis.schema import DATABASE
from chassis.settings import Settings

SECRET = "s" * 32
NOTEBOOK = "notebook:PRODUCT"


def run(*words: str, **environment: str) -> Result:
    ours = ("QUARTET_", "DATABASE_", "PUBLIC_", "NOTEBOOK_")
    clean = {name: None for name in os.environ if name.startswith(ours)}
    main = command_line("notebook", (NOTEBOOK,), "Keeps notes.")
    arguments = ["check-config", "--port", "0", *words]
    return CliRunner().invoke(main, arguments, env={**clean, **environment})


def findings(data: Path, environment: dict[str, str] | None = None, **flags: str) -> list[Finding]:
    given: dict[str, object] = {"port": "0", "data": str(data), **flags}
    return list(check([NOTEBOOK], given, environment or {}).findings)


def said(found: list[Finding], severity: Severity) -> list[str]:
    return [f"{one.topic}: {one.text}" for one in found if one.severity is severity]


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A data folder with migrated databases, whose server has stopped."""
    Installation.open([find_product(NOTEBOOK)], Settings(data=tmp_path / "data")).close()
    return tmp_path / "data"


# -- it changes nothing ---------------------------------------------------------------------------


def test_where_nothing_is_nothing_is_made(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    found = findings(data)
    assert said(found, Severity.ERROR) == []
    assert f"data: There is no {data} yet; 'serve' makes it in {tmp_path}." in said(
        found, Severity.GOOD
    )
    assert list(tmp_path.iterdir()) == []


def test_data_that_is_there_is_left_as_it_is(made: Path) -> None:
    before = everything(made)
    assert {"quartet.db", "notebook.db", "secret.key", "lock"} <= set(before)
    found = findings(made)
    assert everything(made) == before
    assert said(found, Severity.ERROR) == []
    good = said(found, Severity.GOOD)
    assert "notebook: The database answers. It is up to date." in good
    assert "secret: It is the one that the keys were made with." in good


def test_opening_the_data_as_the_server_does_would_have_changed_it(made: Path) -> None:
    """The twin: were the files opened as usual, the test above would see it."""
    before = everything(made)
    database = Database.open(Settings(data=made), DATABASE)
    with database.reading() as connection:
        connection.exec_driver_sql("SELECT * FROM deployment").all()
        assert everything(made) != before
    database.close()


def test_a_read_only_look_sees_what_is_only_in_the_log(made: Path) -> None:
    database = Database.open(Settings(data=made), DATABASE)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE deployment SET value = 'other' WHERE name = 'secret'")
    assert (made / "quartet.db-wal").exists()
    errors = said(findings(made), Severity.ERROR)
    database.close()
    assert len(errors) == 1
    assert errors[0].startswith("quartet: The keys in this database were made with another secret.")


# -- what is wrong with the data ------------------------------------------------------------------


def test_migrations_that_are_left_are_said(made: Path) -> None:
    connection = sqlite3.connect(made / "notebook.db")
    connection.execute("DELETE FROM alembic_version")
    connection.commit()
    connection.close()
    found = findings(made)
    assert said(found, Severity.ERROR) == []
    assert "notebook: The database answers. 'serve' migrates it." in said(found, Severity.GOOD)


def test_data_of_a_newer_version_is_an_error(made: Path) -> None:
    connection = sqlite3.connect(made / "notebook.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    (error,) = said(findings(made), Severity.ERROR)
    assert error.startswith("notebook: The schema of notebook is not one that this version knows.")


def test_a_file_that_is_no_database_is_an_error(made: Path) -> None:
    (made / "notebook.db").write_text("no database at all, but text of some length" * 50)
    (error,) = said(findings(made), Severity.ERROR)
    assert "is no SQLite database, or a damaged one. Restore it from a backup" in error


def test_keys_without_their_secret_are_an_error(made: Path) -> None:
    (made / "secret.key").unlink()
    (error,) = said(findings(made), Severity.ERROR)
    assert error.startswith(f"secret: There are keys, but no secret.key at {made}. Restore it")
    (error,) = said(findings(made, {"QUARTET_SECRET": SECRET}), Severity.ERROR)
    assert "were made with another secret" in error


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (error,) = said(findings(tmp_path / "file" / "data"), Severity.ERROR)
    assert error.startswith(f"data: --data {tmp_path / 'file' / 'data'}: {tmp_path / 'file'} is no")
    assert error.endswith("Give another one, or let this user write there.")


# -- a server that runs already -------------------------------------------------------------------


def test_data_in_use_is_an_error_unless_it_is_shared(made: Path) -> None:
    products = [find_product(NOTEBOOK)]
    for shared in (False, True):
        running = Installation.open(products, Settings(data=made, shared_sqlite=shared))
        try:
            held = (made / "lock").read_text()
            alone = said(findings(made), Severity.ERROR)
            together = said(findings(made, shared_sqlite="1"), Severity.ERROR)
            assert (made / "lock").read_text() == held
        finally:
            running.close()
        assert f"data: {made} is in use by process {os.getpid()}" in alone[0]
        assert bool(together) is not shared


def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        (error,) = said(findings(tmp_path, port=port), Severity.ERROR)
    assert error.startswith(f"address: port {port} is taken: something else listens on")


# -- PostgreSQL -----------------------------------------------------------------------------------


def test_an_empty_database_is_one_that_serve_fills(postgres_dsn: str, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": postgres_dsn, "QUARTET_SECRET": SECRET}
    settings = Settings.load(environment, {"data": str(tmp_path / "data")})
    for _ in range(2):
        found = findings(tmp_path / "data", environment)
        assert said(found, Severity.ERROR) == []
        answers = "notebook: The database answers. 'serve' migrates it."
        assert answers in said(found, Severity.GOOD)
        assert not Database.is_made(settings, DATABASE)
        assert list(tmp_path.iterdir()) == []
    Installation.open([find_product(NOTEBOOK)], settings).close()
    up_to_date = "notebook: The database answers. It is up to date."
    assert up_to_date in said(findings(tmp_path / "data", environment), Severity.GOOD)


def test_a_database_that_is_away_is_one_error_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://ada:hunter2@127.0.0.1:1/none"
    environment = {"DATABASE_URL": url, "QUARTET_SECRET": SECRET}
    (error,) = said(findings(tmp_path, environment), Severity.ERROR)
    assert error.startswith("quartet: DATABASE_URL: the database refused")
    assert "hunter2" not in error


def test_more_connections_than_there_may_be_are_a_warning(
    postgres_dsn: str, tmp_path: Path
) -> None:
    environment = {"DATABASE_URL": postgres_dsn, "QUARTET_SECRET": SECRET}
    assert said(findings(tmp_path, environment), Severity.WARNING) == []
    (warning,) = said(findings(tmp_path, environment, workers="256"), Severity.WARNING)
    assert "256 processes keep up to 5120 connections" in warning
    assert warning.endswith("Raise max_connections, or use fewer --workers.")


# -- what does not fit together -------------------------------------------------------------------

FITTING: list[tuple[dict[str, str], dict[str, str]]] = [
    ({}, {}),
    ({}, {"public_url": "http://127.0.0.1:8080/tools"}),
    ({}, {"public_url": "https://example.org"}),
    ({"QUARTET_TRUSTED_PROXIES": "10.0.0.1"}, {"public_url": "https://e.org", "host": "0.0.0.0"}),
    ({"QUARTET_TRUSTED_PROXIES": "*"}, {"public_url": "https://e.org"}),
]
NOT_FITTING: list[tuple[dict[str, str], dict[str, str], str]] = [
    ({}, {"host": "0.0.0.0"}, "--host 0.0.0.0 is open to others, without PUBLIC_URL"),
    ({}, {"public_url": "http://example.org"}, "PUBLIC_URL is http: keys and cookies travel"),
    (
        {},
        {"public_url": "https://example.org", "host": "0.0.0.0"},
        "only a proxy on this machine is believed",
    ),
    (
        {"QUARTET_TRUSTED_PROXIES": "*"},
        {"public_url": "https://example.org", "host": "0.0.0.0"},
        "QUARTET_TRUSTED_PROXIES is *: whoever reaches the port may claim any address",
    ),
]


@pytest.mark.parametrize(("environment", "flags"), FITTING)
def test_what_fits_together_is_no_warning(
    environment: dict[str, str], flags: dict[str, str], tmp_path: Path
) -> None:
    assert said(findings(tmp_path, environment, **flags), Severity.WARNING) == []


@pytest.mark.parametrize(("environment", "flags", "warning"), NOT_FITTING)
def test_proxies_and_addresses_that_do_not_fit_together_are_a_warning(
    environment: dict[str, str], flags: dict[str, str], warning: str, tmp_path: Path
) -> None:
    found = findings(tmp_path, environment, **flags)
    assert said(found, Severity.ERROR) == []
    (text,) = said(found, Severity.WARNING)
    assert warning in text


def test_a_secret_that_others_may_read_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    for mode, warned in ((0o600, False), (0o640, True), (0o604, True)):
        file.chmod(mode)
        warnings = said(findings(tmp_path, {"QUARTET_SECRET_FILE": str(file)}), Severity.WARNING)
        assert bool(warnings) is warned
        assert all(f"Next: chmod 600 {file}" in one for one in warnings)


# -- the command ----------------------------------------------------------------------------------


def test_the_table_shows_each_value_with_its_source_and_no_secret(tmp_path: Path) -> None:
    done = run("--data", str(tmp_path), QUARTET_SECRET=SECRET, QUARTET_LOG_LEVEL="debug")
    assert done.exit_code == 0, done.output
    rows = dict(line.split(maxsplit=1) for line in done.stdout.partition("\n\n")[0].splitlines())
    assert rows["QUARTET_LOG_LEVEL"].split() == ["debug", "QUARTET_LOG_LEVEL"]
    assert rows["QUARTET_PORT"].split() == ["0", "--port"]
    assert rows["QUARTET_WORKERS"].split() == ["1", "default"]
    assert rows["QUARTET_SECRET"].split() == ["(hidden)", "QUARTET_SECRET"]
    assert SECRET not in done.output


def test_every_fault_is_shown_and_the_status_says_so(tmp_path: Path) -> None:
    wrong = {"QUARTET_PROT": "1", "QUARTET_WORKERS": "x", "DATABASE_URL": "mysql://u:hunter2@h/d"}
    done = run("--data", str(tmp_path), **wrong)
    assert done.exit_code == 2
    assert (
        "error    settings: QUARTET_PROT is no setting. Did you mean QUARTET_PORT?" in done.stdout
    )
    assert "error    settings: QUARTET_WORKERS is 'x'" in done.stdout
    assert "error    settings: DATABASE_URL is 21 characters." in done.stdout
    assert "hunter2" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_the_report_is_json_for_programs(tmp_path: Path) -> None:
    done = run("--json", "--data", str(tmp_path), QUARTET_ADMIN_KEY="a" * 40, QUARTET_DEMO="maybe")
    report: dict[str, Any] = json.loads(done.stdout)
    assert (done.exit_code, report["fit"]) == (2, False)
    values = {one["name"]: (one["value"], one["source"]) for one in report["settings"]}
    assert values["QUARTET_ADMIN_KEY"] == ("(hidden)", "QUARTET_ADMIN_KEY")
    assert [one["topic"] for one in report["findings"] if one["severity"] == "error"] == [
        "settings"
    ]


def test_what_it_says_is_what_serve_does(program: Callable[..., Any], tmp_path: Path) -> None:
    for words, environment in [
        (["--data", str(tmp_path / "a")], {}),
        (["--data", str(tmp_path / "b")], {"QUARTET_PROT": "1"}),
    ]:
        checked = run(*words, **environment)
        server = program("serve", "--port", "0", *words, **environment)
        if checked.exit_code == 0:
            assert server.get("/readyz").status_code == 200
            assert server.stop() == 0
        else:
            assert server.wait() == 2
            assert "Did you mean QUARTET_PORT?" in server.err
