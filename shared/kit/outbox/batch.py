"""A page of the outbox: how it is read, and how its rows become records."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

import asyncpg
from msgspec import Struct

from shared.contracts.topics import dead_letter_topic
from shared.kit.outbox.records import Line, OutboxRecord
from shared.kit.outbox.rejections import Rejections
from shared.kit.wire.failure import ORIGINAL_TOPIC, REASON, TRUNCATED
from shared.kit.wire.headers import CORRELATION_ID, Headers

EVENT_ID = "event_id"
EVENT_TYPE = "event_type"

Sign = Callable[[str, bytes, bytes, Headers], Headers]
"""Gives the headers that sign a record, from its topics (separated by spaces), key, body, other headers."""
LineOf = Callable[[str, bytes], Awaitable[Line]]
_PAGE_BYTES = 8 * 1024 * 1024
_ROWS_AT_A_TIME = 100
"""The loop belongs to requests too: after so many rows they have their turn."""
_DEAD_BODY_BYTES = 64 * 1024


class Row(Struct):
    """A row of the outbox."""

    id: int
    key: UUID
    event_id: UUID
    type: str
    topics: str
    body: bytes
    correlation_id: str | None


class Page:
    """Rows, the records that they become, and which of them Kafka has in full."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.lines: dict[Line, list[OutboxRecord]] = {}
        self.sent: dict[int, UUID] = {}
        """Id of the row and of the event, of what Kafka has in all its topics."""
        self._missing = [0] * len(rows)

    async def pack(self, service: str, line_of: LineOf, refusals: Rejections, sign: Sign | None) -> None:
        """Fill the lines, each in the order of the rows; what a topic refuses goes to the dead letters."""
        for place, row in enumerate(self.rows):
            if place % _ROWS_AT_A_TIME == 0:
                await asyncio.sleep(0)
            key, topics, common = str(row.key).encode(), row.topics.split(), _headers(row)
            self._missing[place] = len(topics)
            if not topics:
                self.sent[row.id] = row.event_id
            elif sign is not None:
                common = [*common, *sign(row.topics, key, row.body, common)]
            for topic in topics:
                headers, body, target = common, row.body, topic
                if (reason := refusals.reason(row.event_id, topic)) is not None:
                    target = dead_letter_topic(service)
                    whole = refusals.reason(row.event_id, target) is None
                    headers = [*headers, (ORIGINAL_TOPIC, topic.encode()), (REASON, reason.encode())]
                    body, headers = _cut(body, headers, whole=whole)
                line = await line_of(target, key)
                self.lines.setdefault(line, []).append(OutboxRecord(place, key, body, headers))

    def taken(self, parcel: OutboxRecord) -> None:
        """Kafka has this record."""
        place = parcel.place
        self._missing[place] -= 1
        if self._missing[place] == 0:
            row = self.rows[place]
            self.sent[row.id] = row.event_id


async def read_page(connection: asyncpg.Connection, slices: Sequence[int], rows_max: int) -> Page:
    """The oldest rows of these slices, as many as fit the bounds, at least one if there is one."""
    rows = await connection.fetch(_PAGE, list(slices), rows_max, _PAGE_BYTES)
    return Page([Row(*row) for row in rows])


async def delete_rows(connection: asyncpg.Connection, sent: Mapping[int, UUID]) -> None:
    """Delete exactly these. The event's id too must match: a standby that was promoted may give an id
    again.
    """
    await connection.execute(_DELETE, list(sent), list(sent.values()))


def _headers(row: Row) -> Headers:
    headers = [(EVENT_ID, str(row.event_id).encode()), (EVENT_TYPE, row.type.encode())]
    if row.correlation_id is not None:
        headers.append((CORRELATION_ID, row.correlation_id.encode()))
    return headers


def _cut(body: bytes, headers: Headers, *, whole: bool) -> tuple[bytes, Headers]:
    """What was too large for its topic must fit into the dead letters: its beginning, and how long it was."""
    limit = _DEAD_BODY_BYTES if whole else 0
    if len(body) <= limit:
        return body, headers
    return body[:limit], [*headers, (TRUNCATED, str(len(body)).encode())]


_PAGE = """
SELECT id, key, event_id, type, topics, body, correlation_id
FROM (
    SELECT page.*, sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS bytes_before
    FROM (
        SELECT id, key, event_id, type, topics, body, correlation_id FROM outbox
        WHERE slice = ANY($1::smallint[]) ORDER BY id LIMIT $2
    ) AS page
) AS sized
WHERE bytes_before < $3 ORDER BY id
"""
_DELETE = """
DELETE FROM outbox USING unnest($1::bigint[], $2::uuid[]) AS sent (id, event_id)
WHERE outbox.id = sent.id AND outbox.event_id = sent.event_id
"""
