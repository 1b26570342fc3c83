"""Guarded rows of a Django model, in SQLite and PostgreSQL.

How a guarded write runs is told in `steps`; here each step is a queryset's. A model gets the guard
columns from `GuardedModel`, and its table the triggers from a migration with `AddGuardTriggers`.
On SQLite a transaction has to begin IMMEDIATE, so that a writer waits at the start and not, in
vain, at the end: `"OPTIONS": {"transaction_mode": "IMMEDIATE"}`, which Django has since 5.1.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import connections, models, transaction
from django.db.migrations.operations.base import Operation
from django.db.utils import DatabaseError, IntegrityError

from ifmatch.core.canonical import canonical
from ifmatch.core.decide import Validators
from ifmatch.core.errors import ImpossibleDeclaration
from ifmatch.core.etag import ETag
from ifmatch.core.guard import UNCONDITIONAL, Guard
from ifmatch.core.representation import Representation
from ifmatch.store.collections import Counters, Look, statement
from ifmatch.store.contract import EVERYTHING, ScopeValues
from ifmatch.store.guards import refuse_columns
from ifmatch.store.steps import (
    GUARD_COLUMNS,
    Change,
    Delete,
    Find,
    FindTag,
    GuardedRows,
    Insert,
    KeepTag,
    Key,
    Plan,
    Row,
    Step,
    Update,
    drive,
)
from ifmatch.store.triggers import create_triggers, drop_triggers

# Django has no types of its own, so that what is built on it is Any to the type checker.

DATABASES = ("sqlite", "postgresql")


# -- the columns ----------------------------------------------------------------------------------


class RandomIncarnation(models.Func):  # type: ignore[misc]
    """A number that no row had before: the database draws it, whoever inserts."""

    allowed_default = True
    arity = 0
    output_field = models.BigIntegerField()

    def as_sqlite(self, *_: Any, **__: Any) -> tuple[str, list[Any]]:
        return "(abs(random() / 2))", []

    def as_postgresql(self, *_: Any, **__: Any) -> tuple[str, list[Any]]:
        return "((random() * 4611686018427387904)::bigint)", []


class VersionField(models.IntegerField):  # type: ignore[misc]
    """Counts the changes of a row. `save()` raises what the database holds, not what was loaded."""

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        return super().pre_save(model_instance, add) if add else models.F(self.name) + 1


class _Kept:
    """`save()` leaves what the database holds: what was loaded may be of an older row."""

    name: str

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        return super().pre_save(model_instance, add) if add else models.F(self.name)  # type: ignore[misc]


class IncarnationField(_Kept, models.BigIntegerField):  # type: ignore[misc]
    """Tells a row from one that had its key before."""


class TagField(_Kept, models.CharField):  # type: ignore[misc]
    """A tag, or what it was made of."""


class GuardedModel(models.Model):  # type: ignore[misc]
    """The columns of `ifmatch.store.triggers.guard_columns` for a model.

    None of them is edited in forms or written to fixtures. All have defaults, so that a migration
    adds them to a table that has rows already.
    """

    version = VersionField(default=1, db_default=1, editable=False, serialize=False)
    incarnation = IncarnationField(db_default=RandomIncarnation(), editable=False, serialize=False)
    tag = TagField(max_length=64, null=True, editable=False, serialize=False)
    tag_stamp = TagField(max_length=200, null=True, editable=False, serialize=False)

    class Meta:
        """No table of its own."""

        abstract = True


class CanonicalJSONField(models.TextField):  # type: ignore[misc]
    """A JSON value kept as its canonical text, so that both databases give back the same value.

    A JSONField on PostgreSQL makes 0.0 of -0.0, and a whole number of 1e300.
    """

    def from_db_value(self, value: str | None, *_: Any) -> Any:
        return None if value is None else json.loads(value)

    def to_python(self, value: Any) -> Any:
        return value

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else canonical(value).decode()


# -- the triggers ---------------------------------------------------------------------------------


class AddGuardTriggers(Operation):  # type: ignore[misc]
    """A migration's operation that makes the triggers of `ifmatch.store.triggers` for a model.

    They see plain SQL and `queryset.update()`. `fields` are those whose change is one; without
    them all but the guard's own. Where a later migration adds, alters or removes a field, put
    `DropGuardTriggers` before that and `AddGuardTriggers` after it: SQLite makes most such tables
    anew, without their triggers, and the triggers list the columns that they watch.
    """

    reduces_to_sql = True
    reversible = True

    def __init__(self, model_name: str, fields: Iterable[str] | None = None) -> None:
        self.model_name = model_name
        self.fields = None if fields is None else list(fields)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        more = {} if self.fields is None else {"fields": self.fields}
        return type(self).__name__, [self.model_name], more

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Django's picture of the models has no triggers."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        self._make(app_label, schema_editor, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        self._drop(app_label, schema_editor, from_state)

    def describe(self) -> str:
        return f"Make the guard triggers of {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"{self.model_name.lower()}_guard_triggers"

    def _make(self, app_label: str, schema_editor: Any, state: Any) -> None:
        model = state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            columns = self._columns(model)
            table, database = model._meta.db_table, _database(schema_editor.connection)
            for statement in create_triggers(database, table, columns):
                schema_editor.execute(statement, params=None)

    def _drop(self, app_label: str, schema_editor: Any, state: Any) -> None:
        model = state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            table, database = model._meta.db_table, _database(schema_editor.connection)
            for statement in drop_triggers(database, table):
                schema_editor.execute(statement, params=None)

    def _columns(self, model: Any) -> list[str]:
        if self.fields is not None:
            return [model._meta.get_field(name).column for name in self.fields]
        fields = model._meta.local_concrete_fields
        return [one.column for one in fields if one.name not in GUARD_COLUMNS and not one.generated]


class DropGuardTriggers(AddGuardTriggers):
    """The reverse of `AddGuardTriggers`."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        self._drop(app_label, schema_editor, from_state)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        self._make(app_label, schema_editor, to_state)

    def describe(self) -> str:
        return f"Drop the guard triggers of {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"{self.model_name.lower()}_no_guard_triggers"


