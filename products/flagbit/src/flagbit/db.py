"""FlagBit's SQL: every read is of one snapshot, every change one transaction with its audit entry.

A change locks the project's row in `revision` first. So changes of one project run one after the
other, and what is checked across rows (no state may serve a variant that the flag lost) stays true
until the commit. The guards do not lean on that lock: they are judged in the statement that writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Select,
    Table,
    Text,
    func,
    insert,
    or_,
    select,
    type_coerce,
    update,
)

from chassis.database import Database
from chassis.product import Fact
from chassis.query import Page
from chassis.retention import DAY_SECONDS, Rule
from chassis.rights import Principal, Role
from flagbit import documents, tables
from flagbit.documents import Row
from flagbit.rules import new_state
from ifmatch import (
    UNCONDITIONAL,
    Comparison,
    ETag,
    Representation,
    bytes_tag,
    canonical,
    composed_tag,
)
from ifmatch.core.guard import Guard
from ifmatch.core.tags import state_digest
from ifmatch.store.sqlalchemy import GuardedTable, transact

T = TypeVar("T")
Key = tuple[str, ...]
Edit = Callable[[Connection, Row], Row]
Check = Callable[[Connection, Row], None]
Before = Callable[[Connection], None]

DEFAULT_PROJECT = "default"
EVERY_PROJECT = "*"
"""Where the audit keeps what is of no single project; no project has this key."""


def now() -> str:
    """This instant as FlagBit writes it: RFC 3339 in UTC, milliseconds."""
    return _written(datetime.now(UTC))


def _written(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _born() -> dict[str, str]:
    """The times of a new row: it was changed last when it was made."""
    at = now()
    return {"created": at, "updated": at}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource: its rows, its document, and how an audit entry names it."""

    name: str
    rows: GuardedTable
    document: documents.Document

    def names(self, key: Key) -> dict[str, str | None]:
        """The flag and the environment that an audit entry of this row speaks of."""
        flag, environment = None, None
        if self.name == "flag":
            flag = key[1]
        elif self.name == "environment":
            environment = key[1]
        elif self.name == "state":
            _, flag, environment = key
        return {"flag": flag, "environment": environment}


@dataclass(frozen=True, slots=True)
class FlagQuery:
    """Which flags, and whether with their state in one environment."""

    environment: str | None = None
    tag: str | None = None
    text: str | None = None
    archived: bool = False
    page: Page = field(default_factory=Page)

    def selects(self) -> list[Any]:
        """What tells this view of the list from others."""
        asked = [self.environment, self.tag, self.text, self.archived]
        return [*asked, self.page.limit, self.page.after]


