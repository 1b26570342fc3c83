"""Whole Alembic migrations, up, down and up again, online and as SQL, on tables with rows.

What a migration made is compared as the database itself tells it: `catalog`.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import api, render
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops

import ifmatch.store.alembic as guards
from ifmatch.store.collections import Scope, tag_on
from ifmatch.store.sqlalchemy import reading
from packages.ifmatch.tests.store.catalog import catalog

ENV = """
from alembic import context
from sqlalchemy import NullPool, create_engine

url = context.config.get_main_option("sqlalchemy.url")
if context.is_offline_mode():
    context.configure(dialect_name=url.partition(":")[0].partition("+")[0], literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""
MIGRATIONS = {
    "0001_legacy": """
from alembic import op

revision, down_revision = "0001", None


def upgrade():
    op.execute("CREATE TABLE article (id integer PRIMARY KEY, title text, hits integer)")
    op.execute(
        "CREATE TABLE comment (id integer PRIMARY KEY, words text, "
        "article_id integer REFERENCES article ON DELETE CASCADE)"
    )
    op.execute("INSERT INTO article VALUES (1, 'Tea', 5), (2, 'Rum', 6)")
    op.execute("INSERT INTO comment VALUES (1, 'Nice', 1), (2, 'Cold', 2)")


def downgrade():
    op.execute("DROP TABLE comment")
    op.execute("DROP TABLE article")
""",
    "0002_guards": """
from alembic import op

import ifmatch.store.alembic

revision, down_revision = "0002", "0001"
KEY = {"article_id": "id"}


def upgrade():
    op.create_guard("article", columns=["id", "title"])
    op.create_touch_parent("comment", "article", key=KEY, columns=["words"], identity=["id"])
    op.create_collection_counter("article", scope=[], identity=["id"])


def downgrade():
    op.drop_collection_counter("article", scope=[])
    op.drop_touch_parent("comment", "article", key=KEY)
    op.drop_guard("article")
    op.drop_shared_tables()
""",
    "0003_a_column_that_no_trigger_sees": """
import sqlalchemy as sa
from alembic import op

import ifmatch.store.alembic

revision, down_revision = "0003", "0002"


def upgrade():
    op.add_column("article", sa.Column("colour", sa.Text, nullable=False, server_default="red"))
    op.create_guard("article", columns=["id", "title", "colour"], has_columns=True)
    op.raise_epoch("article")


def downgrade():
    op.create_guard("article", columns=["id", "title"], has_columns=True)
    op.drop_column("article", "colour")
    op.raise_epoch("article")
""",
}


class Project:
    """A project with Alembic, on one database."""

    def __init__(self, folder: Path, database: Any) -> None:
        self.database = database
        self.execute = database.execute
        (folder / "versions").mkdir(parents=True)
        (folder / "env.py").write_text(ENV)
        for name, text in MIGRATIONS.items():
            (folder / "versions" / f"{name}.py").write_text(text)
        self.written = io.StringIO()
        self.config = Config(output_buffer=self.written)
        self.config.set_main_option("script_location", str(folder))
        self.config.set_main_option("path_separator", "os")
        url = database.engine.url.render_as_string(hide_password=False)
        self.config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))

    def to(self, revision: str) -> None:
        """Migrate there, up or down."""
        if revision >= self.revision():
            command.upgrade(self.config, revision)
        else:
            command.downgrade(self.config, revision)

    def written_to(self, revision: str) -> None:
        """Execute the SQL that Alembic writes down for the way there."""
        at, span = self.revision(), f"{self.revision()}:{revision}"
        self.written.seek(0)
        self.written.truncate()
        way = command.upgrade if revision >= at else command.downgrade
        way(self.config, span, sql=True)
        sql = self.written.getvalue()
        if self.database.on_sqlite:
            with closing(sqlite3.connect(self.database.address)) as connection:
                connection.executescript(sql)
        else:
            with psycopg.connect(self.database.address, autocommit=True) as connection:
                connection.execute(sql.encode())

    def revision(self) -> str:
        found: str = self.execute("SELECT version_num FROM alembic_version")[0][0]
        return found

    def tag(self) -> Any:
        with reading(self.database.engine) as connection:
            return tag_on(connection, Scope("article"))

    def moves(self) -> None:
        """Rows, children and the list are seen, each once."""
        before, tag = self.versions(), self.tag()
        self.execute("UPDATE article SET title = title || '!' WHERE id = 1")
        self.execute("UPDATE comment SET words = words || '!' WHERE id = 2")
        assert self.versions() == [version + 1 for version in before]
        assert self.tag() != tag
        tag = self.tag()
        self.execute("UPDATE article SET hits = hits + 1")
        assert (self.tag(), self.versions()) == (tag, [version + 1 for version in before])

    def versions(self) -> list[int]:
        return [row[0] for row in self.execute("SELECT version FROM article ORDER BY id")]