def _database(connection: Any) -> str:
    vendor: str = connection.vendor
    if vendor not in DATABASES:
        raise ImpossibleDeclaration(
            f"The database {connection.alias!r} is {vendor}, for which there are no guard "
            "triggers. Next: keep guarded models in SQLite or PostgreSQL."
        )
    return vendor


_FIND_TRIGGER = {
    "sqlite": "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s AND name = %s",
    "postgresql": "SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND tgname = %s",
}


# -- the store ------------------------------------------------------------------------------------


class DjangoStore:
    """The rows of a `GuardedModel` as a store of the contract: each call is one transaction.

    It commits before a method returns, and so cannot stand in a transaction of the caller's:
    Django raises RuntimeError there. A view under ATOMIC_REQUESTS needs `non_atomic_requests`.

    `rows` says what the key is and what is served; the names in its key and in its rows are the
    fields', for a foreign key with `_id`. Keys are sequences, one member for each field of the
    key; values are dicts of the content fields: all but the key's, the guard's, the primary key
    and what the database generates. What they hold is made what the field holds (`to_python`).

    No signals are sent and no `auto_now` is set by an update: use `stamps` of `rows` for times.

    `scopes` are the fields of each scope that has a `collection_counter`.

    `fields` names the content fields that the resource is made of, where that is not all: then
    `represent` sees no others, such as counters. Give `AddGuardTriggers` the same and the key's.

    With `triggers` the first call looks whether the table has its guard triggers, and raises
    ImpossibleDeclaration if not; without, who writes past the store and `save()` goes unseen.
    """

    def __init__(
        self,
        model: Any,
        rows: GuardedRows,
        *,
        using: str = "default",
        triggers: bool = True,
        scopes: Iterable[Sequence[str]] = (),
        fields: Iterable[str] | None = None,
    ) -> None:
        self._model = model
        self._rows = rows
        self._using = using
        self._unchecked = triggers
        _declared(model, rows, connections[using])
        self._key_fields = _fields(model, rows.key)
        seen = _of_names(model, None if fields is None else {*fields, *rows.key, *GUARD_COLUMNS})
        self._names = [one.attname for one in seen]
        refuse_columns(
            [name for name in self._names if name not in GUARD_COLUMNS],
            rows.moments.columns if rows.moments else (),
        )
        every = model._meta.concrete_fields
        self._columns = {name: one.column for one in every for name in (one.name, one.attname)}
        counted = [[one.column for one in _fields(model, scope)] for scope in scopes]
        self._counters = Counters(connections[using].vendor, model._meta.db_table, counted)
        self._content = {
            one.attname: one
            for one in seen
            if one.attname not in {*rows.key, *GUARD_COLUMNS}
            and not one.primary_key
            and not one.generated
        }

    # -- the contract ----------------------------------------------------------------------

    def tag(self, key: Key) -> ETag | None:
        found = self.validators(key)
        return None if found is None else found.etag

    def validators(self, key: Key) -> Validators | None:
        """The current tag as `tag` gives it, and until when it holds if nobody writes."""
        self._look_for_triggers()
        if self._rows.moments is None:
            found = self._find_fresh_tag(key)
            if found is None:
                return None
            if found[0] is not None:
                return self._rows.of_fresh(found[0])
            return drive(self._rows.validators_made(key), self._do)
        return drive(self._rows.validators(key), self._do)

    def read(self, key: Key) -> Representation[Row] | None:
        self._look_for_triggers()
        found = drive(self._rows.read(key), self._do)
        return None if found is None else self._value(found)

    def replace(self, key: Key, value: Row, guard: Guard = UNCONDITIONAL) -> Representation[Row]:
        held = self._held(value)
        return self._write(lambda: self._rows.replace(key, held, guard))

    def patch(self, key: Key, change: Change, guard: Guard = UNCONDITIONAL) -> Representation[Row]:
        def of_row(row: Row) -> Row:
            return self._held(change(self._content_of(row)))

        return self._write(lambda: self._rows.patch(key, of_row, guard))

    def delete(self, key: Key, guard: Guard = UNCONDITIONAL) -> None:
        self._write(lambda: self._rows.delete(key, guard))

    def create(self, key: Key, value: Row) -> Representation[Row]:
        held = self._held(value)
        return self._write(lambda: self._rows.create(key, held))

    def collection_tag(self, scope: ScopeValues = EVERYTHING, *, query: Any = None) -> ETag:
        """As the contract has it; in a transaction of the caller's it is as that one sees it."""
        at = {self._columns.get(name, name): value for name, value in scope.items()}
        return drive(self._counters.tag(at, query=query, epoch=self._rows.epoch), self._look)

    def _look(self, step: Look) -> Sequence[Any]:
        with connections[self._using].cursor() as cursor:
            cursor.execute(*statement(step, "%s"))
            found: Sequence[Any] = cursor.fetchone()
        return found

    # -- transactions ----------------------------------------------------------------------

    def _write(self, plan: Callable[[], Plan[Representation[Row]]]) -> Representation[Row]:
        """Run it in a transaction, and again where the database undid that for another one."""
        self._look_for_triggers()
        for pause in PAUSES:
            try:
                return self._value(self._transact(plan()))
            except DatabaseError as error:
                if not _is_undone(error):
                    raise
            time.sleep(random.uniform(0, pause))  # noqa: S311 (no secret: it keeps two apart)
        return self._value(self._transact(plan()))

    def _transact(self, plan: Plan[Representation[Row]]) -> Representation[Row]:
        with _turn(connections[self._using]), transaction.atomic(self._using, durable=True):
            return drive(plan, self._do)

    def _look_for_triggers(self) -> None:
        if not self._unchecked:
            return
        connection, table = connections[self._using], self._model._meta.db_table
        name = connection.ops.quote_name(table) if connection.vendor == "postgresql" else table
        with connection.cursor() as cursor:
            cursor.execute(_FIND_TRIGGER[connection.vendor], [name, f"{table}_version"])
            if cursor.fetchone() is None:
                raise ImpossibleDeclaration(
                    f"The table {table} has no guard triggers, so other writers would go unseen. "
                    f'Next: put AddGuardTriggers("{self._model._meta.model_name}") into a '
                    "migration, and again after each one that changes the table, "
                    "or say triggers=False."
                )
        self._unchecked = False

    def _find_fresh_tag(self, key: Key) -> Sequence[str | None] | None:
        """A row of one column, by a statement made once: a queryset costs more than its query."""
        connection = connections[self._using]
        parameters = [
            one.get_db_prep_value(part, connection)
            for one, part in zip(self._key_fields, key, strict=True)
        ]
        with connection.cursor() as cursor:
            cursor.execute(self._select_fresh_tag, parameters)
            found: Sequence[str | None] | None = cursor.fetchone()
        return found

    @cached_property
    def _select_fresh_tag(self) -> str:
        quote = connections[self._using].ops.quote_name
        at = " AND ".join(f"{quote(one.column)} = %s" for one in self._key_fields)
        tag = self._rows.fresh_tag(quote).replace("%", "%%")
        return f"SELECT {tag} FROM {quote(self._model._meta.db_table)} WHERE {at}"

    # -- the steps -------------------------------------------------------------------------

    def _do(self, step: Step) -> Any:
        match step:
            case Find():
                found = self._at(step.key).values(*self._names)
                # SQLite has no lock on a row, and needs none: one writer has the whole file.
                return _one(found.select_for_update() if step.lock else found)
            case FindTag():
                return _one(self._at(step.key).values(*self._rows.tag_columns))
            case Insert():
                return self._insert(step.values)
            case Update():
                # Found again, because a queryset's update does not send what the columns hold.
                done = self._still(step.row).update(**step.values)
                return self._do(Find(self._key_of(step.row))) if done else None
            case KeepTag():
                return bool(self._still(step.row).update(**step.values))
            case Delete():
                # Not delete(), which collects by primary key what the guard has found: the guard
                # has to be in the statement that deletes. See _delete.
                return self._delete(step.row)

    def _insert(self, values: Row) -> Row | None:
        key = self._key_of(values)
        try:
            with transaction.atomic(self._using):
                self._objects.bulk_create([self._model(**values)])
        except IntegrityError as error:
            taken: Row | None = self._do(Find(key))
            if taken is None and not self._is_of_key(error):
                raise  # another constraint: no second try will pass it
            return None
        made: Row | None = self._do(Find(key))
        return made

    def _is_of_key(self, error: IntegrityError) -> bool:
        """Whether it is the key that was taken, by a row that is gone again (PostgreSQL)."""
        name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
        connection, table = connections[self._using], self._model._meta.db_table
        if name is None or connection.vendor != "postgresql":
            return False
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, table).get(name, {})
        columns = {one.column for one in _fields(self._model, self._rows.key)}
        return bool(found.get("unique")) and set(found["columns"]) == columns

    def _delete(self, row: Row) -> bool:
        # The row is locked as the one that was found, before Django's cascades run: on SQLite the
        # transaction has the file, on PostgreSQL the lock has the row, so it is still that one
        # when DELETE comes.
        still = self._still(row)
        if _one(still.select_for_update().values("version")) is None:
            return False
        still.delete()
        return True

    # -- pieces ----------------------------------------------------------------------------

    @property
    def _objects(self) -> Any:
        # Not the default manager, which may hide rows: a hidden row still has its key.
        return self._model._base_manager.using(self._using)

    def _at(self, key: Key) -> Any:
        return self._objects.filter(**dict(zip(self._rows.key, key, strict=True)))

    def _still(self, row: Row) -> Any:
        """The row as it was found: same key, same version, same incarnation."""
        same = {"version": row["version"], "incarnation": row["incarnation"]}
        return self._at(self._key_of(row)).filter(**same)

    def _key_of(self, row: Row) -> Key:
        return [row[name] for name in self._rows.key]

    def _held(self, value: Row) -> Row:
        unknown = value.keys() - self._content.keys()
        if unknown:
            raise FieldDoesNotExist(
                f"{self._model.__name__} has no content field {sorted(unknown)[0]!r}. "
                f"Next: give any of {', '.join(self._content)}."
            )
        return {name: self._content[name].to_python(one) for name, one in value.items()}

    def _content_of(self, row: Row) -> dict[str, Any]:
        return {name: row[name] for name in self._content}

    def _value(self, made: Representation[Row]) -> Representation[Row]:
        return made.with_value(self._content_of(made.value))