class FlagDatabase:
    """Projects, environments, flags, states and the audit trail of one installation."""

    def __init__(self, database: Database, comparison: Comparison = Comparison.STATE) -> None:
        self.database = database
        self.comparison = comparison
        strong = comparison is Comparison.STRICT
        self.strong = strong

        def kind(name: str, table: Table, key: Sequence[str], document: documents.Document) -> Kind:
            columns = tuple(table.c[column] for column in key)
            rows = GuardedTable(
                table,
                columns,
                document,
                epoch=documents.EPOCH,
                strong=strong,
                stamps=lambda: {"updated": now()},
            )
            return Kind(name, rows, document)

        self.project = kind("project", tables.project, ["key"], documents.project)
        self.environment = kind(
            "environment", tables.environment, ["project", "key"], documents.environment
        )
        self.flag = kind("flag", tables.flag, ["project", "key"], documents.flag)
        self.state = kind(
            "state", tables.flag_state, ["project", "flag", "environment"], documents.state
        )

    # -- single resources --------------------------------------------------------------------

    def tag(self, kind: Kind, key: Key) -> ETag | None:
        """The current tag, from one indexed look-up; None where there is nothing."""
        with self.database.reading() as connection:
            return kind.rows.tag(connection, key)

    def read(self, kind: Kind, key: Key) -> Representation[Row] | None:
        """The row, its body and its tag; None where there is nothing."""
        with self.database.reading() as connection:
            return kind.rows.read(connection, key)

    def requires_conditions(self, project: str) -> bool:
        """Whether edits in this project must carry a condition (428)."""
        query = select(tables.project.c.require_conditions).where(tables.project.c.key == project)
        with self.database.reading() as connection:
            return connection.execute(query).scalar() is not False

    # -- lists -------------------------------------------------------------------------------

    def environments(self, project: str, page: Page) -> Representation[list[Row]]:
        """One page of the environments of a project, with the tag of that page."""
        with self.database.reading() as connection:
            return self.environments_on(connection, project, page)

    def environments_on(
        self, connection: Connection, project: str, page: Page
    ) -> Representation[list[Row]]:
        """The same in a transaction that is under way."""
        query = select(tables.environment).where(tables.environment.c.project == project)
        rows, more = _page(connection, query, tables.environment.c.key, page)
        return self._listing([documents.environment(row) for row in rows], more)

    def projects(self, page: Page, only: str | None) -> Representation[list[Row]]:
        """One page of the projects; `only` one of them where the key is bound to it."""
        with self.database.reading() as connection:
            query = select(tables.project)
            if only is not None:
                query = query.where(tables.project.c.key == only)
            rows, more = _page(connection, query, tables.project.c.key, page)
            items = [documents.project(row) for row in rows]
            return self._listing(items, more)

    def flags(self, project: str, query: FlagQuery) -> Representation[list[Row]]:
        """One page of the flags of a project, with the tag of that page."""
        with self.database.reading() as connection:
            return self._flags(connection, project, query)

    def _flags(
        self, connection: Connection, project: str, query: FlagQuery
    ) -> Representation[list[Row]]:
        chosen = self._chosen(connection, select(tables.flag), project, query)
        rows, more = _page(connection, chosen, tables.flag.c.key, query.page)
        states = self._states(connection, select(tables.flag_state), project, query, rows)
        items, tags = [], []
        for row in rows:
            item, key = documents.flag(row), row["key"]
            state = self.state.rows.of(states[key]) if key in states else None
            if state is not None:
                item["state"] = documents.state(state.value)
            items.append(item)
            tags.append([key, self.flag.rows.of(row).etag, state and state.etag])
        return self._listing(items, more, self._flag_parts(project, query, tags))

    def flags_tag(self, project: str, query: FlagQuery) -> ETag:
        """The tag of that page, without loading what its items hold."""
        with self.database.reading() as connection:
            return self.flags_tag_on(connection, project, query)

    def flags_tag_on(self, connection: Connection, project: str, query: FlagQuery) -> ETag:
        """The same in a transaction that is under way."""
        if self.strong:
            return self._flags(connection, project, query).etag
        flags, states = self.flag.rows, self.state.rows
        chosen = self._chosen(connection, select(*flags.tag_columns), project, query)
        rows, more = _page(connection, chosen, tables.flag.c.key, query.page)
        found = self._states(connection, select(*states.tag_columns), project, query, rows)
        tags = [
            [
                row["key"],
                flags.tag_of(connection, row),
                states.tag_of(connection, found[row["key"]]) if row["key"] in found else None,
            ]
            for row in rows
        ]
        return composed_tag(*self._flag_parts(project, query, tags), more)

    def _flag_parts(self, project: str, query: FlagQuery, tags: list[Any]) -> list[Any]:
        return ["flags", documents.EPOCH, project, query.selects(), tags]

    def _chosen(
        self, connection: Connection, columns: Select[Any], project: str, query: FlagQuery
    ) -> Select[Any]:
        flag = tables.flag.c
        chosen = columns.where(flag.project == project, flag.archived.is_(query.archived))
        finds = func.strpos if connection.dialect.name == "postgresql" else func.instr
        if query.tag is not None:
            listed = canonical(query.tag).decode()  # as it stands in the canonical list of tags
            chosen = chosen.where(finds(type_coerce(flag.tags, Text), listed) > 0)
        if query.text is not None:
            text = query.text.lower()
            chosen = chosen.where(
                or_(
                    finds(func.lower(flag.key), text) > 0,
                    finds(func.lower(flag.description), text) > 0,
                )
            )
        return chosen

    def _states(
        self,
        connection: Connection,
        columns: Select[Any],
        project: str,
        query: FlagQuery,
        flags: list[Row],
    ) -> dict[str, Row]:
        if query.environment is None or not flags:
            return {}
        state = tables.flag_state.c
        chosen = columns.where(
            state.project == project,
            state.environment == query.environment,
            state.flag.in_([row["key"] for row in flags]),
        )
        return {row.flag: row._asdict() for row in connection.execute(chosen)}

    def audit(
        self,
        who: Principal,
        project: str,
        flag: str | None,
        page: Page,
        environment: str | None = None,
    ) -> Representation[list[Row]]:
        """Changes, the newest first, with the tag of that page. Only an admin is shown keys.

        The tag is of the body, not of the ids: after plain SQL took the newest entry away, SQLite
        gives its id to the next one.
        """
        entry = tables.audit.c
        trails = [project, EVERY_PROJECT] if who.project is None else [project]
        query = select(tables.audit).where(entry.project.in_(trails)).order_by(entry.id.desc())
        if not who.may_manage(Role.ADMIN):
            query = query.where(entry.kind != "key")
        if flag is not None:
            query = query.where(entry.flag == flag)
        if environment is not None:
            query = query.where(entry.environment == environment)
        if page.after is not None:
            query = query.where(entry.id < int(page.after))
        with self.database.reading() as connection:
            rows = [row._asdict() for row in connection.execute(query.limit(page.limit + 1))]
        more = str(rows[page.limit - 1]["id"]) if len(rows) > page.limit else None
        return self._listing([documents.audit(row) for row in rows[: page.limit]], more)

    def _listing(
        self, items: list[dict[str, Any]], more: str | None, parts: list[Any] | None = None
    ) -> Representation[list[Row]]:
        """A page and its tag: a weak one may be composed of `parts`, which determine the body."""
        body = canonical({"items": items, "next": more})
        if self.strong:
            etag = bytes_tag(body)
        elif parts is None:
            etag = ETag(state_digest(body), weak=True)
        else:
            etag = composed_tag(*parts, more)
        return Representation(list(items), body, etag)

    # -- changes -----------------------------------------------------------------------------

    def write(
        self,
        who: Principal,
        kind: Kind,
        key: Key,
        edit: Edit,
        guard: Guard = UNCONDITIONAL,
        *,
        insert: Row | None = None,
        check: Check | None = None,
        first: Before | None = None,
    ) -> tuple[Representation[Row], bool]:
        """Change a row as `edit` says, or insert `insert` where none is.

        Returns what is there now, and whether it was created. `first` looks around before anything
        is done, `check` at the new row before the commit; both raise to undo it. Raises Conflict
        or Missing.
        """

        def change(connection: Connection) -> tuple[Representation[Row], bool]:
            if first is not None:
                first(connection)
            return self.write_on(
                connection, who, kind, key, edit, guard, insert=insert, check=check
            )

        return self.committed([key[0]], change)

    def write_on(
        self,
        connection: Connection,
        who: Principal,
        kind: Kind,
        key: Key,
        edit: Edit,
        guard: Guard = UNCONDITIONAL,
        *,
        insert: Row | None = None,
        check: Check | None = None,
    ) -> tuple[Representation[Row], bool]:
        """The same in a transaction that `committed` began."""
        fresh = None if insert is None else _born() | dict(insert)
        before: list[Row] = []

        def remember(row: Row) -> Row:
            before[:] = [row]
            return edit(connection, row)

        done = kind.rows.write(connection, key, remember, guard, insert=fresh)
        created = done.changed and done.value["version"] == 1
        if done.changed:
            self._complete(connection, kind, key, created=created)
            if check is not None:
                check(connection, done.value)
            self._record(connection, who, kind, key, None if created else before[0], done)
        return done, created

    def delete(
        self,
        who: Principal,
        kind: Kind,
        key: Key,
        guard: Guard = UNCONDITIONAL,
        check: Check | None = None,
    ) -> None:
        """Delete a row; `check` raises to keep it. Raises Conflict or Missing."""

        def change(connection: Connection) -> None:
            found = kind.rows.read(connection, key)
            if found is not None and check is not None and guard.judge(found.validators).proceeds:
                check(connection, found.value)
            gone = kind.rows.delete(connection, key, guard)
            self._record(connection, who, kind, key, gone.value, None)

        self.committed([key[0]], change)

    def record_key(
        self, who: Principal, before: dict[str, Any] | None, after: dict[str, Any], etag: ETag
    ) -> None:
        """Write down that a key was made, rotated or revoked; `after` is what may be shown of it.

        Keys live in a database of their own. So this is committed first, while that one's
        transaction is still open: of the two, an entry for a key that never came to be is better
        than a key without an entry.
        """
        project = after["project"] or EVERY_PROJECT
        entry = insert(tables.audit).values(
            project=project,
            at=now(),
            actor=who.owner,
            key_id=who.key_id,
            action=_done_to_key(before, after),
            kind="key",
            environment=after["environment"],
            before=before,
            after=after,
            etag=str(etag),
        )
        self.committed([project], lambda connection: connection.execute(entry))

    def states_of(self, connection: Connection, project: str, **only: str) -> Iterator[Row]:
        """The states of a flag or of an environment."""
        query = select(tables.flag_state).where(tables.flag_state.c.project == project)
        for column, value in only.items():
            query = query.where(tables.flag_state.c[column] == value)
        for row in connection.execute(query):
            yield row._asdict()

    def last_change(self, kind: Kind, key: Key) -> dict[str, Any] | None:
        """Who changed a resource last, when and how: for the one who lost a race."""
        entry = tables.audit.c
        query = select(entry.actor, entry.at, entry.action).where(
            entry.project == key[0], entry.kind == kind.name
        )
        for column, value in kind.names(key).items():
            query = query.where(entry[column] == value)
        with self.database.reading() as connection:
            row = connection.execute(query.order_by(entry.id.desc()).limit(1)).one_or_none()
        return None if row is None else {"by": row.actor, "at": row.at, "action": row.action}

    def committed(self, projects: Iterable[str], change: Callable[[Connection], T]) -> T:
        """What `change` returns, when it has committed; it changes nothing outside those projects.

        Plain SQL locks its rows first and the revision last, through a trigger. Where the two
        orders meet in a deadlock and ours is undone, it is run again.
        """
        revision = tables.revision.c
        chosen = select(revision.value).where(revision.project.in_(sorted(projects)))
        lock = chosen.order_by(revision.project).with_for_update()  # all lock in one order

        def locked(connection: Connection) -> T:
            connection.execute(lock)
            return change(connection)

        return transact(self.database.engine, locked)

    def _complete(self, connection: Connection, kind: Kind, key: Key, *, created: bool) -> None:
        """A new flag has a state in each environment, a new environment one for each flag."""
        if not created or kind.name not in ("flag", "environment"):
            return
        flags = select(tables.flag.c.key, tables.flag.c.default_variant)
        environments = select(tables.environment.c.key)
        flags = flags.where(tables.flag.c.project == key[0])
        environments = environments.where(tables.environment.c.project == key[0])
        if kind.name == "flag":
            flags = flags.where(tables.flag.c.key == key[1])
        else:
            environments = environments.where(tables.environment.c.key == key[1])
        names = list(connection.execute(environments).scalars())
        for flag in connection.execute(flags).all():
            values = new_state({"default_variant": flag.default_variant}) | _born()
            for name in names:
                self.state.rows.create(connection, (key[0], flag.key, name), values)

    def _record(
        self,
        connection: Connection,
        who: Principal,
        kind: Kind,
        key: Key,
        before: Row | None,
        after: Representation[Row] | None,
    ) -> None:
        action = "created" if before is None else "deleted" if after is None else "changed"
        connection.execute(
            insert(tables.audit).values(
                project=key[0],
                at=now(),
                actor=who.owner,
                key_id=who.key_id,
                action=action,
                kind=kind.name,
                before=None if before is None else kind.document(before),
                after=None if after is None else kind.document(after.value),
                etag=None if after is None else str(after.etag),
                **kind.names(key),
            )
        )

    # -- evaluation --------------------------------------------------------------------------

    def revision(self, project: str) -> int:
        """A number that rises with every change of what is evaluated in a project."""
        query = select(tables.revision.c.value).where(tables.revision.c.project == project)
        with self.database.reading() as connection:
            return int(connection.execute(query).scalar() or 0)

    def evaluated(self, project: str, environment: str) -> tuple[int, list[tuple[Row, Row]] | None]:
        """All flags that are not archived with their states, and the revision of that snapshot.

        None in place of the flags where there is no such environment.
        """
        with self.database.reading() as connection:
            exists = self.environment.rows.tag(connection, (project, environment)) is not None
            number = connection.execute(
                select(tables.revision.c.value).where(tables.revision.c.project == project)
            ).scalar()
            flag = tables.flag.c
            flags = connection.execute(
                select(tables.flag)
                .where(flag.project == project, flag.archived.is_(False))
                .order_by(flag.key)
            )
            rows: list[Row] = [row._asdict() for row in flags]
            states = {
                state["flag"]: state
                for state in self.states_of(connection, project, environment=environment)
            }
        pairs = [(row, states[row["key"]]) for row in rows if row["key"] in states]
        return int(number or 0), pairs if exists else None

    # -- first start -------------------------------------------------------------------------

    def ensure_project(self, project: str, environments: Mapping[str, str]) -> None:
        """See to it that a project is there; a new one gets these environments, key to name.

        Of two processes that start at once one makes it, and the other finds it made.
        """
        if self.tag(self.project, (project,)) is not None:
            return
        who = Principal("", "FlagBit", Role.ADMIN)
        born = _born()
        with self.database.writing() as connection:
            values = {"name": "Default", "require_conditions": True} | born
            made = self.project.rows.write(
                connection, (project,), lambda _: {}, UNCONDITIONAL, insert=values
            )
            if not made.changed:
                return
            connection.execute(insert(tables.revision).values(project=project, value=1))
            for key, name in environments.items():
                self.environment.rows.create(connection, (project, key), {"name": name} | born)
            self._record(connection, who, self.project, (project,), None, made)


