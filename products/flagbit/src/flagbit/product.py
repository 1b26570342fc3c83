"""FlagBit as a product of the server."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection
from starlette.types import ASGIApp

from chassis.product import Context, Fact, Product
from chassis.rights import Principal
from chassis.transfer import Transfer
from flagbit.problems import PROBLEMS
from flagbit.settings import CLIENT_VARIABLES, COMPARISON, SETTINGS


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
    state=_state,
    first_step="Open a flag, change it and save; or make the first one.",
    settings=SETTINGS,
    variables=CLIENT_VARIABLES,
    problems=PROBLEMS,
)
