"""Exchange of request counts between gateways, so that together they keep one limit per caller.

Every `SHARE_INTERVAL_S` a gateway publishes one small record with its most active callers, so the cost does
not grow with the number of requests. Records that are lost while Kafka is down are not sent again: each
gateway then keeps the limits by itself.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from prometheus_client import Counter

from shared.contracts.rate_limits import Taken
from shared.contracts.topics import LIMITS
from shared.edge.rate_limits.policies import RateLimits
from shared.kit.clock import SystemIds, now_ms
from shared.kit.events.tail import TopicTailer
from shared.kit.kafka.producer import Producer, Record
from shared.kit.security.record_signatures import RecordSigner

SHARE_INTERVAL_S = 0.05
REPLAYED_S = 60.0
"""A starting gateway reads the records of this period; older ones count no more."""

_NODES_MAX = 1000
_shared = Counter("concord_limits_told", "Callers reported to other gateways")
_received = Counter("concord_limits_heard", "Callers reported by other gateways")
_late = Counter("concord_limits_late", "Records of other gateways too old to count: late, or clocks differ")


class RateLimitSync:
    """Publishes the counts of this gateway and applies those of the others."""

    def __init__(
        self,
        limits: RateLimits,
        producer: Producer,
        options: Mapping[str, Any],
        signatures: RecordSigner,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._limits = limits
        self._producer = producer
        self._signatures = signatures
        self._clock = clock
        self._node = SystemIds().text()
        self._last_ms = 0
        self._applied_ms: dict[str, int] = {}
        self._tail = TopicTailer(
            options, LIMITS, signatures, self._since, self.apply, lambda: None, lambda _: None
        )

    async def run(self) -> None:
        """Publish and apply until cancelled; return at once if limits are off."""
        if self._limits.on:
            await asyncio.gather(self._tail.follow(), self._publish())

    async def _publish(self) -> None:
        while True:
            await asyncio.sleep(SHARE_INTERVAL_S)
            record = self.snapshot()
            if record is not None:
                # Neither awaited nor retried: a late record would be of no use.
                self._producer.send(LIMITS, record, partition=0)

    def snapshot(self) -> Record | None:
        """Return a record of the requests admitted since the last one; None if there is nothing to share."""
        limits = self._limits
        callers = limits.callers.limiter.drain_unshared()
        networks = limits.networks.limiter.drain_unshared()
        sign_ins = limits.sign_ins.limiter.drain_unshared()
        count = len(callers) + len(networks) + len(sign_ins)
        if not count:
            return None
        _shared.inc(count)
        # Strictly increasing, even if the clock is set back: it numbers the records of this node.
        self._last_ms = max(self._clock(), self._last_ms + 1)
        taken = Taken(
            node=self._node, at_ms=self._last_ms, callers=callers, networks=networks, sign_ins=sign_ins
        )
        key, body = self._node.encode(), msgspec.json.encode(taken)
        return Record(key, body, self._signatures.sign(LIMITS, key, body, []))

    def apply(self, value: bytes) -> None:
        """Add the requests that another gateway admitted. Raises msgspec errors for an invalid value."""
        taken = msgspec.json.decode(value, type=Taken)
        if taken.node == self._node or taken.at_ms <= self._applied_ms.get(taken.node, 0):
            return
        age_ms = max(0, self._clock() - taken.at_ms)
        if age_ms > REPLAYED_S * 1000:
            _late.inc()
            return
        self._mark_applied(taken)
        for policy, counts in (
            (self._limits.callers, taken.callers),
            (self._limits.networks, taken.networks),
            (self._limits.sign_ins, taken.sign_ins),
        ):
            for caller, count in counts.items():
                policy.limiter.add(caller, count, age_ms * 1000)  # type: ignore[arg-type]
            _received.inc(len(counts))

    def _mark_applied(self, taken: Taken) -> None:
        """Remember the last record of a node, because records may be read twice; drop the oldest node."""
        self._applied_ms.pop(taken.node, None)
        self._applied_ms[taken.node] = taken.at_ms
        if len(self._applied_ms) > _NODES_MAX:
            del self._applied_ms[next(iter(self._applied_ms))]

    def _since(self) -> datetime:
        return datetime.fromtimestamp(self._clock() / 1000 - REPLAYED_S, UTC)
