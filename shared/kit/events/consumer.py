"""The inbox of a service: takes in the events of others, each at least once, in order for each key.

What fails goes to retry topics, read by a consumer of its own, so that it never holds up what comes
after it. A handler must be idempotent: it knows an event by its id or its revision.
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
    """Attach it before the broker starts; `ready` is set when the group gave each consumer its part."""

    def __init__(self, service: str, options: Mapping[str, Any], settings: ProcessSettings) -> None:
        self.ready = asyncio.Event()
        self._service = service
        self._settings = settings
        self._failures = DeadLetterPublisher(service, options)
        self._work = EventProcessor(service, self._failures, signatures_of(settings))
        self._intakes: dict[str, PausingConsumer] = {}
        self._assigned: set[str] = set()

    def add(self, topics: tuple[str, ...], handler: Handler) -> None:
        """Take in the events of these topics. Raises ValueError when one has a handler already."""
        for topic in topics:
            if topic in self._work.handlers:
                raise ValueError(f"{topic} has a handler already")
            self._work.handlers[topic] = handler

    def attach(self, broker: KafkaBroker) -> None:
        """Subscribe, if there is anything to take in."""
        if not self._work.handlers:
            self.ready.set()
            return
        retries = [retry_topic(self._service, delay_s) for delay_s in RETRY_DELAYS_S]
        for name, topics in (("events", list(self._work.handlers)), ("retries", retries)):
            self._intakes[name] = intake = PausingConsumer(
                self._work.work,
                in_flight_max=self._settings.in_flight_max,
                records_max=self._settings.batch_max,
                drain_timeout_s=self._settings.drain_timeout_ms / 1000,
                on_assigned=self._assigned_to(name),
            )
            group = f"{CONSUMER_GROUPS[self._service]}.{name}"
            intake.attach(broker, topics, group, max_records=self._settings.batch_max)

    def start(self) -> None:
        """Begin to commit; called when the broker has started."""
        for intake in self._intakes.values():
            intake.start()

    async def stop(self) -> None:
        """Take no more, finish and commit what runs, within the drain time."""
        await asyncio.gather(*(intake.stop() for intake in self._intakes.values()))
        await self._failures.stop()

    def _assigned_to(self, name: str) -> Callable[[], None]:
        def assigned() -> None:
            self._assigned.add(name)
            if len(self._assigned) == len(self._intakes):
                self.ready.set()

        return assigned
