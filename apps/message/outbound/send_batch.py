"""Batches of sends in Postgres: five round trips, whatever the size of the batch."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import replace

from apps.message.domain.messages import Channel, Stored
from apps.message.domain.sending import Draft, NumberedMessage, PriorState
from apps.message.outbound.content_encryption import ContentEncryption
from apps.message.outbound.pool import ConnectionPool
from apps.message.outbound.rows import CHANNEL_COLUMNS, STORED_COLUMNS, channel_of, role_of, stored_of
from apps.message.ports import Locked, SendUnit, StillLocked
from shared.contracts.clock import Clock, Ids
from shared.contracts.event import MESSAGE_CREATED
from shared.contracts.message import Message
from shared.kit.outbox.outbox import OUTBOX_INSERT, Fact, outbox_rows

_LOCK = f"""
    SELECT {CHANNEL_COLUMNS} FROM channels WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE
"""  # noqa: S608 (names of columns)
_LOCK_SKIPPING = f"{_LOCK} SKIP LOCKED"
_EXISTING = "SELECT id FROM channels WHERE id = ANY($1::uuid[])"

# A statement of its own, after the lock: one that locks and reads sees the state of before it waited.
# The limits keep the planner with one probe of an index a draft, whatever it believes about the tables.
_KNOWN = """
    SELECT member.role, by_request.sequence AS by_request, by_nonce.sequence AS by_nonce
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[]) WITH ORDINALITY
         AS draft (channel_id, server_id, profile_id, request_key, nonce, place)
    LEFT JOIN LATERAL (
        SELECT role FROM members
        WHERE server_id = draft.server_id AND profile_id = draft.profile_id LIMIT 1
    ) AS member ON true
    LEFT JOIN LATERAL (
        SELECT sequence FROM messages
        WHERE channel_id = draft.channel_id AND profile_id = draft.profile_id
          AND request_key = draft.request_key LIMIT 1
    ) AS by_request ON true
    LEFT JOIN LATERAL (
        SELECT sequence FROM messages
        WHERE channel_id = draft.channel_id AND profile_id = draft.profile_id
          AND nonce = draft.nonce LIMIT 1
    ) AS by_nonce ON true
    ORDER BY draft.place
"""
_FIND = f"""
    SELECT {STORED_COLUMNS} FROM messages
    WHERE (channel_id, sequence) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[]))
"""  # noqa: S608 (names of columns)
_ADD = f"""
    WITH stored AS (
        INSERT INTO messages (channel_id, sequence, id, profile_id, server_id, content, nonce, request_key,
                              fingerprint, content_key, created_at)
        SELECT new.*, $19::timestamptz
        FROM unnest($9::uuid[], $10::bigint[], $11::uuid[], $12::uuid[], $13::uuid[], $14::text[],
                    $15::text[], $16::text[], $17::bytea[], $18::text[]) AS new
    ), counted AS (
        UPDATE channels SET last_sequence = new.last_sequence, messages_revision = new.messages_revision
        FROM unnest($20::uuid[], $21::bigint[], $22::bigint[]) AS new (id, last_sequence, messages_revision)
        WHERE channels.id = new.id
    )
    {OUTBOX_INSERT}
"""  # noqa: S608 (a statement of the kit)
# By itself, because hardly any message has some: the others need not pay for it.
_ATTACH = """
    UPDATE messages SET attachments = new.attachments
    FROM unnest($1::uuid[], $2::bigint[], $3::jsonb[]) AS new (channel_id, sequence, attachments)
    WHERE messages.channel_id = new.channel_id AND messages.sequence = new.sequence
