"""The table over HTTP, in a process of its own: `python -m benchmarks.served DIALECT ADDRESS`.

GET /ROW and PUT /ROW under If-Match, on a free port of the loopback, which is printed. A third
argument takes something out, so that a checker has what to find:

    guard        judges when the request comes in, and not again in the step that writes
    durability   answers before the COMMIT, which follows a little later
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.tables import COLUMNS, DRIVERS, ROWS, Place, Rows, opened
from ifmatch.core.conditions import Comparison
from ifmatch.core.guard import UNCONDITIONAL
from ifmatch.server.starlette import PUBLIC, Conditional, TaggedResponse, condition, conditional
from ifmatch.store.postgres import PostgresStore

LATE_SECONDS = 0.2


def application(store: Rows, writer: Rows, *, guarded: bool = True) -> Starlette:
    """Reads by one store and writes by the other; usually they are the same."""

    async def item(request: Request) -> Response:
        key = (request.path_params["row"],)
        if request.method == "PUT":
            guard = condition(request) if guarded else UNCONDITIONAL
            value = await request.json()
            return TaggedResponse(await run_in_threadpool(writer.replace, key, value, guard))
        found = await run_in_threadpool(store.read, key)
        return Response(status_code=404) if found is None else TaggedResponse(found)

    declared = Conditional(
        authorize=PUBLIC,
        tag=lambda request: store.tag((request.path_params["row"],)),
        comparison=Comparison.STATE,
        required=True,
    )
    methods = ["GET", "PUT"]
    answer = conditional(declared, item, methods)
    return Starlette(routes=[Route("/{row:int}", answer, methods=methods)])


def late(dsn: str) -> PostgresStore:
    """A store that has not committed when its methods return."""

    @contextmanager
    def connection() -> Iterator[Any]:
        held = psycopg.connect(dsn)
        try:
            yield held
        except BaseException:
            held.close()
            raise

        def end() -> None:
            with closing(held), suppress(psycopg.Error):  # nobody is there to hear of it
                held.commit()

        threading.Timer(LATE_SECONDS, end).start()

    return PostgresStore(connection, "item", COLUMNS, ROWS)


def main(dialect: str, address: str, taken_out: str = "") -> None:
    """Serve until killed."""
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    with opened(DRIVERS[dialect], Place(dialect, address)) as store:
        writer = late(address) if taken_out == "durability" else store
        served = application(store, writer, guarded=taken_out != "guard")
        config = uvicorn.Config(served, lifespan="off", log_level="critical")
        uvicorn.Server(config).run([listening])


if __name__ == "__main__":
    main(*sys.argv[1:])