def _page(
    connection: Connection, query: Select[Any], by: Any, page: Page
) -> tuple[list[Row], str | None]:
    """The rows of one page, and the key after which the next one starts."""
    if page.after is not None:
        query = query.where(by > page.after)
    found: Iterable[Any] = connection.execute(query.order_by(by).limit(page.limit + 1))
    rows = [row._asdict() for row in found]
    more = rows[page.limit - 1][by.name] if len(rows) > page.limit else None
    return rows[: page.limit], more


def _done_to_key(before: Row | None, after: Row) -> str:
    if before is None:
        return "created"
    return "rotated" if after["revoked"] is None else "revoked"


def old_entries(database: Database, instant: float, days: int) -> list[Rule]:
    """Which entries of the audit trail may go; none where `days` is 0.

    Entries are numbered in the order of their times, but for clocks that are set back: so the
    oldest go by their number, and the time decides.
    """
    if not days:
        return []
    entry = tables.audit.c
    before = _written(datetime.fromtimestamp(instant - days * DAY_SECONDS, UTC))
    return [Rule("audit entries", database, entry.id, entry.at < before)]


def keys_in_trail(database: Database, keys: Sequence[str]) -> set[str]:
    """Those of the keys that made a change which the audit trail still has."""
    entry = tables.audit.c
    query = select(entry.key_id).where(entry.key_id.in_(keys)).distinct()
    with database.reading() as connection:
        return set(connection.execute(query).scalars())


