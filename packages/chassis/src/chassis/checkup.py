"""What `serve` would find with these settings, found out without changing anything.

Nothing is made: a folder or a database that is not there is reported as one that `serve` makes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from stat import S_IRGRP, S_IROTH
from urllib.parse import urlsplit

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from chassis.database import Database, DataInUse, DataLock, Standing
from chassis.installation import check_secret, explain, find_product
from chassis.product import Product
from chassis.schema import DATABASE, MIGRATIONS
from chassis.secret import FILE_NAME, load_secret
from chassis.server import bind
from chassis.settings import OperatorError, Settings, read_settings
from chassis.sources import DEFAULT, Found, Reading

CONNECTIONS = 10
"""Those of PostgreSQL that each process keeps for each database."""


class Severity(StrEnum):
    """What a finding means for the start."""

    GOOD = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; what is wrong ends with the remedy."""

    severity: Severity
    topic: str
    text: str


@dataclass(frozen=True)
class Report:
    """The effective settings with their sources, and what was found."""

    settings: tuple[Found, ...]
    findings: tuple[Finding, ...]

    @property
    def fit(self) -> bool:
        """Whether `serve` would start."""
        return all(one.severity is not Severity.ERROR for one in self.findings)

    def text(self) -> str:
        """For people: a table, then the findings, the worst last."""
        rows = [(one.setting.variable, _shown(one), one.source) for one in self.settings]
        first, second = (max(len(row[at]) for row in rows) for at in (0, 1))
        lines = [f"{name:{first}}  {value:{second}}  {source}" for name, value, source in rows]
        order = list(Severity)
        found = sorted(self.findings, key=lambda one: order.index(one.severity))
        return "\n".join(
            [*lines, "", *(f"{one.severity:8} {one.topic}: {one.text}" for one in found)]
        )

    def json(self) -> str:
        """For programs."""
        settings = [
            {"name": one.setting.variable, "value": _shown(one), "source": one.source}
            for one in self.settings
        ]
        findings = [
            {"severity": one.severity, "topic": one.topic, "text": one.text}
            for one in self.findings
        ]
        return json.dumps({"fit": self.fit, "settings": settings, "findings": findings}, indent=2)


def _shown(found: Found) -> str:
    return found.setting.show(found.value)


def check(
    references: Sequence[str],
    flags: Mapping[str, object],
    environment: Mapping[str, str] | None = None,
) -> Report:
    """Look at everything that `serve` needs; what is wrong is in the report."""
    products = []
    findings = []
    for reference in references:
        try:
            products.append(find_product(reference))
        except OperatorError as error:
            findings.append(_error("products", str(error)))
    reading = read_settings(environment, flags, products)
    settings = Settings.of_reading(reading)
    findings += _settings(reading, settings)
    findings += _address(settings)
    findings += _proxies(settings, reading)
    if reading.faults:
        findings.append(
            _warning(
                "data",
                "Not looked at, since a setting has its default in place of what was "
                "meant. Correct the settings first.",
            )
        )
    else:
        findings += _data(settings, products)
    return Report(reading.found, tuple(findings))


def _error(topic: str, said: str) -> Finding:
    return Finding(Severity.ERROR, topic, said)


def _warning(topic: str, said: str) -> Finding:
    return Finding(Severity.WARNING, topic, said)


def _good(topic: str, said: str) -> Finding:
    return Finding(Severity.GOOD, topic, said)


# -- settings, and whether they fit together -------------------------------------------------------


def _settings(reading: Reading, settings: Settings) -> Iterator[Finding]:
    for fault in [*reading.faults, *settings.contradictions()]:
        yield _error("settings", fault)
    for one in reading.found:
        if one.file is not None and one.file.stat().st_mode & (S_IRGRP | S_IROTH):
            said = f"{one.source}: others of this machine may read {one.file}."
            yield _warning("settings", f"{said} Next: chmod 600 {one.file}")


def _address(settings: Settings) -> Iterator[Finding]:
    try:
        bind(settings).close()
    except OperatorError as error:
        yield _error("address", str(error))
    else:
        yield _good("address", f"{settings.host}:{settings.port} is free.")


