"""A table that has rows is guarded by a migration, and let go of by the way back."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    inspect,
    text,
)

import ifmatch.store.alembic as guards
from ifmatch import Conflict, state_tag, unchanged
from ifmatch.store.schema import install
from ifmatch.store.sqlalchemy import GuardedTable, SQLAlchemyStore, configure
from ifmatch.store.triggers import guard_columns, touch_parent

LEGACY = [
    "CREATE TABLE author (id integer PRIMARY KEY, name text NOT NULL)",
    (
        "CREATE TABLE article (id integer PRIMARY KEY, title text NOT NULL DEFAULT 'none', "
        "hits integer NOT NULL DEFAULT 0, author_id integer REFERENCES author ON DELETE CASCADE)"
    ),
    (
        "CREATE TABLE comment (id integer PRIMARY KEY, "
        "article_id integer NOT NULL REFERENCES article ON DELETE CASCADE, words text)"
    ),
    "CREATE INDEX article_title ON article (title)",
    "INSERT INTO author VALUES (1, 'Ada'), (2, 'Bob')",
    "INSERT INTO article VALUES (1, 'Tea', 5, 1), (2, 'Rum', 6, 1), (3, 'Milk', 7, 2)",
    "INSERT INTO comment VALUES (1, 1, 'Nice'), (2, 3, 'Cold')",
]
CONTENT = ["id", "title", "author_id"]


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{request.getfixturevalue('tmp_path') / 'legacy.db'}"
    else:
        url = request.getfixturevalue("postgres_url")
    made = configure(create_engine(url))
    execute(made, *LEGACY)
    yield made
    made.dispose()


def execute(engine: Engine, *statements: str) -> list[Any]:
    with engine.begin() as connection:
        found: list[Any] = []
        for statement in statements:
            done = connection.execute(text(statement))
            found = [tuple(row) for row in done] if done.returns_rows else []
        return found


def migrate(engine: Engine, do: Callable[[Any], None]) -> None:
    with engine.begin() as connection:
        do(Operations(MigrationContext.configure(connection)))


def upgrade(op: Any) -> None:
    op.create_guard("article", columns=CONTENT)


def downgrade(op: Any) -> None:
    op.drop_guard("article")


def store(engine: Engine) -> SQLAlchemyStore:
    article = Table("article", MetaData(), autoload_with=engine)

    def represent(row: Any) -> dict[str, Any]:
        return {"title": row["title"]}

    return SQLAlchemyStore(engine, GuardedTable(article, (article.c.id,), represent))


def shape(engine: Engine) -> Any:
    """The legacy schema with its data, as it can be compared."""
    seen = inspect(engine)
    tables = sorted(seen.get_table_names())
    return {
        table: (
            [(column["name"], str(column["type"])) for column in seen.get_columns(table)],
            seen.get_indexes(table),
            [sorted(key.items(), key=str) for key in seen.get_foreign_keys(table)],
            execute(engine, f"SELECT * FROM {table} ORDER BY id"),
        )
        for table in tables
    }


def test_each_row_that_was_there_has_an_incarnation_of_its_own(engine: Engine) -> None:
    migrate(engine, upgrade)
    rows = execute(engine, "SELECT version, incarnation, tag, tag_stamp FROM article")
    assert [row[0] for row in rows] == [1, 1, 1]
    assert len({row[1] for row in rows}) == 3
    assert None not in {row[1] for row in rows}
    assert {row[2:] for row in rows} == {(None, None)}


def test_old_and_new_rows_are_guarded_after_it(engine: Engine) -> None:
    migrate(engine, upgrade)
    articles = store(engine)
    execute(engine, "INSERT INTO article (id, title) VALUES (4, 'Cola')")
    articles.create((5,), {"title": "Beer"})
    for key, title in ((1, "Tea"), (4, "Cola"), (5, "Beer")):
        assert articles.tag((key,)) == state_tag({"title": title})
        made = articles.replace((key,), {"title": "a"}, unchanged(state_tag({"title": title})))
        execute(engine, f"UPDATE article SET title = 'raw' WHERE id = {key}")
        with pytest.raises(Conflict):
            articles.replace((key,), {"title": "b"}, unchanged(made.etag))
        assert articles.tag((key,)) == state_tag({"title": "raw"})
    incarnations = execute(engine, "SELECT incarnation FROM article")
    assert len(set(incarnations)) == 5
    assert (None,) not in incarnations


def test_what_is_no_content_raises_no_version(engine: Engine) -> None:
    migrate(engine, upgrade)
    execute(engine, "UPDATE article SET hits = hits + 1")
    assert execute(engine, "SELECT DISTINCT version FROM article") == [(1,)]


def test_a_row_that_is_deleted_and_inserted_anew_is_another_one(engine: Engine) -> None:
    migrate(engine, upgrade)
    seen = set()
    for _ in range(5):
        execute(engine, "DELETE FROM article WHERE id = 2")
        execute(engine, "INSERT INTO article (id, title) VALUES (2, 'Rum')")
        seen |= set(execute(engine, "SELECT incarnation FROM article WHERE id = 2"))
    assert len(seen) == 5


def test_the_way_back_leaves_schema_and_data_as_they_were(engine: Engine) -> None:
    before = shape(engine)
    migrate(engine, upgrade)
    assert shape(engine) != before
    migrate(engine, downgrade)
    assert shape(engine) == before
    execute(engine, "UPDATE article SET title = title", "DELETE FROM article WHERE id = 1")
    migrate(engine, upgrade)
    assert store(engine).tag((2,)) == state_tag({"title": "Rum"})


def test_no_row_of_another_table_is_lost_by_a_cascade(engine: Engine) -> None:
    """SQLite deletes row by row what DROP TABLE takes away: a rebuilt table loses its children."""
    migrate(engine, upgrade)
    assert execute(engine, "SELECT id FROM comment ORDER BY id") == [(1,), (2,)]
    migrate(engine, downgrade)
    assert execute(engine, "SELECT id FROM comment ORDER BY id") == [(1,), (2,)]


def test_a_guard_is_made_again_where_batch_mode_dropped_its_triggers(engine: Engine) -> None:
    migrate(engine, upgrade)

    def rebuild(op: Any) -> None:
        with op.batch_alter_table("comment") as batch:
            batch.add_column(Column("mood", Text))
        op.create_guard("comment", columns=["id", "article_id", "words"])
        with op.batch_alter_table("comment", recreate="auto") as batch:
            batch.alter_column("words", nullable=False, existing_type=Text())
        op.create_guard("comment", columns=["id", "article_id", "words", "mood"])

    migrate(engine, rebuild)
    before = execute(engine, "SELECT version, incarnation FROM comment ORDER BY id")
    assert len({row[1] for row in before}) == 2
    execute(engine, "UPDATE comment SET mood = 'good'")
    after = execute(engine, "SELECT version, incarnation FROM comment ORDER BY id")
    assert after == [(version + 1, incarnation) for version, incarnation in before]


@pytest.mark.parametrize("added", [True, False])
def test_the_model_that_says_added_is_what_the_migration_made(engine: Engine, added: bool) -> None:
    """Else `alembic check` would ask for another migration."""
    migrate(engine, upgrade)
    model = MetaData()
    Table("article", model, *guard_columns(engine.dialect.name, added=added), autoload_with=engine)
    Table("comment", model, autoload_with=engine)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), model)
    assert (differences == []) == (added or engine.dialect.name == "postgresql")


def test_an_operation_knows_its_reverse() -> None:
    """Alembic asks for it when it writes a downgrade."""
    reverse = guards.CreateGuard("article", columns=CONTENT).reverse()
    assert isinstance(reverse, guards.DropGuard)
    assert reverse.args == ("article",)


def test_an_upgrade_of_the_triggers_takes_no_column_away_when_it_is_undone() -> None:
    upgrade = guards.CreateGuard("article", columns=CONTENT, has_columns=True)
    assert upgrade.reverse() is upgrade


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_migration_that_is_only_written_down_has_every_statement(dialect: str) -> None:
    written = io.StringIO()
    options = {"as_sql": True, "output_buffer": written}
    op: Any = Operations(MigrationContext.configure(dialect_name=dialect, opts=options))
    upgrade(op)
    downgrade(op)
    for words in ('ADD COLUMN "incarnation"', "CREATE TRIGGER", "DROP TRIGGER", "DROP COLUMN"):
        assert words in written.getvalue()


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_what_is_written_down_has_names_as_they_are(dialect: str) -> None:
    """A text of SQLAlchemy would double the percent, and take `:now` for a parameter."""
    written = io.StringIO()
    options = {"as_sql": True, "output_buffer": written}
    op: Any = Operations(MigrationContext.configure(dialect_name=dialect, opts=options))
    op.create_guard("100% :now", columns=["id"])
    op.create_collection_counter("100% :now", scope=["a :b"], identity=["id"])
    op.raise_epoch("100% :now")
    text = written.getvalue()
    assert 'ON "100% :now"' in text
    assert '"a :b"' in text
    assert "%%" not in text
    for statement in text.split(";\n\n"):
        assert not statement.strip().endswith(";")


# -- create_all -------------------------------------------------------------------------------


@pytest.fixture(params=["metadata", "table"])
def created(request: pytest.FixtureRequest, engine: Engine) -> Any:
    """A guarded table and a plain one, whose triggers come with `create_all`."""
    metadata = MetaData()
    described = guard_columns(engine.dialect.name)
    note = Table(
        "note", metadata, Column("id", Integer, primary_key=True), Column("title", Text), *described
    )
    Table("plain", metadata, Column("id", Integer, primary_key=True), Column("note_id", Integer))
    if request.param == "metadata":

        def more(dialect: str) -> list[str]:
            key = {"note_id": "id"}
            return touch_parent(dialect, "plain", "note", key=key, columns=[], identity=["id"])

        install(metadata, more=more)
    else:
        install(note, columns=["title"])
    metadata.create_all(engine)
    return metadata


def test_create_all_makes_the_triggers(engine: Engine, created: MetaData) -> None:
    execute(engine, "INSERT INTO note (id, title) VALUES (1, 'Tea')")
    execute(engine, "UPDATE note SET title = 'Rum'")
    assert execute(engine, "SELECT version FROM note") == [(2,)]


def test_tables_can_be_dropped_and_created_again(engine: Engine, created: MetaData) -> None:
    for _ in range(2):
        created.drop_all(engine)
        created.create_all(engine)
    execute(engine, "INSERT INTO note (id, title) VALUES (1, 'Tea')")
    execute(engine, "UPDATE note SET title = 'Rum'")
    assert execute(engine, "SELECT version FROM note") == [(2,)]


def test_no_function_stays_when_the_tables_go(engine: Engine, created: MetaData) -> None:
    created.drop_all(engine)
    if engine.dialect.name == "postgresql":
        left = "SELECT proname FROM pg_proc WHERE proname IN ('note_version', 'note_copy')"
        assert execute(engine, left) == []


def test_creating_what_is_there_makes_nothing_twice(engine: Engine, created: MetaData) -> None:
    seen: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *told: seen.append(told[2]))
    created.create_all(engine)
    assert not [one for one in seen if "CREATE" in one]


def test_a_further_guard_comes_and_goes_beside_the_first(engine: Engine) -> None:
    """Its columns, triggers and functions are its own: so `hits` no longer disturb an editor."""
    legacy = shape(engine)
    migrate(engine, upgrade)
    first = shape(engine)
    everything = [*CONTENT, "hits"]
    migrate(engine, lambda op: op.create_guard("article", columns=everything, guard="overview"))
    migrate(engine, lambda op: op.create_guard("article", columns=everything, guard="overview"))
    query = "SELECT version, overview_version FROM article WHERE id = 1"
    assert execute(engine, "UPDATE article SET hits = 9 WHERE id = 1", query) == [(1, 2)]
    assert execute(engine, "UPDATE article SET title = 'Gin' WHERE id = 1", query) == [(2, 3)]
    execute(engine, "UPDATE article SET hits = 5, title = 'Tea' WHERE id = 1")
    migrate(engine, lambda op: op.drop_guard("article", guard="overview"))
    assert shape(engine)["article"][:3] == first["article"][:3]
    assert execute(engine, "SELECT version FROM article WHERE id = 1") == [(3,)]
    migrate(engine, downgrade)
    assert shape(engine) == legacy
