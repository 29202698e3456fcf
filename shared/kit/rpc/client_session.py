"""The calling side of a process: its leased reply topic, the reader of it, the client, the upkeep."""

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Any

from aiokafka.errors import KafkaError

from shared.contracts.topics import reply_topic
from shared.kit.config.settings import ProcessSettings
from shared.kit.kafka.producer import Producer, Record
from shared.kit.rpc.client import RpcClient
from shared.kit.rpc.reply_consumer import RawReply, ReplyReader
from shared.kit.rpc.reply_topics import BEAT_INTERVAL_S, ReplyTopicCollector, create_reply_topic
from shared.kit.security.record_signatures import signatures_of

log = logging.getLogger(__name__)

PENDING_MAX = 8192


class RpcClientSession:
    """Start it before the first call; `client` may be handed around before."""

    def __init__(
        self,
        service: str,
        instance: str,
        producer: Producer,
        options: Mapping[str, Any],
        settings: ProcessSettings,
        *,
        beat_interval_s: float = BEAT_INTERVAL_S,
    ) -> None:
        self._beat_interval_s = beat_interval_s
        self._topic = reply_topic(service, instance)
        self._producer = producer
        self._options = options
        self._replication_factor = settings.kafka_replication_factor
        self._upkeep: asyncio.Task[None] | None = None
        self._signatures = signatures = signatures_of(settings)
        self.client = RpcClient(
            producer, self._topic, signatures, pending_max=PENDING_MAX, timeout_ms=settings.call_timeout_ms
        )
        self._reader = ReplyReader(options, self._topic, signatures, self._on_reply)

    async def start(self) -> None:
        """Returns when a request may be sent. Raises KafkaError while no broker answers."""
        await self._make_topic()
        await self._reader.start()
        self._upkeep = asyncio.create_task(self._keep_up())

    async def stop(self) -> None:
        """Stop reading replies."""
        if self._upkeep is not None:
            self._upkeep.cancel()
        await self._reader.stop()

    def _on_reply(self, call_id: str, reply: RawReply) -> None:
        self.client.resolve(call_id, reply)

    async def _make_topic(self) -> None:
        await create_reply_topic(self._options, self._topic, self._replication_factor, self._signatures)
        # A beat has no call id, so that no reader takes it for a reply.
        self._producer.send(self._topic, 0, Record(b"beat", b"{}", []))

    async def _keep_up(self) -> None:
        collector = ReplyTopicCollector(self._options, self._topic, self._signatures)
        while True:
            # Not all at the same time, though they may have started together: one look is enough.
            await asyncio.sleep(self._beat_interval_s * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
            try:
                # Made again each time, should somebody have deleted it.
                await self._make_topic()
                await collector.collect()
            except (KafkaError, OSError) as error:
                log.warning("the upkeep of reply topics has to wait: %r", error)
