"""Where settings come from: which source comes first, files, and names that are in no table."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest

from chassis.product import Product
from chassis.settings import Settings, SettingsError, read_settings
from chassis.sources import DEFAULT

SECRET = "s" * 32
TEASHOP = Product(
    "teashop", "Tea shop", "Sells tea", cast(Any, None), "none", variables=("TEASHOP_URL",)
)


def refusal(environment: dict[str, str], flags: dict[str, object] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.load(environment, flags, [TEASHOP])
    return str(caught.value)


def sources(environment: dict[str, str], flags: dict[str, object]) -> dict[str, str]:
    found = read_settings(environment, flags).found
    return {one.setting.variable: one.source for one in found if one.source != DEFAULT}


# -- unknown names --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("QUARTET_PROT", "Did you mean QUARTET_PORT?"),
        ("QUARTET_TRUSTED_PROXY", "Did you mean QUARTET_TRUSTED_PROXIES?"),
        ("QUARTET_SECRETFILE", "Did you mean QUARTET_SECRET_FILE?"),
        ("TEASHOP_UR", "Did you mean TEASHOP_URL?"),
        ("QUARTET_PORT_FILE", "Did you mean QUARTET_PORT?"),
        ("QUARTET_", ""),
    ],
)
def test_a_name_in_no_table_is_refused_with_the_one_that_was_meant(name: str, meant: str) -> None:
    said = refusal({name: "hunter2"})
    assert said.startswith(f"{name} is no setting. {meant}".rstrip())
    assert "Correct it or remove it; 'check-config' lists all" in said
    assert "hunter2" not in said


def test_names_of_others_are_none_of_our_business() -> None:
    others = {"PATH": "/bin", "TEASHOP_URL": "x", "CINEMA_SEATS": "9", "QUARTET_PROT": ""}
    assert Settings.load(others, products=[TEASHOP]) == Settings()


# -- secrets in files -----------------------------------------------------------------------------


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"  {SECRET}\n")
    environment = {"QUARTET_SECRET_FILE": str(tmp_path / "secret")}
    assert Settings.load(environment).secret == SECRET
    assert sources(environment, {}) == {"QUARTET_SECRET": "QUARTET_SECRET_FILE"}


def test_the_databases_address_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgres://u:p@h/d")
    settings = Settings.load({"DATABASE_URL_FILE": str(tmp_path / "url")})
    assert settings.database_url == "postgresql+psycopg://u:p@h/d"


def test_a_secret_given_in_both_ways_is_refused(tmp_path: Path) -> None:
    said = refusal({"QUARTET_SECRET": SECRET, "QUARTET_SECRET_FILE": str(tmp_path)})
    assert said == "QUARTET_SECRET and QUARTET_SECRET_FILE are both given. Give one of them."


def test_a_file_that_cannot_be_used_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    name = {"QUARTET_SECRET_FILE": str(path)}
    assert refusal(name) == (
        f"QUARTET_SECRET_FILE: {path} cannot be read: No such file or directory. "
        "Name a file that this user may read."
    )
    for content, said in [
        (b"\n", "is empty. Write the secret into it."),
        (b"\xff" * 40, "is no text. Write it in UTF-8."),
        (b"s" * 70_000, "is too long. Give one of at most 64 KiB."),
    ]:
        path.write_bytes(content)
        assert refusal(name) == f"QUARTET_SECRET_FILE: {path} {said}"
    path.write_text("hunter2")
    said = refusal(name)
    assert said.startswith("QUARTET_SECRET_FILE is 7 characters.")
    assert "hunter2" not in said


# -- a file of settings ---------------------------------------------------------------------------


def test_a_file_of_settings_comes_after_flags_and_environment(tmp_path: Path) -> None:
    path = tmp_path / "quartet.env"
    path.write_text(
        "# comment\n\n QUARTET_PORT = 1 \nQUARTET_HOST='::1'\nQUARTET_DATA=\"a b\"\n"
        f"QUARTET_SECRET={SECRET}\nQUARTET_LOG_LEVEL=\nQUARTET_WORKERS=1=2"
    )
    path.write_text(path.read_text().replace("1=2", "1"))
    environment = {"QUARTET_HOST": "::2"}
    flags: dict[str, object] = {"data": "here", "config": str(path)}
    settings = Settings.load(environment, flags)
    assert (settings.port, settings.host, str(settings.data)) == (1, "::2", "here")
    assert (settings.secret, settings.log_level) == (SECRET, "info")
    assert sources(environment, flags) == {
        "QUARTET_PORT": f"--config {path}: QUARTET_PORT",
        "QUARTET_HOST": "QUARTET_HOST",
        "QUARTET_DATA": "--data",
        "QUARTET_SECRET": f"--config {path}: QUARTET_SECRET",
        "QUARTET_WORKERS": f"--config {path}: QUARTET_WORKERS",
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("QUARTET_PORT=x", "QUARTET_PORT is 'x'. Give a whole number"),
        ("QUARTET_PROT=1", "QUARTET_PROT is no setting. Did you mean QUARTET_PORT?"),
        ("PATH=/bin", "PATH is no setting. Correct it or remove it"),
        ("\nQUARTET_PORT 1", "line 2 is no setting. Write NAME=value, or # before a comment."),
        ("export QUARTET_PORT=1", "line 1 is no setting."),
    ],
)
def test_a_fault_in_the_file_is_named_with_the_file(
    content: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "quartet.env"
    path.write_text(content)
    assert refusal({}, {"config": str(path)}).startswith(f"--config {path}: {said}")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    said = refusal({}, {"config": str(tmp_path / "none")})
    assert said.startswith(f"--config: {tmp_path / 'none'} cannot be read: ")


@pytest.mark.skipif(os.name == "nt", reason="no such file there")
def test_a_file_without_end_is_not_read_for_ever() -> None:
    assert "/dev/zero is too long" in refusal({"QUARTET_SECRET_FILE": "/dev/zero"})
