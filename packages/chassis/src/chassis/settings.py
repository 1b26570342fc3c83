"""All settings, from flags and the environment, checked once at the start.

`SETTINGS` is the one table: reading, the help of the commands and the reference page follow it.
A flag comes before the environment, the environment before the default. Every complaint names the
setting, what was seen (never a secret) and what to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chassis.rate import Rate
from chassis.secret import LONGEST_SECRET, SHORTEST_SECRET
from ifmatch.core.conditions import Comparison


class OperatorError(Exception):
    """Something that the operator can mend; the message says how."""


class SettingsError(OperatorError):
    """A setting that cannot be used; the message says which, why, and what to do."""


_PER_KEY, _PER_ADDRESS = Rate(1000, 5000), Rate(500, 2500)


@dataclass(frozen=True)
class Settings:
    """Every setting, typed and checked. Make it with `Settings.load`."""

    host: str = "127.0.0.1"
    port: int = 8000
    data: Path = Path("var")
    database_url: str | None = None
    public_url: str | None = None
    admin_key: str | None = None
    secret: str | None = None
    workers: int = 1
    shared_sqlite: bool = False
    demo: bool = False
    trusted_proxies: str = "127.0.0.1"
    rate_per_key: Rate = _PER_KEY
    rate_per_address: Rate = _PER_ADDRESS
    comparison: Comparison = Comparison.STATE
    log_level: str = "info"
    access_log: bool = False

    @classmethod
    def load(
        cls,
        environment: Mapping[str, str] | None = None,
        flags: Mapping[str, object] | None = None,
    ) -> Settings:
        """Read flags (by field name; None where not given), then the environment.

        Raises SettingsError.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for setting in SETTINGS:
            flag = (flags or {}).get(setting.field)
            if flag is not None:
                values[setting.field] = setting.read(str(flag), setting.flag or setting.variable)
            elif environment.get(setting.variable):
                values[setting.field] = setting.read(
                    environment[setting.variable], setting.variable
                )
        settings = cls(**values)
        settings._check_together()
        return settings

    def environment(self) -> dict[str, str]:
        """The environment that `load` reads these very settings from: for worker processes."""
        shown = {
            setting.variable: setting.write(getattr(self, setting.field)) for setting in SETTINGS
        }
        return {name: text for name, text in shown.items() if text is not None}

    @property
    def on_postgresql(self) -> bool:
        return self.database_url is not None

    @property
    def prefix(self) -> str:
        """The path of PUBLIC_URL without its last slash: what a proxy put before our addresses."""
        return urlsplit(self.public_url).path.rstrip("/") if self.public_url else ""

    @property
    def origin(self) -> str | None:
        """Scheme and host of PUBLIC_URL, as browsers write an Origin; None if it is not set."""
        if self.public_url is None:
            return None
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}".lower()

    @property
    def is_https(self) -> bool:
        return self.public_url is not None and self.public_url.startswith("https:")

    def _check_together(self) -> None:
        if self.workers > 1 and not self.on_postgresql and not self.shared_sqlite:
            raise SettingsError(
                f"--workers {self.workers}: with SQLite one process serves. Set DATABASE_URL to a "
                "PostgreSQL database, or add --shared-sqlite, which is correct but slow."
            )


# -- reading single values; each raises ValueError with what was expected ---------------------


def _text(value: str) -> str:
    return value


def _port(value: str) -> int:
    return _number(value, 0, 65535)


def _workers(value: str) -> int:
    return _number(value, 1, 256)


def _number(value: str, least: int, most: int) -> int:
    if not value.isascii() or not value.isdigit() or not least <= int(value[:9]) <= most:
        raise ValueError(f"a whole number from {least} to {most}")
    return int(value)


def _switch(value: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "on": True}
    known |= {"0": False, "false": False, "no": False, "off": False}
    if value.lower() not in known:
        raise ValueError("1, true, yes or on; or 0, false, no or off")
    return known[value.lower()]


def _secret(value: str) -> str:
    if (
        not SHORTEST_SECRET <= len(value) <= LONGEST_SECRET
        or not value.isascii()
        or not value.isprintable()
    ):
        raise ValueError(
            f"{SHORTEST_SECRET} to {LONGEST_SECRET} printable ASCII characters, such as the "
            "output of 'openssl rand -hex 32'"
        )
    if " " in value:
        raise ValueError("no spaces, since it is sent as a field of a request")
    return value


