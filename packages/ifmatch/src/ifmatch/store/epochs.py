"""Epochs: what a body depends on besides rows, and how a change of that voids stored tags.

Two kinds, for two changes that no trigger sees:

- a release serves rows otherwise than the one before: `schema_epoch` names what it serves, to be
  given as `epoch` to `GuardedRows` and `collection_tag`. Releases that run side by side each have
  their own, and each sends right tags: reading never stores one;
- a migration changes what is served without an UPDATE, as `ALTER TABLE ... ADD COLUMN ... DEFAULT`
  and `ALTER COLUMN ... TYPE` do: `raise_epoch` in the database.

And a third, where rows themselves were written and no trigger ran, or a backup was restored:
`renew_rows`.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from ifmatch.core.canonical import canonical
from ifmatch.store.guards import guard_column
from ifmatch.store.statements import quoted
from ifmatch.store.triggers import CREATE_EPOCH_TABLE, EPOCH_TABLE

_RANDOM = {
    "sqlite": "abs(random() / 2)",
    "postgresql": "(random() * 4611686018427387904)::bigint",
}


def raise_epoch(dialect: str, name: str) -> list[str]:
    """Statements that give `name`, most often a table, an epoch that it never had.

    It is random, so that a database that was restored does not come to one that it had before.
    `collection_tag` reads it with the counter. For `GuardedRows.epoch` it is read when a process
    starts (`epoch_query`): one that runs through the migration keeps the old epoch, which is right
    while it serves what it served. Where the migration changes that as well, let it touch the rows
    instead: `UPDATE ... SET version = version + 1`.
    """
    literal = "'" + name.replace("'", "''") + "'"
    return [
        CREATE_EPOCH_TABLE,
        (
            f"INSERT INTO {EPOCH_TABLE} (name, epoch) VALUES ({literal}, {_RANDOM[dialect]}) "
            "ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch"
        ),
    ]


def renew_rows(
    dialect: str, table: str, *, schema: str | None = None, guard: str = ""
) -> list[str]:
    """Statements after which no tag that was ever given for a guarded table or its lists holds.

    For what no trigger saw: writes with triggers off, and a restore from a backup, after which
    versions and counters would be given out a second time. Each row gets another incarnation and
    a version more, which its parents and counters see; processes that run see it at the next read.
    It writes every row: on a large table add a WHERE to the first statement, and repeat it. Of a
    table with several guards renew each, by its name.
    """
    at = quoted(table) if schema is None else f"{quoted(schema)}.{quoted(table)}"
    version, incarnation = (quoted(guard_column(guard, one)) for one in ("version", "incarnation"))
    return [
        f"UPDATE {at} SET {version} = {version} + 1, {incarnation} = {_RANDOM[dialect]}",
        *raise_epoch(dialect, table if schema is None else f"{schema}.{table}"),
    ]


def epoch_query(mark: str = "?") -> str:
    """A query for the epoch of a name, its one parameter; no row where it was never raised.

    >>> epoch_query("%s")
    'SELECT epoch FROM ifmatch_epoch WHERE name = %s'
    """
    return f"SELECT epoch FROM {EPOCH_TABLE} WHERE name = {mark}"


def schema_epoch(model: Any) -> str:
    """16 hex digits that name a JSON schema, or the schema of a model of pydantic as it is served.

    Any change of the schema is another epoch, that of a description, too: this costs making the
    stored tags anew. A change that the schema does not show (another rounding, another order) has
    to be named beside it.

    >>> schema_epoch({"type": "object", "required": ["id"]})
    '019679b717eb12d0'
    """
    schema = model if isinstance(model, Mapping) else model.model_json_schema(mode="serialization")
    return sha256(canonical(schema)).hexdigest()[:16]
