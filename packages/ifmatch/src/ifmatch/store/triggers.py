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

A table may have several guards, each with columns and triggers of its own, so that counters in a
row do not disturb those who edit the rest of it: `guard` names one, and the first has no name. See
`ifmatch.store.guards`.

Beside them stand `touch_parent`, by which rows of another table count as part of a row, and
`collection_counter`, which counts the changes of all rows of a scope (`ifmatch.store.collections`).

Everything here but `guard_columns` gives SQL as text and needs no package: execute the statements
in a migration, in their order. What makes triggers replaces those that are there, of older releases
as well: executing it again is how they are upgraded.

`schema` is for tables of PostgreSQL that the search_path does not lead to. The functions keep the
search_path with which they were made, so that they find their tables whoever writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ifmatch.store.guards import MEMBERS, guard_column
from ifmatch.store.statements import quoted

if TYPE_CHECKING:
    from sqlalchemy import Column

_INCARNATION_DEFAULTS = {
    "sqlite": "(abs(random() / 2))",
    "postgresql": "((random() * 4611686018427387904)::bigint)",
}


def guard_columns(dialect: str, *, added: bool = False, guard: str = "") -> list[Column[Any]]:
    """The four columns, for a CREATE TABLE on `sqlite` or `postgresql`, as SQLAlchemy has them.

    `added` describes those of a table that got them later, by `add_guard`. There SQLAlchemy brings
    the incarnation itself, so that an object that the ORM inserted has the one that is stored.
    """
    from sqlalchemy import BigInteger, Column, Integer, String, text

    version, named, tag, stamp = (guard_column(guard, one) for one in MEMBERS)
    default = text(_INCARNATION_DEFAULTS[dialect])
    if added and dialect == "sqlite":
        incarnation = Column(named, BigInteger, nullable=True, default=default)
    else:
        incarnation = Column(named, BigInteger, nullable=False, server_default=default)
    return [
        Column(version, Integer, nullable=False, server_default=text("1")),
        incarnation,
        Column(tag, String(64), nullable=True),
        Column(stamp, String(200), nullable=True),
    ]


def add_guard(dialect: str, table: str, *, schema: str | None = None, guard: str = "") -> list[str]:
    """Statements that give the four columns to a table that has rows.

    SQLite refuses a random default, and NOT NULL without a constant one, where a column is added:
    there `incarnation` may be null, each row is given its own, and the trigger of inserts gives
    later rows theirs.
    """
    at, random = _at(dialect, table, schema), _INCARNATION_DEFAULTS[dialect]
    alter = f"ALTER TABLE {at} ADD COLUMN"
    version, named, tag, stamp = (quoted(guard_column(guard, one)) for one in MEMBERS)
    sqlite = dialect == "sqlite"
    incarnation = "bigint" if sqlite else f"bigint NOT NULL DEFAULT {random}"
    columns = [
        f"{alter} {version} integer NOT NULL DEFAULT 1",
        f"{alter} {named} {incarnation}",
        f"{alter} {tag} varchar(64)",
        f"{alter} {stamp} varchar(200)",
    ]
    fill = f"UPDATE {at} SET {named} = {random}"
    return [*columns, fill] if sqlite else columns


def remove_guard(table: str, *, schema: str | None = None, guard: str = "") -> list[str]:
    """Statements that take the columns away again; drop every trigger that names them first."""
    at = quoted(table) if schema is None else f"{quoted(schema)}.{quoted(table)}"
    names = [quoted(guard_column(guard, one)) for one in reversed(MEMBERS)]
    return [f"ALTER TABLE {at} DROP COLUMN {name}" for name in names]


