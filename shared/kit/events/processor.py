"""What is done with one event: wait until it is due, hand it to its handler, put it away when it fails."""

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
    """The handlers of one service by topic."""

    def __init__(self, service: str, failures: DeadLetterPublisher, signatures: RecordSigner) -> None:
        self.handlers: dict[str, Handler] = {}
        self._signatures = signatures
        self._failures = failures
        self._delays_s = {retry_topic(service, delay_s): delay_s for delay_s in RETRY_DELAYS_S}

    async def work(self, record: ConsumerRecord, gone: asyncio.Event) -> bool:
        """Until the record is handled or put away; False when the partition is gone before."""
        if await _wait(gone, self._remaining_s(record)):
            return False
        tries = 0
        while isinstance(failure := await self._handle(record), ServiceError):
            _taken.labels(origin_of(record).topic, "busy").inc()
            log.warning("an event of %s has to wait: %s", record.topic, failure)
            if await _wait(gone, _backoff_s(tries)):
                return False
            tries += 1
        return failure is None or await self._dead_letter(record, failure, gone)

    async def _handle(self, record: ConsumerRecord) -> Failure | ServiceError | None:
        """Return None when done, `mesh.busy` when the same record has to be tried again later."""
        topic = origin_of(record).topic
        correlation_id_var.set(None)
        operation_var.set(topic)
        handler = self.handlers.get(topic)
        if handler is None:
            return Failure(f"nobody here takes in {topic[:100]}", final=True)
        try:
            self._check(record, topic)
            event = _decode(record)
            async with asyncio.timeout(HANDLER_TIMEOUT_S):
                await handler(event)
        except ServiceError as error:
            if error.kind is MESH_BUSY:
                return error
            return Failure.of(error, final=error.kind is SIGNATURE_INVALID)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return Failure.of(error, final=True)
        except Exception as error:
            log.exception("an event of %s was not taken in", topic)
            return Failure.of(error)
        _taken.labels(topic, "ok").inc()
        return None

    def _check(self, record: ConsumerRecord, topic: str) -> None:
        """Raises `signature.invalid`. What waited in a retry topic was signed for its first topic."""
        fault = self._signatures.verify(topic, record.key, record.value, record.headers)
        if fault is not None:
            note_refused("event", topic, fault)
            raise SIGNATURE_INVALID.exception(SENTENCES[fault])

    async def _dead_letter(self, record: ConsumerRecord, failure: Failure, gone: asyncio.Event) -> bool:
        """Until it is written: a record is never lost because its failure could not be noted."""
        origin = origin_of(record)
        tries = 0
        while not gone.is_set():
            try:
                await self._failures.dead_letter(record, origin, failure)
            except (KafkaError, OSError) as error:
                log.error("a failed record of %s could not be put away: %r", origin.topic, error)
                await _wait(gone, _backoff_s(tries))
                tries += 1
            else:
                return True
        return False

    def _remaining_s(self, record: ConsumerRecord) -> float:
        """How long a record of a retry topic still has to wait; never longer than the topic's delay."""
        delay_s = self._delays_s.get(record.topic, 0)
        return min(delay_s, delay_s + (record.timestamp - now_ms()) / 1000) if delay_s else 0


def _decode(record: ConsumerRecord) -> Event:
    texts = {name: text for name, value in record.headers if (text := header_text(value))}
    event = msgspec.json.decode(record.value or b"", type=Event)
    correlation_id_var.set(texts.get(CORRELATION_ID))
    operation_var.set(event.type)
    return event


def _backoff_s(tries: int) -> float:
    return _BACKOFF_S[min(tries, len(_BACKOFF_S) - 1)]


async def _wait(gone: asyncio.Event, seconds: float) -> bool:
    """Wait so long; True at once when the partition is gone."""
    if seconds > 0:
        try:
            async with asyncio.timeout(seconds):
                await gone.wait()
        except TimeoutError:
            pass
    return gone.is_set()
