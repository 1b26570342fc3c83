"""The columns by which every writer is seen, and the triggers that keep them.

Each guarded table carries

- `version`, which every change raises by one;
- `incarnation`, random at insert: a row that is deleted and inserted anew starts again at
  version 1, and must not pass for the old one;
- `tag`, the opaque part of the state tag, and `tag_stamp`, which says of what it was made
  (version, incarnation, epoch): a tag whose stamp does not fit is stale and never sent.

A writer who knows of them raises `version` itself. The trigger of updates acts only where the new
version is not greater than the old one, so it sees the others: plain SQL, background jobs,
back-fills. It does not fire for `tag` and `tag_stamp`, which say nothing new. The trigger of
inserts sees a row that is copied with all its columns, as INSERT OR REPLACE of a whole row does:
its tag was made of something else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Column

_INCARNATION_DEFAULTS = {
    "sqlite": "(abs(random() / 2))",
    "postgresql": "((random() * 4611686018427387904)::bigint)",
}


def guard_columns(dialect: str) -> list[Column[Any]]:
    """The four columns, for a CREATE TABLE on `sqlite` or `postgresql`."""
    # The triggers alone need no SQLAlchemy.
    from sqlalchemy import BigInteger, Column, Integer, String, text

    return [
        Column("version", Integer, nullable=False, server_default=text("1")),
        Column(
            "incarnation",
            BigInteger,
            nullable=False,
            server_default=text(_INCARNATION_DEFAULTS[dialect]),
        ),
        Column("tag", String(64), nullable=True),
        Column("tag_stamp", String(200), nullable=True),
    ]


def create_triggers(dialect: str, table: str, columns: Iterable[str]) -> list[str]:
    """Statements that make the triggers of one table; `columns` are those that hold content.

    Names are quoted; they come from the schema, never from a request.
    """
    listed = ", ".join(f'"{column}"' for column in columns)
    create = _CREATE_SQLITE if dialect == "sqlite" else _CREATE_POSTGRESQL
    incarnation = _INCARNATION_DEFAULTS[dialect]
    return [
        statement.format(table=table, columns=listed, incarnation=incarnation)
        for statement in create
    ]


_CREATE_SQLITE = (
    """
    CREATE TRIGGER "{table}_version" AFTER UPDATE OF {columns} ON "{table}"
    FOR EACH ROW WHEN NEW.version <= OLD.version
    BEGIN UPDATE "{table}" SET version = OLD.version + 1 WHERE rowid = NEW.rowid; END
    """,
    # It leaves alone what is inserted without a tag: RETURNING shows the row from before a trigger.
    """
    CREATE TRIGGER "{table}_copy" AFTER INSERT ON "{table}"
    FOR EACH ROW WHEN NEW.tag IS NOT NULL
    BEGIN
        UPDATE "{table}" SET tag = NULL, tag_stamp = NULL, incarnation = {incarnation}
         WHERE rowid = NEW.rowid;
    END
    """,
)
_CREATE_POSTGRESQL = (
    """
    CREATE FUNCTION "{table}_version"() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.version := OLD.version + 1; RETURN NEW; END $$
    """,
    """
    CREATE TRIGGER "{table}_version" BEFORE UPDATE OF {columns} ON "{table}"
    FOR EACH ROW WHEN (NEW.version <= OLD.version) EXECUTE FUNCTION "{table}_version"()
    """,
    """
    CREATE FUNCTION "{table}_copy"() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.tag := NULL; NEW.tag_stamp := NULL; NEW.incarnation := {incarnation};
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER "{table}_copy" BEFORE INSERT ON "{table}"
    FOR EACH ROW EXECUTE FUNCTION "{table}_copy"()
    """,
)


def drop_triggers(dialect: str, table: str) -> list[str]:
    """Statements that undo `create_triggers`."""
    names = [f"{table}_version", f"{table}_copy"]
    if dialect == "sqlite":
        return [f'DROP TRIGGER "{name}"' for name in names]
    triggers = [f'DROP TRIGGER "{name}" ON "{table}"' for name in names]
    return [*triggers, *(f'DROP FUNCTION "{name}"()' for name in names)]
