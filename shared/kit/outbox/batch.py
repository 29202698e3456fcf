"""A batch of the outbox: reading its rows, turning them into records, deleting what Kafka has."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

import asyncpg
from aiokafka import TopicPartition
from msgspec import Struct

from shared.contracts.topics import dead_letter_topic
from shared.kit.outbox.records import OutboxRecord, Rejections
from shared.kit.wire.failure import ORIGINAL_TOPIC, REASON, TRUNCATED
from shared.kit.wire.headers import CORRELATION_ID, Headers

EVENT_ID = "event_id"
EVENT_TYPE = "event_type"

Sign = Callable[[str, bytes, bytes, Headers], Headers]
"""Returns the headers that sign a record, from its topics (separated by spaces), key, body, other headers."""
PartitionOf = Callable[[str, bytes], Awaitable[TopicPartition]]
"""Returns the partition of a topic that a key belongs to."""
_BATCH_BYTES = 8 * 1024 * 1024
_ROWS_PER_TURN = 100
"""The loop belongs to requests too: they get a turn after this many rows."""
_DEAD_BODY_BYTES = 64 * 1024


class OutboxRow(Struct):
    """A row of `outbox`."""

    id: int
    key: UUID
    event_id: UUID
    type: str
    topics: str
    body: bytes
    correlation_id: str | None


class OutboxBatch:
    """Rows, the records made of them, and the rows whose records Kafka has in all topics."""

    def __init__(self, rows: Sequence[OutboxRow]) -> None:
        self.rows = rows
        self.by_partition: dict[TopicPartition, list[OutboxRecord]] = {}
        self.sent: dict[int, UUID] = {}
        """Row id to event id, for each row that Kafka has in all its topics."""
        self._unacked = [0] * len(rows)

    async def build(
        self, service: str, partition_of: PartitionOf, rejections: Rejections, sign: Sign | None
    ) -> None:
        """Fill `by_partition`, in the order of the rows; events that a topic rejected become dead letters."""
        for index, row in enumerate(self.rows):
            if index % _ROWS_PER_TURN == 0:
                await asyncio.sleep(0)
            key, topics, common = str(row.key).encode(), row.topics.split(), _headers(row)
            self._unacked[index] = len(topics)
            if not topics:
                self.sent[row.id] = row.event_id
            elif sign is not None:
                common = [*common, *sign(row.topics, key, row.body, common)]
            for topic in topics:
                target, body, headers = _addressed(service, topic, row, common, rejections)
                partition = await partition_of(target, key)
                record = OutboxRecord(index, key, body, headers)
                self.by_partition.setdefault(partition, []).append(record)

    def on_acked(self, record: OutboxRecord) -> None:
        """Note that Kafka has this record."""
        self._unacked[record.row_index] -= 1
        if self._unacked[record.row_index] == 0:
            row = self.rows[record.row_index]
            self.sent[row.id] = row.event_id


async def read_batch(connection: asyncpg.Connection, shards: Sequence[int], rows_max: int) -> OutboxBatch:
    """Read the oldest rows of these shards, as many as fit the bounds, at least one if there is one."""
    rows = await connection.fetch(_SELECT, list(shards), rows_max, _BATCH_BYTES)
    return OutboxBatch([OutboxRow(*row) for row in rows])


async def delete_rows(connection: asyncpg.Connection, sent: Mapping[int, UUID]) -> None:
    """Delete exactly these rows, given as row id to event id.

    The event id must match too: a standby that was promoted may assign a row id again.
    """
    await connection.execute(_DELETE, list(sent), list(sent.values()))


def _headers(row: OutboxRow) -> Headers:
    headers = [(EVENT_ID, str(row.event_id).encode()), (EVENT_TYPE, row.type.encode())]
    if row.correlation_id is not None:
        headers.append((CORRELATION_ID, row.correlation_id.encode()))
    return headers


def _addressed(
    service: str, topic: str, row: OutboxRow, headers: Headers, rejections: Rejections
) -> tuple[str, bytes, Headers]:
    """Return topic, body and headers: those of the event, or of a dead letter if the topic rejected it."""
    reason = rejections.reason(row.event_id, topic)
    if reason is None:
        return topic, row.body, headers
    target = dead_letter_topic(service)
    headers = [*headers, (ORIGINAL_TOPIC, topic.encode()), (REASON, reason.encode())]
    # It must fit into the dead letters: its beginning, or only its headers if that was rejected too.
    limit = _DEAD_BODY_BYTES if rejections.reason(row.event_id, target) is None else 0
    if len(row.body) <= limit:
        return target, row.body, headers
    return target, row.body[:limit], [*headers, (TRUNCATED, str(len(row.body)).encode())]


_SELECT = """
SELECT id, key, event_id, type, topics, body, correlation_id
FROM (
    SELECT oldest.*, sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS bytes_before
    FROM (
        SELECT id, key, event_id, type, topics, body, correlation_id FROM outbox
        WHERE slice = ANY($1::smallint[]) ORDER BY id LIMIT $2
    ) AS oldest
) AS sized
WHERE bytes_before < $3 ORDER BY id
"""
_DELETE = """
DELETE FROM outbox USING unnest($1::bigint[], $2::uuid[]) AS sent (id, event_id)
WHERE outbox.id = sent.id AND outbox.event_id = sent.event_id
"""
