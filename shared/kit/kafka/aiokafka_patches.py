"""Everything that depends on private parts of aiokafka; no other module touches them.

Two patches are applied to the whole process by `apply`:

* Clients pause between requests for metadata. Without a leader aiokafka 0.14 requests metadata again as soon
  as the last request failed; where a closed port refuses at once, that takes half a core in every process for
  as long as the brokers are away. The fetcher has the same fault after a partition's error, which is open
  upstream: https://github.com/aio-libs/aiokafka/issues/1155.
* Consumers skip record batches that they cannot read. Anyone who may write to a topic can write a header
  whose name is not UTF-8, or compress with a codec that is not installed here. The broker accepts both;
  aiokafka raises, keeps its position and meets the same batch again, while the records around it are lost
  to the caller.

The functions reach into one client each, where its public interface has no means.

`tests/unit/kit/kafka/test_aiokafka_patches.py` pins the source of everything used here. Before `VERSIONS` is
widened, compare that source with the new one.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import KafkaConnectionError, UnknownTopicOrPartitionError, UnsupportedCodecError
from aiokafka.protocol.produce import ProduceRequest

log = logging.getLogger(__name__)

VERSIONS = "0.14."
"""The versions whose private parts were examined; pyproject.toml allows no others."""

_UNREADABLE = (UnicodeDecodeError, UnsupportedCodecError)
_UNKNOWN_TOPIC_TIMEOUT_S = 2.0
_ABORT_TIMEOUT_S = 2.0


def apply() -> None:
    """Patch aiokafka for this process; call it at start, before any consumer is created. Idempotent.

    Raises RuntimeError if the installed version of aiokafka is not one of `VERSIONS`.
    """
    if not aiokafka.__version__.startswith(VERSIONS):
        raise RuntimeError(
            f"aiokafka {aiokafka.__version__} is installed, but Concord patches {VERSIONS}x only: "
            "install the versions that requirements/run.txt lists."
        )
    AIOKafkaClient._metadata_update = _update_with_backoff
    fetcher.PartitionRecords = SkippingRecords


def require_applied() -> None:
    """Raise RuntimeError if `apply` was not called: a consumer would stop at the first unreadable batch."""
    if fetcher.PartitionRecords is not SkippingRecords:
        raise RuntimeError("aiokafka_patches.apply() must be called when the process starts")


_metadata_update = AIOKafkaClient._metadata_update


async def _update_with_backoff(client: Any, cluster: Any, topics: Any) -> bool:
    """Update the metadata; wait for `retry_backoff_ms` (100 ms by default) if no broker answered."""
    updated = bool(await _metadata_update(client, cluster, topics))
    if not updated:
        await asyncio.sleep(client._retry_backoff)
    return updated


class _Batches:
    """The batches of a fetch, one after another, and the offset at which the last one ended."""

    def __init__(self, batches: Any) -> None:
        self._batches = batches
        self.next_offset = 0

    def has_next(self) -> bool:
        return bool(self._batches.has_next())

    def next_batch(self) -> Any:
        batch = self._batches.next_batch()
        self.next_offset = batch.next_offset
        return batch


class SkippingRecords(PartitionRecords):  # type: ignore[misc]
    """The fetched records of one partition, without those of a batch from the first unreadable one on."""

    _records: Any
    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[Any]:
        self._records = batches = _Batches(self._records)
        while True:
            try:
                yield from super()._unpack_records()
            except _UNREADABLE as error:
                log.warning(
                    "skipped unreadable records of %s from offset %d to %d: %r",
                    self._tp,
                    self.next_fetch_offset,
                    batches.next_offset,
                    error,
                )
                self.next_fetch_offset = batches.next_offset
            else:
                return


async def ensure_metadata(client: AIOKafkaClient, topic: str) -> None:
    """Look up a topic unless it is known. Raises UnknownTopicOrPartitionError after two seconds.

    A request may name any reply topic, even a deleted one. aiokafka would look it up ten times a second until
    the send times out, and again with every refresh of the metadata for the rest of the process's life.
    """
    if client.cluster.partitions_for_topic(topic) is not None:
        return
    try:
        async with asyncio.timeout(_UNKNOWN_TOPIC_TIMEOUT_S):
            await client._wait_on_metadata(topic)
    except TimeoutError:
        client._topics.discard(topic)
        raise UnknownTopicOrPartitionError(topic) from None


async def load_metadata(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> None:
    """Look up these topics with one request; aiokafka would otherwise look them up one after the other."""
    await consumer._client.set_topics(list(topics))


def guard_sends(producer: AIOKafkaProducer, may_send: Callable[[], bool]) -> None:
    """Let the producer write records only while `may_send()` is true.

    It is called immediately before the request is written to the socket: a process that was suspended may
    resume at any line.
    """
    send = producer.client.send

    async def guarded(node_id: int, request: Any, **options: Any) -> Any:
        if isinstance(request, ProduceRequest) and (producer._closed or not may_send()):
            raise KafkaConnectionError("the lease has run out")
        return await send(node_id, request, **options)

    producer.client.send = guarded


async def abort_producer(producer: AIOKafkaProducer) -> None:
    """Close a producer without flushing it, within two seconds.

    `stop` would wait for the broker without a limit, and then send records that others may have sent already.
    The sender task ends once everything it waits for is resolved: responses fail with their connections; an
    update of the metadata, which nobody works on any more, is resolved here.
    """
    producer._closed = True
    sender = producer._sender.sender_task if producer._sender is not None else None
    if sender is not None:
        sender.cancel()
    try:
        async with asyncio.timeout(_ABORT_TIMEOUT_S):
            await producer.client.close()
            while sender is not None and not sender.done():
                update = producer.client._md_update_fut
                if update is not None and not update.done():
                    update.set_result(False)
                await asyncio.wait([sender], timeout=0.02)
    except TimeoutError:
        log.warning("the producer was not closed within %g s", _ABORT_TIMEOUT_S)