def create_triggers(
    dialect: str,
    table: str,
    columns: Iterable[str],
    *,
    schema: str | None = None,
    identity: Sequence[str] = (),
    guard: str = "",
) -> list[str]:
    """Statements that make the triggers of one table; `columns` are those that hold content.

    Columns that are left out, such as counters, may change without a new version: whatever the
    guard's `represent` shows must be among them.

    Triggers that are there are replaced. `identity` are the columns of the primary key; SQLite
    needs them for a table WITHOUT ROWID, or one with a column of the name rowid. Names are quoted;
    they come from the schema, never from a request.
    """
    version, copy = _guard_names(table, guard)
    create = _CREATE_SQLITE if dialect == "sqlite" else _CREATE_POSTGRESQL
    row = " AND ".join(f"{quoted(one)} = NEW.{quoted(one)}" for one in identity)
    names = {
        "table": _at(dialect, table, schema),
        "columns": ", ".join(map(quoted, columns)),
        "incarnation": _INCARNATION_DEFAULTS[dialect],
        "row": row or "rowid = NEW.rowid",
        "version": quoted(version),
        "copy": quoted(copy),
        "version_function": _at(dialect, version, schema),
        "copy_function": _at(dialect, copy, schema),
        "of": guard_column(guard, ""),
    }
    return [
        *drop_triggers(dialect, table, schema=schema, guard=guard),
        *(statement.format(**names) for statement in create),
    ]


# A cascade may touch the row before its own trigger runs: hence max(), which never lowers.
_CREATE_SQLITE = (
    """
    CREATE TRIGGER {version} AFTER UPDATE OF {columns} ON {table}
    FOR EACH ROW WHEN NEW."{of}version" <= OLD."{of}version"
    BEGIN
        UPDATE {table} SET "{of}version" = max("{of}version", OLD."{of}version") + 1 WHERE {row};
    END
    """,
    # It leaves alone what is inserted without a tag: RETURNING shows the row from before a trigger.
    # Only a table that was given its columns later (`add_guard`) has rows without an incarnation.
    """
    CREATE TRIGGER {copy} AFTER INSERT ON {table}
    FOR EACH ROW WHEN NEW."{of}tag" IS NOT NULL OR NEW."{of}incarnation" IS NULL
    BEGIN
        UPDATE {table}
           SET "{of}tag" = NULL, "{of}tag_stamp" = NULL, "{of}incarnation" = {incarnation}
         WHERE {row};
    END
    """,
)
_CREATE_POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION {version_function}() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW."{of}version" := OLD."{of}version" + 1; RETURN NEW; END $$
    """,
    """
    CREATE TRIGGER {version} BEFORE UPDATE OF {columns} ON {table}
    FOR EACH ROW WHEN (NEW."{of}version" <= OLD."{of}version")
    EXECUTE FUNCTION {version_function}()
    """,
    """
    CREATE OR REPLACE FUNCTION {copy_function}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW."{of}tag" := NULL; NEW."{of}tag_stamp" := NULL; NEW."{of}incarnation" := {incarnation};
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER {copy} BEFORE INSERT ON {table}
    FOR EACH ROW EXECUTE FUNCTION {copy_function}()
    """,
)


def drop_triggers(
    dialect: str, table: str, *, schema: str | None = None, guard: str = ""
) -> list[str]:
    """Statements that undo `create_triggers`, as far as there is something to undo."""
    former = () if guard else _former_guard_names(dialect, table)
    names = list(dict.fromkeys([*_guard_names(table, guard), *former]))
    return [
        *(_drop_trigger(dialect, name, table, schema) for name in names),
        *(_drop_function(name, schema) for name in names if dialect != "sqlite"),
    ]


def _guard_names(table: str, guard: str) -> tuple[str, str]:
    # In brackets: the guard `a` of a table `b` and the first one of a table `b_a` are two.
    whose = f"{table}({guard})" if guard else table
    return _short(f"{whose}_version"), _short(f"{whose}_copy")


def _former_guard_names(dialect: str, table: str) -> tuple[str, ...]:
    """Those of the first release, which PostgreSQL cuts off here as it did where they were made.

    It refused them there where what is cut off leaves one name for both.
    """
    if dialect != "sqlite" and len(table.encode()) > _LONGEST - len("_v"):
        return ()
    return f"{table}_version", f"{table}_copy"


# -- children ---------------------------------------------------------------------------------


def touch_parent(
    dialect: str,
    child: str,
    parent: str,
    *,
    key: Mapping[str, str],
    columns: Iterable[str],
    identity: Sequence[str],
    unique: Iterable[Sequence[str]] = (),
    schema: str | None = None,
) -> list[str]:
    """Statements by which a change of `child` raises the version of its row in `parent`.

    `key` says which column of the child holds which column of the parent. `columns` are those that
    hold content, `identity` are those of the child's primary key, and `unique` are further unique
    keys. Insert, update of content, delete, TRUNCATE, cascades and SET NULL are seen; of a child
    that moves, both parents are touched. Where there is no parent nothing happens. Both tables
    are in `schema`.

    For a parent that is served with its children make the tag of its version and incarnation:
    `composed_tag("order", version, incarnation, epoch)`. A touch is no content of the parent: name
    `version` among `columns` to hand it on to a grandparent. Raises ValueError where a table would
    touch itself so.

    A unit of work that holds the parent with its version must read it again after its children are
    written. On PostgreSQL a BEFORE trigger of the parent must not write children: the touch would
    change the row that is being changed, which is an error there.
    """
    listed = tuple(dict.fromkeys([*identity, *key, *columns]))
    if child == parent and "version" in listed:
        raise ValueError(
            f"{child!r} would touch itself without end: leave 'version' out of its columns."
        )
    name, at_parent = _name(child, "touch", parent, *key), _at(dialect, parent, schema)
    touch = f"UPDATE {at_parent} SET version = version + 1 WHERE "
    drop = drop_touch_parent(dialect, child, parent, key, schema=schema)
    if dialect != "sqlite":
        at_child = _at(dialect, child, schema)
        made = _touch_postgresql(
            name, at_child, touch, key=key, listed=listed, parent=quoted(parent), schema=schema
        )
        return [*drop, *made]
    at_new, at_old = (
        "(" + " AND ".join(f"{quoted(own)} = {row}.{quoted(of)}" for of, own in key.items()) + ")"
        for row in ("NEW", "OLD")
    )
    parents = ", ".join(quoted(own) for own in key.values())
    former = ", ".join(f"former.{quoted(of)}" for of in key)
    replaced = (
        f"{touch}({parents}) IN (SELECT {former} FROM {_at(dialect, child, schema)} AS former "
        f"WHERE {_is_replaced(identity, unique)}) AND {at_new} IS NOT TRUE"
    )
    return [
        *drop,
        *_on_sqlite(
            name,
            child,
            insert=[f"{touch}{at_new}"],
            update=(listed, [f"{touch}{at_old} OR {at_new}"]),
            delete=[f"{touch}{at_old}"],
            replace=(_members(identity, unique), [replaced]),
        ),
    ]


def drop_touch_parent(
    dialect: str, child: str, parent: str, key: Iterable[str], *, schema: str | None = None
) -> list[str]:
    """Statements that undo `touch_parent`; `key` are the child's columns of its key."""
    return _drop_all(dialect, (child, "touch", parent, *key), child, schema)


