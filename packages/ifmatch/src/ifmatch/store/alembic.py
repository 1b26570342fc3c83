"""Operations of Alembic that guard tables which have rows already.

Import this module in the migration; then `op` has them:

    from alembic import op

    import ifmatch.store.alembic


    def upgrade():
        op.create_guard("article", columns=["id", "title", "body"])
        op.create_touch_parent(
            "comment",
            "article",
            key={"article_id": "id"},
            columns=["words"],
            identity=["id"],
        )
        op.create_collection_counter("article", scope=[], identity=["id"])


    def downgrade():
        op.drop_collection_counter("article", scope=[])
        op.drop_touch_parent("comment", "article", key={"article_id": "id"})
        op.drop_guard("article")

Each of the three that create replaces what is there: called again it brings the triggers of this
release, or watches other columns. Both databases keep their rows where they are: nothing is
rebuilt. On SQLite `op.batch_alter_table` makes a table anew and drops its triggers; create them
again after it.

All of them can be written down as SQL (`alembic upgrade --sql`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.operations import MigrateOperation, Operations
from sqlalchemy import Connection, inspect

from ifmatch.store import epochs, triggers
from ifmatch.store.guards import MEMBERS, guard_column
from ifmatch.store.schema import execute, needs_identity

__all__ = [
    "CreateCollectionCounter",
    "CreateGuard",
    "CreateTouchParent",
    "DropCollectionCounter",
    "DropGuard",
    "DropSharedTables",
    "DropTouchParent",
    "RaiseEpoch",
    "RenewRows",
]


class _Operation(MigrateOperation):
    """An operation that is told by its arguments, and by those of what undoes it."""

    name: str

    def __init__(self, *args: Any, **told: Any) -> None:
        self.args = args
        self.told = {name: value for name, value in told.items() if value is not None}

    def reverse(self) -> _Operation:
        """What undoes it; raises NotImplementedError where that is not known from this alone."""
        raise NotImplementedError(
            f"op.{self.name}{self.args} does not say what it removes. Write the operation that "
            "makes it again by hand."
        )


# -- guards -----------------------------------------------------------------------------------


@Operations.register_operation("create_guard")
class CreateGuard(_Operation):
    """Adds the four columns and the triggers; see `create_guard`."""

    name = "create_guard"

    @classmethod
    def create_guard(
        cls,
        operations: Operations,
        table: str,
        *,
        columns: Sequence[str],
        schema: str | None = None,
        identity: Sequence[str] | None = None,
        has_columns: bool | None = None,
        guard: str | None = None,
    ) -> None:
        """Guard a table: its columns, unless it has them, and its triggers, made anew.

        `columns` are those that hold content, the key among them. Rows that are there get version
        1 and each an incarnation of its own. Raises ValueError where the table has some of
        the four columns and not all.

        A migration that is only written down cannot look at the table. So say there whether it
        `has_columns` of the guard already, and for a table of SQLite that has no rowid the columns
        of its primary key, `identity`.

        `guard` names a further guard of the table; see `ifmatch.store.guards`.
        """
        told: dict[str, Any] = {
            "identity": identity,
            "has_columns": has_columns,
            "guard": guard or None,
        }
        operations.invoke(cls(table, columns=columns, schema=schema, **told))

    def reverse(self) -> _Operation:
        """Where the columns were there before, they stay: the triggers are made again."""
        told = self.told
        if told.get("has_columns"):
            return self
        return DropGuard(*self.args, schema=told.get("schema"), guard=told.get("guard"))


@Operations.register_operation("drop_guard")
class DropGuard(_Operation):
    """Drops the triggers and the four columns; see `drop_guard`."""

    name = "drop_guard"

    @classmethod
    def drop_guard(
        cls,
        operations: Operations,
        table: str,
        *,
        schema: str | None = None,
        guard: str | None = None,
    ) -> None:
        """Undo `create_guard`. Drop counters and touches that name the table before."""
        operations.invoke(cls(table, schema=schema, guard=guard or None))


@Operations.implementation_for(CreateGuard)
def _create_guard(operations: Operations, operation: CreateGuard) -> None:
    dialect, (table,), told = _dialect(operations), operation.args, operation.told
    where: dict[str, Any] = {"schema": told.get("schema"), "guard": told.get("guard", "")}
    connection = _connection(operations)
    identity: Sequence[str] = told.get("identity", ())
    has_columns = told.get("has_columns")
    if has_columns is None and connection is not None:
        has_columns = _has_guard(connection, table, **where)
    if not has_columns:
        _execute(operations, triggers.add_guard(dialect, table, **where))
    if connection is not None and not identity and needs_identity(connection, table):
        identity = inspect(connection).get_pk_constraint(table)["constrained_columns"]
    _execute(
        operations,
        triggers.create_triggers(dialect, table, told["columns"], identity=identity, **where),
    )


@Operations.implementation_for(DropGuard)
def _drop_guard(operations: Operations, operation: DropGuard) -> None:
    (table,) = operation.args
    _execute(operations, triggers.drop_triggers(_dialect(operations), table, **operation.told))
    _execute(operations, triggers.remove_guard(table, **operation.told))


def _has_guard(connection: Connection, table: str, schema: str | None, guard: str) -> bool:
    """Whether the four columns are there."""
    columns = inspect(connection).get_columns(table, schema=schema)
    its = {guard_column(guard, member) for member in MEMBERS}
    found = its & {column["name"] for column in columns}
    if found and found != its:
        raise ValueError(
            f"The table {table!r} has {', '.join(sorted(found))} already, which a guard needs for "
            "itself. Rename what is there first: op.alter_column(..., new_column_name=...)."
        )
    return bool(found)


# -- children ---------------------------------------------------------------------------------


@Operations.register_operation("create_touch_parent")
class CreateTouchParent(_Operation):
    """Makes a change of a child one of its parent; see `create_touch_parent`."""

    name = "create_touch_parent"

    @classmethod
    def create_touch_parent(
        cls,
        operations: Operations,
        child: str,
        parent: str,
        **told: Any,
    ) -> None:
        """Make the triggers of `ifmatch.store.triggers.touch_parent`, anew where they are there.

        It takes the same arguments: `key`, `columns`, `identity`, `unique`, `schema`.
        """
        operations.invoke(cls(child, parent, **told))

    def reverse(self) -> DropTouchParent:
        return DropTouchParent(
            *self.args, key=list(self.told["key"]), schema=self.told.get("schema")
        )


@Operations.register_operation("drop_touch_parent")
class DropTouchParent(_Operation):
    """Drops those triggers; see `drop_touch_parent`."""

    name = "drop_touch_parent"

    @classmethod
    def drop_touch_parent(
        cls,
        operations: Operations,
        child: str,
        parent: str,
        *,
        key: Iterable[str],
        schema: str | None = None,
    ) -> None:
        """Undo `create_touch_parent`; `key` are the child's columns of its key."""
        operations.invoke(cls(child, parent, key=list(key), schema=schema))


