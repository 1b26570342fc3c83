"""The SQL of each step, for drivers that take text: sqlite3 and psycopg.

Names of tables and columns are quoted; they come from the schema, never from a request. Columns
named in `json` hold canonical JSON as text, so that both databases give back the same value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ifmatch.core.canonical import canonical
from ifmatch.store.guards import MEMBERS, guard_column, refuse_columns
from ifmatch.store.steps import (
    Delete,
    Find,
    FindTag,
    GuardedRows,
    Insert,
    KeepTag,
    Key,
    Row,
    Step,
    Update,
)

Statement = tuple[str, list[Any]]


def quoted(name: str) -> str:
    """A name of the schema as SQL has it: in quotation marks, its own doubled."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Statements:
    """What a driver executes for each step, and what it makes of the rows that come back.

    `columns` are those that the resource is made of, the key among them; `guard` names the guard
    that watches them. `mark` is the driver's placeholder.
    """

    table: str
    columns: tuple[str, ...]
    rows: GuardedRows
    mark: str
    json: frozenset[str] = frozenset()
    guard: str = ""

    def __post_init__(self) -> None:
        refuse_columns(self.columns, self.rows.moments.columns if self.rows.moments else ())

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every column, in the order in which it is selected."""
        return (*self.columns, *MEMBERS)

    def of(self, step: Step) -> Statement:
        """The text and the parameters that do a step."""
        match step:
            case Find():
                return f"{self._select} FOR UPDATE" if step.lock else self._select, [*step.key]
            case FindTag():
                return self._select_tag, [*step.key]
            case Insert():
                names = self._listed(step.values)
                marks = ", ".join([self.mark] * len(step.values))
                keys = ", ".join(map(quoted, self.rows.key))
                into = f"INSERT INTO {quoted(self.table)} ({names}) VALUES ({marks})"
                return f"{into} ON CONFLICT ({keys}) DO NOTHING", self._parameters(step.values)
            case Update() | KeepTag():
                settings = ", ".join(f"{self._named(name)} = {self.mark}" for name in step.values)
                change = f"UPDATE {quoted(self.table)} SET {settings} WHERE {self._still}"
                return change, [*self._parameters(step.values), *self._identity(step.row)]
            case Delete():
                return f"DELETE FROM {quoted(self.table)} WHERE {self._still}", self._identity(
                    step.row
                )

    @cached_property
    def returning(self) -> str:
        """What makes a statement send the row that it wrote."""
        return f" RETURNING {self._listed(self.names)}"

    def row(self, found: Sequence[Any] | None) -> Row | None:
        """A whole row as a dict, its JSON read."""
        return None if found is None else self._read(self.names, found)

    def tag_row(self, found: Sequence[Any] | None) -> Row | None:
        """A row of which the tag columns were selected."""
        if found is None:
            return None
        if self.rows.moments is None:  # no content among them, and so no JSON
            return dict(zip(self.rows.tag_columns, found, strict=True))
        return self._read(self.rows.tag_columns, found)

    def _read(self, names: Sequence[str], found: Sequence[Any]) -> dict[str, Any]:
        row = dict(zip(names, found, strict=True))
        for name in self.json:
            if row.get(name) is not None:
                row[name] = json.loads(row[name])
        return row

    def key_of(self, step: Insert | Update) -> Key:
        """The key of the row that a step writes."""
        row = step.values if isinstance(step, Insert) else step.row
        return [row[name] for name in self.rows.key]

    # -- pieces ----------------------------------------------------------------------------

    @cached_property
    def _select(self) -> str:
        return f"SELECT {self._listed(self.names)} FROM {quoted(self.table)} WHERE {self._at}"

    @cached_property
    def _select_tag(self) -> str:
        listed = self._listed(self.rows.tag_columns)
        return f"SELECT {listed} FROM {quoted(self.table)} WHERE {self._at}"

    @cached_property
    def _at(self) -> str:
        return " AND ".join(f"{quoted(name)} = {self.mark}" for name in self.rows.key)

    @cached_property
    def _still(self) -> str:
        version, incarnation = self._named("version"), self._named("incarnation")
        return f"{self._at} AND {version} = {self.mark} AND {incarnation} = {self.mark}"

    def _identity(self, row: Row) -> list[Any]:
        return [*(row[name] for name in self.rows.key), row["version"], row["incarnation"]]

    def _parameters(self, values: Row) -> list[Any]:
        return [
            canonical(value).decode() if name in self.json and value is not None else value
            for name, value in values.items()
        ]

    def _listed(self, names: Iterable[str]) -> str:
        return ", ".join(map(self._named, names))

    def _named(self, name: str) -> str:
        """A column of a row as the table has it."""
        return quoted(guard_column(self.guard, name) if name in MEMBERS else name)
