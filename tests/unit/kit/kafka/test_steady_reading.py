"""Batches that can not be read are passed over; everything around them is read."""

import struct

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords

from shared.kit.kafka.steady_reading import SkippingRecords, install
from tests.integration.kit.raw import RawName, raw_batch

GOOD = [("name", b"value")]
BAD = [(RawName(b"\xff\xfe"), b"value")]


def numbered(base_offset: int, raw: bytes) -> bytes:
    """The batch as the broker stores it, at its offset (which the checksum does not cover)."""
    return struct.pack(">q", base_offset) + raw[8:]


def read(*batches: bytes, from_offset: int = 0) -> tuple[list[int], int]:
    """The offsets of the records that are read, and where the next fetch begins."""
    records = SkippingRecords(
        TopicPartition("t", 0), MemoryRecords(b"".join(batches)), [], from_offset, None, None, True, 0
    )
    return [record.offset for record in records], records.next_fetch_offset


def test_good_batches_are_read_whole() -> None:
    assert read(numbered(0, raw_batch(GOOD, GOOD)), numbered(2, raw_batch(GOOD))) == ([0, 1, 2], 3)


def test_the_rest_of_an_unreadable_batch_is_passed_over() -> None:
    bad = numbered(2, raw_batch(GOOD, BAD, GOOD))
    assert read(numbered(0, raw_batch(GOOD, GOOD)), bad, numbered(5, raw_batch(GOOD))) == ([0, 1, 2, 5], 6)


def test_an_unreadable_batch_at_the_end_is_not_fetched_again() -> None:
    assert read(numbered(0, raw_batch(GOOD)), numbered(1, raw_batch(BAD, BAD))) == ([0], 3)
    assert read(numbered(7, raw_batch(BAD)), from_offset=7) == ([], 8)


def test_an_unknown_codec_is_passed_over() -> None:
    raw = bytearray(raw_batch(GOOD, GOOD))
    raw[22] = 3  # lz4, for which nothing is installed
    from aiokafka.record._crc32c import crc

    raw[17:21] = struct.pack(">I", crc(bytes(raw[21:])))
    assert read(numbered(0, bytes(raw)), numbered(2, raw_batch(GOOD))) == ([2], 3)


def test_it_is_in_use() -> None:
    install()
    assert fetcher.PartitionRecords is SkippingRecords
