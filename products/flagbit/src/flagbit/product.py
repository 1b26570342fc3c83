"""FlagBit as a product of the server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from sqlalchemy import Connection
from starlette.types import ASGIApp

from chassis.product import GUIDE, Context, Fact, Product
from chassis.retention import Rule
from chassis.rights import Principal
from chassis.transfer import Transfer
from flagbit.problems import PROBLEMS
from flagbit.settings import AUDIT_DAYS, CLIENT_VARIABLES, COMPARISON, SETTINGS


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


PRODUCT = Product(
    name="flagbit",
    title="FlagBit",
    tagline="Feature flags that several people can edit without losing changes",
    create=_create,
    migrations="flagbit.migrations",
    demo=_demo,
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