@Operations.implementation_for(CreateTouchParent)
def _create_touch_parent(operations: Operations, operation: CreateTouchParent) -> None:
    dialect = _dialect(operations)
    _execute(operations, triggers.touch_parent(dialect, *operation.args, **operation.told))


@Operations.implementation_for(DropTouchParent)
def _drop_touch_parent(operations: Operations, operation: DropTouchParent) -> None:
    dialect = _dialect(operations)
    _execute(operations, triggers.drop_touch_parent(dialect, *operation.args, **operation.told))


# -- collections ------------------------------------------------------------------------------


@Operations.register_operation("create_collection_counter")
class CreateCollectionCounter(_Operation):
    """Counts the changes of a scope; see `create_collection_counter`."""

    name = "create_collection_counter"

    @classmethod
    def create_collection_counter(cls, operations: Operations, table: str, **told: Any) -> None:
        """Make the triggers of `ifmatch.store.triggers.collection_counter`, and begin to count.

        It takes the same arguments: `scope`, `identity`, `unique`, `schema`. Counters that are
        there begin anew, so tags of the table's collections change once.
        """
        operations.invoke(cls(table, **told))

    def reverse(self) -> DropCollectionCounter:
        return DropCollectionCounter(
            *self.args, scope=self.told["scope"], schema=self.told.get("schema")
        )


