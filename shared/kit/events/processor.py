"""Processing of one event: wait until it is due, call its handler, send it on if that fails."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from prometheus_client import Counter

from shared.contracts.errors import MESH_BUSY, SIGNATURE_INVALID, ServiceError
from shared.contracts.event import Event
from shared.contracts.topics import RETRY_DELAYS_S, retry_topic
from shared.kit.clock import now_ms
from shared.kit.dead_letters.publisher import DeadLetterPublisher
from shared.kit.security.record_signatures import SENTENCES, RecordSigner, note_refused
from shared.kit.telemetry.log_context import correlation_id_var, operation_var
from shared.kit.wire.failure import Failure, origin_of
from shared.kit.wire.headers import CORRELATION_ID, header_text

log = logging.getLogger(__name__)

Handler = Callable[[Event], Awaitable[None]]

HANDLER_TIMEOUT_S = 30.0
_BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)

_taken = Counter("concord_events_taken", "Events that a handler took in, or not", ["topic", "outcome"])


class EventProcessor:
    """The event handlers of one service, by topic."""

    def __init__(self, service: str, dead_letters: DeadLetterPublisher, signatures: RecordSigner) -> None:
        self.handlers: dict[str, Handler] = {}
        self._signatures = signatures
        self._dead_letters = dead_letters
        self._delays_s = {retry_topic(service, delay_s): delay_s for delay_s in RETRY_DELAYS_S}

    async def process(self, record: ConsumerRecord, revoked: asyncio.Event) -> bool:
        """Process a record until it is handled or published as failed.

        Returns False if its partition was revoked before; its next owner reads it again.
        """
        if await _wait(revoked, self._remaining_s(record)):
            return False
        attempts = 0
        while isinstance(failure := await self._handle(record), ServiceError):
            _taken.labels(origin_of(record).topic, "busy").inc()
            log.warning("an event of %s has to wait: %s", record.topic, failure)
            if await _wait(revoked, _backoff_s(attempts)):
                return False
            attempts += 1
        return failure is None or await self._publish_failed(record, failure, revoked)

    async def _handle(self, record: ConsumerRecord) -> Failure | ServiceError | None:
        """Return None if it was handled, `mesh.busy` if the same record must be tried again later."""
        topic = origin_of(record).topic
        correlation_id_var.set(None)
        operation_var.set(topic)
        handler = self.handlers.get(topic)
        if handler is None:
            return Failure(f"no handler for {topic[:100]}", retryable=False)
        try:
            self._verify(record, topic)
            event = _decode(record)
            async with asyncio.timeout(HANDLER_TIMEOUT_S):
                await handler(event)
        except ServiceError as error:
            if error.code is MESH_BUSY:
                return error
            return Failure.of(error, retryable=error.code is not SIGNATURE_INVALID)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return Failure.of(error, retryable=False)
        except Exception as error:
            log.exception("an event of %s was not handled", topic)
            return Failure.of(error)
        _taken.labels(topic, "ok").inc()
        return None

    def _verify(self, record: ConsumerRecord, topic: str) -> None:
        """Raise `signature.invalid` if it is. The record of a retry topic was signed for its first topic."""
        fault = self._signatures.verify(topic, record.key, record.value, record.headers)
        if fault is not None:
            note_refused("event", topic, fault)
            raise SIGNATURE_INVALID.exception(SENTENCES[fault])

    async def _publish_failed(self, record: ConsumerRecord, failure: Failure, revoked: asyncio.Event) -> bool:
        """Publish until it succeeds, so that no record is lost; return False if the partition was revoked."""
        origin = origin_of(record)
        attempts = 0
        while not revoked.is_set():
            try:
                await self._dead_letters.publish(record, origin, failure)
            except (KafkaError, OSError) as error:
                log.error("a failed record of %s could not be published: %r", origin.topic, error)
                await _wait(revoked, _backoff_s(attempts))
                attempts += 1
            else:
                return True
        return False

    def _remaining_s(self, record: ConsumerRecord) -> float:
        """Return the seconds until the record of a retry topic is due; at most the delay of its topic."""
        delay_s = self._delays_s.get(record.topic, 0)
        return min(delay_s, delay_s + (record.timestamp - now_ms()) / 1000) if delay_s else 0


def _decode(record: ConsumerRecord) -> Event:
    texts = {name: text for name, value in record.headers if (text := header_text(value))}
    event = msgspec.json.decode(record.value or b"", type=Event)
    correlation_id_var.set(texts.get(CORRELATION_ID))
    operation_var.set(event.type)
    return event


def _backoff_s(attempts: int) -> float:
    return _BACKOFF_S[min(attempts, len(_BACKOFF_S) - 1)]


async def _wait(revoked: asyncio.Event, seconds: float) -> bool:
    """Wait; return True, at once, if the partition is revoked."""
    if seconds > 0:
        try:
            async with asyncio.timeout(seconds):
                await revoked.wait()
        except TimeoutError:
            pass
    return revoked.is_set()
