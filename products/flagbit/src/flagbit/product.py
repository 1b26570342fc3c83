"""FlagBit as a product of the server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.types import ASGIApp

from chassis.product import Context, Fact, Product
from chassis.rights import Principal, ProductRole
from flagbit.settings import CLIENT_VARIABLES, COMPARISON, SETTINGS

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


def _state(context: Context, principal: Principal) -> Iterable[Fact]:
    from flagbit.db import FlagDatabase

    return FlagDatabase(context.database, context.settings.of(COMPARISON)).facts(principal)


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
    state=_state,
    first_step="Open a flag, change it and save; or make the first one.",
    settings=SETTINGS,
    variables=CLIENT_VARIABLES,
)
