"""Plain SQL on a server's database, behind the server's back: what an administrator may do."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg


@dataclass(frozen=True)
class RawSQL:
    """A server's database: the folder of its SQLite files, or PostgreSQL where `dsn` is given."""

    data: Path
    dsn: str | None = None

    def execute(self, product: str, statement: str, *values: Any) -> int:
        """Run one statement, its values written `%s`, and commit it; how many rows it touched."""
        if self.dsn is not None:
            with psycopg.connect(self.dsn, options=f"-c search_path={product}") as connection:
                return connection.execute(statement.encode(), values).rowcount
        with closing(sqlite3.connect(self.data / f"{product}.db", timeout=30)) as database:
            database.execute("PRAGMA foreign_keys=ON")
            with database:
                return database.execute(statement.replace("%s", "?"), values).rowcount
