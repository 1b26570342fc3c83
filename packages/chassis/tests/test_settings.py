"""Settings: one table, checked at the start, with messages that say what to do."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from chassis.settings import SETTINGS, Settings, SettingsError, reference
from ifmatch import Comparison

DOCS = Path(__file__).parents[3] / "docs/reference/settings.md"


def test_the_reference_page_is_current() -> None:
    """Next, if not: python -m chassis.settings > docs/reference/settings.md"""
    assert DOCS.read_text("utf-8") == reference()


def test_every_setting_is_in_the_table_once() -> None:
    assert [one.field for one in SETTINGS] == [field.name for field in fields(Settings)]
    assert len({one.variable for one in SETTINGS}) == len(SETTINGS)


def test_no_secret_has_a_flag() -> None:
    assert [one.flag for one in SETTINGS if one.secret] == [None, None, None]


def test_defaults_need_nothing() -> None:
    assert Settings.load({}) == Settings()


def test_an_empty_variable_is_as_if_absent() -> None:
    assert Settings.load({"DATABASE_URL": "", "QUARTET_PORT": ""}) == Settings()


def test_a_flag_comes_before_the_environment() -> None:
    loaded = Settings.load({"QUARTET_PORT": "1", "QUARTET_HOST": "a"}, {"port": "2", "host": None})
    assert (loaded.port, loaded.host) == (2, "a")


def test_workers_read_the_same_settings_from_their_environment() -> None:
    settings = Settings.load(
        {
            "DATABASE_URL": "postgres://u:p@h/d",
            "PUBLIC_URL": "https://example.org/tools/",
            "QUARTET_ADMIN_KEY": "a" * 32,
            "QUARTET_SECRET": "b" * 32,
            "FLAGBIT_COMPARISON": "strict",
            "QUARTET_LOG_LEVEL": "DEBUG",
        },
        {"port": 1, "workers": 3, "demo": "1", "data": "somewhere", "access_log": "1"},
    )
    assert Settings.load(settings.environment()) == settings
    assert settings.database_url == "postgresql+psycopg://u:p@h/d"
    assert settings.comparison is Comparison.STRICT


WRONG = [
    ("QUARTET_PORT", "http", "'http'", "a whole number from 0 to 65535"),
    ("QUARTET_PORT", "65536", "'65536'", "a whole number from 0 to 65535"),
    ("QUARTET_PORT", "8²", "'8²'", "a whole number"),
    ("QUARTET_WORKERS", "0", "'0'", "a whole number from 1"),
    ("QUARTET_DEMO", "maybe", "'maybe'", "1, true, yes or on"),
    ("QUARTET_LOG_LEVEL", "loud", "'loud'", "debug, info, warning or error"),
    ("FLAGBIT_COMPARISON", "weak", "'weak'", "state or strict"),
    ("PUBLIC_URL", "example.org", "'example.org'", "https://example.org"),
    ("PUBLIC_URL", "https://[", "'https://['", "https://example.org"),
    ("PUBLIC_URL", "https://a@b", "'https://a@b'", "https://example.org"),
    ("PUBLIC_URL", "ftp://example.org", "'ftp://example.org'", "https://example.org"),
    ("DATABASE_URL", "mysql://u:hunter2@h/d", "21 characters", "postgresql://"),
    ("QUARTET_ADMIN_KEY", "hunter2", "7 characters", "32 to 512 printable ASCII characters"),
    ("QUARTET_ADMIN_KEY", "hunter2" * 100, "700 characters", "32 to 512"),
    ("QUARTET_ADMIN_KEY", "hunter2 " * 5, "40 characters", "no spaces"),
    ("QUARTET_SECRET", "hunter2", "7 characters", "openssl rand -hex 32"),
    ("QUARTET_DATA", __file__, repr(__file__[:80]), "a folder"),
]


@pytest.mark.parametrize(("name", "value", "seen", "expected"), WRONG)
def test_a_wrong_value_is_refused_by_name_with_the_remedy(
    name: str, value: str, seen: str, expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load({name: value})
    message = str(caught.value)
    assert message.startswith(name)
    assert seen in message
    assert expected in message
    assert "hunter2" not in message


def test_a_wrong_flag_is_named_as_the_flag() -> None:
    with pytest.raises(SettingsError, match=r"^--port is 'x'"):
        Settings.load({}, {"port": "x"})


def test_several_workers_need_a_database_that_can_be_shared() -> None:
    with pytest.raises(SettingsError, match=r"DATABASE_URL.*--shared-sqlite"):
        Settings.load({}, {"workers": 2})
    assert Settings.load({}, {"workers": 2, "shared_sqlite": "1"}).workers == 2
    assert Settings.load({"DATABASE_URL": "postgresql:///d"}, {"workers": 2}).workers == 2


def test_the_public_address_gives_origin_and_prefix() -> None:
    settings = Settings.load({"PUBLIC_URL": "https://Example.org:444/tools/"})
    assert (settings.origin, settings.prefix) == ("https://example.org:444", "/tools")
    assert settings.is_https
    assert (Settings().origin, Settings().prefix, Settings().is_https) == (None, "", False)
