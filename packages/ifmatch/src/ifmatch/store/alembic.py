"""Operations of Alembic that guard a table which has rows already.

Import this module in the migration; then `op` has them:

    from alembic import op

    import ifmatch.store.alembic


    def upgrade():
        op.create_guard("article", columns=["id", "title", "body"])


    def downgrade():
        op.drop_guard("article")

Both databases keep their rows where they are: nothing is rebuilt. On SQLite
`op.batch_alter_table` makes a table anew and drops its triggers; call `op.create_guard` again
after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alembic.operations import MigrateOperation, Operations
from sqlalchemy import inspect

from ifmatch.store.guards import MEMBERS, guard_column
from ifmatch.store.triggers import add_guard, create_triggers, drop_triggers, remove_guard


@Operations.register_operation("create_guard")
class CreateGuard(MigrateOperation):
    """Adds the four columns and the triggers; see `create_guard`."""

    def __init__(self, table: str, columns: Sequence[str], guard: str = "") -> None:
        self.table = table
        self.columns = columns
        self.guard = guard

    @classmethod
    def create_guard(
        cls, operations: Operations, table: str, *, columns: Sequence[str], guard: str = ""
    ) -> None:
        """Guard a table: its columns, unless it has them, and its triggers, made anew.

        `columns` are those that hold content, the key among them. Rows that are there get version
        1 and each an incarnation of its own. Call it again to watch other columns than before.
        `guard` names a further guard of the table; see `ifmatch.store.guards`.
        """
        operations.invoke(cls(table, columns, guard))

    def reverse(self) -> DropGuard:
        return DropGuard(self.table, self.guard)


@Operations.register_operation("drop_guard")
class DropGuard(MigrateOperation):
    """Drops the triggers and the four columns; see `drop_guard`."""

    def __init__(self, table: str, guard: str = "") -> None:
        self.table = table
        self.guard = guard

    @classmethod
    def drop_guard(cls, operations: Operations, table: str, *, guard: str = "") -> None:
        """Undo `create_guard`. Drop counters and touches that name the table before."""
        operations.invoke(cls(table, guard))


@Operations.implementation_for(CreateGuard)
def _create_guard(operations: Operations, operation: CreateGuard) -> None:
    dialect, table, guard = operations.get_context().dialect.name, operation.table, operation.guard
    if not _has_guard(operations, table, guard):
        _execute(operations, add_guard(dialect, table, guard=guard))
    _execute(operations, drop_triggers(dialect, table, guard=guard))
    _execute(operations, create_triggers(dialect, table, operation.columns, guard=guard))


@Operations.implementation_for(DropGuard)
def _drop_guard(operations: Operations, operation: DropGuard) -> None:
    dialect, table, guard = operations.get_context().dialect.name, operation.table, operation.guard
    _execute(operations, drop_triggers(dialect, table, guard=guard))
    _execute(operations, remove_guard(table, guard=guard))


def _has_guard(operations: Operations, table: str, guard: str) -> bool:
    """Whether the columns are there; a migration that is only written as SQL takes them as not."""
    context = operations.get_context()
    if context.as_sql or context.connection is None:
        return False
    found = {column["name"] for column in inspect(context.connection).get_columns(table)}
    return found >= {guard_column(guard, member) for member in MEMBERS}


def _execute(operations: Operations, statements: Iterable[str]) -> None:
    for statement in statements:
        operations.execute(statement)
