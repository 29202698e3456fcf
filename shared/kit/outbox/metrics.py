"""The metrics of a relay: the length and age of its backlog, and how much it sent."""

from collections.abc import Sequence

import asyncpg
from prometheus_client import Counter, Gauge

from shared.contracts.clock import Clock

RELAYED = Counter("concord_outbox_relayed", "Events that left the outbox: Kafka has them", ["service"])
REFUSED = Counter("concord_outbox_refused", "Records that Kafka refused; they are dead letters", ["service"])
FAILED = Counter("concord_outbox_rounds_failed", "Times that sending was broken off", ["service"])
LENGTH = Gauge(
    "concord_outbox_length", "Events that wait in the slices of this process, at most 50000", ["service"]
)
AGE = Gauge("concord_outbox_age_seconds", "How long the oldest of them has waited", ["service"])

_COUNT_MAX = 50_000
_SAMPLE = """
SELECT count(*), min(created_at)
FROM (SELECT created_at FROM outbox WHERE slice = ANY($1::smallint[]) ORDER BY id LIMIT $2) AS waiting
"""


class RelayMetrics:
    """The metrics of one service's relay."""

    def __init__(self, service: str, clock: Clock) -> None:
        self.relayed = RELAYED.labels(service)
        self.rejected = REFUSED.labels(service)
        self.failed = FAILED.labels(service)
        self._length = LENGTH.labels(service)
        self._age = AGE.labels(service)
        self._clock = clock

    async def sample(self, connection: asyncpg.Connection, shards: Sequence[int]) -> None:
        """Measure the backlog of these shards."""
        count, oldest = await connection.fetchrow(_SAMPLE, list(shards), _COUNT_MAX)
        self._length.set(count)
        age_s = 0.0 if oldest is None else (self._clock.now() - oldest).total_seconds()
        self._age.set(max(age_s, 0.0))
