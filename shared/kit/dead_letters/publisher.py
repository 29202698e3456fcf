"""Publishing of failed records: to retry topics, a bounded number of times, then to the dead letters.

A failed record keeps its key, value and headers and gains those of `failure_headers`. To redrive a dead
letter, send it to the service's first retry topic with the headers of `redriven`.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError
from prometheus_client import Counter

from shared.contracts.topics import RETRY_DELAYS_S, dead_letter_topic, retry_topic
from shared.kit.kafka.close import close_quietly
from shared.kit.wire.failure import TRUNCATED, Failure, Origin, failure_headers, foreign_headers
from shared.kit.wire.headers import Headers

log = logging.getLogger(__name__)

_REQUEST_TIMEOUT_MS = 10_000
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)

_failed = Counter("concord_records_failed", "Records that went to a retry topic or the dead letters", ["to"])


class DeadLetterPublisher:
    """Publishes the failed records of one service. Its producer starts with the first failure."""

    def __init__(self, service: str, options: Mapping[str, Any]) -> None:
        self._service = service
        self._options = options
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()

    async def publish(self, record: ConsumerRecord, origin: Origin, failure: Failure) -> None:
        """Publish a failed record to its next retry topic, or to the dead letters after the last.

        Returns when Kafka has it. Raises KafkaError or OSError if it does not.
        """
        attempt = origin.attempt + 1
        retry = failure.retryable and attempt <= len(RETRY_DELAYS_S)
        topic = self._retry_topic(attempt) if retry else dead_letter_topic(self._service)
        headers = [*foreign_headers(record.headers), *failure_headers(origin, attempt, failure)]
        try:
            await self._send(topic, record.key, record.value, headers)
        except _TOO_LARGE:
            # The headers made it too large: without its value it still says where the original is. Retrying
            # the whole record would never succeed.
            topic = dead_letter_topic(self._service)
            size = str(len(record.value or b"")).encode()
            own = [*failure_headers(origin, attempt, failure), (TRUNCATED, size)]
            await self._send(topic, record.key, None, own)
        _failed.labels(topic).inc()
        log.warning(
            "a record of %s failed and went to %s: %s",
            origin.topic,
            topic,
            failure.reason,
            extra={
                "partition": origin.partition,
                "offset": origin.offset,
                "attempt": attempt,
                "trace": failure.trace,
            },
        )

    async def stop(self) -> None:
        """Close the producer if it was started."""
        if self._producer is not None:
            await close_quietly(self._producer.stop)

    def _retry_topic(self, attempt: int) -> str:
        return retry_topic(self._service, RETRY_DELAYS_S[attempt - 1])

    async def _send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        producer = await self._started()
        if key is None and value is None:  # aiokafka writes no such record, though others may
            value = b""
        await producer.send_and_wait(topic, value, key=key, headers=headers)

    async def _started(self) -> AIOKafkaProducer:
        async with self._lock:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._options,
                    acks="all",
                    enable_idempotence=True,
                    request_timeout_ms=_REQUEST_TIMEOUT_MS,
                )
                try:
                    await producer.start()
                except BaseException:
                    await close_quietly(producer.stop)
                    raise
                self._producer = producer
            return self._producer