def _database(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise ValueError(
            "postgresql://user:password@host/name; leave it out for SQLite in the data folder"
        )
    return f"postgresql+psycopg://{rest}"


def _public(value: str) -> str:
    if not _is_plain_address(value):
        raise ValueError("an address such as https://example.org or https://example.org/tools")
    return value.rstrip("/")


def _is_plain_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and not ("@" in parts.netloc or parts.query or parts.fragment)


def _folder(value: str) -> Path:
    path = Path(value).expanduser()
    if path.exists() and not path.is_dir():
        raise ValueError("a folder, or a path where one can be made")
    return path


def _level(value: str) -> str:
    if value.lower() not in ("debug", "info", "warning", "error"):
        raise ValueError("debug, info, warning or error")
    return value.lower()


def _comparison(value: str) -> Comparison:
    if value.lower() not in ("state", "strict"):
        raise ValueError("state or strict")
    return Comparison(value.lower())


# -- the table -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """One row: where it comes from, what it means, and how it is read."""

    field: str
    variable: str
    flag: str | None
    kind: str
    parse: Callable[[str], Any]
    help: str
    secret: bool = False

    @property
    def default(self) -> Any:
        return next(known.default for known in fields(Settings) if known.name == self.field)

    def read(self, text: str, called: str) -> Any:
        """The typed value; raises SettingsError, naming it as the user did."""
        try:
            return self.parse(text.strip())
        except ValueError as expected:
            seen = f"{len(text)} characters" if self.secret else repr(text[:80])
            raise SettingsError(f"{called} is {seen}. Give {expected}.") from None

    def write(self, value: Any) -> str | None:
        """The text that `read` makes `value` of; None for a value that is not set."""
        if value is None:
            return None
        if isinstance(value, bool):
            return "1" if value else "0"
        return str(value.value if isinstance(value, Comparison) else value)

    def shown_default(self) -> str:
        """The default, for people."""
        if isinstance(self.default, bool):
            return "on" if self.default else "off"
        return self.write(self.default) or "none"


SETTINGS: tuple[Setting, ...] = (
    Setting("host", "QUARTET_HOST", "--host", "address", _text, "The address to listen on."),
    Setting("port", "QUARTET_PORT", "--port", "number", _port, "The port to listen on."),
    Setting(
        "data",
        "QUARTET_DATA",
        "--data",
        "folder",
        _folder,
        "Where the SQLite files and the server's secret are kept.",
    ),
    Setting(
        "database_url",
        "DATABASE_URL",
        None,
        "URL",
        _database,
        "A PostgreSQL database instead of SQLite: postgresql://user:password@host/name.",
        secret=True,
    ),
    Setting(
        "public_url",
        "PUBLIC_URL",
        "--public-url",
        "URL",
        _public,
        "The address that others reach this server under, with the path that a proxy put before "
        "it. Links are made with it; https makes cookies secure.",
    ),
    Setting(
        "admin_key",
        "QUARTET_ADMIN_KEY",
        None,
        "secret",
        _secret,
        "The key of the administrator. Without it one is made at the first start and shown once.",
        secret=True,
    ),
    Setting(
        "secret",
        "QUARTET_SECRET",
        None,
        "secret",
        _secret,
        "What keys are hashed with. Without it, secret.key in the data folder. Several machines "
        "on one database need the same.",
        secret=True,
    ),
    Setting(
        "workers",
        "QUARTET_WORKERS",
        "--workers",
        "number",
        _workers,
        "How many processes serve: more than one with PostgreSQL, or with --shared-sqlite.",
    ),
    Setting(
        "shared_sqlite",
        "QUARTET_SHARED_SQLITE",
        "--shared-sqlite",
        "switch",
        _switch,
        "Let several processes serve from one data folder. Correct, but slow.",
    ),
    Setting(
        "demo", "QUARTET_DEMO", "--demo", "switch", _switch, "Fill an empty product with samples."
    ),
    Setting(
        "trusted_proxies",
        "QUARTET_TRUSTED_PROXIES",
        None,
        "addresses",
        _text,
        "Whose X-Forwarded-For and X-Forwarded-Proto are believed: addresses or networks with "
        "commas between, or *.",
    ),
    Setting(
        "rate_per_key",
        "QUARTET_RATE_PER_KEY",
        None,
        "requests a second:at once",
        Rate.read,
        "How often one key may ask, over all workers; beyond it is 429. 0 is no limit.",
    ),
    Setting(
        "rate_per_address",
        "QUARTET_RATE_PER_ADDRESS",
        None,
        "requests a second:at once",
        Rate.read,
        "The same for one address, or one /64 of IPv6. 0 is no limit, not even for who guesses "
        "keys.",
    ),
    Setting(
        "comparison",
        "FLAGBIT_COMPARISON",
        None,
        "state or strict",
        _comparison,
        "How If-Match compares in FlagBit: the state, with weak tags, or strictly, with strong "
        "ones (RFC 9110 section 13.1.1).",
    ),
    Setting(
        "log_level",
        "QUARTET_LOG_LEVEL",
        "--log-level",
        "debug, info, warning or error",
        _level,
        "The least severe lines that are logged, on standard error.",
    ),
    Setting(
        "access_log",
        "QUARTET_ACCESS_LOG",
        "--access-log",
        "switch",
        _switch,
        "A line for each request: method, path with long parts cut, status, time.",
    ),
)


def reference() -> str:
    """The reference page, as Markdown."""
    lines = [
        "# Settings",
        "",
        "A flag comes before the environment, the environment before the default. Settings are",
        "checked at the start; a value that cannot be used stops it with a message that says what",
        "to give instead. This page is made from the table in `chassis.settings`:",
        "`python -m chassis.settings > docs/reference/settings.md`.",
        "",
        "| environment | flag | type | default | what it does |",
        "|---|---|---|---|---|",
    ]
    for one in SETTINGS:
        flag = f"`{one.flag}`" if one.flag else ""
        default = f"`{one.shown_default()}`" if one.default is not None else "none"
        lines.append(f"| `{one.variable}` | {flag} | {one.kind} | {default} | {one.help} |")
    lines += [
        "",
        "Switches take `1`, `true`, `yes` or `on`, and `0`, `false`, `no` or `off`; as a flag they",
        "stand alone. Secrets have no flag, because the arguments of a program are seen by",
        "everybody on the machine.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    import sys

    sys.stdout.write(reference())
