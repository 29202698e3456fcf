"""Reads the replies to this process: a topic of its own, without a group.

A group loses replies in a rebalance by design. And a reader that starts at "latest" does so only once
its first fetch resolved where that is: so the position is resolved before the first request is sent.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct

from shared.kit.kafka import steady
from shared.kit.kafka.close import close_quietly
from shared.kit.security.record_signatures import RecordSigner, note_refused
from shared.kit.wire.headers import CALL_ID, ERROR, STATUS, Headers, header_text

log = logging.getLogger(__name__)

steady.install()

_RETRY_AFTER_S = 1.0
_KNOWN_TIMEOUT_S = 10.0
_KNOWN_PAUSE_S = 0.02
_STATUS = re.compile(rb"[2-5][0-9][0-9]")


class RawReply(Struct, frozen=True):
    """A reply as it came: its bytes are the HTTP body. `error` is the code where it is one."""

    status: int
    body: bytes
    error: str | None = None


OnReply = Callable[[str, RawReply], None]


class ReplyReader:
    """Hands each reply on by its call id; whether anybody still waits for it is not its concern."""

    def __init__(
        self, options: Mapping[str, Any], topic: str, signatures: RecordSigner, resolve: OnReply
    ) -> None:
        self._options = options
        self._signatures = signatures
        self._place = TopicPartition(topic, 0)
        self._on_reply = resolve
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when every reply from now on will be read. Raises KafkaError while no broker answers."""
        consumer = AIOKafkaConsumer(
            group_id=None,
            enable_auto_commit=False,
            # Only after the log was cut beyond the position: what is there still is better than nothing.
            auto_offset_reset="earliest",
            fetch_max_wait_ms=500,
            **self._options,
        )
        try:
            await consumer.start()
            await _known(consumer, self._place.topic)
            consumer.assign([self._place])
            await consumer.seek_to_end(self._place)
            await consumer.position(self._place)
        except BaseException:
            await close_quietly(consumer.stop)
            raise
        self._consumer = consumer
        self._task = asyncio.create_task(self._read(consumer))

    async def stop(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._consumer is not None:
            await close_quietly(self._consumer.stop)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                batches = await consumer.getmany(timeout_ms=60_000)
            except Exception as error:  # noqa: BLE001 - whatever it is, calls wait for what comes after it
                log.warning("replies can not be read: %r", error)
                await asyncio.sleep(_RETRY_AFTER_S)
                continue
            for records in batches.values():
                for record in records:
                    self._hand_on(record.headers, record.value)

    def _hand_on(self, headers: Headers, value: bytes | None) -> None:
        """Garbage in the topic has no call id, or no status, or no good signature: it is passed over."""
        texts = dict(headers)
        call_id = header_text(texts.get(CALL_ID))
        status = texts.get(STATUS)
        if call_id and status is not None and _STATUS.fullmatch(status):
            fault = self._signatures.fault(self._place.topic, None, value, headers)
            if fault is not None:
                note_refused("reply", self._place.topic, fault)
                return
            error = texts.get(ERROR)
            code = None if error is None else header_text(error)
            self._on_reply(call_id, RawReply(int(status), value or b"", code))


async def _known(consumer: AIOKafkaConsumer, topic: str) -> None:
    """Wait until the brokers tell of a topic that was just made: assigned before that, aiokafka asks for it
    without a pause. Raises TimeoutError.
    """
    async with asyncio.timeout(_KNOWN_TIMEOUT_S):
        while True:
            if topic in await consumer.topics():
                return
            await asyncio.sleep(_KNOWN_PAUSE_S)