def outrun_revisions(connection: Connection) -> None:
    """Raise the revision of each project over all that were given out after a backup.

    A process that evaluated at revision 7 before the restore would else take another 7 for it.
    Milliseconds pass more often than projects change.
    """
    passed = time.time_ns() // 1_000_000
    connection.execute(update(tables.revision).values(value=tables.revision.c.value + passed))


def facts(database: Database, who: Principal) -> list[Fact]:
    """What the front page says of the project: how much there is, and the last change to it.

    Keys are no part of that: who may not list them does not learn when one is made.
    """
    project, entry = who.project or DEFAULT_PROJECT, tables.audit.c
    flag, environment = tables.flag.c, tables.environment.c
    flags = select(func.count()).where(flag.project == project, flag.archived.is_(False))
    places = select(func.count()).where(environment.project == project)
    last = select(entry.at, entry.actor).where(entry.project == project, entry.kind != "key")
    with database.reading() as connection:
        found = [
            Fact("Flags", connection.execute(flags).scalar_one()),
            Fact("Environments", connection.execute(places).scalar_one()),
        ]
        newest = connection.execute(last.order_by(entry.id.desc()).limit(1)).one_or_none()
    if newest is not None:
        found.append(Fact("Last change", datetime.fromisoformat(newest.at), newest.actor))
    return found
