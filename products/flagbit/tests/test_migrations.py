"""A database of an older release ends up as a new one is made."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from chassis.database import Database
from chassis.settings import Settings

FIRST = Path(__file__).parents[3] / "e2e" / "data" / "first-slice"


def schema(path: Path) -> list[tuple[str, str, str]]:
    query = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name"
    with closing(sqlite3.connect(path)) as connection:
        return [
            (kind, name, " ".join(sql.split())) for kind, name, sql in connection.execute(query)
        ]


def test_a_database_of_the_first_release_gets_the_schema_of_a_new_one(tmp_path: Path) -> None:
    """Its triggers as well: a row is guarded in the same way, whoever made its table."""
    folders = {name: tmp_path / name for name in ("old", "new")}
    folders["old"].mkdir()
    shutil.copy(FIRST / "flagbit.db", folders["old"] / "flagbit.db")
    before = schema(folders["old"] / "flagbit.db")
    for folder in folders.values():
        database = Database.open(Settings(data=folder), "flagbit")
        database.migrate("flagbit.migrations")
        database.close()
    old, new = (schema(folder / "flagbit.db") for folder in folders.values())
    assert old == new
    assert before != new