def _one(found: Any) -> Row | None:
    row: Row | None = next(iter(found.order_by()), None)
    return row


# -- what cannot work is refused when it is declared ----------------------------------------------


def _declared(model: Any, rows: GuardedRows, connection: Any) -> None:
    name = model.__name__
    if not issubclass(model, GuardedModel):
        raise ImpossibleDeclaration(
            f"{name} has no guard columns. Next: derive it from ifmatch.store.django.GuardedModel."
        )
    if model._meta.parents:
        raise ImpossibleDeclaration(
            f"The rows of {name} lie in several tables, and the guard is in one of them. "
            "Next: make its parent abstract."
        )
    if not _is_unique(model, rows.key):
        raise ImpossibleDeclaration(
            f"Nothing keeps two rows of {name} from having one key ({', '.join(rows.key)}). "
            "Next: make it the primary key, or give the model a UniqueConstraint over it."
        )
    _database(connection)
    mode = str(connection.settings_dict.get("OPTIONS", {}).get("transaction_mode"))
    if connection.vendor == "sqlite" and mode.upper() not in ("IMMEDIATE", "EXCLUSIVE"):
        raise ImpossibleDeclaration(
            f"Writers of the SQLite database {connection.alias!r} would fail, not wait. Next: set "
            f'DATABASES["{connection.alias}"]["OPTIONS"]["transaction_mode"] = "IMMEDIATE".'
        )


