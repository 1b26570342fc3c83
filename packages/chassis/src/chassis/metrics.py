"""`/metrics`: what the server does, for Prometheus.

Over several worker processes the answer is that of all of them, whichever gives it: each writes its
figures into files of a folder that the parent made, and those of a worker that is gone stay, except
for what was true of it alone, such as its requests under way.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from sqlalchemy.pool import QueuePool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.authentication import require
from chassis.database import Database
from chassis.installation import Installation
from chassis.problems import Problem
from chassis.rights import Principal, Role
from chassis.settings import MetricsMode
from ifmatch.server.metrics import Exchange
from ifmatch.server.prometheus import PrometheusMeter

_LIVE = "gauge_livesum_"
_FRONT = "front"  # an empty label is none, to Prometheus
_OPENMETRICS = "application/openmetrics-text"


class Metrics:
    """The figures of one process, and the page of all; `shared` is the folder of the processes."""

    def __init__(self, databases: Mapping[str, Database], shared: Path | None = None) -> None:
        # It would be a second series for each, which nobody asked for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._databases = databases
        self._shared = shared
        self._registry = CollectorRegistry()
        self._meter = PrometheusMeter(self._registry, labels=("product",))
        self._in_flight = self._gauge("http_requests_in_flight", "Requests under way.", "product")
        self._connections = self._gauge(
            "database_connections", "Connections of the pool.", "database", "state"
        )
        self._watched: dict[str, list[Callable[[], int]]] = {}
        self.refresh()

    def recorder(self, product: str) -> Callable[[Exchange], None]:
        """What counts the answers of a product."""
        return self._meter.recorder(product or _FRONT)

    def watch_in_flight(self, product: str, read: Callable[[], int]) -> None:
        """Show what `read` returns among the requests under way of a product."""
        self._watched.setdefault(product or _FRONT, []).append(read)

    def refresh(self) -> None:
        """Write down what is true now, such as the connections in use: each process its own."""
        for product, reads in self._watched.items():
            self._in_flight.labels(product).set(sum(read() for read in reads))
        for name, database in self._databases.items():
            pool = database.engine.pool
            if isinstance(pool, QueuePool):
                self._connections.labels(name, "in_use").set(pool.checkedout())
                self._connections.labels(name, "idle").set(pool.checkedin())

    def page(self, accept: str) -> tuple[bytes, str]:
        """The figures of all processes and their media type: OpenMetrics if `accept` names it."""
        self.refresh()
        registry = self._all()
        if _OPENMETRICS in accept:
            said: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
            return said, openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4

    def _gauge(self, name: str, said: str, *labels: str) -> Gauge:
        return Gauge(name, said, labels, registry=self._registry, multiprocess_mode="livesum")

    def _all(self) -> CollectorRegistry:
        registry = CollectorRegistry(auto_describe=False)
        if self._shared is None:
            registry.register(self._registry)
            ProcessCollector(registry=registry)
        else:
            MultiProcessCollector(registry, str(self._shared))  # type: ignore[no-untyped-call]
            registry.register(_Processes(self._shared))
        registry.register(_Build())
        return registry


def routes(installation: Installation, metrics: Metrics) -> list[Route]:
    """The address `/metrics`, or none, as the settings say."""
    mode = installation.settings.metrics
    authenticate = installation.authenticator()

    def page(request: Request) -> Response:
        if mode is MetricsMode.KEY:
            _require_all(require(Role.READ, authenticate(request)))
        content, media_type = metrics.page(request.headers.get("accept", ""))
        return Response(content, headers={"Content-Type": media_type, "Cache-Control": "no-store"})

    return [] if mode is MetricsMode.OFF else [Route("/metrics", page, methods=["GET"])]


def _require_all(principal: Principal) -> None:
    """The figures are of everything: a key that is bound is not enough. Raises Problem 403."""
    bound = principal.product or principal.project or principal.environment
    if bound is not None:
        raise Problem(
            403,
            "wrong-product",
            f"This key is for {bound}, and the figures are of all products. "
            "Use a key of none: make one with 'keys create --role read'.",
        )


class _Processes(Collector):
    """What the system says of each worker process, with its number as a label."""

    def __init__(self, shared: Path) -> None:
        self._shared = shared

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for pid in living(self._shared):
            for metric in ProcessCollector(pid=_saying(pid), registry=None).collect():
                family = families.setdefault(
                    metric.name, Metric(metric.name, metric.documentation, metric.type)
                )
                for sample in metric.samples:
                    family.add_sample(sample.name, {"pid": str(pid)}, sample.value)
        return families.values()


def _saying(pid: int) -> Callable[[], int]:
    return lambda: pid


def forget(pid: int, shared: Path) -> None:
    """Take away what was true of a worker process that is gone; what it counted stays."""
    mark_process_dead(pid, str(shared))  # type: ignore[no-untyped-call]


def living(shared: Path) -> Iterator[int]:
    """The worker processes of the folder, without those that were forgotten."""
    for path in sorted(shared.glob(f"{_LIVE}*.db")):
        yield int(path.stem.removeprefix(_LIVE))


class _Build(Collector):
    """What runs here: 1, with everything in the labels."""

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "quartet_build_info", "What runs here.", labels=["version", "ifmatch", "python"]
        )
        values = [_version("quartet", "chassis"), _version("ifmatch"), platform.python_version()]
        family.add_metric(values, 1)
        return [family]


def _version(*packages: str) -> str:
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "unknown"
