"""Where a key goes: the partition that every Kafka client's default partitioner gives it (murmur2)."""

from functools import lru_cache

from aiokafka.partitioner import murmur2


def partition_for(key: bytes, partitions: int) -> int:
    """The partition of `key` in a topic that has so many."""
    return _hash(key) % partitions


@lru_cache(maxsize=65_536)
def _hash(key: bytes) -> int:
    """Remembered, because aiokafka's murmur2 is plain Python and keys come again and again."""
    return int(murmur2(key)) & 0x7FFFFFFF
