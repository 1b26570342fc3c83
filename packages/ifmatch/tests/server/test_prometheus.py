"""The figures for Prometheus, from a middleware around an application."""

from __future__ import annotations

import doctest

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from ifmatch.core.conditions import Comparison
from ifmatch.core.etag import ETag
from ifmatch.server import prometheus
from ifmatch.server.metrics import MeteredMiddleware
from ifmatch.server.prometheus import PrometheusMeter
from ifmatch.server.starlette import PUBLIC, Conditional, conditional

BODY = b"x" * 500
TAG = ETag("v1", weak=True)


def notes() -> Starlette:
    async def read(_request: Request) -> Response:
        return Response(BODY, headers={"ETag": str(TAG)})

    async def write(_request: Request) -> Response:
        return Response(status_code=204)

    def tag(_request: Request) -> ETag:
        return TAG

    reading = Conditional(authorize=PUBLIC, tag=tag)
    writing = Conditional(
        authorize=PUBLIC, tag=tag, comparison=Comparison.STATE, required=True, accepts=()
    )
    return Starlette(
        routes=[
            Route("/notes/{name}", conditional(reading, read)),
            Route("/notes/{name}", conditional(writing, write, ("PUT",)), methods=["PUT"]),
        ]
    )


def test_the_examples_run() -> None:
    assert doctest.testmod(prometheus).failed == 0


def test_what_was_saved_and_refused_is_counted_by_route() -> None:
    registry = CollectorRegistry()
    meter = PrometheusMeter(registry, labels=("product",))
    client = TestClient(MeteredMiddleware(notes(), meter.recorder("notes")))
    same = {"If-None-Match": str(TAG)}
    client.get("/notes/1", headers=same)  # nobody has weighed it yet
    client.get("/notes/1")
    for _ in range(3):
        client.get("/notes/1", headers=same)
    client.put("/notes/1", headers={"If-Match": '"other"'})
    client.put("/notes/1")

    def value(name: str, **labels: str) -> float | None:
        where = {"product": "notes", "route": "/notes/{name}"}
        return registry.get_sample_value(f"http_{name}", where | labels)

    counted = {
        (method, status): value("requests_total", method=method, status=status)
        for method, status in [("GET", "200"), ("GET", "304"), ("PUT", "412"), ("PUT", "428")]
    }
    assert counted == {("GET", "200"): 1, ("GET", "304"): 4, ("PUT", "412"): 1, ("PUT", "428"): 1}
    assert value("unsent_bytes_total") == 3 * len(BODY)
    assert value("unsent_unknown_total") == 1
    assert value("request_duration_seconds_count", method="GET") == 5
    sent = value("response_bytes_total")
    assert sent is not None
    assert sent > len(BODY)  # the refusals have content, too