def _touch_postgresql(
    name: str,
    child: str,
    touch: str,
    *,
    key: Mapping[str, str],
    listed: Sequence[str],
    parent: str,
    schema: str | None,
) -> list[str]:
    """`child` and `parent` are quoted."""
    own = ", ".join(f"{parent}.{quoted(column)}" for column in key.values())
    of = ", ".join(map(quoted, key))
    # Compared as text in the collation "C": what is equal but written differently is a change.
    row = f'ROW({", ".join(map(quoted, listed))})::text COLLATE "C" AS content'
    return _on_postgresql(
        name,
        child,
        insert=f"{touch}({own}) IN (SELECT {of} FROM after_rows);",
        delete=f"{touch}({own}) IN (SELECT {of} FROM before_rows);",
        update=f"{touch}({own}) IN (SELECT {of} FROM ({_differing(f'{of}, {row}')}) AS changed);",
        truncate=("BEFORE", f"{touch}({own}) IN (SELECT {of} FROM {child});"),
        schema=schema,
    )


# -- collections ------------------------------------------------------------------------------

SCOPE_TABLE = "ifmatch_scope"
"""The table of counters: name, scope, version, incarnation."""

EPOCH_TABLE = "ifmatch_epoch"
"""The table of epochs: name, epoch. See `ifmatch.store.epochs`."""

