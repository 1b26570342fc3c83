"""All settings, from flags, the environment and files, checked once at the start.

`SETTINGS` is the one table: reading, the help of the commands and the reference page follow it;
products bring rows of their own. Every complaint names the setting, what was seen (never a secret)
and what to do. `chassis.sources` says which source comes before which.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from chassis.rate import Rate
from chassis.secret import LONGEST_SECRET, SHORTEST_SECRET
from chassis.setting import OperatorError, Setting, SettingsError, Value
from chassis.sources import Reading, read

__all__ = [
    "SETTINGS",
    "BringsSettings",
    "OperatorError",
    "Setting",
    "Settings",
    "SettingsError",
    "days",
    "prefix_of",
    "read_settings",
    "reference",
]

PREFIX = "QUARTET_"


class BringsSettings(Protocol):
    """What a product is to its settings.

    `variables` are those that begin with its name and are not settings of the server, such as
    those of its command line's client.
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def settings(self) -> Sequence[Setting[Any]]: ...
    @property
    def variables(self) -> Sequence[str]: ...


class LogFormat(StrEnum):
    """How a line of the log looks: for people, or for programs."""

    TEXT = "text"
    JSON = "json"


class MetricsMode(StrEnum):
    """Who may read the figures at `/metrics`: nobody, who has a key that may read, or anybody."""

    OFF = "off"
    KEY = "key"
    OPEN = "open"


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
    log_level: str = "info"
    access_log: bool = False
    log_format: LogFormat = LogFormat.TEXT
    metrics: MetricsMode = MetricsMode.KEY
    revoked_key_days: int = 90
    of_products: Mapping[str, Any] = field(default_factory=dict)
    """Values of the products' own rows, by variable; ask `of`."""

    @classmethod
    def load(
        cls,
        environment: Mapping[str, str] | None = None,
        flags: Mapping[str, object] | None = None,
        products: Sequence[BringsSettings] = (),
    ) -> Settings:
        """Read flags (by field name; None where not given), then the environment, then files.

        Raises SettingsError for the first fault.
        """
        reading = read_settings(environment, flags, products)
        faults = [*reading.faults, *cls.of_reading(reading).contradictions()]
        if faults:
            more = len(faults) - 1
            said = f" ({more} more: 'check-config' shows all.)" if more else ""
            raise SettingsError(faults[0] + said)
        return cls.of_reading(reading)

    @classmethod
    def of_reading(cls, reading: Reading) -> Settings:
        """The settings that were read; a setting with a fault has its default."""
        ours, own = {}, {}
        for one in reading.found:
            if one.setting in SETTINGS:
                ours[one.setting.field] = one.value
            else:
                own[one.setting.variable] = one.value
        return cls(**ours, of_products=own)

    def of(self, setting: Setting[Value]) -> Value:
        """The value of a product's own setting."""
        value: Value = self.of_products.get(setting.variable, setting.default)
        return value

    def hand_over(
        self, environment: MutableMapping[str, str], products: Sequence[BringsSettings] = ()
    ) -> None:
        """Change the environment so that `load` reads these very settings: for worker processes."""
        for setting in _rows(products):
            ours = setting in SETTINGS
            text = setting.write(getattr(self, setting.field) if ours else self.of(setting))
            for name in setting.variables:  # a secret may have come from a file
                environment.pop(name, None)
            if text is not None:
                environment[setting.variable] = text

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

    def contradictions(self) -> list[str]:
        """What does not go together, with the remedy."""
        found = []
        if self.workers > 1 and not self.on_postgresql and not self.shared_sqlite:
            found.append(
                f"--workers {self.workers}: with SQLite one process serves. Set DATABASE_URL to a "
                "PostgreSQL database, or add --shared-sqlite, which is correct but slow."
            )
        if self.secret is not None and self.secret == self.admin_key:
            found.append(
                "QUARTET_SECRET and QUARTET_ADMIN_KEY are the same: whoever has the key could make "
                "any other. Make another secret with 'openssl rand -hex 32'."
            )
        return found


def read_settings(
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    products: Sequence[BringsSettings] = (),
) -> Reading:
    """Every setting with its source, and the faults of all of them."""
    return read(
        _rows(products),
        os.environ if environment is None else environment,
        flags or {},
        prefixes=(PREFIX, *(prefix_of(product.name) for product in products)),
        others=[name for product in products for name in product.variables],
    )


def prefix_of(product: str) -> str:
    """What the variables of a product begin with."""
    return f"{product.upper()}_"


