"""FlagBit as a product of the server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import Any

from sqlalchemy import Connection
from starlette.types import ASGIApp

from chassis.product import GUIDE, Context, Fact, Product
from chassis.retention import Rule
from chassis.rights import Principal, ProductRole
from chassis.transfer import Transfer
from flagbit.problems import PROBLEMS
from flagbit.settings import AUDIT_DAYS, CLIENT_VARIABLES, COMPARISON, SETTINGS

SERVER = ProductRole("server", "evaluates every flag of one environment", bound="environment")
CLIENT = ProductRole(
    "client",
    "evaluates the flags of one environment that are marked for clients",
    bound="environment",
)
"""Both manage nothing."""


def _create(context: Context) -> ASGIApp:
    from flagbit.app import create

    return create(context)


def _demo(context: Context) -> None:
    from flagbit.demo import fill

    fill(context)


def _transfer(context: Context) -> Transfer:
    from flagbit.db import FlagDatabase
    from flagbit.transfer import FlagTransfer

    return FlagTransfer(FlagDatabase(context.database, context.settings.of(COMPARISON)))


def _restored(connection: Connection) -> None:
    from flagbit.db import outrun_revisions

    outrun_revisions(connection)


def _retention(context: Context, now: float) -> Sequence[Rule]:
    from flagbit.db import old_entries

    return old_entries(context.database, now, context.settings.of(AUDIT_DAYS))


def _names_keys(context: Context, keys: Sequence[str]) -> Set[str]:
    from flagbit.db import keys_in_trail

    return keys_in_trail(context.database, keys)


def _state(context: Context, principal: Principal) -> Iterable[Fact]:
    from flagbit.db import facts

    return facts(context.database, principal)


def _record_key(context: Context, *change: Any) -> None:
    from flagbit.db import FlagDatabase

    FlagDatabase(context.database, context.settings.of(COMPARISON)).record_key(*change)


PRODUCT = Product(
    name="flagbit",
    title="FlagBit",
    tagline="Feature flags that several people can edit without losing changes",
    create=_create,
    migrations="flagbit.migrations",
    demo=_demo,
    roles=(SERVER, CLIENT),
    record_key=_record_key,
    transfer=_transfer,
    restored=_restored,
    retention=_retention,
    names_keys=_names_keys,
    state=_state,
    first_step="Open a flag, change it and save; or make the first one.",
    guide=GUIDE,
    settings=SETTINGS,
    variables=CLIENT_VARIABLES,
    problems=PROBLEMS,
)
