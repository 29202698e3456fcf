"""The server of a service: one consumer for all its cold operations, and one for each hot operation."""

import asyncio
import logging
from dataclasses import replace

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker

from shared.contracts.catalogue import operations_of
from shared.contracts.errors import ServiceError
from shared.contracts.topics import CONSUMER_GROUPS
from shared.kit.config.settings import ProcessSettings
from shared.kit.dead_letters.publisher import DeadLetterPublisher
from shared.kit.kafka.consumer import PartitionConsumer
from shared.kit.kafka.producer import Producer
from shared.kit.rpc.dispatcher import Dispatcher
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.rpc.responder import Responder
from shared.kit.security.field_encryption import FieldEncryption
from shared.kit.security.record_signatures import signatures_of
from shared.kit.wire.failure import Failure, Origin

log = logging.getLogger(__name__)


class RpcServer:
    """Attach it before the broker starts; `ready` is set once the group assigned each consumer its part."""

    def __init__(
        self,
        handlers: HandlerRegistry,
        producer: Producer,
        dead_letters: DeadLetterPublisher,
        settings: ProcessSettings,
        encryption: FieldEncryption,
    ) -> None:
        self.ready = asyncio.Event()
        self._handlers = handlers
        self._dead_letters = dead_letters
        self._settings = settings
        self._consumers: list[PartitionConsumer] = []
        self._assigned: set[str] = set()
        signer = signatures_of(settings)
        self._dispatcher = Dispatcher(
            handlers,
            Responder(producer, signer, encryption),
            signer,
            encryption,
            self._dead_letter,
            per_key_max=settings.lane_max,
            in_flight_max=settings.in_flight_max,
            batch_max=settings.batch_max,
            timeout_ms=settings.call_timeout_ms,
        )

    def attach(self, broker: KafkaBroker) -> None:
        """Subscribe to the topics of all operations of the service."""
        operations = operations_of(self._handlers.service)
        cold = [operation.name for operation in operations if not operation.hot]
        for topics in (cold, *([operation.name] for operation in operations if operation.hot)):
            self._attach(broker, topics)

    def start(self) -> None:
        """Begin to commit; call it after the broker started."""
        for consumer in self._consumers:
            consumer.start()

    async def stop(self) -> None:
        """Accept no more requests; finish and commit those in flight, within the drain timeout."""
        await asyncio.gather(*(consumer.stop() for consumer in self._consumers))

    async def _dead_letter(self, record: ConsumerRecord, error: ServiceError) -> None:
        """Write where a bad request was. Its body is left out: it may contain a password or a token."""
        origin = Origin(record.topic, record.partition, record.offset)
        stripped = replace(record, value=b"")
        try:
            await self._dead_letters.publish(stripped, origin, Failure(str(error), retryable=False))
        except (KafkaError, OSError) as away:
            log.warning(
                "a bad request of %s could not be written to the dead letters: %r", record.topic, away
            )

    def _attach(self, broker: KafkaBroker, topics: list[str]) -> None:
        def on_assigned() -> None:
            self._assigned.add(topics[0])
            if len(self._assigned) == len(self._consumers):
                self.ready.set()

        consumer = PartitionConsumer(
            self._dispatcher.dispatch,
            drain_timeout_s=self._settings.drain_timeout_ms / 1000,
            on_assigned=on_assigned,
        )
        consumer.attach(
            broker,
            topics,
            CONSUMER_GROUPS[self._handlers.service],
            max_records=self._settings.batch_max,
        )
        self._consumers.append(consumer)
