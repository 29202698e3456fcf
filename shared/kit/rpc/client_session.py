"""The client of a process together with its reply topic: created, read, and kept alive by heartbeats."""

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
from shared.kit.rpc.reply_consumer import ReplyConsumer
from shared.kit.rpc.reply_topics import HEARTBEAT_INTERVAL_S, ReplyTopicCollector, create_reply_topic
from shared.kit.security.record_signatures import signatures_of

log = logging.getLogger(__name__)

PENDING_MAX = 8192


class RpcClientSession:
    """Start it before the first call; `client` may be passed on before."""

    def __init__(
        self,
        service: str,
        instance: str,
        producer: Producer,
        options: Mapping[str, Any],
        settings: ProcessSettings,
        *,
        heartbeat_interval_s: float = HEARTBEAT_INTERVAL_S,
    ) -> None:
        self._heartbeat_interval_s = heartbeat_interval_s
        self._topic = reply_topic(service, instance)
        self._producer = producer
        self._options = options
        self._replication_factor = settings.kafka_replication_factor
        self._maintenance: asyncio.Task[None] | None = None
        self._signer = signer = signatures_of(settings)
        self.client = RpcClient(
            producer, self._topic, signer, pending_max=PENDING_MAX, timeout_ms=settings.call_timeout_ms
        )
        self._consumer = ReplyConsumer(options, self._topic, signer, self.client.resolve)

    async def start(self) -> None:
        """Create the reply topic and read it from its end on. Raises KafkaError while no broker answers."""
        await self._heartbeat()
        await self._consumer.start()
        self._maintenance = asyncio.create_task(self._maintain())

    async def stop(self) -> None:
        """Stop reading replies."""
        if self._maintenance is not None:
            self._maintenance.cancel()
        await self._consumer.stop()

    async def _heartbeat(self) -> None:
        """Create the topic if it does not exist, and write a record to it."""
        await create_reply_topic(self._options, self._topic, self._replication_factor, self._signer)
        # It has no call id, so no consumer takes it for a reply.
        self._producer.send(self._topic, Record(b"beat", b"{}", []), partition=0)

    async def _maintain(self) -> None:
        collector = ReplyTopicCollector(self._options, self._topic, self._signer)
        while True:
            # Jittered, so that processes that started together do not all do this at the same time.
            await asyncio.sleep(self._heartbeat_interval_s * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
            try:
                await self._heartbeat()
                await collector.collect()
            except (KafkaError, OSError) as error:
                log.warning("the maintenance of reply topics failed and is retried: %r", error)
