"""The figures of `ifmatch.server.metrics` for Prometheus. Needs the extra `ifmatch[prometheus]`.

    meter = PrometheusMeter(registry)
    app = MeteredMiddleware(app, meter.recorder())

What comes of it, beside the labels that you give:

    http_requests_total{route,method,status}         the share of 304s, the 412s and 428s by route
    http_request_duration_seconds{route,method}      a histogram, to the end of the answer
    http_response_bytes_total{route}                 content that was sent
    http_unsent_bytes_total{route}                   content that a 304 did not send
    http_unsent_unknown_total{route}                 304s whose content nobody has weighed

With several processes, prometheus-client's own way applies: set PROMETHEUS_MULTIPROC_DIR before it
is imported, and collect with its MultiProcessCollector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

from ifmatch.server.metrics import Exchange

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. A 304 takes about a millisecond, and whoever waited ten has gone."""


class PrometheusMeter:
    """Counts exchanges; `labels` name what tells several applications apart.

    >>> registry = CollectorRegistry()
    >>> meter = PrometheusMeter(registry, labels=("product",))
    >>> record = meter.recorder("notes")
    >>> record(Exchange("/notes/{id}", "GET", 304, 0.002, 0, 1200))
    >>> labels = {"product": "notes", "route": "/notes/{id}"}
    >>> registry.get_sample_value("http_unsent_bytes_total", labels)
    1200.0
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = BUCKETS,
    ) -> None:
        route = [*labels, "route"]

        def counter(name: str, said: str, *more: str) -> Counter:
            return Counter(f"http_{name}", said, [*route, *more], registry=registry)

        self._requests = counter("requests", "Answers.", "method", "status")
        self._sent = counter("response_bytes", "Bytes of content sent.")
        self._unsent = counter("unsent_bytes", "Bytes of content that 304 answers did not send.")
        self._unknown = counter("unsent_unknown", "304 answers whose content nobody has weighed.")
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Seconds from a request to the end of its answer.",
            [*route, "method"],
            registry=registry,
            buckets=buckets,
        )

    def recorder(self, *values: str) -> Callable[[Exchange], None]:
        """What a `MeteredMiddleware` calls; `values` are those of the labels."""
        known: dict[tuple[str, str, int], _Series] = {}

        def record(exchange: Exchange) -> None:
            found = known.get(exchange[:3])
            if found is None:
                found = known[exchange[:3]] = _Series(self, values, exchange)
            found.add(exchange)

        return record


class _Series:
    """The counters of one route, method and status: looked up once, since that costs the most."""

    __slots__ = ("_requests", "_seconds", "_sent", "_unknown", "_unsent")

    def __init__(self, meter: PrometheusMeter, values: tuple[str, ...], exchange: Exchange) -> None:
        route = (*values, exchange.route)
        self._requests = meter._requests.labels(*route, exchange.method, str(exchange.status))
        self._seconds = meter._seconds.labels(*route, exchange.method)
        self._sent = meter._sent.labels(*route)
        self._unsent = meter._unsent.labels(*route)
        self._unknown = meter._unknown.labels(*route)

    def add(self, exchange: Exchange) -> None:
        self._requests.inc()
        self._seconds.observe(exchange.seconds)
        if exchange.sent:
            self._sent.inc(exchange.sent)
        if exchange.unsent is None:
            self._unknown.inc()
        elif exchange.unsent:
            self._unsent.inc(exchange.unsent)
