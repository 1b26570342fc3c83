"""Two servers on one database: one cell of the table of what is tested.

cell = cells.get("postgresql", "strict")
cell.servers, cell.execute("DELETE FROM flag")
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from e2e.program import Server, start
from harness import postgres

DATABASES = ("sqlite", "postgresql")
COMPARISONS = ("state", "strict")
UNGUARDED = Path(__file__).with_name("unguarded.py")
KEY = "k" * 40


@dataclass
class Cell:
    """Two servers that share a database. `dsn` is None on SQLite."""

    data: Path
    dsn: str | None
    taken_out: str
    comparison: str
    servers: list[Server] = field(default_factory=list)

    def start(self) -> None:
        """Start both at once, as a machine does after a power cut."""
        environment = {"FLAGBIT_COMPARISON": self.comparison, "TAKEN_OUT": self.taken_out}
        options: dict[str, Any] = {"environment": environment, "admin_key": KEY}
        options["database_url"] = self.dsn
        if self.taken_out:
            options["program"] = [sys.executable, str(UNGUARDED)]
        arguments = [] if self.dsn else ["--shared-sqlite"]
        with ThreadPoolExecutor() as both:
            begun = [both.submit(start, self.data, *arguments, **options) for _ in range(2)]
        self.servers = [one.result() for one in begun if one.exception() is None]
        for one in begun:
            one.result()  # raises

    def kill(self) -> None:
        """End both in the middle of what they are doing."""
        for server in self.servers:
            server.process.kill()
        for server in self.servers:
            server.process.wait(30)

    def stop(self) -> None:
        for server in self.servers:
            server.stop()

    def execute(self, *statements: str) -> None:
        """Plain SQL on FlagBit's database, behind the servers' backs."""
        if self.dsn is not None:
            with psycopg.connect(self.dsn, options="-c search_path=flagbit") as postgresql:
                for statement in statements:
                    postgresql.execute(statement.encode())
            return
        with closing(sqlite3.connect(self.data / "flagbit.db", timeout=30)) as sqlite, sqlite:
            for statement in statements:
                sqlite.execute(statement)


@dataclass
class Cells:
    """Cells that are started when first asked for, and shared from then on."""

    folder: Path
    postgres_server: postgres.Server
    _stack: ExitStack = field(default_factory=ExitStack)
    _known: dict[tuple[str, ...], Cell] = field(default_factory=dict)

    def get(self, database: str, comparison: str = "state", taken_out: str = "") -> Cell:
        """A cell that others use, too."""
        name = (database, comparison, taken_out)
        if name not in self._known:
            self._known[name] = self.new(*name)
        return self._known[name]

    def new(
        self, database: str, comparison: str = "state", taken_out: str = "", dsn: str | None = None
    ) -> Cell:
        """A cell of one's own. `dsn` takes the place of a new database's own address."""
        if database == "postgresql" and dsn is None:
            dsn = self._stack.enter_context(self.postgres_server.database()).dsn
        data = self.folder / f"cell-{len(list(self.folder.iterdir()))}"
        cell = Cell(data, dsn, taken_out, comparison)
        self._stack.callback(cell.stop)
        cell.start()
        return cell

    def stop(self) -> None:
        """Stop all of them."""
        self._stack.close()


def every() -> Sequence[tuple[str, str]]:
    """Each database under each comparison."""
    return [(database, comparison) for database in DATABASES for comparison in COMPARISONS]
