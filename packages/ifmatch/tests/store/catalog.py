"""What a database holds besides rows, as it tells it itself: to compare before and after."""

from __future__ import annotations

from typing import Any

_SQLITE = "SELECT type, name, tbl_name, sql FROM sqlite_master"
_POSTGRESQL = (
    """
    SELECT nspname, relname, relkind, attname, format_type(atttypid, atttypmod), attnotnull,
           pg_get_expr(adbin, adrelid)
      FROM pg_class
      JOIN pg_namespace AS space ON space.oid = relnamespace
      LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
      LEFT JOIN pg_attrdef ON adrelid = pg_class.oid AND adnum = attnum
     WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
    """,
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    """
    SELECT pg_get_functiondef(pg_proc.oid) FROM pg_proc
      JOIN pg_namespace AS space ON space.oid = pronamespace
     WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
    """,
)


def catalog(database: Any) -> list[Any]:
    """Every table, column, index, trigger and function."""
    statements = (_SQLITE,) if database.on_sqlite else _POSTGRESQL
    return [sorted(database.execute(one), key=repr) for one in statements]


def added(database: Any, before: list[Any]) -> list[Any]:
    """What is there and was not `before`."""
    pairs = zip(catalog(database), before, strict=True)
    return [one for now, was in pairs for one in now if one not in was]


def triggers(database: Any) -> list[Any]:
    """The triggers alone."""
    if database.on_sqlite:
        found = database.execute(f"{_SQLITE} WHERE type = 'trigger'")
    else:
        found = database.execute(_POSTGRESQL[1])
    return sorted(found, key=repr)
