"""The patches of aiokafka: their effect, and the private parts of aiokafka on which they rely."""

import asyncio
import inspect
import struct
import tomllib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiokafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher
from aiokafka.producer.sender import Sender
from aiokafka.record.memory_records import MemoryRecords

from shared.kit.kafka import aiokafka_patches
from shared.kit.kafka.aiokafka_patches import SkippingRecords
from tests.integration.kit.raw import RawName, raw_batch

PartitionRecords: Any = SkippingRecords.__base__
"""aiokafka's class, which the patch replaces."""

GOOD = [("name", b"value")]
BAD = [(RawName(b"\xff\xfe"), b"value")]


def numbered(base_offset: int, raw: bytes) -> bytes:
    """Return the batch as the broker stores it, at its offset, which the checksum does not cover."""
    return struct.pack(">q", base_offset) + raw[8:]


def read(*batches: bytes, from_offset: int = 0) -> tuple[list[int], int]:
    """Return the offsets of the records that are read, and where the next fetch begins."""
    records = SkippingRecords(
        TopicPartition("t", 0), MemoryRecords(b"".join(batches)), [], from_offset, None, None, True, 0
    )
    return [record.offset for record in records], records.next_fetch_offset


def test_good_batches_are_read_whole() -> None:
    assert read(numbered(0, raw_batch(GOOD, GOOD)), numbered(2, raw_batch(GOOD))) == ([0, 1, 2], 3)


def test_the_rest_of_an_unreadable_batch_is_skipped() -> None:
    bad = numbered(2, raw_batch(GOOD, BAD, GOOD))
    assert read(numbered(0, raw_batch(GOOD, GOOD)), bad, numbered(5, raw_batch(GOOD))) == ([0, 1, 2, 5], 6)


def test_an_unreadable_batch_at_the_end_is_not_fetched_again() -> None:
    assert read(numbered(0, raw_batch(GOOD)), numbered(1, raw_batch(BAD, BAD))) == ([0], 3)
    assert read(numbered(7, raw_batch(BAD)), from_offset=7) == ([], 8)


def test_an_unknown_codec_is_skipped() -> None:
    raw = bytearray(raw_batch(GOOD, GOOD))
    raw[22] = 3  # lz4, for which nothing is installed
    from aiokafka.record._crc32c import crc

    raw[17:21] = struct.pack(">I", crc(bytes(raw[21:])))
    assert read(numbered(0, bytes(raw)), numbered(2, raw_batch(GOOD))) == ([2], 3)


async def test_a_client_that_gets_no_answer_waits_before_the_next_request() -> None:
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1", retry_backoff_ms=50)
    synchronizer = asyncio.create_task(client._md_synchronizer())
    requests = 0
    try:
        async with asyncio.timeout(0.5):
            while True:
                assert await client.force_metadata_update() is False
                requests += 1
    except TimeoutError:
        pass
    finally:
        synchronizer.cancel()
    assert 2 <= requests <= 10


def test_apply_is_idempotent_and_in_effect() -> None:
    for _ in range(2):
        aiokafka_patches.apply()
    aiokafka_patches.require_applied()
    assert fetcher.PartitionRecords is SkippingRecords
    assert AIOKafkaClient._metadata_update is aiokafka_patches._update_with_backoff
    assert aiokafka_patches._metadata_update is not aiokafka_patches._update_with_backoff


def test_a_process_that_did_not_apply_the_patches_consumes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "PartitionRecords", PartitionRecords)
    with pytest.raises(RuntimeError, match="must be called"):
        aiokafka_patches.require_applied()


@pytest.mark.parametrize("other", ["0.13.0", "0.15.0", "1.0.0"])
def test_another_version_is_rejected_at_start(monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    monkeypatch.setattr(aiokafka, "__version__", other)
    with pytest.raises(RuntimeError, match=other):
        aiokafka_patches.apply()


def test_the_requirements_allow_the_examined_versions_only() -> None:
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())["project"]
    assert aiokafka_patches.VERSIONS == "0.14."
    assert "aiokafka>=0.14,<0.15" in project["dependencies"]


PINNED: dict[Callable[..., Any], str] = {
    aiokafka_patches._metadata_update: "06dc51ed3e0d38b8",
    AIOKafkaClient.force_metadata_update: "cb7befef21c8f3f9",
    AIOKafkaClient.set_topics: "9f9b55d6d8997834",
    AIOKafkaClient._wait_on_metadata: "52b0a5ee78ef3aa0",
    PartitionRecords.__init__: "8ec1c2ae6ea1af87",
    PartitionRecords.__next__: "63ac34a08c309098",
    PartitionRecords._unpack_records: "b803e6d46480732c",
    AIOKafkaProducer.stop: "43ef97147111893b",
    Sender.start: "ef0a0cbbf1f69e7d",
    Sender.sender_task.fget: "2aa81bcdcedb2d20",
}
"""Hashes of the code that the patches rely on; compare the code itself before updating one."""


@pytest.mark.parametrize("function", PINNED, ids=lambda function: function.__qualname__)
def test_the_patched_code_is_the_examined_one(function: Callable[..., Any]) -> None:
    assert sha256(inspect.getsource(function).encode()).hexdigest()[:16] == PINNED[function]


async def test_the_private_attributes_exist() -> None:
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    assert (client._retry_backoff, client._topics, client._md_update_fut) == (0.1, set(), None)
    producer, consumer = AIOKafkaProducer(), AIOKafkaConsumer()
    assert (producer._closed, producer._sender) == (False, None)
    assert isinstance(producer.client, AIOKafkaClient)
    assert isinstance(consumer._client, AIOKafkaClient)
    assert "= PartitionRecords(" in inspect.getsource(fetcher.Fetcher)
