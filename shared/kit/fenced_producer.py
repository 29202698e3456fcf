"""Sends lines of records to Kafka, each line in order, and only as long as a lease holds."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTimestampError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.protocol.produce import ProduceRequest
from msgspec import Struct

from shared.kit.wire import Headers

_log = logging.getLogger(__name__)

Line = tuple[str, int]
"""A topic and a partition: what is sent there keeps its order."""

_BATCH_BYTES = 512 * 1024
_REFUSALS = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTimestampError)
_REQUEST_TIMEOUT_MS = 10_000
_LOOK_S = 0.25
_BACKOFF_MS = 250
_CLOSE_S = 2.0


class Parcel(Struct):
    """A record to be sent, for the row `place` of the caller's list."""

    place: int
    key: bytes
    value: bytes
    headers: Headers


class Refused(Struct):
    """A record that Kafka will never take, and why."""

    line: Line
    parcel: Parcel
    reason: str


class LeaseLost(Exception):
    """The lease ran out while records were on their way; the producer that had them must be killed."""


class FencedProducer:
    """An idempotent producer that writes nothing to the network once `fence()` is false."""

    def __init__(self, options: Mapping[str, Any], fence: Callable[[], bool]) -> None:
        self._options = options
        self._fence = fence
        self._batch_bytes = _BATCH_BYTES
        self._partitioner = DefaultPartitioner()
        self._kafka: AIOKafkaProducer | None = None

    async def ready(self) -> None:
        """Connect when there is no connection. Raises KafkaError while no broker answers."""
        if self._kafka is not None:
            return
        kafka = AIOKafkaProducer(
            **self._options,
            acks="all",
            enable_idempotence=True,
            max_batch_size=self._batch_bytes,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            retry_backoff_ms=_BACKOFF_MS,
        )
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT_MS / 1000):
                await kafka.start()
        except BaseException:
            await _kill(kafka)
            raise
        _put_fence(kafka, self._fence)
        self._kafka = kafka

    async def line_of(self, topic: str, key: bytes) -> Line:
        """Where Kafka's usual partitioner (murmur2) puts a key."""
        partitions = sorted(await self._producer().partitions_for(topic))
        return topic, self._partitioner(key, partitions, partitions)

    async def send(
        self, lines: Mapping[Line, Sequence[Parcel]], taken: Callable[[Parcel], None]
    ) -> list[Refused]:
        """Send all lines side by side; `taken` hears of each record that Kafka has.

        A line ends at its first failure. Gives the records that Kafka refuses for good. Raises `LeaseLost`,
        and KafkaError when something else failed; in every such case the producer must be killed, because an
        idempotent producer can not go on after a gap in its sequence.
        """
        tasks = [asyncio.create_task(self._send_line(line, lines[line], taken)) for line in lines]
        try:
            pending = set(tasks)
            while pending:
                _, pending = await asyncio.wait(pending, timeout=_LOOK_S)
                if pending and not self._fence():
                    raise LeaseLost
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        return self._sort(outcomes)

    async def close(self) -> None:
        """Close in an orderly way; nothing is on its way."""
        kafka, self._kafka = self._kafka, None
        if kafka is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_S):
                await kafka.stop()
        except (TimeoutError, KafkaError):
            await _kill(kafka)

    async def kill(self) -> None:
        """Drop the producer with all that it still had; the next `ready` makes a new one."""
        kafka, self._kafka = self._kafka, None
        if kafka is not None:
            await _kill(kafka)

    async def _send_line(
        self, line: Line, parcels: Sequence[Parcel], taken: Callable[[Parcel], None]
    ) -> Refused | None:
        """One batch after another: the next one begins when Kafka has the last."""
        producer, start = self._producer(), 0
        while start < len(parcels):
            batch, end, now_ms = producer.create_batch(), start, time.time_ns() // 1_000_000
            while end < len(parcels):
                parcel = parcels[end]
                if not batch.append(
                    key=parcel.key, value=parcel.value, timestamp=now_ms, headers=parcel.headers
                ):
                    break
                end += 1
            batch.close()
            try:
                await (await producer.send_batch(batch, line[0], partition=line[1]))
            except _REFUSALS as error:
                if end - start > 1:
                    self._batch_bytes = max(self._batch_bytes // 4, 1)
                    raise
                return Refused(
                    line, parcels[start], f"{type(error).__name__}: {len(parcels[start].value)} bytes"
                )
            for parcel in parcels[start:end]:
                taken(parcel)
            start = end
        return None

    def _sort(self, outcomes: Sequence[Refused | BaseException | None]) -> list[Refused]:
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, _REFUSALS):
                raise outcome
        refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
        for outcome in outcomes:
            if not refused and isinstance(outcome, BaseException):
                raise outcome
        return refused

    def _producer(self) -> AIOKafkaProducer:
        if self._kafka is None:
            raise KafkaConnectionError("not connected")
        return self._kafka


def _put_fence(kafka: AIOKafkaProducer, fence: Callable[[], bool]) -> None:
    """Ask for the lease at the last moment before the socket: a process that was stopped wakes up
    anywhere.
    """
    send = kafka.client.send

    async def fenced(node_id: int, request: Any, **options: Any) -> Any:
        if isinstance(request, ProduceRequest) and (kafka._closed or not fence()):
            raise KafkaConnectionError("the lease has run out")
        return await send(node_id, request, **options)

    kafka.client.send = fenced


async def _kill(kafka: AIOKafkaProducer) -> None:
    """Close without flushing: `stop` would wait for the broker for ever, and send late what others sent by
    now.

    The sender ends when what it waits for has an outcome: answers fail with their connections, an update of
    the metadata, which nobody works on any more, is declared failed.
    """
    kafka._closed = True
    sender = kafka._sender.sender_task if kafka._sender is not None else None
    if sender is not None:
        sender.cancel()
    try:
        async with asyncio.timeout(_CLOSE_S):
            await kafka.client.close()
            while sender is not None and not sender.done():
                update = kafka.client._md_update_fut
                if update is not None and not update.done():
                    update.set_result(False)
                await asyncio.wait([sender], timeout=0.02)
    except TimeoutError:
        _log.warning("the producer did not end in time")