def _proxies(settings: Settings, reading: Reading) -> Iterator[Finding]:
    """Whether PUBLIC_URL, the address and the proxies that are believed fit together."""
    inside = _is_loopback(settings.host)
    sources = {one.setting.variable: one.source for one in reading.found}
    by_default = sources["QUARTET_TRUSTED_PROXIES"] == DEFAULT
    if settings.public_url is None and not inside:
        yield _warning(
            "proxies",
            f"--host {settings.host} is open to others, without PUBLIC_URL: keys and cookies "
            "travel unencrypted, and links have the host that a request names. Put a proxy with "
            "TLS before it, and set PUBLIC_URL to the proxy's address.",
        )
    if settings.public_url and not settings.is_https and not _is_loopback(_host(settings)):
        yield _warning(
            "proxies",
            "PUBLIC_URL is http: keys and cookies travel unencrypted. Give the proxy a "
            "certificate, and make it https.",
        )
    if settings.trusted_proxies == "*" and not inside:
        yield _warning(
            "proxies",
            "QUARTET_TRUSTED_PROXIES is *: whoever reaches the port may claim any address. "
            "Name the proxy's address.",
        )
    if settings.is_https and not inside and by_default:
        yield _warning(
            "proxies",
            f"PUBLIC_URL is https and --host {settings.host} is open to others, but only a proxy "
            "on this machine is believed. Name the proxy's address in QUARTET_TRUSTED_PROXIES, or "
            "listen on 127.0.0.1.",
        )


def _host(settings: Settings) -> str:
    return urlsplit(settings.public_url or "").hostname or ""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# -- data ------------------------------------------------------------------------------------------


def _data(settings: Settings, products: Sequence[Product]) -> Iterator[Finding]:
    scripts = {DATABASE: MIGRATIONS} | {one.name: one.migrations for one in products}
    if not settings.on_postgresql or settings.secret is None:
        yield from _folder(settings)
    if not settings.on_postgresql:
        yield from _lock(settings)
    for name, location in scripts.items():
        if settings.on_postgresql or (settings.data / f"{name}.db").exists():
            try:
                yield from _database(settings, name, location)
            except (OperatorError, DatabaseError, OSError) as error:
                yield _error(name, explain(error, settings) or str(error))
                if settings.on_postgresql:
                    return  # one server: the others would say the same
        else:
            yield _good(name, f"There is no {name}.db yet; 'serve' makes it.")
    if settings.on_postgresql:
        yield from _connections(settings, len(scripts))


def _folder(settings: Settings) -> Iterator[Finding]:
    data = settings.data.absolute()
    there = next(one for one in (data, *data.parents) if one.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield _error(
            "data",
            f"--data {settings.data}: {there} is no folder that this user may write to. "
            "Give another one, or let this user write there.",
        )
    elif there == data:
        yield _good("data", f"{settings.data} can be written to.")
    else:
        yield _good("data", f"There is no {settings.data} yet; 'serve' makes it in {there}.")


def _lock(settings: Settings) -> Iterator[Finding]:
    if not (settings.data / "lock").exists():
        return
    try:
        DataLock(settings.data, shared=settings.shared_sqlite, quietly=True).release()
    except DataInUse as error:
        yield _error("data", str(error))
    except OSError as error:
        yield _error("data", explain(error, settings) or str(error))


def _database(settings: Settings, name: str, location: str) -> Iterator[Finding]:
    database = Database.look_at(settings, name)
    try:
        standing = database.standing(location)
        if standing is Standing.UNKNOWN:
            yield _error(
                name,
                f"The schema of {name} is not one that this version knows. Install the version "
                "that made it, or a newer one.",
            )
            return
        said = "'serve' migrates it." if standing is Standing.PENDING else "It is up to date."
        yield _good(name, f"The database answers. {said}")
        if name == DATABASE and standing is Standing.CURRENT:
            yield from _secret(settings, database)
    finally:
        database.close()


def _secret(settings: Settings, database: Database) -> Iterator[Finding]:
    """Whether it is the one that the keys were made with."""
    if settings.secret is None and not (settings.data / FILE_NAME).exists():
        yield _error(
            "secret",
            f"There are keys, but no {FILE_NAME} at {settings.data}. Restore it from a backup, or "
            "set QUARTET_SECRET to that of the first server.",
        )
        return
    with database.reading() as connection:
        check_secret(connection, load_secret(settings.data, settings.secret), marking=False)
    yield _good("secret", "It is the one that the keys were made with.")


def _connections(settings: Settings, databases: int) -> Iterator[Finding]:
    """Whether PostgreSQL lets all processes have the connections that they keep."""
    database = Database.look_at(settings, DATABASE)
    try:
        with database.reading() as connection:
            most = int(connection.execute(text("SHOW max_connections")).scalar_one())
    finally:
        database.close()
    kept = CONNECTIONS * databases * settings.workers
    if kept > most:
        yield _warning(
            "database",
            f"{settings.workers} processes keep up to {kept} connections, and PostgreSQL allows "
            f"{most}. Raise max_connections, or use fewer --workers.",
        )
