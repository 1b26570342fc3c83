"""Tags of collections from a counter: one look-up, however many rows there are.

`ifmatch.store.triggers.collection_counter` keeps, for each scope of a table, a counter that every
change of a row in it raises. `collection_tag` makes a tag of the counter; it reads no row.

The plan is a generator, as in `ifmatch.store.steps`: `drive` it with `on` of the connection that
reads the rows, or execute `statement` yourself.

>>> import sqlite3
>>> from ifmatch.store.steps import drive
>>> from ifmatch.store.triggers import add_guard, collection_counter, create_triggers
>>> notes = sqlite3.connect(":memory:")
>>> _ = notes.execute("CREATE TABLE note (id integer PRIMARY KEY, owner text, title text)")
>>> for one in [
...     *add_guard("sqlite", "note"),
...     *create_triggers("sqlite", "note", ["id", "owner", "title"]),
...     *collection_counter("sqlite", "note", scope=["owner"], identity=["id"]),
... ]:
...     _ = notes.execute(one)
>>> def tag():
...     return drive(collection_tag(Scope("note", {"owner": "ada"})), on(notes))
>>> before = tag()
>>> _ = notes.execute("INSERT INTO note (owner, title) VALUES ('bob', 'Rum')")
>>> tag() == before
True
>>> _ = notes.execute("INSERT INTO note (owner, title) VALUES ('ada', 'Tea')")
>>> tag() == before
False
>>> notes.close()
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ifmatch.core.errors import ImpossibleDeclaration
from ifmatch.core.etag import ETag
from ifmatch.core.tags import composed_tag
from ifmatch.store.contract import ScopeValues
from ifmatch.store.statements import quoted
from ifmatch.store.steps import drive
from ifmatch.store.triggers import EPOCH_TABLE, SCOPE_TABLE, counter_name, counter_triggers

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows of `table` that hold these values in the columns of a counter's scope.

    The columns stand in the order in which `collection_counter` was given them. Values are as the
    database writes them: text, integers or None. Without columns the scope is the whole table.
    """

    table: str
    at: ScopeValues = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the counter."""
        return counter_name(self.table, self.at)

    @property
    def text(self) -> str:
        """The values as the triggers write them; raises TypeError for what they write otherwise.

        >>> Scope("flag", {"project": "shop", "number": 7, "parent": None}).text
        '4:shop1:7-'
        """
        return "".join(map(_part, self.at.values()))


def _part(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise TypeError(
            f"{value!r} is not written alike in every database. Give a scope's value as text, as "
            "an integer or as None."
        )
    return f"{len(str(value))}:{value}"


@dataclass(frozen=True, slots=True)
class FindCounter:
    """Send (version, incarnation, epoch) for a scope; each is None where there is none."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class FindTriggers:
    """Send (count): how many of the triggers `names` the table has, switched on."""

    dialect: str
    table: str
    schema: str | None
    names: tuple[str, ...]


Look = FindCounter | FindTriggers


def collection_tag(
    scope: Scope, *, query: Any = None, epoch: str = "1"
) -> Generator[FindCounter, Any, ETag]:
    """A weak tag of what a query answers from the rows of a scope, from one look-up.

    It is made of the counter's version and incarnation, the table's epoch in the database
    (`ifmatch.store.epochs`), `epoch`, which names the release of what is served, and `query`:
    whatever else selects the answer (filters, order, page, rights, language), as JSON can say it.
    Of the query only the value counts, not the order of its names.

    - Different bodies never share a tag for one query, whoever writes: if the body depends on
      nothing but the scope's rows, their children (`touch_parent`), the query and the epochs. Look
      the tag up in the snapshot that the body is read in; after a restore from a backup raise the
      database's epoch, because the counters went back.
    - The tag may change although the body stayed: a row was changed that the query leaves out, or
      one was changed there and back. A poll then costs one 200 too many, and a guard on the
      collection refuses once too often.

    So it is for lists that are polled, and large or expensive ones. Where a write is guarded by the
    list's tag and others write beside the filter, or where the counter's row would make too many
    writers wait, compose the tag of the rows instead: `composed_tag` of the `tag_columns` of those
    that the query selects. That costs a read of them, and stays while the body stays.
    """
    version, incarnation, stored_epoch = yield FindCounter(scope)
    counter = [version, incarnation, stored_epoch]
    return composed_tag("collection", scope.name, scope.text, counter, epoch, query)


class Scopes:
    """The scopes that a store was told of: for each one its columns, in the counter's order."""

    def __init__(self, table: str, scopes: Iterable[Sequence[str]]) -> None:
        self._table = table
        listed = list(scopes)
        for scope in listed:
            if isinstance(scope, str):
                raise ImpossibleDeclaration(
                    f"A scope is the columns that it has: {scope!r} would be one of letters. "
                    f"Next: write ({scope!r},)."
                )
        self._columns = {frozenset(scope): tuple(scope) for scope in listed}

    def __len__(self) -> int:
        return len(self._columns)

    def at(self, values: ScopeValues) -> Scope:
        """The scope of these values; raises ImpossibleDeclaration for one the store has not."""
        columns = self._columns.get(frozenset(values))
        if columns is None:
            known = ", ".join(map(str, self._columns.values())) or "none"
            raise ImpossibleDeclaration(
                f"This store was told of no scope {tuple(values)} of {self._table!r}, so it cannot "
                f"know that its changes are counted; it has {known}. Next: ask for one of those, "
                f"or give the store this one in `scopes`, and its table a `collection_counter`."
            )
        return self._scope(columns, values)

    def of(self, row: Mapping[str, Any]) -> list[Scope]:
        """Every scope that a row is in."""
        return [self._scope(columns, row) for columns in self._columns.values()]

    def _scope(self, columns: Sequence[str], values: Mapping[str, Any]) -> Scope:
        return Scope(self._table, {column: values.get(column) for column in columns})


