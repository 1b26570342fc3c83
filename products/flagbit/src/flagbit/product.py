"""FlagBit as a product of the server."""

from __future__ import annotations

from starlette.types import ASGIApp

from chassis.product import Context, Product
from chassis.rights import ProductRole

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


PRODUCT = Product(
    name="flagbit",
    title="FlagBit",
    tagline="Feature flags that several people can edit without losing changes",
    create=_create,
    migrations="flagbit.migrations",
    demo=_demo,
    roles=(SERVER, CLIENT),
)
