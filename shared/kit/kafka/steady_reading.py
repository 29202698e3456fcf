"""Reads on past record batches that aiokafka can not read.

Anybody who may write to a topic can write a header whose name is no UTF-8, or compress with a codec
that is not installed here. The broker takes both; aiokafka raises, does not move on, and so meets the
same batch again for ever, while the records that it had read beside it are lost to the caller. No
client of ours writes such batches, so what is left of one is passed over, and said.
"""

import logging
from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import UnsupportedCodecError

log = logging.getLogger(__name__)

_UNREADABLE = (UnicodeDecodeError, UnsupportedCodecError)


class _Batches:
    """The batches of a fetch, one after another, and where the last one ended."""

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
    """The fetched records of one partition, without those that can not be read."""

    _records: Any
    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[Any]:
        self._records = batches = _Batches(self._records)
        while True:
            try:
                yield from super()._unpack_records()
            except _UNREADABLE as error:
                log.warning(
                    "passed over unreadable records of %s from offset %d to %d: %r",
                    self._tp,
                    self.next_fetch_offset,
                    batches.next_offset,
                    error,
                )
                self.next_fetch_offset = batches.next_offset
            else:
                return


def install() -> None:
    """Make all consumers of this process read on."""
    fetcher.PartitionRecords = SkippingRecords
