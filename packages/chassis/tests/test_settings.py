"""Settings: one table, checked at the start, with messages that say what to do."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, cast

import pytest

from chassis.product import Product
from chassis.settings import SETTINGS, Setting, Settings, SettingsError, reference


def _kettles(value: str) -> int:
    if not value.isdigit():
        raise ValueError("a whole number of kettles")
    return int(value)


KETTLES = Setting(
    "kettles", "TEASHOP_KETTLES", None, "number", _kettles, "How many kettles are on.", default=1
)
TEASHOP = Product("teashop", "Tea shop", "Sells tea", cast(Any, None), "none", settings=(KETTLES,))


def test_every_setting_is_in_the_table_once() -> None:
    typed = [field.name for field in fields(Settings) if field.name != "of_products"]
    assert [one.field for one in SETTINGS] == typed
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
            "TEASHOP_KETTLES": "3",
            "QUARTET_LOG_LEVEL": "DEBUG",
        },
        {"port": 1, "workers": 3, "demo": "1", "data": "somewhere", "access_log": "1"},
        [TEASHOP],
    )
    environment = {"QUARTET_SECRET_FILE": "/nowhere", "QUARTET_HOST": "elsewhere", "HOME": "/"}
    settings.hand_over(environment, [TEASHOP])
    assert Settings.load(environment, products=[TEASHOP]) == settings
    assert settings.database_url == "postgresql+psycopg://u:p@h/d"
    assert settings.of(KETTLES) == 3
    assert environment["HOME"] == "/"


WRONG = [
    ("QUARTET_PORT", "http", "'http'", "a whole number from 0 to 65535"),
    ("QUARTET_PORT", "65536", "'65536'", "a whole number from 0 to 65535"),
    ("QUARTET_PORT", "8²", "'8²'", "a whole number"),
    ("QUARTET_WORKERS", "0", "'0'", "a whole number from 1"),
    ("QUARTET_DEMO", "maybe", "'maybe'", "1, true, yes or on"),
    ("QUARTET_LOG_LEVEL", "loud", "'loud'", "debug, info, warning or error"),
    ("TEASHOP_KETTLES", "three", "'three'", "Give a whole number of kettles."),
    ("QUARTET_TRUSTED_PROXIES", "proxy.example", "'proxy.example'", "such as 127.0.0.1,10.0.0.0/8"),
    ("QUARTET_TRUSTED_PROXIES", "10.0.0.1/8", "'10.0.0.1/8'", "such as 127.0.0.1,10.0.0.0/8"),
    ("QUARTET_TRUSTED_PROXIES", "*,10.0.0.1", "'*,10.0.0.1'", "or *"),
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
        Settings.load({name: value}, products=[TEASHOP])
    message = str(caught.value)
    assert message.startswith(name)
    assert seen in message
    assert expected in message
    assert "hunter2" not in message


@pytest.mark.parametrize("value", ["127.0.0.1", "10.0.0.0/8,fd00::/8,127.0.0.1", "*"])
def test_proxies_are_addresses_networks_or_all(value: str) -> None:
    assert Settings.load({"QUARTET_TRUSTED_PROXIES": value}).trusted_proxies == value


def test_a_secret_that_is_a_key_is_refused() -> None:
    """Who may use the key could make any other."""
    with pytest.raises(SettingsError, match=r"are the same.*openssl rand"):
        Settings.load({"QUARTET_SECRET": "a" * 32, "QUARTET_ADMIN_KEY": "a" * 32})


def test_several_faults_are_one_line_that_counts_the_others() -> None:
    with pytest.raises(SettingsError, match=r"^QUARTET_PORT is 'x'.*\(2 more: 'check-config'"):
        Settings.load({"QUARTET_PORT": "x", "QUARTET_WORKERS": "x", "QUARTET_DEMO": "x"})


# -- a product's own rows -------------------------------------------------------------------------


def test_a_product_reads_its_own_rows_typed_and_with_their_default() -> None:
    assert Settings.load({}, products=[TEASHOP]).of(KETTLES) == 1
    assert Settings().of(KETTLES) == 1
    assert Settings.load({"TEASHOP_KETTLES": "2"}, products=[TEASHOP]).of(KETTLES) == 2


@pytest.mark.parametrize("row", [KETTLES, replace(KETTLES, variable="TEA_KETTLES")])
def test_a_row_that_the_server_would_not_read_is_refused(row: Setting[int]) -> None:
    row = row if row is not KETTLES else replace(row, flag="--kettles")
    with pytest.raises(ValueError, match=r"has to begin with TEASHOP_ and to have no flag"):
        replace(TEASHOP, settings=(row,))


def test_the_page_shows_the_products_rows_and_never_a_secret() -> None:
    page = reference([TEASHOP])
    assert "Of Tea shop:" in page
    assert "| `TEASHOP_KETTLES` |  | number | `1` | How many kettles are on. |" in page
    assert "`DATABASE_URL_FILE`, `QUARTET_ADMIN_KEY_FILE`, `QUARTET_SECRET_FILE`" in page


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
