"""The revision that evaluation watches rises with every change of what is evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from chassis.database import Database
from chassis.settings import Settings
from flagbit.app import ENVIRONMENTS
from flagbit.db import DEFAULT_PROJECT, FlagDatabase
from flagbit.demo import ADA
from flagbit.product import PRODUCT
from flagbit.rules import normal_flag


def opened(url: str | None, folder: Path) -> FlagDatabase:
    """A database with one flag in it."""
    environment = {} if url is None else {"DATABASE_URL": url}
    database = Database.open(Settings.load(environment, {"data": str(folder)}), "flagbit")
    database.migrate(PRODUCT.migrations)
    db = FlagDatabase(database)
    db.ensure_project(DEFAULT_PROJECT, ENVIRONMENTS)
    values = normal_flag(
        {
            "key": "a",
            "type": "boolean",
            "variants": {"on": True, "off": False},
            "default_variant": "off",
            "off_variant": "off",
        }
    )
    del values["key"]
    db.write(ADA, db.flag, (DEFAULT_PROJECT, "a"), lambda *_: {}, insert=values)
    return db


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FlagDatabase]:
    on_postgresql = request.param == "postgresql"
    made = opened(request.getfixturevalue("postgres_dsn") if on_postgresql else None, tmp_path)
    yield made
    made.database.close()


@pytest.fixture
def on_postgresql(postgres_dsn: str, tmp_path: Path) -> Iterator[FlagDatabase]:
    made = opened(postgres_dsn, tmp_path)
    yield made
    made.database.close()


def assert_raises_it(db: FlagDatabase, statement: str) -> None:
    before = db.revision(DEFAULT_PROJECT)
    with db.database.writing() as connection:
        connection.execute(text(statement))
    assert db.revision(DEFAULT_PROJECT) > before


@pytest.mark.parametrize("table", ["flag", "flag_state", "environment"])
@pytest.mark.parametrize("how", ["UPDATE {} SET updated = 'now'", "DELETE FROM {}"])
def test_plain_sql_raises_the_revision(db: FlagDatabase, table: str, how: str) -> None:
    assert_raises_it(db, how.format(table))


@pytest.mark.parametrize("table", ["flag", "flag_state", "environment"])
def test_truncate_raises_the_revision(on_postgresql: FlagDatabase, table: str) -> None:
    assert_raises_it(on_postgresql, f"TRUNCATE {table} CASCADE")