def _rows(products: Sequence[BringsSettings]) -> list[Setting[Any]]:
    """The rows of the server and the products'; products may share one."""
    own = (row for product in products for row in product.settings)
    return [*SETTINGS, *{row.variable: row for row in own}.values()]


# -- reading single values; each raises ValueError with what was expected ---------------------


def _text(value: str) -> str:
    return value


def _port(value: str) -> int:
    return _number(value, 0, 65535)


def _workers(value: str) -> int:
    return _number(value, 1, 256)


def days(value: str) -> int:
    """A number of days; 0 is for ever."""
    return _number(value, 0, 36_500)


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


def _network(value: str) -> str:
    """An address or network as it was written, once it was understood."""
    ip_network(value)
    return value


def _proxies(value: str) -> str:
    """As uvicorn takes them; it would take a name, too, and never find it in an address."""
    if value == "*":
        return value
    try:
        return ",".join(_network(one.strip()) for one in value.split(","))
    except ValueError as error:
        expected = "addresses or networks with commas between, such as 127.0.0.1,10.0.0.0/8; or *"
        raise ValueError(expected) from error


def _log_format(value: str) -> LogFormat:
    if value.lower() not in tuple(LogFormat):
        raise ValueError("text or json")
    return LogFormat(value.lower())


def _metrics(value: str) -> MetricsMode:
    if value.lower() not in tuple(MetricsMode):
        raise ValueError("off, key or open")
    return MetricsMode(value.lower())


# -- the table -----------------------------------------------------------------------------------


def _with_defaults(*rows: Setting[Any]) -> tuple[Setting[Any], ...]:
    """The rows with the defaults that `Settings` has."""
    defaults = {one.name: one.default for one in fields(Settings)}
    return tuple(replace(row, default=defaults[row.field]) for row in rows)


SETTINGS: tuple[Setting[Any], ...] = _with_defaults(
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
        _proxies,
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
    Setting(
        "log_format",
        "QUARTET_LOG_FORMAT",
        "--log-format",
        "text or json",
        _log_format,
        "How a line of the log looks: for people, or as one JSON object.",
    ),
    Setting(
        "metrics",
        "QUARTET_METRICS",
        "--metrics",
        "off, key or open",
        _metrics,
        "Who may read the figures at /metrics: nobody, who sends a key of no product that may "
        "read, or anybody.",
    ),
    Setting(
        "revoked_key_days",
        "QUARTET_REVOKED_KEY_DAYS",
        None,
        "days",
        days,
        "How long the row of a key that was revoked or has expired is kept, and longer while an "
        "audit trail names it. 0 keeps it for ever.",
    ),
)


def reference(products: Sequence[BringsSettings] = ()) -> str:
    """The reference page, as Markdown."""
    lines = [
        "# Settings",
        "",
        "A flag comes before the environment, the environment before the file of `--config`, that",
        "before the default. Settings are checked at the start; a value that cannot be used, or a",
        "name that is in no table, stops it with a message that says what to give instead.",
        "`quartet check-config` shows what would be used and where it comes from, and changes",
        "nothing: [before you start it](../how-to/run.md#before-you-start-it). This page is made",
        "from the tables: `python -m quartet.reference docs`.",
        "",
        *_table(SETTINGS),
    ]
    for product in products:
        if product.settings:
            lines += ["", f"Of {product.title}:", "", *_table(product.settings)]
    lines += [
        "",
        "Switches take `1`, `true`, `yes` or `on`, and `0`, `false`, `no` or `off`; as a flag they",
        "stand alone. An empty variable is as if absent.",
        "",
        "Secrets have no flag, because the arguments of a program are seen by everybody on the",
        "machine. Each can be in a file, as containers and systemd hand them over:",
        f"{', '.join(f'`{row.variables[1]}`' for row in SETTINGS if row.secret)}",
        "name it. Space around the secret is left out.",
        "",
        "`--config FILE` reads settings from a file: a `NAME=value` on each line, with the names",
        "of the table. Quotes around a value are taken off; a line that begins with `#` is a",
        "comment.",
        "",
    ]
    return "\n".join(lines)


def _table(rows: Sequence[Setting[Any]]) -> list[str]:
    lines = ["| environment | flag | type | default | what it does |", "|---|---|---|---|---|"]
    for one in rows:
        flag = f"`{one.flag}`" if one.flag else ""
        default = f"`{one.show(one.default)}`" if one.default is not None else "none"
        lines.append(f"| `{one.variable}` | {flag} | {one.kind} | {default} | {one.help} |")
    return lines