"""
_DELETED_FILES = "SELECT id FROM deleted_files WHERE id = ANY($1::uuid[])"
_WAIT_FOR_LOCK = "SET LOCAL lock_timeout = '250ms'"


class SqlSending:
    """Where batches of sends are written."""

    def __init__(self, pool: ConnectionPool, clock: Clock, ids: Ids, contents: ContentEncryption) -> None:
        self._pool = pool
        self._contents = contents
        self._clock = clock
        self._ids = ids

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SendUnit]:
        """Committed at the end. Raises `mesh.busy` when it is not known whether it was committed."""
        async with self._pool.transaction() as connection:
            yield SqlSendUnit(connection, self._clock, self._ids, self._contents)


class SqlSendUnit:
    """One transaction of a batch of sends."""

    def __init__(
        self, connection: asyncpg.Connection, clock: Clock, ids: Ids, contents: ContentEncryption
    ) -> None:
        self._connection = connection
        self._contents = contents
        self._clock = clock
        self._ids = ids

    async def lock(self, channel_ids: Collection[UUID], *, wait: bool) -> Locked:
        """Lock the channels' rows; those locked elsewhere are left out, or waited for at most 250 ms."""
        if wait:
            await self._connection.execute(_WAIT_FOR_LOCK)
        try:
            rows = await self._connection.fetch(_LOCK if wait else _LOCK_SKIPPING, list(channel_ids))
        except asyncpg.LockNotAvailableError:
            raise StillLocked from None
        channels = {row["id"]: channel_of(row) for row in rows}
        missing = [channel_id for channel_id in channel_ids if channel_id not in channels]
        elsewhere = await self._connection.fetch(_EXISTING, missing) if missing else ()
        return Locked(channels, frozenset(row["id"] for row in elsewhere))

    async def known(self, drafts: Sequence[Draft], channels: Mapping[UUID, Channel]) -> list[PriorState]:
        """What is stored about the drafts; messages are read only when there are any, which is rare."""
        rows = await self._connection.fetch(
            _KNOWN,
            [draft.channel_id for draft in drafts],
            [channel.server_id if (channel := channels.get(draft.channel_id)) else None for draft in drafts],
            [draft.profile_id for draft in drafts],
            [draft.request_key for draft in drafts],
            [draft.nonce for draft in drafts],
        )
        stored = await self._find(drafts, rows)
        return [
            PriorState(
                role=role_of(row["role"]),
                same_request=self._recognised(stored.get((draft.channel_id, row["by_request"])), draft),
                same_nonce=stored.get((draft.channel_id, row["by_nonce"])),
            )
            for draft, row in zip(drafts, rows, strict=True)
        ]

    async def deleted_files(self, file_ids: Collection[UUID]) -> frozenset[UUID]:
        """Those of these files that are known to be deleted."""
        rows = await self._connection.fetch(_DELETED_FILES, list(file_ids))
        return frozenset(row["id"] for row in rows)

    async def add(self, news: Sequence[NumberedMessage], channels: Iterable[Channel]) -> None:
        """Store the messages, the channels' counters and the events, in one statement."""
        facts = [
            Fact(
                event_type=MESSAGE_CREATED,
                key=new.message.server_id,
                revision=new.revision,
                data=new.message,
                correlation_id=new.draft.correlation_id,
            )
            for new in news
        ]
        await self._connection.execute(
            _ADD,
            *outbox_rows(facts, self._clock, self._ids),
            *_message_columns(news, self._contents),
            *_counters(channels),
        )
        if attached := [new.message for new in news if new.message.attachments]:
            await self._connection.execute(_ATTACH, *_attachment_columns(attached))

    def _recognised(self, stored: Stored | None, draft: Draft) -> Stored | None:
        """With the fingerprint as the draft has it, if it is the same: stored may be an HMAC of it."""
        if stored is None or stored.fingerprint is None:
            return stored
        return replace(stored, fingerprint=self._contents.recognise(stored.fingerprint, draft.fingerprint))

    async def _find(
        self, drafts: Sequence[Draft], rows: Sequence[asyncpg.Record]
    ) -> dict[tuple[UUID, int | None], Stored]:
        places = {
            (draft.channel_id, sequence)
            for draft, row in zip(drafts, rows, strict=True)
            for sequence in (row["by_request"], row["by_nonce"])
            if sequence is not None
        }
        if not places:
            return {}
        found = await self._connection.fetch(
            _FIND, [channel_id for channel_id, _ in places], [sequence for _, sequence in places]
        )
        return {(row["channel_id"], row["sequence"]): stored_of(row, self._contents) for row in found}


def _message_columns(news: Sequence[NumberedMessage], contents: ContentEncryption) -> tuple[object, ...]:
    """All messages of a batch are created at the same time."""
    closed = [contents.close(new.message.channel_id, new.message.id, new.message.content) for new in news]
    return (
        [new.message.channel_id for new in news],
        [new.message.sequence for new in news],
        [new.message.id for new in news],
        [new.message.profile_id for new in news],
        [new.message.server_id for new in news],
        [content for content, _ in closed],
        [new.message.nonce for new in news],
        [new.draft.request_key for new in news],
        [contents.mark(new.draft.fingerprint) for new in news],
        [key for _, key in closed],
        news[0].message.created_at,
    )


def _attachment_columns(messages: Sequence[Message]) -> tuple[object, ...]:
    return (
        [message.channel_id for message in messages],
        [message.sequence for message in messages],
        [msgspec.json.encode(message.attachments).decode() for message in messages],
    )


def _counters(channels: Iterable[Channel]) -> tuple[list[object], ...]:
    listed = list(channels)
    return (
        [channel.id for channel in listed],
        [channel.last_sequence for channel in listed],
        [channel.messages_revision for channel in listed],
    )