class Counters:
    """The counters of a table in one database: the plans of a store's `collection_tag`.

    `scopes` are the columns of each scope, in the order in which `collection_counter` was given
    them. Before the first tag of each it is made sure that the database has the triggers that
    raise its counter: without them the tag would stay for ever. They follow the first guard of the
    table, so a further one, which `guard` names, has none.
    """

    def __init__(
        self,
        dialect: str,
        table: str,
        scopes: Iterable[Sequence[str]],
        *,
        schema: str | None = None,
        guard: str = "",
    ) -> None:
        if guard and scopes:
            raise ImpossibleDeclaration(
                f"The counters of {table!r} follow its first guard, and not what only the guard "
                f"{guard!r} watches. Next: leave `scopes` out, or serve the list by the first."
            )
        self._dialect = dialect
        self._table = table
        self._schema = schema
        self._scopes = Scopes(table if schema is None else f"{schema}.{table}", scopes)
        self._counted: set[str] = set()

    def tag(
        self, at: ScopeValues, *, query: Any = None, epoch: str = "1"
    ) -> Generator[Look, Any, ETag]:
        """`collection_tag` of a scope; raises ImpossibleDeclaration for one not counted."""
        scope = self._scopes.at(at)
        if scope.name not in self._counted:
            yield from self._look_for_triggers(scope)
        return (yield from collection_tag(scope, query=query, epoch=epoch))

    def _look_for_triggers(self, scope: Scope) -> Generator[Look, Any, None]:
        columns = list(scope.at)
        schema = "" if self._schema is None else f", schema={self._schema!r}"
        names = counter_triggers(self._dialect, self._table, columns)
        (found,) = yield FindTriggers(self._dialect, self._table, self._schema, tuple(names))
        if found < len(names):
            raise ImpossibleDeclaration(
                f"The database has not all triggers that count the changes of {scope.name}, so its "
                "tag would stay whatever happens. Next: in a migration, after `create_triggers`, "
                f"execute collection_counter({self._dialect!r}, {self._table!r}, scope={columns}, "
                f"identity=[...]{schema}), and again where a migration makes the table anew."
            )
        # A row of the counter's that is missing is no gap: the first change makes it, at random.
        self._counted.add(scope.name)


def statement(step: Look, mark: str = "?") -> tuple[str, tuple[str, ...]]:
    """The text and the parameters of a look-up; `mark` is `?` for sqlite3, `%s` for psycopg."""
    if isinstance(step, FindTriggers):
        return _triggers(step, mark)
    return (
        f"SELECT counter.version, counter.incarnation, {EPOCH_TABLE}.epoch FROM (SELECT 1) AS one "
        f"LEFT JOIN {SCOPE_TABLE} AS counter ON counter.name = {mark} AND counter.scope = {mark} "
        f"LEFT JOIN {EPOCH_TABLE} ON {EPOCH_TABLE}.name = {mark}"
    ), (step.scope.name, step.scope.text, step.scope.table)


def _triggers(step: FindTriggers, mark: str) -> tuple[str, tuple[str, ...]]:
    if step.dialect == "sqlite":
        marks = ", ".join([mark] * len(step.names))
        where = f"sqlite_master WHERE type = 'trigger' AND tbl_name = {mark} AND name IN ({marks})"
        return f"SELECT count(*) FROM {where}", (step.table, *step.names)
    # As a name it is cut where PostgreSQL cut it when the trigger was made.
    marks = ", ".join([f"{mark}::name"] * len(step.names))
    on = f"tgrelid = to_regclass({mark}) AND tgenabled IN ('O', 'A')"
    where = f"pg_trigger WHERE {on} AND tgname IN ({marks})"
    table = ".".join(quoted(part) for part in (step.schema, step.table) if part)
    return f"SELECT count(*) FROM {where}", (table, *step.names)


def on(connection: Any, mark: str = "?") -> Callable[[Look], Sequence[Any]]:
    """What does a look-up on a connection of sqlite3, or with `mark="%s"` of psycopg."""

    def do(step: Look) -> Sequence[Any]:
        found: Sequence[Any] = connection.execute(*statement(step, mark)).fetchone()
        return found

    return do


def on_async(connection: Any, mark: str = "%s") -> Callable[[Look], Awaitable[Sequence[Any]]]:
    """The same on an asynchronous connection of psycopg."""

    async def do(step: Look) -> Sequence[Any]:
        done = await connection.execute(*statement(step, mark))
        found: Sequence[Any] = await done.fetchone()
        return found

    return do


def on_sqlalchemy(connection: Connection) -> Callable[[Look], Sequence[Any]]:
    """The same on a connection of SQLAlchemy."""
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    return lambda step: connection.exec_driver_sql(*statement(step, mark)).one()


def tag_on(connection: Connection, scope: Scope, *, query: Any = None, epoch: str = "1") -> ETag:
    """The `collection_tag` by a connection of SQLAlchemy; see `reading` for one of one snapshot.

    It takes the counter to be there. `GuardedTable.collection_tag` makes sure of it.
    """
    return drive(collection_tag(scope, query=query, epoch=epoch), on_sqlalchemy(connection))
