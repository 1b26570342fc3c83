"""Every store of ours keeps the contract: see `ifmatch.testing.store_contract`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness import postgres
from ifmatch.testing.store_contract import (
    AfterRestart,
    CollectionTags,
    ForeignWriters,
    OneWinner,
    Shelf,
    StoreContract,
    TwoProcesses,
)
from packages.ifmatch.tests.store.kinds import ON_DATABASES, ON_POSTGRESQL

if TYPE_CHECKING:
    from ifmatch.store.contract import AsyncStore, Store
    from ifmatch.store.django import DjangoStore
    from ifmatch.store.memory import MemoryStore
    from ifmatch.store.postgres import AsyncPostgresStore, PostgresStore
    from ifmatch.store.sqlalchemy import SQLAlchemyStore
    from ifmatch.store.sqlalchemy_async import AsyncSQLAlchemyStore
    from ifmatch.store.sqlite import SQLiteStore

    # Each has the methods of its protocol, to the type checker as well.
    AnyStore = MemoryStore[Any] | SQLiteStore | PostgresStore | SQLAlchemyStore | DjangoStore
    AnyAsyncStore = AsyncPostgresStore | AsyncSQLAlchemyStore

    def is_store(one: AnyStore) -> Store[Any, Any]:
        return one

    def is_async_store(one: AnyAsyncStore) -> AsyncStore[Any, Any]:
        return one


GONE = "What it holds is in one process, and goes with it."
EXEMPT: dict[type, str] = {
    AfterRestart: GONE,
    TwoProcesses: GONE,
    ForeignWriters: "Nobody reaches what it holds but through it.",
}


class TestInMemory(StoreContract, exempt=EXEMPT):
    """The reference."""

    @pytest.fixture
    def shelf(self, open_shelf: Any) -> Shelf:
        made: Shelf = open_shelf("memory")
        return made

    @pytest.fixture
    def excusing(self, open_shelf: Any) -> Shelf:
        made: Shelf = open_shelf("memory", already_applied=True)
        return made


class TestEachStore(StoreContract):
    """In SQLite and in PostgreSQL, by each driver."""

    @pytest.fixture
    def strong(self) -> bool:
        return False

    @pytest.fixture(params=ON_DATABASES)
    def shelf(self, request: pytest.FixtureRequest, open_shelf: Any) -> Shelf:
        made: Shelf = open_shelf(request.param)
        return made

    @pytest.fixture(params=ON_DATABASES)
    def excusing(self, request: pytest.FixtureRequest, open_shelf: Any) -> Shelf:
        made: Shelf = open_shelf(request.param, already_applied=True)
        return made


SAME = "Nothing in it depends on how tags are compared: it is tried with weak ones."
WITH_WEAK_ONES: dict[type, str] = dict.fromkeys(
    (OneWinner, CollectionTags, AfterRestart, TwoProcesses, ForeignWriters), SAME
)


class TestEachStoreWithStrongTags(TestEachStore, exempt=WITH_WEAK_ONES):
    """The same where tags are strong, and compared strongly."""

    @pytest.fixture
    def strong(self) -> bool:
        return True


if OLDER := postgres.older():  # where there is none, `dev.py test --all` says so in its summary
    ON_OLDER = [pytest.param(f"{kind} on older", id=f"{kind}-{OLDER}") for kind in ON_POSTGRESQL]

    @pytest.mark.full
    class TestOnTheSystemsPostgreSQL(StoreContract):
        """The same on the version that the system brings."""

        @pytest.fixture
        def strong(self) -> bool:
            return False

        @pytest.fixture(params=ON_OLDER)
        def shelf(self, request: pytest.FixtureRequest, open_shelf: Any) -> Shelf:
            made: Shelf = open_shelf(request.param)
            return made

        @pytest.fixture(params=ON_OLDER)
        def excusing(self, request: pytest.FixtureRequest, open_shelf: Any) -> Shelf:
            made: Shelf = open_shelf(request.param, already_applied=True)
            return made
