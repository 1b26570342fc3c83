"""A Django project with SQLite and PostgreSQL, which tests point at databases of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.conf import settings
from django.db import connections

APP = "packages.ifmatch.tests.store.django_site.notes"
ALIASES = {"sqlite": "default", "postgresql": "postgresql"}
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
        },
    },
    "deferred": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
    "postgresql": {"ENGINE": "django.db.backends.postgresql", "NAME": "none"},
    "other": {"ENGINE": "django.db.backends.dummy", "NAME": "none"},
}


def configure() -> None:
    """Once in a process; before it no model can be declared."""
    if not settings.configured:
        settings.configure(
            DATABASES=DATABASES, INSTALLED_APPS=[APP], USE_TZ=True, SECRET_KEY="of the tests"
        )
        django.setup()


@contextmanager
def pointed_at(kind: str, name: str, host: str = "") -> Iterator[str]:
    """The alias of a database, which is there for the time of the block."""
    alias = ALIASES[kind]
    user = "postgres" if kind == "postgresql" else ""
    connections[alias].close()
    for place in (connections.settings[alias], connections[alias].settings_dict):
        place |= {"NAME": name, "HOST": host, "USER": user}
    try:
        yield alias
    finally:
        connections[alias].close()


def create(alias: str, *, triggers: bool = True) -> None:
    """The tables of the app, empty, without the detour of its migrations."""
    from ifmatch.store.django import AddGuardTriggers
    from packages.ifmatch.tests.store.django_site.notes import models

    made = (models.Note, models.Folder, models.Paper, models.Line)
    drop_everything(alias)
    with connections[alias].schema_editor() as editor:
        for model in made:
            editor.create_model(model)
        if triggers:
            from django.db.migrations.state import ProjectState

            state = ProjectState.from_apps(models.Note._meta.apps)
            for name in ("note", "paper"):
                AddGuardTriggers(name).database_forwards("notes", editor, state, state)


def drop_everything(alias: str) -> None:
    """So that one PostgreSQL database serves all tests."""
    if connections[alias].vendor == "postgresql":
        with connections[alias].cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


class PerThread:
    """A store whose threads hang up in the end: one that ends leaves its connection open."""

    def __init__(self, store: Any, alias: str) -> None:
        self._store = store
        self._alias = alias
        self._opened: set[Any] = set()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def called(*arguments: Any, **named: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                self._opened.add(connections[self._alias])
            return method(*arguments, **named)

        return called

    def close(self) -> None:
        """Of all threads but the main one; nobody may be using the store any more."""
        while self._opened:
            opened = self._opened.pop()
            opened.inc_thread_sharing()
            opened.close()
            opened.dec_thread_sharing()
