"""The dead letters of services: listing them and redriving them.

Dead letters are immutable. After re-publishing one we append a `redriven` marker to its topic. A crash
between the two redrives it twice, which has the effect of once: handlers recognize an event by its id or
revision.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaProducer, ConsumerRecord
from msgspec import Struct
from msgspec.structs import replace

from shared.contracts.catalogue import OPERATIONS
from shared.contracts.topics import RETRY_DELAYS_S, dead_letter_topic, retry_topic
from shared.kit.kafka.close import close_quietly
from shared.kit.kafka.topic_reader import ReadLimits, TopicReader
from shared.kit.wire.failure import (
    DEAD_LETTER,
    ORIGINAL_OFFSET,
    ORIGINAL_TOPIC,
    REASON,
    TRUNCATED,
    Origin,
    origin_of,
    redriven,
)
from shared.kit.wire.headers import Headers, header_text

REDRIVEN = "redriven"
"""The header of the marker: `partition/offset` of the redriven letter."""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A dead letter and the time it was redriven. Times are in milliseconds since the epoch."""

    service: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    origin: Origin
    redriven_at_ms: int | None = None

    @property
    def id(self) -> str:
        """The argument of the command: `service/partition/offset`."""
        return f"{self.service}/{self.partition}/{self.offset}"

    @property
    def is_request(self) -> bool:
        """True if it is a request, of which only the position is kept, not the value."""
        return self.origin.topic in OPERATIONS

    @property
    def rejected_by_broker(self) -> bool:
        """True if Kafka rejected it when the outbox was relayed, so that it has no original position."""
        return not self.text(ORIGINAL_OFFSET)

    def text(self, header: str) -> str:
        """Return a header's value; empty if it is missing or unreadable."""
        return header_text(dict(self.headers).get(header)) or ""

    def not_redrivable_reason(self) -> str | None:
        """Return why it cannot be redriven and what helps instead; None if it can."""
        if self.is_request:
            return (
                f"it is a request of {self.origin.topic}: its body is not kept, because it may hold secrets. "
                "Nobody waits for its answer any longer; its caller has to repeat it"
            )
        if self.rejected_by_broker:
            return (
                f"it never reached {self.origin.topic}, because Kafka rejected it ({self.text(REASON)}). "
                "Let the topic take such events (max.message.bytes, ACLs); of this one, as much is kept here "
                "as fits"
            )
        if self.value is None or self.text(TRUNCATED):
            return (
                "it has no value: it had none, or it did not fit beside the reason. As long as the topic "
                f"keeps it, the original is in {self.origin.topic}, partition {self.origin.partition}, "
                f"offset {self.origin.offset}"
            )
        return None


class DeadLetterListing(Struct, frozen=True):
    """Dead letters, the oldest first; `truncated` if not all records were read."""

    letters: tuple[DeadLetter, ...]
    truncated: bool = False

    def find(self, letter_id: str) -> DeadLetter | None:
        """Return the letter with this id, or None."""
        return next((letter for letter in self.letters if letter.id == letter_id), None)


class DeadLetterStore:
    """The dead letters of some services."""

    def __init__(self, options: Mapping[str, Any], services: Iterable[str], bounds: ReadLimits) -> None:
        self._options = options
        self._services = {dead_letter_topic(service): service for service in services}
        self._bounds = bounds

    async def read(self) -> DeadLetterListing:
        """Return all letters, the oldest first. Raises KafkaError."""
        reader = TopicReader(self._options, self._services, self._bounds)
        letters: list[DeadLetter] = []
        redriven_at: dict[str, int] = {}
        async for record in reader.records():
            service = self._services[record.topic]
            headers = dict(record.headers)
            if ORIGINAL_TOPIC in headers:
                letters.append(_letter(service, record))
            elif position := header_text(headers.get(REDRIVEN)):
                redriven_at.setdefault(f"{service}/{position}", record.timestamp)
        letters.sort(key=lambda letter: (letter.timestamp_ms, letter.offset))
        marked = (replace(letter, redriven_at_ms=redriven_at.get(letter.id)) for letter in letters)
        return DeadLetterListing(tuple(marked), reader.truncated)

    async def redrive(self, letters: Iterable[DeadLetter]) -> list[DeadLetter]:
        """Send these letters to their first retry topic, in their order; return those that were sent.

        A letter given twice is sent once. Skips letters that were redriven before, which only a listing that
        is not truncated knows, and those that cannot be redriven. Raises KafkaError.
        """
        waiting = [
            letter
            for letter in {letter.id: letter for letter in letters}.values()
            if letter.redriven_at_ms is None and not letter.not_redrivable_reason()
        ]
        if not waiting:
            return []
        producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **self._options)
        try:
            await producer.start()
            for letter in waiting:
                await _send(producer, letter)
        finally:
            await close_quietly(producer.stop)
        return waiting


async def _send(producer: AIOKafkaProducer, letter: DeadLetter) -> None:
    headers: Headers = [*redriven(letter.headers), (DEAD_LETTER, letter.id.encode())]
    topic = retry_topic(letter.service, RETRY_DELAYS_S[0])
    await producer.send_and_wait(topic, letter.value, key=letter.key, headers=headers)
    marker = (REDRIVEN, f"{letter.partition}/{letter.offset}".encode())
    await producer.send_and_wait(dead_letter_topic(letter.service), b"", key=letter.key, headers=[marker])


def _letter(service: str, record: ConsumerRecord) -> DeadLetter:
    return DeadLetter(
        service=service,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        origin=origin_of(record),
    )
