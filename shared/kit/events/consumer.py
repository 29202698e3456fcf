"""Consumption of events: those of other services, each at least once, in order for each key.

An event that fails goes to retry topics, read by a consumer of their own, so that it never delays the
events after it. A handler must be idempotent: it recognizes an event by its id or its revision.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from faststream.kafka import KafkaBroker

from shared.contracts.topics import CONSUMER_GROUPS, RETRY_DELAYS_S, retry_topic
from shared.kit.config.settings import ProcessSettings
from shared.kit.dead_letters.publisher import DeadLetterPublisher
from shared.kit.events.processor import EventProcessor, Handler
from shared.kit.kafka.pausing_consumer import PausingConsumer
from shared.kit.security.record_signatures import signatures_of


class EventConsumer:
    """The event consumers of one service: one for its topics, one for its retry topics.

    Attach it before the broker starts. `ready` is set when the group has assigned partitions to each.
    """

    def __init__(self, service: str, options: Mapping[str, Any], settings: ProcessSettings) -> None:
        self.ready = asyncio.Event()
        self._service = service
        self._settings = settings
        self._dead_letters = DeadLetterPublisher(service, options)
        self._processor = EventProcessor(service, self._dead_letters, signatures_of(settings))
        self._consumers: dict[str, PausingConsumer] = {}
        self._assigned: set[str] = set()

    def add(self, topics: tuple[str, ...], handler: Handler) -> None:
        """Handle the events of these topics. Raises ValueError if one has a handler already."""
        for topic in topics:
            if topic in self._processor.handlers:
                raise ValueError(f"{topic} has a handler already")
            self._processor.handlers[topic] = handler

    def attach(self, broker: KafkaBroker) -> None:
        """Subscribe, if there is any handler."""
        if not self._processor.handlers:
            self.ready.set()
            return
        retries = [retry_topic(self._service, delay_s) for delay_s in RETRY_DELAYS_S]
        for name, topics in (("events", list(self._processor.handlers)), ("retries", retries)):
            self._consumers[name] = consumer = PausingConsumer(
                self._processor.process,
                in_flight_max=self._settings.in_flight_max,
                records_max=self._settings.batch_max,
                drain_timeout_s=self._settings.drain_timeout_ms / 1000,
                on_assigned=self._on_assigned(name),
            )
            group = f"{CONSUMER_GROUPS[self._service]}.{name}"
            consumer.attach(broker, topics, group, max_records=self._settings.batch_max)

    def start(self) -> None:
        """Begin to commit; call it when the broker has started."""
        for consumer in self._consumers.values():
            consumer.start()

    async def stop(self) -> None:
        """Stop reading; finish and commit running events, within the drain timeout."""
        await asyncio.gather(*(consumer.stop() for consumer in self._consumers.values()))
        await self._dead_letters.stop()

    def _on_assigned(self, name: str) -> Callable[[], None]:
        def on_assigned() -> None:
            self._assigned.add(name)
            if len(self._assigned) == len(self._consumers):
                self.ready.set()

        return on_assigned