@Operations.register_operation("drop_collection_counter")
class DropCollectionCounter(_Operation):
    """Drops those triggers and counters; see `drop_collection_counter`."""

    name = "drop_collection_counter"

    @classmethod
    def drop_collection_counter(
        cls, operations: Operations, table: str, *, scope: Sequence[str], schema: str | None = None
    ) -> None:
        """Undo `create_collection_counter`; the table of all counters stays."""
        operations.invoke(cls(table, scope=scope, schema=schema))


@Operations.register_operation("drop_shared_tables")
class DropSharedTables(_Operation):
    """Drops the tables of counters and epochs; see `drop_shared_tables`."""

    name = "drop_shared_tables"

    @classmethod
    def drop_shared_tables(cls, operations: Operations) -> None:
        """Drop the tables of all counters and all epochs, as the last step of an uninstall."""
        operations.invoke(cls())


@Operations.implementation_for(CreateCollectionCounter)
def _create_collection_counter(operations: Operations, operation: CreateCollectionCounter) -> None:
    dialect = _dialect(operations)
    _execute(operations, triggers.collection_counter(dialect, *operation.args, **operation.told))


@Operations.implementation_for(DropCollectionCounter)
def _drop_collection_counter(operations: Operations, operation: DropCollectionCounter) -> None:
    drop = triggers.drop_collection_counter
    _execute(operations, drop(_dialect(operations), *operation.args, **operation.told))


@Operations.implementation_for(DropSharedTables)
def _drop_shared_tables(operations: Operations, _: DropSharedTables) -> None:
    _execute(operations, triggers.drop_shared_tables())


# -- epochs -----------------------------------------------------------------------------------


@Operations.register_operation("raise_epoch")
class RaiseEpoch(_Operation):
    """Gives a name another epoch; see `raise_epoch`."""

    name = "raise_epoch"

    @classmethod
    def raise_epoch(cls, operations: Operations, name: str) -> None:
        """Give `name`, most often a table, an epoch that it never had.

        See `ifmatch.store.epochs.raise_epoch`. A downgrade raises it again: what was served
        before it is served anew, and nobody knows what was served under which number.
        """
        operations.invoke(cls(name))

    def reverse(self) -> RaiseEpoch:
        return self


@Operations.implementation_for(RaiseEpoch)
def _raise_epoch(operations: Operations, operation: RaiseEpoch) -> None:
    _execute(operations, epochs.raise_epoch(_dialect(operations), *operation.args))


@Operations.register_operation("renew_rows")
class RenewRows(_Operation):
    """Makes every row another one; see `renew_rows`."""

    name = "renew_rows"

    @classmethod
    def renew_rows(
        cls,
        operations: Operations,
        table: str,
        *,
        schema: str | None = None,
        guard: str | None = None,
    ) -> None:
        """Void every tag of a table and its lists; see `ifmatch.store.epochs.renew_rows`.

        For a migration that wrote rows with triggers off. A downgrade does it again.
        """
        operations.invoke(cls(table, schema=schema, guard=guard or None))

    def reverse(self) -> RenewRows:
        return self


@Operations.implementation_for(RenewRows)
def _renew_rows(operations: Operations, operation: RenewRows) -> None:
    _execute(operations, epochs.renew_rows(_dialect(operations), *operation.args, **operation.told))


# -- how they are executed and written --------------------------------------------------------


@renderers.dispatch_for(_Operation)
def _render(_: AutogenContext, operation: _Operation) -> str:
    """The line of a migration that Alembic generates."""
    args = [repr(each) for each in operation.args]
    told = [f"{name}={_plain(value)!r}" for name, value in operation.told.items()]
    return f"op.{operation.name}({', '.join(args + told)})"


def _plain(value: Any) -> Any:
    if isinstance(value, str | bool):
        return value
    return dict(value) if isinstance(value, Mapping) else list(value)


def _dialect(operations: Operations) -> str:
    name: str = operations.get_context().dialect.name
    return name


def _connection(operations: Operations) -> Connection | None:
    """None in a migration that is only written down as SQL."""
    context = operations.get_context()
    return None if context.as_sql else context.connection


def _execute(operations: Operations, statements: Iterable[str]) -> None:
    """As they are: a text of SQLAlchemy would take `:name` for a parameter and double a percent."""
    connection = _connection(operations)
    if connection is not None:
        execute(connection, statements)
        return
    impl = operations.get_context().impl
    for statement in statements:
        impl.static_output(statement.strip() + impl.command_terminator)