@pytest.fixture
def project(database: Any, tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path / "migrations", database)
    database.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    command.stamp(made.config, "base")
    command.upgrade(made.config, "0001")
    yield made
    made.to("0001")
    command.downgrade(made.config, "base")
    database.execute("DROP TABLE alembic_version")


@pytest.fixture(params=["online", "written down"])
def go(project: Project, request: pytest.FixtureRequest) -> Any:
    return project.to if request.param == "online" else project.written_to


def test_up_and_down_and_up_again_with_data(project: Project, go: Any) -> None:
    legacy = catalog(project.database)
    rows = project.execute("SELECT id, title FROM article ORDER BY id")
    for _ in range(2):
        go("0002")
        assert project.execute("SELECT id, title FROM article ORDER BY id") == rows
        assert len(set(project.execute("SELECT incarnation FROM article"))) == 2
        project.moves()
        rows = project.execute("SELECT id, title FROM article ORDER BY id")
        go("0001")
        assert catalog(project.database) == legacy
        assert project.execute("SELECT id, title FROM article ORDER BY id") == rows


def test_a_migration_that_is_written_down_makes_what_it_makes_online(project: Project) -> None:
    """Of what it cannot look at it is told: `has_columns`."""
    project.to("0002")
    project.to("0003")
    online = catalog(project.database)
    project.to("0001")
    project.written_to("0002")
    project.written_to("0003")
    assert catalog(project.database) == online
    project.moves()
    project.written_to("0001")


def test_a_later_migration_watches_another_column_and_raises_the_epoch(project: Project) -> None:
    project.to("0002")
    seen = {project.tag()}
    for revision in ("0003", "0002", "0003"):
        versions = project.versions()
        project.to(revision)
        assert project.versions() == versions, "no trigger saw the column"
        seen.add(project.tag())
        project.moves()
        seen.add(project.tag())
    assert len(seen) == 7
    before = project.versions()
    project.execute("UPDATE article SET colour = 'blue'")
    assert project.versions() == [version + 1 for version in before]


def test_a_table_with_a_column_of_the_guard_is_refused_with_the_way_out(project: Project) -> None:
    project.execute("ALTER TABLE article ADD COLUMN version integer")
    with pytest.raises(ValueError, match="Rename what is there first"):
        project.to("0002")
    project.execute("ALTER TABLE article DROP COLUMN version")
    project.to("0002")
    project.moves()


def test_a_migration_that_wrote_with_triggers_off_voids_every_tag(
    project: Project,
) -> None:
    project.to("0002")
    rows = "SELECT id, version, incarnation FROM article ORDER BY id"
    for _ in range(2):
        before, tag = project.execute(rows), project.tag()
        with project.database.engine.begin() as connection:
            op: Any = Operations(MigrationContext.configure(connection))
            op.renew_rows("article")
        after = project.execute(rows)
        assert [row[:2] for row in after] == [(key, version + 1) for key, version, _ in before]
        assert len({row[2] for row in before + after}) == 4
        assert project.tag() != tag
    project.moves()


KEY = {"article_id": "id"}
MAKING = [
    guards.CreateGuard("article", columns=["id"], schema="shop"),
    guards.CreateTouchParent(
        "comment", "article", key=KEY, columns=["words"], identity=["id"], schema="shop"
    ),
    guards.CreateCollectionCounter("article", scope=["id"], identity=["id"], schema="shop"),
    guards.RaiseEpoch("article"),
    guards.RenewRows("article", schema="shop"),
]


@pytest.mark.parametrize("made", MAKING, ids=lambda made: made.name)
def test_what_alembic_generates_reads_as_it_was_told(made: Any) -> None:
    """A hook of `process_revision_directives` may put the operations into a migration."""
    up, down = ops.UpgradeOps([made]), ops.DowngradeOps([made.reverse()])
    told = api.AutogenContext(MigrationContext.configure(dialect_name="sqlite"))
    seen: list[Any] = []

    class Op:
        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: seen.append((name, args, kwargs))

    for tree in (up, down):
        lines = [line for each in tree.ops for line in render.render_op(told, each)]
        for line in lines:
            eval(line, {"op": Op()})
    (name, args, kwargs), (undo, undo_args, undo_kwargs) = seen
    assert (name, args, kwargs) == (made.name, made.args, made.told)
    if name.startswith("create"):
        assert (undo, undo_kwargs["schema"]) == (name.replace("create", "drop"), "shop")
    assert undo_args == args


def test_a_drop_does_not_know_what_it_removed() -> None:
    with pytest.raises(NotImplementedError, match="by hand"):
        guards.DropGuard("article").reverse()
