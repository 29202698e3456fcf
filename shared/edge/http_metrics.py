"""Counts and times of requests for Prometheus, cheaply: sums are kept here and shown when asked for."""

from bisect import bisect_left
from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

Labels = tuple[str, str, int]


class _Series:
    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS_S) + 1)
        self.seconds = 0.0


class HttpMetrics(Collector):
    """How many requests there were, and how long they took, by method, route pattern and status."""

    def __init__(self) -> None:
        self._series: dict[Labels, _Series] = {}
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered. Routes and statuses are few, so the number of series is bounded."""
        series = self._series.get((method, route, status))
        if series is None:
            name = method if method in _METHODS else "other"
            series = self._series.setdefault((name, route, status), _Series())
        series.counts[bisect_left(_BOUNDS_S, seconds)] += 1
        series.seconds += seconds

    def gauge(self, name: str, summary: str, value: Callable[[], float]) -> None:
        """Show this value, asked for anew each time."""
        self._gauges.append((name, summary, value))

    def collect(self) -> Iterator[Metric]:
        """What Prometheus reads."""
        seconds = HistogramMetricFamily(
            "concord_http_request_seconds",
            "From the first look at a request to its answer",
            labels=["method", "route", "status"],
        )
        for (method, route, status), series in self._series.items():
            seconds.add_metric([method, route, str(status)], list(_cumulated(series.counts)), series.seconds)
        yield seconds
        for name, summary, value in self._gauges:
            yield GaugeMetricFamily(name, summary, value())


def _cumulated(counts: list[int]) -> Iterator[tuple[str, float]]:
    total = 0
    for bound, count in zip((*_BOUNDS_S, "+Inf"), counts, strict=True):
        total += count
        yield str(bound), total
