"""A record on its way out, and what becomes of it."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from msgspec import Struct

from shared.kit.wire.headers import Headers

log = logging.getLogger(__name__)

Done = Callable[[BaseException | None], None]
Settle = Callable[[list["Record"], BaseException | None], None]

BATCH_MAX_BYTES = 512 * 1024
"""Well below the broker's default bound of a batch; a single larger record still goes alone."""

_UNKNOWN_TOPIC_TIMEOUT_S = 2.0
_OVERHEAD_BYTES = 512
"""About what a record weighs beside its value."""


class Record(Struct):
    """A record to send. `done` is called once: with None when it is written, else with the error.

    An error does not always mean that it was not written: the broker's word may have been lost.
    """

    key: bytes | None
    value: bytes
    headers: Headers
    done: Done | None = None

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        return len(self.value) + _OVERHEAD_BYTES


class Delivery:
    """Tells the records of a batch what became of it."""

    def __init__(self, topic: str, records: list[Record], settle: Settle) -> None:
        self._topic = topic
        self._records = records
        self._settle = settle

    def __call__(self, delivery: "asyncio.Future[Any]") -> None:
        error = delivery.exception() if not delivery.cancelled() else KafkaError("the producer closed")
        if error is not None:
            log.warning("%d record(s) for %s were not delivered: %r", len(self._records), self._topic, error)
        self._settle(self._records, error)


async def know(client: AIOKafkaClient, topic: str) -> None:
    """Learn where a topic is. Raises UnknownTopicOrPartitionError soon when it is nowhere.

    Any caller names a reply topic, perhaps one that is gone: aiokafka would ask for it ten times a second
    until the send times out, and go on asking with every look at the cluster as long as the process lives.
    """
    if client.cluster.partitions_for_topic(topic) is not None:
        return
    try:
        async with asyncio.timeout(_UNKNOWN_TOPIC_TIMEOUT_S):
            await client._wait_on_metadata(topic)
    except TimeoutError:
        client._topics.discard(topic)
        raise UnknownTopicOrPartitionError(topic) from None


def filled(batch: Any, records: list[Record]) -> int:
    """Fill and close a batch (aiokafka's builder); returns how many of the records it took."""
    count = 0
    for record in records:
        taken = batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers)
        if taken is None:
            break
        count += 1
    batch.close()
    return count


def settle(records: list[Record], error: BaseException | None) -> None:
    """Tell each record's sender; one that raises keeps no other from knowing."""
    for record in records:
        if record.done is not None:
            try:
                record.done(error)
            except Exception:
                log.exception("a sender could not be told")