CREATE_EPOCH_TABLE = (
    f"CREATE TABLE IF NOT EXISTS {EPOCH_TABLE} "
    "(name varchar(200) NOT NULL PRIMARY KEY, epoch bigint NOT NULL)"
)
_CREATE_SCOPE_TABLE = (
    f"CREATE TABLE IF NOT EXISTS {SCOPE_TABLE} (name varchar(200) NOT NULL, scope text NOT NULL, "
    "version bigint NOT NULL, incarnation bigint NOT NULL, PRIMARY KEY (name, scope))"
)


def counter_name(table: str, scope: Iterable[str]) -> str:
    """The name under which the counters of one table and one choice of scope are kept.

    >>> counter_name("flag", ["project"]), counter_name("flag", [])
    ('flag(project)', 'flag()')
    """
    return f"{table}({','.join(scope)})"


def collection_counter(
    dialect: str,
    table: str,
    *,
    scope: Sequence[str],
    identity: Sequence[str],
    unique: Iterable[Sequence[str]] = (),
    schema: str | None = None,
) -> list[str]:
    """Statements that keep a counter for the rows of each scope, and begin one for those there are.

    `scope` are columns of text or integers; rows that agree in them are one scope, and without any
    all rows are. The table is guarded, and its `columns` name those of the scope: whatever raises a
    row's version, or touches it, raises its scope's counter, as do insert, delete and TRUNCATE; of
    a row that moves between scopes both are raised. `identity` are the columns of the primary key,
    and `unique` further unique keys.

    What a scope is is told by its text: two that are equal only under a collation are two. Counters
    of empty scopes stay; do not delete them. A transaction holds the counter's row until it
    commits, so writers of one scope wait for each other.

    Counters that are there begin anew, with an incarnation of their own. With `schema` the counter
    is that of `schema.table`: `Scope("schema.table", ...)`.
    """
    name, at = _counter_of(table, scope, schema), _at(dialect, table, schema)
    trigger = _name(table, "counter", *scope)
    literal = _literal(name)
    random = _INCARNATION_DEFAULTS[dialect]
    drop = drop_collection_counter(dialect, table, scope, schema=schema)
    tables = [_CREATE_SCOPE_TABLE, CREATE_EPOCH_TABLE, *drop]
    begin = (
        f"INSERT INTO {SCOPE_TABLE} (name, scope, version, incarnation) "
        f"SELECT {literal}, scope, 1, {random} FROM "
        f"(SELECT DISTINCT {_scope_text('here', scope)} AS scope FROM {at} AS here) "
        "AS found"
    )
    watched = ("version", "incarnation", *scope)
    if dialect != "sqlite":
        text = _scope_text("here", scope)

        def raised(rows: str) -> str:
            # In one order, so that two statements do not wait for each other.
            return (
                f"INSERT INTO {SCOPE_TABLE} AS counter (name, scope, version, incarnation) "
                f"SELECT {literal}, scope, 1, {random} FROM "
                f"(SELECT DISTINCT {text} AS scope FROM {rows} AS here) AS found ORDER BY scope "
                "ON CONFLICT (name, scope) DO UPDATE SET version = counter.version + 1;"
            )

        listed = ", ".join(map(quoted, watched))
        all_raised = f"UPDATE {SCOPE_TABLE} SET version = version + 1 WHERE name = {literal};"
        return [
            *tables,
            begin,
            *_on_postgresql(
                trigger,
                at,
                insert=raised("after_rows"),
                delete=raised("before_rows"),
                update=raised(f"({_differing(listed)})"),
                truncate=("AFTER", all_raised),
                schema=schema,
            ),
        ]
    new, old = _scope_text("NEW", scope), _scope_text("OLD", scope)
    # No ON CONFLICT here: that of the statement which fires a trigger would take its place.
    there = (
        f"INSERT INTO {SCOPE_TABLE} (name, scope, version, incarnation) "
        f"SELECT {literal}, {new}, 0, {random} WHERE NOT EXISTS "
        f"(SELECT 1 FROM {SCOPE_TABLE} WHERE name = {literal} AND scope = {new})"
    )
    raise_where = f"UPDATE {SCOPE_TABLE} SET version = version + 1 WHERE name = {literal} AND "
    replaced = (
        f"{raise_where}scope <> {new} AND scope IN (SELECT {_scope_text('former', scope)} "
        f"FROM {quoted(table)} AS former WHERE {_is_replaced(identity, unique)})"
    )
    return [
        *tables,
        begin,
        *_on_sqlite(
            trigger,
            table,
            insert=[there, f"{raise_where}scope = {new}"],
            update=(watched, [there, f"{raise_where}scope IN ({old}, {new})"]),
            delete=[f"{raise_where}scope = {old}"],
            replace=(_members(identity, unique), [replaced]),
        ),
    ]


