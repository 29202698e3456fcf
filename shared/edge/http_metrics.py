"""Prometheus metrics of an HTTP port: the duration of requests, and gauges that are read when scraped."""

from collections.abc import Callable, Iterator

from prometheus_client import Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class HttpMetrics(Collector):
    """The duration of requests by method, route pattern and status, and further gauges of the process."""

    def __init__(self) -> None:
        self._seconds = Histogram(
            "concord_http_request_seconds",
            "Time from receiving a request to its response",
            ["method", "route", "status"],
            buckets=_BUCKETS_S,
            registry=None,
        )
        self._series: dict[tuple[str, str, int], Histogram] = {}
        self.metrics: list[Histogram | Gauge] = [self._seconds]

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. Routes and statuses are few, so the number of series is bounded."""
        key = (method if method in _METHODS else "other", route, status)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = self._seconds.labels(*key)
        series.observe(seconds)

    def gauge(self, name: str, summary: str, value: Callable[[], float]) -> None:
        """Export this value, read at each scrape."""
        gauge = Gauge(name, summary, registry=None)
        gauge.set_function(value)
        self.metrics.append(gauge)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, for a registry."""
        for metric in self.metrics:
            yield from metric.collect()
