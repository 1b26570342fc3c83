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

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ifmatch.core.etag import ETag
from ifmatch.core.tags import composed_tag
from ifmatch.store.steps import drive
from ifmatch.store.triggers import EPOCH_TABLE, SCOPE_TABLE, counter_name

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows of `table` that hold these values in the columns of a counter's scope.

    The columns stand in the order in which `collection_counter` was given them. Values are as the
    database writes them: text, integers or None. Without columns the scope is the whole table.
    """

    table: str
    at: Mapping[str, str | int | None] = field(default_factory=dict)

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


def statement(step: FindCounter, mark: str = "?") -> tuple[str, tuple[str, ...]]:
    """The text and the parameters of a look-up; `mark` is `?` for sqlite3, `%s` for psycopg."""
    return (
        f"SELECT counter.version, counter.incarnation, {EPOCH_TABLE}.epoch FROM (SELECT 1) AS one "
        f"LEFT JOIN {SCOPE_TABLE} AS counter ON counter.name = {mark} AND counter.scope = {mark} "
        f"LEFT JOIN {EPOCH_TABLE} ON {EPOCH_TABLE}.name = {mark}"
    ), (step.scope.name, step.scope.text, step.scope.table)


def on(connection: Any, mark: str = "?") -> Callable[[FindCounter], Sequence[Any]]:
    """What does a look-up on a connection of sqlite3, or with `mark="%s"` of psycopg."""

    def do(step: FindCounter) -> Sequence[Any]:
        found: Sequence[Any] = connection.execute(*statement(step, mark)).fetchone()
        return found

    return do


def tag_on(connection: Connection, scope: Scope, *, query: Any = None, epoch: str = "1") -> ETag:
    """The `collection_tag` by a connection of SQLAlchemy; see `reading` for one of one snapshot."""
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"

    def do(step: FindCounter) -> Sequence[Any]:
        return connection.exec_driver_sql(*statement(step, mark)).one()

    return drive(collection_tag(scope, query=query, epoch=epoch), do)
