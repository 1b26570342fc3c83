"""Export and import of all own data as JSON, for another installation or another database.

A product says what it exports and takes back (`Transfer`); the envelope around it, and keys, are
the same for all. An export holds what people set, not what merely happened; it holds no key unless
that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import insert, select

from chassis.database import Database
from chassis.rights import Principal, Roles, UnfitRole
from chassis.schema import api_key
from chassis.secret import fingerprint
from chassis.settings import OperatorError
from ifmatch.core.canonical import parse as read_json

FORMAT = "quartet-export"
VERSION = 1

_HAPPENED = {"last_used", "version", "incarnation", "tag", "tag_stamp"}
"""Columns of keys that no export has: they are made anew, or only happen."""


class ImportRefused(OperatorError):
    """The file cannot be imported; the message says where it is wrong. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an import did to one thing: created or changed it. `name` finds it, `kind` says what."""

    action: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did, or with `dry_run` would do."""

    changes: Sequence[Change]
    unchanged: int
    dry_run: bool

    def count(self, action: str) -> int:
        """How many things were created, or changed."""
        return sum(change.action == action for change in self.changes)


class Transfer(Protocol):
    """What a product has to say about its data."""

    def export(self) -> dict[str, Any]:
        """Everything that people set, of one moment, as JSON. Equal data are equal documents."""

    def load(self, who: Principal, document: Any, *, dry_run: bool) -> Report:
        """Bring it in, all of it or nothing: what is there is changed, nothing is deleted.

        Raises ImportRefused. With `dry_run` nothing is written.
        """


def envelope(
    products: Mapping[str, Transfer], keys: Database | None = None, secret: bytes = b""
) -> dict[str, Any]:
    """The export of those products, by name; of the keys as well, where their database is given."""
    content = {name: transfer.export() for name, transfer in products.items()}
    document: dict[str, Any] = {"format": FORMAT, "version": VERSION, "products": content}
    if keys is not None:
        document["keys"] = {"secret": fingerprint(secret), "items": _keys(keys)}
    return document


def parse(content: bytes, known: Sequence[str]) -> dict[str, Any]:
    """The document that `envelope` wrote. Raises ImportRefused."""
    try:
        document = read_json(content)
    except (ValueError, RecursionError) as error:
        raise ImportRefused(f"The file is no JSON: {error}. Next: import an export.") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ImportRefused(f'The file has no "format": "{FORMAT}". Next: import an export.')
    if document.get("version") != VERSION:
        raise ImportRefused(
            f"It is in version {document.get('version')!r} of the format, and this release reads "
            f"{VERSION}. Next: import it with the release that wrote it, or a newer one."
        )
    products = document.get("products")
    if not isinstance(products, dict) or not set(products) <= set(known):
        raise ImportRefused(
            f"It has data of a product that is not here. Here are: {', '.join(known)}. Next: name "
            "those to import with --product."
        )
    return document


def load(
    who: Principal, document: Mapping[str, Any], products: Mapping[str, Transfer], *, dry_run: bool
) -> dict[str, Report]:
    """Import what the document has of those products, one after the other. Raises ImportRefused.

    Each is all or nothing. All are tried first, so that a fault of the last keeps the first away.
    """
    chosen = {name: products[name] for name in document["products"] if name in products}
    found = {
        name: transfer.load(who, document["products"][name], dry_run=True)
        for name, transfer in chosen.items()
    }
    if dry_run:
        return found
    return {
        name: transfer.load(who, document["products"][name], dry_run=False)
        for name, transfer in chosen.items()
    }


# -- keys ----------------------------------------------------------------------------------------


def _keys(database: Database) -> list[dict[str, Any]]:
    columns = [column for column in api_key.c if column.name not in _HAPPENED]
    with database.reading() as connection:
        rows = connection.execute(select(*columns).order_by(api_key.c.created, api_key.c.id))
        return [dict(row) for row in rows.mappings()]


def load_keys(document: Mapping[str, Any], database: Database, secret: bytes, roles: Roles) -> int:
    """Bring in the keys that are not there yet; how many those were. Raises ImportRefused.

    They are digests: they are of use only under the secret that they were made with.
    """
    found = document.get("keys")
    if not isinstance(found, dict) or not isinstance(found.get("items"), list):
        raise ImportRefused("It has no keys. Next: export it with --with-keys, or leave that out.")
    if found.get("secret") != fingerprint(secret):
        raise ImportRefused(
            "Its keys were made with another secret and would fit nobody. Next: set QUARTET_SECRET "
            "to that of the server they come from, or leave --with-keys out."
        )
    rows = [_key(item, roles) for item in found["items"]]
    with _refusing(), database.writing() as connection:
        there = set(connection.execute(select(api_key.c.id)).scalars())
        new = [row for row in rows if row["id"] not in there]
        for row in new:
            connection.execute(insert(api_key).values(row))
    return len(new)


def _key(item: Any, roles: Roles) -> dict[str, Any]:
    known = {column.name for column in api_key.c} - _HAPPENED
    if not isinstance(item, dict) or not {"id", "digest"} <= set(item) <= known:
        raise ImportRefused("A key has other members than keys have here. Next: import an export.")
    if not all(value is None or isinstance(value, str | int) for value in item.values()):
        raise ImportRefused(f"The key {item['id']!r} is none. Next: import an export.")
    place = (item.get(name) for name in ("product", "project", "environment"))
    try:
        roles.check(str(item.get("role")), *place)
    except UnfitRole as error:
        raise ImportRefused(f"The key {item['id']!r}: {error} Nothing was changed.") from error
    return item


@contextmanager
def _refusing() -> Iterator[None]:
    from sqlalchemy.exc import IntegrityError

    try:
        yield
    except IntegrityError as error:
        raise ImportRefused(
            "A key of it is here under another name. Nothing was changed. Next: import without "
            "--with-keys."
        ) from error
