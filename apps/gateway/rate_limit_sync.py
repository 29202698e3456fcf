"""Tells the other gateways whom this one let through, and hears it of them.

One small record for all hot callers of the last moments, so the price does not grow with the requests.
What is lost, because Kafka is away, is lost: each gateway then keeps the limits by itself.
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

TELL_INTERVAL_S = 0.05
HEARD_BACK_S = 60.0
"""A gateway that begins learns what was let through in this time."""

_NODES_MAX = 1000
_told = Counter("concord_limits_told", "Callers whom other gateways were told of")
_heard = Counter("concord_limits_heard", "Callers whom other gateways told of")
_late = Counter("concord_limits_late", "Records of other gateways too old to count: late, or clocks differ")


class RateLimitSync:
    """`follow` and `tell` run as long as the gateway does."""

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
        self._heard_ms: dict[str, int] = {}
        self._tail = TopicTailer(
            options, LIMITS, signatures, self._since, self.hear, lambda: None, lambda _: None
        )

    async def run(self) -> None:
        """Tell and hear, until it is cancelled; returns at once when there is no limit."""
        if self._limits.on:
            await asyncio.gather(self._tail.follow(), self._tell())

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(TELL_INTERVAL_S)
            record = self.news()
            if record is not None:
                # Nobody waits for it, and what does not arrive is not sent again: it would be told too late.
                self._producer.send(LIMITS, record, partition=0)

    def news(self) -> Record | None:
        """What was let through since the last time, as a record; None when it is nothing to speak of."""
        limits = self._limits
        callers, networks = limits.callers.limiter.hot(), limits.networks.limiter.hot()
        sign_ins = limits.sign_ins.limiter.hot()
        count = len(callers) + len(networks) + len(sign_ins)
        if not count:
            return None
        _told.inc(count)
        # Grows by one at least, also when the clock is put back: it numbers the records of this node.
        self._last_ms = max(self._clock(), self._last_ms + 1)
        taken = Taken(
            node=self._node, at_ms=self._last_ms, callers=callers, networks=networks, sign_ins=sign_ins
        )
        key, body = self._node.encode(), msgspec.json.encode(taken)
        return Record(key, body, self._signatures.sign(LIMITS, key, body, []))

    def hear(self, value: bytes) -> None:
        """Add what another gateway let through. Raises msgspec errors for what makes no sense."""
        taken = msgspec.json.decode(value, type=Taken)
        if taken.node == self._node or taken.at_ms <= self._heard_ms.get(taken.node, 0):
            return
        age_ms = max(0, self._clock() - taken.at_ms)
        if age_ms > HEARD_BACK_S * 1000:
            _late.inc()
            return
        self._note(taken)
        for policy, told in (
            (self._limits.callers, taken.callers),
            (self._limits.networks, taken.networks),
            (self._limits.sign_ins, taken.sign_ins),
        ):
            for caller, count in told.items():
                policy.limiter.add(caller, count, age_ms * 1000)  # type: ignore[arg-type]
            _heard.inc(len(told))

    def _note(self, taken: Taken) -> None:
        """A record may be read twice; nodes that have gone silent are forgotten in time."""
        self._heard_ms.pop(taken.node, None)
        self._heard_ms[taken.node] = taken.at_ms
        if len(self._heard_ms) > _NODES_MAX:
            del self._heard_ms[next(iter(self._heard_ms))]

    def _since(self) -> datetime:
        return datetime.fromtimestamp(self._clock() / 1000 - HEARD_BACK_S, UTC)