def counter_triggers(dialect: str, table: str, scope: Sequence[str]) -> list[str]:
    """The names of the triggers that raise a counter; the table's own one of updates is first.

    >>> counter_triggers("postgresql", "flag", ["project"])[:2]
    ['flag_version', 'flag.counter.project.insert']
    """
    name = _name(table, "counter", *scope)
    suffixes = _SUFFIXES[dialect]
    return [_guard_names(table, "")[0], *(_short(f"{name}.{suffix}") for suffix in suffixes)]


def drop_collection_counter(
    dialect: str, table: str, scope: Sequence[str], *, schema: str | None = None
) -> list[str]:
    """Statements that undo `collection_counter`; the table of counters stays."""
    name = _literal(_counter_of(table, scope, schema))
    return [
        *_drop_all(dialect, (table, "counter", *scope), table, schema),
        f"DELETE FROM {SCOPE_TABLE} WHERE name = {name}",
    ]


def drop_shared_tables() -> list[str]:
    """Statements that drop the tables of counters and of epochs, when nothing needs them."""
    return [f"DROP TABLE IF EXISTS {table}" for table in (SCOPE_TABLE, EPOCH_TABLE)]


def _counter_of(table: str, scope: Sequence[str], schema: str | None) -> str:
    return counter_name(table if schema is None else f"{schema}.{table}", scope)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _scope_text(row: str, scope: Sequence[str]) -> str:
    """An expression for the text of a row's scope; `ifmatch.store.collections` writes the same."""
    texts = [f"CAST({row}.{quoted(column)} AS text)" for column in scope]
    parts = [f"coalesce(length({text}) || ':' || {text}, '-')" for text in texts]
    return f"({' || '.join(parts)})" if parts else "''"


# -- triggers of insert, update, delete -------------------------------------------------------


def _on_sqlite(
    name: str,
    table: str,
    *,
    insert: list[str],
    update: tuple[Iterable[str], list[str]],
    delete: list[str],
    replace: tuple[Iterable[str], list[str]],
) -> list[str]:
    """REPLACE deletes rows without firing the trigger of deletes: their former place is raised
    before, by the keys that they would conflict in.
    """
    of_update, of_replace = (", ".join(map(quoted, columns)) for columns, _ in (update, replace))
    events = {
        "insert": ("AFTER INSERT", insert),
        "update": (f"AFTER UPDATE OF {of_update}", update[1]),
        "delete": ("AFTER DELETE", delete),
        "replace": ("BEFORE INSERT", replace[1]),
        "rekey": (f"BEFORE UPDATE OF {of_replace}", replace[1]),
    }
    return [
        f"CREATE TRIGGER {quoted(_short(f'{name}.{suffix}'))} {when} ON {quoted(table)} "
        "FOR EACH ROW "
        f"BEGIN {'; '.join(statements)}; END"
        for suffix, (when, statements) in events.items()
    ]


