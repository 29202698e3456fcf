"""Reads the replies to this process from a topic of its own, without a consumer group.

A group loses replies in a rebalance by design. A consumer that starts at "latest" resolves where that is with
its first fetch; so the position is resolved before the first request is sent.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.kit.kafka import aiokafka_patches
from shared.kit.kafka.close import close_quietly
from shared.kit.rpc.caller import RawReply
from shared.kit.security.record_signatures import RecordSigner, note_refused
from shared.kit.wire.headers import CALL_ID, ERROR, STATUS, Headers, header_text

log = logging.getLogger(__name__)

_RETRY_AFTER_S = 1.0
_TOPIC_TIMEOUT_S = 10.0
_TOPIC_POLL_S = 0.02
_STATUS = re.compile(rb"[2-5][0-9][0-9]")

Resolve = Callable[[str, RawReply], None]


class ReplyConsumer:
    """Passes each reply and its call id to `resolve`, also if nobody waits for it any longer."""

    def __init__(
        self, options: Mapping[str, Any], topic: str, signer: RecordSigner, resolve: Resolve
    ) -> None:
        self._options = options
        self._signer = signer
        self._partition = TopicPartition(topic, 0)
        self._resolve = resolve
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start to read every reply from now on. Raises KafkaError while no broker answers."""
        aiokafka_patches.require_applied()
        consumer = AIOKafkaConsumer(
            group_id=None,
            enable_auto_commit=False,
            # Applies only if the log was truncated beyond the position: the remaining replies are read.
            auto_offset_reset="earliest",
            fetch_max_wait_ms=500,
            **self._options,
        )
        try:
            await consumer.start()
            await _wait_for_topic(consumer, self._partition.topic)
            consumer.assign([self._partition])
            await consumer.seek_to_end(self._partition)
            await consumer.position(self._partition)
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
            except Exception as error:  # noqa: BLE001 - whatever it is, calls wait for the next replies
                log.warning("replies can not be read: %r", error)
                await asyncio.sleep(_RETRY_AFTER_S)
                continue
            for records in batches.values():
                for record in records:
                    self._on_record(record.headers, record.value)

    def _on_record(self, headers: Headers, value: bytes | None) -> None:
        """Resolve a reply; ignore a record without a call id, a status or a valid signature."""
        texts = dict(headers)
        call_id = header_text(texts.get(CALL_ID))
        status = texts.get(STATUS)
        if call_id and status is not None and _STATUS.fullmatch(status):
            fault = self._signer.verify(self._partition.topic, None, value, headers)
            if fault is not None:
                note_refused("reply", self._partition.topic, fault)
                return
            error = texts.get(ERROR)
            code = None if error is None else header_text(error)
            self._resolve(call_id, RawReply(int(status), value or b"", code))


async def _wait_for_topic(consumer: AIOKafkaConsumer, topic: str) -> None:
    """Wait until the brokers know a topic that was just created. Raises TimeoutError.

    aiokafka would look up an assigned topic again and again without a pause.
    """
    async with asyncio.timeout(_TOPIC_TIMEOUT_S):
        while True:
            if topic in await consumer.topics():
                return
            await asyncio.sleep(_TOPIC_POLL_S)
