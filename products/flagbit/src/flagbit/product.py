"""FlagBit as a product of the server."""

from __future__ import annotations

from sqlalchemy import Connection
from starlette.types import ASGIApp

from chassis.product import Context, Product


def _create(context: Context) -> ASGIApp:
    from flagbit.app import create

    return create(context)


def _demo(context: Context) -> None:
    from flagbit.demo import fill

    fill(context)


def _restored(connection: Connection) -> None:
    from flagbit.db import outrun_revisions

    outrun_revisions(connection)


PRODUCT = Product(
    name="flagbit",
    title="FlagBit",
    tagline="Feature flags that several people can edit without losing changes",
    create=_create,
    migrations="flagbit.migrations",
    demo=_demo,
    restored=_restored,
)
