"""The transactional outbox: events are written in the transaction of the change; a relay sends them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Raw, Struct
from sqlalchemy import column, insert, table
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.base import Answer
from shared.contracts.clock import Clock, Ids
from shared.contracts.event import Event, EventType
from shared.kit.outbox.tables import SHARDS, outbox_tables
from shared.kit.telemetry.log_context import correlation_id_var

__all__ = [
    "OUTBOX_INSERT",
    "SHARDS",
    "Fact",
    "Outbox",
    "encode_event",
    "outbox_rows",
    "outbox_tables",
    "shard_of",
]


class Fact(Struct, frozen=True, kw_only=True):
    """An event to be published, about the aggregate `key` as of its `revision`."""

    event_type: EventType
    key: UUID
    revision: int
    data: Answer
    correlation_id: str | None = None


class Outbox:
    """Writes events within a session's transaction; the aggregate's row must be locked by then."""

    def __init__(self, session: AsyncSession, clock: Clock, ids: Ids) -> None:
        self._session = session
        self._clock = clock
        self._ids = ids

    async def publish(self, event_type: EventType, key: UUID, revision: int, data: Answer) -> None:
        """Write one event; it is sent to the topics of its type if and only if the transaction commits."""
        correlation_id = correlation_id_var.get()
        fact = Fact(
            event_type=event_type, key=key, revision=revision, data=data, correlation_id=correlation_id
        )
        row = _row(fact, self._clock.now(), self._ids.new())
        await self._session.execute(insert(_OUTBOX), dict(zip(_COLUMNS, row, strict=True)))


def outbox_rows(facts: Sequence[Fact], clock: Clock, ids: Ids) -> tuple[list[object], ...]:
    """Return the arguments of `OUTBOX_INSERT` that write these events in this order, with asyncpg.

    `await connection.execute(OUTBOX_INSERT, *outbox_rows(facts, clock, ids))`, or as a part of a larger
    statement.
    """
    now = clock.now()
    rows = [_row(fact, now, ids.new()) for fact in facts]
    return tuple([row[index] for row in rows] for index in range(len(_COLUMNS)))


def shard_of(key: UUID) -> int:
    """Return the shard of a key; the last bits of a UUID are random in versions 4 and 7."""
    return key.int % SHARDS


def encode_event(fact: Fact, event_id: UUID, occurred_at: datetime) -> bytes:
    """Return the JSON of an event as written to Kafka."""
    return msgspec.json.encode(
        Event(
            id=event_id,
            type=fact.event_type.name,
            occurred_at=occurred_at,
            revision=fact.revision,
            data=Raw(msgspec.json.encode(fact.data)),
        )
    )


_TYPES = {
    "slice": "smallint",
    "key": "uuid",
    "event_id": "uuid",
    "type": "text",
    "topics": "text",
    "body": "bytea",
    "correlation_id": "text",
    "created_at": "timestamptz",
}
_COLUMNS = tuple(_TYPES)
_OUTBOX = table("outbox", *(column(name) for name in _COLUMNS))


def _row(fact: Fact, now: datetime, event_id: UUID) -> tuple[object, ...]:
    """Return the values in the order of `_COLUMNS`."""
    return (
        shard_of(fact.key),
        fact.key,
        event_id,
        fact.event_type.name,
        " ".join(fact.event_type.topics),
        encode_event(fact, event_id, now),
        fact.correlation_id,
        now,
    )


def _insert_statement() -> str:
    names = ", ".join(_COLUMNS)
    arrays = ", ".join(f"${number}::{sql_type}[]" for number, sql_type in enumerate(_TYPES.values(), 1))
    return (
        f"INSERT INTO outbox ({names}) SELECT {names} "  # noqa: S608 (column names, all from above)
        f"FROM unnest({arrays}) WITH ORDINALITY AS fact ({names}, number) ORDER BY number"
    )


OUTBOX_INSERT = _insert_statement()
"""Inserts many rows, their ids in the order of the lists that `outbox_rows` returns."""
