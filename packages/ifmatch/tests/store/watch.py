"""The statements that a store runs: a log of them, and somebody who acts before one of them.

Each kind of store has its own place to look: SQLAlchemy's event, sqlite3's trace, psycopg's cursor,
Django's wrapper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine, event

BEGINNINGS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


class Watch:
    """Is called with each statement before it is run."""

    def __init__(self) -> None:
        self._seen: list[str] | None = None
        self._number = 0
        self._act: Callable[[], Any] = lambda: None

    def __call__(self, statement: str | bytes) -> None:
        if self._seen is None:
            return
        text = statement.decode() if isinstance(statement, bytes) else statement
        self._seen.append(text)
        if len(self._seen) == self._number:
            self._act()

    @contextmanager
    def before(self, number: int, act: Callable[[], Any]) -> Iterator[list[str]]:
        """Act once, before the statement of that number; yields the statements that were run."""
        seen: list[str] = []
        self._seen, self._number, self._act = seen, number, act
        try:
            yield seen
        finally:
            self._seen = None

    @contextmanager
    def log(self) -> Iterator[list[str]]:
        """The statements that were run, but for those of transactions, when the block is left."""
        found: list[str] = []
        with self.before(0, lambda: None) as seen:
            yield found
        found += [one for one in seen if not one.startswith(BEGINNINGS)]

    # -- where to look -----------------------------------------------------------------------------

    def look_at(self, engine: Engine) -> None:
        """At what SQLAlchemy runs; of an asynchronous engine, give its `sync_engine`."""

        def look(_on: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            self(statement)

        event.listen(engine, "before_cursor_execute", look)

    def cursor(self, kind: type[Any] = psycopg.Cursor) -> type[Any]:
        """A cursor of psycopg's that looks."""
        watch = self

        class Watched(kind):  # type: ignore[misc]
            def execute(self, query: bytes | str, *rest: Any, **named: Any) -> Any:
                watch(query)
                return super().execute(query, *rest, **named)

        return Watched

    def wrapper(self, run: Callable[..., Any], statement: str, *rest: Any) -> Any:
        """What Django's `execute_wrapper` takes."""
        self(statement)
        return run(statement, *rest)
