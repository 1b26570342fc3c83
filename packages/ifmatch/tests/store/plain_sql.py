"""Somebody who writes behind a store's back: plain SQL, by a connection of his own."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg


@dataclass(frozen=True)
class PlainSQL:
    """`address` is the file of SQLite, or what libpq takes."""

    address: str
    on_sqlite: bool

    def execute(self, *statements: str, wait: float = 10) -> list[Any]:
        """In one transaction; the last statement's rows.

        It waits for locks that long, and then raises what the driver raises.
        """
        if self.on_sqlite:
            with closing(sqlite3.connect(self.address, timeout=wait)) as sqlite, sqlite:
                return [sqlite.execute(one).fetchall() for one in statements][-1]
        options = f"-c lock_timeout={int(wait * 1000) or 1}"
        with psycopg.connect(self.address, options=options) as postgresql:
            found: list[Any] = []
            for one in statements:
                cursor = postgresql.execute(one.encode())
                found = cursor.fetchall() if cursor.description else []
            return found


@dataclass(frozen=True)
class Rows:
    """The rows of notes, by their key: what `Shelf.behind` gives. `number` is its second column."""

    sql: PlainSQL
    table: str = "note"
    number: str = "id"

    def insert(self, key: Any, value: Mapping[str, Any]) -> None:
        row = {"owner": key[0], self.number: key[1], **value}
        values = ", ".join(literal(name, row[name]) for name in row)
        self.sql.execute(f"INSERT INTO {self.table} ({', '.join(row)}) VALUES ({values})")

    def update(self, key: Any, values: Mapping[str, Any]) -> None:
        settings = ", ".join(f"{name} = {literal(name, value)}" for name, value in values.items())
        self.sql.execute(f"UPDATE {self.table} SET {settings} WHERE {self.at(key)}")

    def delete(self, key: Any) -> None:
        self.sql.execute(f"DELETE FROM {self.table} WHERE {self.at(key)}")

    def move(self, key: Any, to: Any) -> None:
        self.update(key, {"owner": to[0], self.number: to[1]})

    def at(self, key: Any) -> str:
        return f"owner = {literal('owner', key[0])} AND {self.number} = {key[1]}"


def literal(name: str, value: Any) -> str:
    """A value as SQL has it; JSON is text."""
    if name == "data" and value is not None:
        value = json.dumps(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "NULL" if value is None else str(value)
