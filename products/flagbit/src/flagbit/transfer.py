"""Export and import of flags: everything that people set, as one JSON document.

An import is one transaction. What the document has is created or changed, what it does not have
stays, nothing is deleted. It obeys the rules that the API obeys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, insert, select
from starlette.exceptions import HTTPException

from chassis.content import refuse_faults
from chassis.problems import Problem
from chassis.rights import Principal
from chassis.transfer import Change, ImportRefused, Report
from flagbit import documents, tables
from flagbit.api.flags import state_content
from flagbit.api.resources import malformed_key
from flagbit.db import FlagDatabase, Kind
from flagbit.documents import Row
from flagbit.models import Export, FlagDefinition, ProjectDefinition
from flagbit.rules import check_flag, check_state, normal_flag, normal_state
from ifmatch import ETag, Representation, bytes_tag, canonical
from ifmatch.core.tags import state_digest

FORMAT = "flagbit-export"
VERSION = 1

Look = Callable[[Connection], None]


class _Undone(Exception):
    """Undoes the transaction of a dry run."""


@dataclass(frozen=True)
class FlagTransfer:
    """What goes out of FlagBit and comes in again."""

    db: FlagDatabase

    # -- out -----------------------------------------------------------------------------------

    def export(self) -> dict[str, Any]:
        """Every project, of one snapshot."""
        with self.db.database.reading() as connection:
            keys = connection.execute(select(tables.project.c.key).order_by(tables.project.c.key))
            return self._document(connection, keys.scalars().all())

    def project(self, key: str) -> Representation[dict[str, Any]]:
        """One project and its tag, of one snapshot."""
        with self.db.database.reading() as connection:
            return self.project_on(connection, key)

    def project_on(self, connection: Connection, key: str) -> Representation[dict[str, Any]]:
        """The same in a transaction that is under way.

        The tag is of the body: those of its resources change with their times, which are not in it.
        """
        document = self._document(connection, [key])
        body = canonical(document)
        etag = bytes_tag(body) if self.db.strong else ETag(state_digest(body), weak=True)
        return Representation(document, body, etag)

    def _document(self, connection: Connection, keys: Iterable[str]) -> dict[str, Any]:
        projects = [self._project(connection, key) for key in keys]
        return {"format": FORMAT, "version": VERSION, "projects": projects}

    def _project(self, connection: Connection, key: str) -> dict[str, Any]:
        found = self.db.project.rows.read(connection, (key,))
        if found is None:
            raise Problem(404, "project-not-found", f"There is no project {key}. List them.")
        states: dict[str, dict[str, Any]] = {}
        for state in self.db.states_of(connection, key):
            states.setdefault(state["flag"], {})[state["environment"]] = state_content(state)
        environments = [
            {"key": row["key"], "name": row["name"]}
            for row in _rows(connection, tables.environment, key)
        ]
        flags = [
            _edited(documents.flag(row)) | {"states": states.get(row["key"], {})}
            for row in _rows(connection, tables.flag, key)
        ]
        own = _edited(documents.project(found.value))
        return own | {"environments": environments, "flags": flags}

    # -- in ------------------------------------------------------------------------------------

    def load(self, who: Principal, document: Any, *, dry_run: bool) -> Report:
        """See `chassis.transfer.Transfer`."""
        try:
            export = Export.model_validate(document)
            return self.bring(who, export, dry_run=dry_run)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = "/".join(map(str, first["loc"]))
            raise ImportRefused(
                f"Not accepted: /{place}: {first['msg']} Nothing was changed. Next: correct it."
            ) from error
        except HTTPException as problem:
            errors = getattr(problem, "extensions", {}).get("errors", [])
            more = "".join(f" {one['pointer']}: {one['detail']}" for one in errors[:5])
            raise ImportRefused(f"{problem.detail}{more}") from problem

    def bring(
        self, who: Principal, export: Export, *, dry_run: bool = False, first: Look | None = None
    ) -> Report:
        """Bring in what was read already; `first` looks around and raises to undo it.

        Raises Problem 404, 409 or 422.
        """
        _refuse_twice("project", [one.key for one in export.projects], "/projects")
        reports: list[_Import] = []

        def change(connection: Connection) -> None:
            reports.clear()
            if first is not None:
                first(connection)
            for number, project in enumerate(export.projects):
                made = _Import(self.db, connection, who, project, f"/projects/{number}")
                made.run()
                reports.append(made)
            if dry_run:
                raise _Undone

        with suppress(_Undone):
            self.db.committed([one.key for one in export.projects], change)
        changes = [change for made in reports for change in made.changes]
        return Report(changes, sum(made.unchanged for made in reports), dry_run)


@dataclass
class _Import:
    """One project that comes in, within a transaction."""

    db: FlagDatabase
    connection: Connection
    who: Principal
    new: ProjectDefinition
    at: str
    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0

    def run(self) -> None:
        """Environments come before flags, and flags before what they do in an environment."""
        settings = {"name": self.new.name, "require_conditions": self.new.require_conditions}
        self._set(self.db.project, (self.new.key,), settings)
        self._environments()
        _refuse_twice("flag", [one.key for one in self.new.flags], f"{self.at}/flags")
        for number, flag in enumerate(self.new.flags):
            self._flag(flag, f"{self.at}/flags/{number}")

    def _environments(self) -> None:
        place = f"{self.at}/environments"
        _refuse_twice("environment", [one.key for one in self.new.environments], place)
        for one in self.new.environments:
            self._set(self.db.environment, (self.new.key, one.key), {"name": one.name})

    def _flag(self, new: FlagDefinition, at: str) -> None:
        flag = {
            name: value
            for name, value in new.model_dump().items()
            if name not in ("created", "updated", "revision", "states")
        }
        refuse_faults(check_flag(flag), at)
        values = normal_flag(flag)
        del values["key"]
        key = (self.new.key, new.key)
        before = self.db.flag.rows.read(self.connection, key)
        if before is not None and before.value["type"] != values["type"]:
            raise Problem(
                409,
                "type-is-fixed",
                f"The flag {new.key} is of type {before.value['type']}, and stays so for good. "
                f"Nothing was changed. Give the flag at {at} another key.",
            )
        self._set(self.db.flag, key, values)
        there = {
            row["environment"]: row
            for row in self.db.states_of(self.connection, self.new.key, flag=new.key)
        }
        for environment, state in new.states.items():
            self._state(flag, environment, state.model_dump(), there, f"{at}/states/{environment}")
        for environment in sorted(set(there) - set(new.states)):
            faults = check_state(flag, state_content(there[environment]))
            if faults:
                raise Problem(
                    409,
                    "variant-in-use",
                    f"A variant of {new.key} that would go is served in the environment "
                    f"{environment}. Nothing was changed. Add its state there to the import.",
                    environment=environment,
                )

    def _state(
        self,
        flag: Mapping[str, Any],
        environment: str,
        state: dict[str, Any],
        there: Mapping[str, Row],
        at: str,
    ) -> None:
        if environment not in there:
            detail = f"There is no environment {environment}. Add it to the import."
            raise Problem(
                422,
                "validation-failed",
                f"Not accepted: {at}. {detail} Nothing was changed.",
                errors=[{"pointer": at, "detail": detail}],
            )
        for name, key in (("flag", flag["key"]), ("environment", environment)):
            if state[name] not in (None, key):
                detail = f"Send {key!r} or leave it out."
                raise Problem(
                    422,
                    "key-mismatch",
                    f"The state at {at} names another {name}. Nothing was changed. {detail}",
                    errors=[{"pointer": f"{at}/{name}", "detail": detail}],
                )
        content = state_content(state)
        refuse_faults(check_state(flag, content), at)
        key = (self.new.key, flag["key"], environment)
        self._set(self.db.state, key, normal_state(content))

    def _set(self, kind: Kind, key: tuple[str, ...], values: Mapping[str, Any]) -> None:
        """Create or change a row, where it is not so already."""
        if key[-1] in (".", ".."):
            raise malformed_key("key", key[-1])
        before = kind.rows.read(self.connection, key)
        # In their canonical form: 1 and 1.0, 0 and false are equal to Python.
        if before is not None and canonical({name: before.value[name] for name in values}) == (
            canonical(values)
        ):
            self.unchanged += 1
            return
        self.db.write_on(
            self.connection, self.who, kind, key, lambda *_: values, insert=dict(values)
        )
        if before is None and kind is self.db.project:
            values = {"project": self.new.key, "value": 1}
            self.connection.execute(insert(tables.revision).values(values))
        action = "created" if before is None else "changed"
        self.changes.append(Change(action, kind.name, "/".join(key)))


def _rows(connection: Connection, table: Any, project: str) -> list[Row]:
    query = select(table).where(table.c.project == project).order_by(table.c.key)
    return [row._asdict() for row in connection.execute(query)]


def _edited(document: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the server sets."""
    own = ("created", "updated", "revision")
    return {name: value for name, value in document.items() if name not in own}


def _refuse_twice(kind: str, keys: Sequence[str], at: str) -> None:
    seen: set[str] = set()
    for number, key in enumerate(keys):
        if key in seen:
            detail = f"The {kind} {key} is there twice. Leave one of them out."
            raise Problem(
                422,
                "validation-failed",
                f"Not accepted: {at}/{number}. {detail} Nothing was changed.",
                errors=[{"pointer": f"{at}/{number}/key", "detail": detail}],
            )
        seen.add(key)
