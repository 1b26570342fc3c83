"""Triggers that SQLAlchemy makes with the tables: for tests, and for projects without migrations.

Where there are migrations, they make the triggers: see `ifmatch.store.alembic`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, MetaData, Table, event

from ifmatch.store.guards import MEMBERS, columns_of_guards, guard_column
from ifmatch.store.triggers import create_triggers, drop_triggers


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
    call it for each that a table has. `more` gives further statements for a dialect,
    to be executed where guarded tables were made, such as those of `touch_parent` and
    `collection_counter`.
    """
    listed = None if columns is None else list(columns)

    def created(target: Any, connection: Connection, **told: Any) -> None:
        dialect = connection.dialect.name
        made = _guarded(target, told, guard)
        for table in made:
            names = [each.name for each in table.c]
            kept = columns_of_guards(names)
            content = listed or [name for name in names if name not in kept]
            _execute(connection, create_triggers(dialect, table.name, content, guard=guard))
        _execute(connection, more(dialect) if made else ())

    def dropped(target: Any, connection: Connection, **told: Any) -> None:
        """Triggers go with their table; PostgreSQL's functions stay."""
        if connection.dialect.name == "sqlite":
            return
        for table in _guarded(target, told, guard):
            functions = drop_triggers(connection.dialect.name, table.name, guard=guard)
            _execute(connection, (one for one in functions if "FUNCTION" in one))

    event.listen(on, "after_create", created)
    event.listen(on, "after_drop", dropped)


def _guarded(target: Any, told: dict[str, Any], guard: str) -> list[Table]:
    tables = [target] if isinstance(target, Table) else told["tables"]
    its = {guard_column(guard, member) for member in MEMBERS}
    return [table for table in tables if {each.name for each in table.c} >= its]


def _execute(connection: Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)
