"""Metrics of calls and records, which every process exposes at /metrics."""

from functools import cache

from prometheus_client import Counter, Histogram

refused = Counter(
    "concord_requests_refused", "Requests that no handler saw: bad, late or too many", ["operation", "reason"]
)
records_refused = Counter(
    "concord_records_refused", "Records whose signature is missing or wrong", ["kind", "reason"]
)
records_by_other_secret = Counter(
    "concord_records_by_other_secret", "Records taken that were signed with MESH_SECRET_ALSO"
)
_seconds = Histogram(
    "concord_request_seconds",
    "From taking a request to its outcome",
    ["operation", "outcome"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


@cache
def _seconds_of(operation: str, outcome: str) -> Histogram:
    """Return the labelled histogram; both labels come from the catalogue, so the cache is bounded."""
    return _seconds.labels(operation, outcome)


def answered(operation: str, outcome: str, seconds: float) -> None:
    """Record the outcome of a request, `ok` or its error code, and its duration in seconds."""
    _seconds_of(operation, outcome).observe(seconds)
