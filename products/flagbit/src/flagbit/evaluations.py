"""The flags of an environment, compiled once and kept until something in its project changes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from flagbit import documents
from flagbit.api.flags import state_content
from flagbit.db import FlagDatabase
from flagbit.rules import Evaluator, compile_flag


@dataclass(frozen=True, slots=True)
class CompiledFlag:
    """A flag that can be asked, and who may ask."""

    key: str
    evaluator: Evaluator
    client_visible: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All the flags of an environment as they were at one revision of their project.

    `flags` is None where there is no such environment.
    """

    revision: int
    flags: Mapping[str, CompiledFlag] | None


class Evaluations:
    """Snapshots by project and environment; safe for any number of threads.

    The revision is read at each use, one indexed look-up, so what is evaluated is what the
    database holds, in every process.
    """

    def __init__(self, db: FlagDatabase) -> None:
        self._db = db
        self._kept: dict[tuple[str, str], Snapshot] = {}
        self._compiling = threading.Lock()

    def current(self, project: str, environment: str) -> Snapshot:
        """The snapshot of now."""
        revision = self._db.revision(project)
        kept = self._kept.get((project, environment))
        if kept is not None and kept.revision == revision:
            return kept
        with self._compiling:
            kept = self._kept.get((project, environment))
            if kept is None or kept.revision < revision:
                kept = self._kept[project, environment] = self._compile(project, environment)
            return kept

    def _compile(self, project: str, environment: str) -> Snapshot:
        revision, pairs = self._db.evaluated(project, environment)
        if pairs is None:
            return Snapshot(revision, None)
        flags = {}
        for flag, state in pairs:
            evaluator = compile_flag(documents.flag(flag), state_content(state))
            flags[flag["key"]] = CompiledFlag(flag["key"], evaluator, flag["client_visible"])
        return Snapshot(revision, flags)
