"""Dead letters for whoever looks after them: which there are, and how one is tried anew.

A letter is never changed. That it was redriven is told by a record of its own behind it in the same
topic, written when the retry topic has the letter: whoever dies in between redrives it twice, and handlers
know an event by its id or revision, so that twice has the effect of once.
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
"""The header of the record that tells it: `partition/offset` of the letter."""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A dead letter and what became of it. Times are in milliseconds since the epoch."""

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
        """`service/partition/offset`, as the command takes it."""
        return f"{self.service}/{self.partition}/{self.offset}"

    @property
    def is_request(self) -> bool:
        """Whether it is what remained of a request: its place, without its value."""
        return self.origin.topic in OPERATIONS

    @property
    def never_written(self) -> bool:
        """Whether Kafka refused it when the outbox was sent, so that it has no place of its own."""
        return not self.text(ORIGINAL_OFFSET)

    def text(self, header: str) -> str:
        """A header's value; empty when there is none that can be read."""
        return header_text(dict(self.headers).get(header)) or ""

    def refusal(self) -> str | None:
        """Why it can not be redriven, and what helps instead; None when it can."""
        if self.is_request:
            return (
                f"it is a request of {self.origin.topic}: its body is not kept, because it may hold secrets. "
                "Nobody waits for its answer any longer; who made it has to make it again"
            )
        if self.never_written:
            return (
                f"it never reached {self.origin.topic}, because Kafka refused it ({self.text(REASON)}). "
                "Let the topic take such events (max.message.bytes, ACLs); this one is kept here as far as "
                "it fits"
            )
        if self.value is None or self.text(TRUNCATED):
            return (
                "it has no value: it had none, or it did not fit beside the reason. As long as the topic "
                f"keeps it, it stands in {self.origin.topic}, partition {self.origin.partition}, "
                f"offset {self.origin.offset}"
            )
        return None


class DeadLetterListing(Struct, frozen=True):
    """What was found. `cut` tells that there is more than was looked at."""

    letters: tuple[DeadLetter, ...]
    cut: bool = False

    def find(self, letter_id: str) -> DeadLetter | None:
        """The letter with this id."""
        return next((letter for letter in self.letters if letter.id == letter_id), None)


class DeadLetterStore:
    """The dead letters of some services, on the Kafka that the options name."""

    def __init__(self, options: Mapping[str, Any], services: Iterable[str], bounds: ReadLimits) -> None:
        self._options = options
        self._services = {dead_letter_topic(service): service for service in services}
        self._bounds = bounds

    async def read(self) -> DeadLetterListing:
        """All letters, the oldest first. Raises KafkaError."""
        passage = TopicReader(self._options, self._services, self._bounds)
        letters: list[DeadLetter] = []
        redriven_at: dict[str, int] = {}
        async for record in passage.records():
            service = self._services[record.topic]
            headers = dict(record.headers)
            if ORIGINAL_TOPIC in headers:
                letters.append(_letter(service, record))
            elif place := header_text(headers.get(REDRIVEN)):
                redriven_at.setdefault(f"{service}/{place}", record.timestamp)
        letters.sort(key=lambda letter: (letter.timestamp_ms, letter.offset))
        told = (replace(letter, redriven_at_ms=redriven_at.get(letter.id)) for letter in letters)
        return DeadLetterListing(tuple(told), passage.truncated)

    async def redrive(self, letters: Iterable[DeadLetter]) -> list[DeadLetter]:
        """Send these to their first retry topic, in their order, and note it; returns those that were sent.

        Each once, however often it is named. What was redriven before, or can not be, is passed over; that
        is known only of a box that is not cut. Raises KafkaError.
        """
        each = {letter.id: letter for letter in letters}.values()
        wanted = [letter for letter in each if letter.redriven_at_ms is None and not letter.refusal()]
        if not wanted:
            return []
        producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **self._options)
        try:
            await producer.start()
            for letter in wanted:
                await _send(producer, letter)
        finally:
            await close_quietly(producer.stop)
        return wanted


async def _send(producer: AIOKafkaProducer, letter: DeadLetter) -> None:
    headers: Headers = [*redriven(letter.headers), (DEAD_LETTER, letter.id.encode())]
    topic = retry_topic(letter.service, RETRY_DELAYS_S[0])
    await producer.send_and_wait(topic, letter.value, key=letter.key, headers=headers)
    place = f"{letter.partition}/{letter.offset}".encode()
    noted = dead_letter_topic(letter.service)
    await producer.send_and_wait(noted, b"", key=letter.key, headers=[(REDRIVEN, place)])


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