def _fields(model: Any, names: Sequence[str]) -> list[Any]:
    try:
        return [model._meta.get_field(name) for name in names]
    except FieldDoesNotExist as error:
        raise ImpossibleDeclaration(
            f"{error}. Next: name fields of the model in the key."
        ) from error


def _of_names(model: Any, names: set[str] | None) -> list[Any]:
    """The concrete fields of those names, for a foreign key with `_id`; without names all."""
    every = model._meta.concrete_fields
    if names is None:
        return list(every)
    if unknown := names - {one.attname for one in every}:
        raise ImpossibleDeclaration(
            f"{model.__name__} has no field {min(unknown)!r}. Next: name concrete fields of the "
            "model, a foreign key with _id."
        )
    return [one for one in every if one.attname in names]


def _is_unique(model: Any, key: Sequence[str]) -> bool:
    """Whether the database keeps the key unique: a null in it is not equal to another one."""
    meta, fields = model._meta, _fields(model, key)
    if any(one.null for one in fields):
        return False
    wanted = {one.name for one in fields}
    if len(fields) == 1 and fields[0].unique:
        return True
    sets = [set(one) for one in meta.unique_together]
    sets += [set(one.fields) for one in meta.total_unique_constraints]
    sets += [{one.name for one in getattr(meta, "pk_fields", [meta.pk])}]
    return wanted in sets


# -- the two databases ----------------------------------------------------------------------------

UNDONE = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected

PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Seconds, at most, between the tries of a transaction that was undone."""

_turns: dict[str, threading.RLock] = {}


def _is_undone(error: DatabaseError) -> bool:
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return state in UNDONE


def _turn(connection: Any) -> AbstractContextManager[Any]:
    """SQLite has one writer. Threads of this process queue for it instead of polling the file."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return nullcontext()
    return _turns.setdefault(str(connection.settings_dict["NAME"]), threading.RLock())
