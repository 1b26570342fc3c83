"""Triggers that SQLAlchemy makes with the tables: for tests, and for projects without migrations.

A table says beside its declaration what is seen of it, and `create_all` makes that:

    install(order)
    touches(line, order, columns=["words"])
    counts(order)

Tables in a schema of PostgreSQL are found there, as `schema_translate_map` says. Where there are
migrations, they make the triggers: see `ifmatch.store.alembic`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, MetaData, Table, UniqueConstraint, event, inspect
from sqlalchemy.exc import OperationalError

from ifmatch.store.guards import MEMBERS, columns_of_guards, guard_column
from ifmatch.store.statements import quoted
from ifmatch.store.triggers import (
    collection_counter,
    create_triggers,
    drop_collection_counter,
    drop_touch_parent,
    drop_triggers,
    touch_parent,
)

Making = Callable[[str, str | None], list[str]]
"""Gives the statements for a dialect and the schema of a table."""


def install(
    on: MetaData | Table,
    *,
    columns: Iterable[str] | None = None,
    more: Callable[[str], Iterable[str]] = lambda _: (),
    guard: str = "",
) -> None:
    """Let `create_all`, or `create` of a table, make the triggers of guarded tables.

    Of metadata every guarded table that it has when it creates. `columns` are those that hold
    content; without them all count but the guards'. `guard` is the one whose triggers are made:
    call it for each that a table has. `more` gives further statements for a dialect, to be executed
    where guarded tables were made.
    """
    listed = None if columns is None else list(columns)

    def created(target: Any, connection: Connection, **told: Any) -> None:
        dialect = connection.dialect.name
        made = _guarded(target, told, guard)
        for table in made:
            triggers = create_triggers(
                dialect,
                table.name,
                listed or _content(table),
                schema=connection.schema_for_object(table),
                identity=_identity(table) if needs_identity(connection, table.name) else (),
                guard=guard,
            )
            execute(connection, triggers)
        execute(connection, more(dialect) if made else ())

    def dropped(target: Any, connection: Connection, **told: Any) -> None:
        for table in _guarded(target, told, guard):
            dialect, schema = connection.dialect.name, connection.schema_for_object(table)
            _clean(connection, drop_triggers(dialect, table.name, schema=schema, guard=guard))

    event.listen(on, "after_create", created)
    event.listen(on, "after_drop", dropped)


def touches(
    child: Table,
    parent: Table,
    *,
    columns: Iterable[str] | None = None,
    key: Mapping[str, str] | None = None,
) -> None:
    """Let the creation of `child` make the triggers of `ifmatch.store.triggers.touch_parent`.

    `columns` are the child's content; without them all count but a guard's. `key` says which column
    of the child holds which of the parent; it need not be given where one foreign key does. Both
    tables are in one schema. The creation raises ValueError where the key is not known.
    """

    def made(dialect: str, schema: str | None) -> list[str]:
        return touch_parent(
            dialect,
            child.name,
            parent.name,
            key=key or _key(child, parent),
            columns=_content(child) if columns is None else list(columns),
            identity=_identity(child),
            unique=_unique(child),
            schema=schema,
        )

    def gone(dialect: str, schema: str | None) -> list[str]:
        own = list(key or _key(child, parent))
        return drop_touch_parent(dialect, child.name, parent.name, own, schema=schema)

    _with_table(child, made, gone)


def counts(table: Table, *, scope: Sequence[str] = ()) -> None:
    """Let the creation of a guarded table make those of `collection_counter` for a scope.

    The tables of counters and epochs stay when the table is dropped; its counters go.
    """

    def made(dialect: str, schema: str | None) -> list[str]:
        return collection_counter(
            dialect,
            table.name,
            scope=scope,
            identity=_identity(table),
            unique=_unique(table),
            schema=schema,
        )

    def gone(dialect: str, schema: str | None) -> list[str]:
        return drop_collection_counter(dialect, table.name, scope, schema=schema)

    _with_table(table, made, gone)


def _with_table(table: Table, made: Making, gone: Making) -> None:
    def created(_: Any, connection: Connection, **told: Any) -> None:
        execute(connection, made(connection.dialect.name, connection.schema_for_object(table)))

    def dropped(_: Any, connection: Connection, **told: Any) -> None:
        _clean(connection, gone(connection.dialect.name, connection.schema_for_object(table)))

    event.listen(table, "after_create", created)
    event.listen(table, "after_drop", dropped)


# -- what a table says of itself --------------------------------------------------------------


def _guarded(target: Any, told: dict[str, Any], guard: str) -> list[Table]:
    tables = [target] if isinstance(target, Table) else told["tables"]
    its = {guard_column(guard, member) for member in MEMBERS}
    return [table for table in tables if {column.name for column in table.c} >= its]


def _content(table: Table) -> list[str]:
    """What is generated of other columns changes with them."""
    kept = columns_of_guards(column.name for column in table.c)
    return [
        column.name for column in table.c if column.name not in kept and column.computed is None
    ]


def _identity(table: Table) -> list[str]:
    return [column.name for column in table.primary_key]


def _unique(table: Table) -> list[list[str]]:
    """Its unique keys besides the primary one."""
    keys: list[Any] = [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    keys += [index for index in table.indexes if index.unique]
    return sorted([column.name for column in key.columns] for key in keys if len(key.columns))


def _key(child: Table, parent: Table) -> dict[str, str]:
    found = [each for each in child.foreign_key_constraints if each.referred_table is parent]
    if len(found) != 1:
        raise ValueError(
            f"{child.name!r} has {len(found)} foreign keys to {parent.name!r}. Say by which one it "
            'is a part of it: key={"child\'s column": "parent\'s column"}.'
        )
    return {element.parent.name: element.column.name for element in found[0].elements}


def needs_identity(connection: Connection, table: str) -> bool:
    """Whether `create_triggers` needs the primary key, because SQLite's rowid is not there."""
    if connection.dialect.name != "sqlite":
        return False
    if "rowid" in {column["name"].lower() for column in inspect(connection).get_columns(table)}:
        return True
    try:
        connection.exec_driver_sql(f"SELECT rowid FROM {quoted(table)} LIMIT 0")
    except OperationalError:
        return True
    return False


# -- how statements are executed --------------------------------------------------------------


def execute(connection: Connection, statements: Iterable[str]) -> None:
    """Execute them as they are: psycopg takes a percent for the mark of a parameter otherwise."""
    for statement in statements:
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _clean(connection: Connection, statements: Iterable[str]) -> None:
    """What stays of a table that was dropped: its triggers went with it."""
    execute(connection, (one for one in statements if not one.startswith("DROP TRIGGER")))
