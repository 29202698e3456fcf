"""Record batches as no well-behaved client writes them."""

from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy as RawBuilder

CODEC_LZ4 = 3


class RawName(str):
    """A header's name that is written as these bytes, UTF-8 or not."""

    raw: bytes

    def __new__(cls, raw: bytes) -> "RawName":
        name = super().__new__(cls, "raw")
        name.raw = raw
        return name

    def encode(self, *_: Any) -> bytes:
        return self.raw


def raw_batch(*headers_of_each: Sequence[tuple[str, bytes | None]]) -> bytes:
    """A batch with a record for each of these lists of headers."""
    builder = RawBuilder(2, 0, False, -1, -1, 0, 2_000_000)
    for offset, headers in enumerate(headers_of_each):
        builder.append(offset, None, b"key", b"%d" % offset, list(headers))
    return bytes(builder.build())


def bare_batch() -> bytes:
    """A batch with one record that has neither a key nor a value."""
    builder = RawBuilder(2, 0, False, -1, -1, 0, 2_000_000)
    builder.append(0, None, None, None, [])
    return bytes(builder.build())


class _Ready(BatchBuilder):  # type: ignore[misc]
    def __init__(self, raw: bytes, records: int) -> None:
        super().__init__(16_384, 0)
        self._buffer = bytearray(raw)
        self._relative_offset = records
        self.close()


async def write_raw(bootstrap: str, topic: str, partition: int, raw: bytes, records: int) -> None:
    """Write a batch as it is."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    await producer.start()
    try:
        await (await producer.send_batch(_Ready(raw, records), topic, partition=partition))
    finally:
        await producer.stop()