def _on_postgresql(
    name: str,
    table: str,
    *,
    insert: str,
    update: str,
    delete: str,
    truncate: tuple[str, str],
    schema: str | None,
) -> list[str]:
    """Once a statement, not once a row: a row that one transaction changes n times costs n^2.

    They fire for statements of no rows, too: there an update must not go on updating. `table` is
    quoted.
    """
    named = _at("postgresql", name, schema)
    function = f"""
        CREATE OR REPLACE FUNCTION {named}() RETURNS trigger LANGUAGE plpgsql
        SET search_path FROM CURRENT AS $ifmatch$
        BEGIN
            IF TG_OP = 'INSERT' THEN {insert}
            ELSIF TG_OP = 'UPDATE' THEN
                IF EXISTS (SELECT FROM after_rows) THEN {update} END IF;
            ELSIF TG_OP = 'DELETE' THEN {delete}
            ELSE {truncate[1]}
            END IF;
            RETURN NULL;
        END $ifmatch$
    """
    old, new = "OLD TABLE AS before_rows", "NEW TABLE AS after_rows"
    events = {
        "insert": ("AFTER INSERT", f"REFERENCING {new}"),
        "update": ("AFTER UPDATE", f"REFERENCING {old} {new}"),
        "delete": ("AFTER DELETE", f"REFERENCING {old}"),
        "truncate": (f"{truncate[0]} TRUNCATE", ""),
    }
    return [
        function,
        *(
            f"CREATE TRIGGER {quoted(_short(f'{name}.{suffix}'))} {when} ON {table} {rows} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {named}()"
            for suffix, (when, rows) in events.items()
        ),
    ]


_SUFFIXES = {
    "sqlite": ("insert", "update", "delete", "replace", "rekey"),
    "postgresql": ("insert", "update", "delete", "truncate"),
}


def _drop_all(dialect: str, parts: Sequence[str], table: str, schema: str | None) -> list[str]:
    """The first release had its names with `_` between the parts, which two could share."""
    names = {".": _name(*parts), "_": _short("_".join(parts))}
    triggers = [
        _drop_trigger(dialect, _short(f"{name}{between}{suffix}"), table, schema)
        for between, name in names.items()
        for suffix in _SUFFIXES[dialect]
    ]
    functions = () if dialect == "sqlite" else dict.fromkeys(names.values())
    return [*triggers, *(_drop_function(name, schema) for name in functions)]


def _drop_trigger(dialect: str, name: str, table: str, schema: str | None) -> str:
    at = _at(dialect, table, schema)
    return f"DROP TRIGGER IF EXISTS {quoted(name)}" + ("" if dialect == "sqlite" else f" ON {at}")


def _drop_function(name: str, schema: str | None) -> str:
    return f"DROP FUNCTION IF EXISTS {_at('postgresql', name, schema)}()"


def _differing(columns: str) -> str:
    """What is among the rows before an update and not among those after it, and the reverse."""
    before, after = (f"SELECT {columns} FROM {rows}_rows" for rows in ("before", "after"))
    return f"({before} EXCEPT ALL {after}) UNION ALL ({after} EXCEPT ALL {before})"


def _members(identity: Sequence[str], unique: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys([*identity, *(column for key in unique for column in key)]))


def _is_replaced(identity: Sequence[str], unique: Iterable[Sequence[str]]) -> str:
    """Whether the row `former` has one of its unique keys in common with the new one."""
    return " OR ".join(
        "(" + " AND ".join(f"former.{quoted(of)} = NEW.{quoted(of)}" for of in key) + ")"
        for key in (identity, *unique)
    )


_LONGEST = 63  # bytes of a name in PostgreSQL, which cuts off the rest


def _at(dialect: str, name: str, schema: str | None) -> str:
    """A table or a function as SQL names it; SQLite can watch no table of another file."""
    if schema is None:
        return quoted(name)
    if dialect == "sqlite":
        raise ValueError(
            f"SQLite has no schema {schema!r} that triggers could name. Leave `schema` out; where "
            "it is an attached file, make the triggers on a connection that opened it by itself."
        )
    return f"{quoted(schema)}.{quoted(name)}"


def _name(*parts: str) -> str:
    """A name for these parts, which no others have."""
    name = ".".join(parts)
    if any("." in part for part in parts):
        name += f".{_digest(chr(0).join(parts))}"
    return _short(name)


def _short(name: str) -> str:
    """The name, or where it is too long its beginning and a digest of the whole."""
    raw = name.encode()
    if len(raw) <= _LONGEST:
        return name
    return f"{raw[:46].decode(errors='ignore')}_{_digest(name)}"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
