"""Batches of sends on Postgres: five round trips, whatever the size of the batch."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import replace

from apps.message.domain.messages import Channel, StoredMessage
from apps.message.domain.sending import Draft, NumberedMessage, PriorState
from apps.message.outbound.content_encryption import ContentEncryption
from apps.message.outbound.pool import ConnectionPool
from apps.message.outbound.rows import CHANNEL_COLUMNS, STORED_COLUMNS, channel_of, role_of, stored_of
from apps.message.ports import LockedChannels, LockTimeout, SendUnitOfWork
from shared.contracts.clock import Clock, Ids
from shared.contracts.event import MESSAGE_CREATED
from shared.contracts.message import Message
from shared.kit.outbox.outbox import OUTBOX_INSERT, Fact, outbox_rows

_LOCK = f"""
    SELECT {CHANNEL_COLUMNS} FROM channels WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE
"""  # noqa: S608 (names of columns)
_LOCK_SKIPPING = f"{_LOCK} SKIP LOCKED"
_EXISTING = "SELECT id FROM channels WHERE id = ANY($1::uuid[])"

# A statement of its own, after the lock: one that locks and reads would see the state before its wait.
# With the limits the planner probes an index once for each draft, whatever its statistics are.
_PRIOR_STATES = """
    SELECT member.role, by_request.sequence AS by_request, by_nonce.sequence AS by_nonce
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[]) WITH ORDINALITY
         AS draft (channel_id, server_id, profile_id, request_key, nonce, position)
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
    ORDER BY draft.position
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
# A statement of its own: few messages have attachments, the others need not pay for it.
_ATTACH = """
    UPDATE messages SET attachments = new.attachments
    FROM unnest($1::uuid[], $2::bigint[], $3::jsonb[]) AS new (channel_id, sequence, attachments)
    WHERE messages.channel_id = new.channel_id AND messages.sequence = new.sequence
"""
_DELETED_FILES = "SELECT id FROM deleted_files WHERE id = ANY($1::uuid[])"
_WAIT_FOR_LOCK = "SET LOCAL lock_timeout = '250ms'"


class SqlSendUnitOfWorkFactory:
    """`apps.message.ports.SendUnitOfWorkFactory` on Postgres."""

    def __init__(self, pool: ConnectionPool, clock: Clock, ids: Ids, contents: ContentEncryption) -> None:
        self._pool = pool
        self._contents = contents
        self._clock = clock
        self._ids = ids

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SendUnitOfWork]:
        """Begin a transaction; commit it at the end.

        Raises `mesh.busy`, also when the connection was lost during the commit, whose result is unknown then.
        """
        async with self._pool.connection() as connection, connection.transaction():
            yield SqlSendUnitOfWork(connection, self._clock, self._ids, self._contents)
        self._pool.committed()


class SqlSendUnitOfWork:
    """`apps.message.ports.SendUnitOfWork` on Postgres."""

    def __init__(
        self, connection: asyncpg.Connection, clock: Clock, ids: Ids, contents: ContentEncryption
    ) -> None:
        self._connection = connection
        self._contents = contents
        self._clock = clock
        self._ids = ids

    async def lock(self, channel_ids: Collection[UUID], *, wait: bool) -> LockedChannels:
        """Lock the channels' rows; leave out those locked elsewhere, or wait for them for at most 250 ms."""
        if wait:
            await self._connection.execute(_WAIT_FOR_LOCK)
        try:
            rows = await self._connection.fetch(_LOCK if wait else _LOCK_SKIPPING, list(channel_ids))
        except asyncpg.LockNotAvailableError:
            raise LockTimeout from None
        channels = {row["id"]: channel_of(row) for row in rows}
        missing = [channel_id for channel_id in channel_ids if channel_id not in channels]
        elsewhere = await self._connection.fetch(_EXISTING, missing) if missing else ()
        return LockedChannels(channels, frozenset(row["id"] for row in elsewhere))

    async def prior_states(
        self, drafts: Sequence[Draft], channels: Mapping[UUID, Channel]
    ) -> list[PriorState]:
        """Return the stored state of each draft. Messages are read only if some exist, which is rare."""
        rows = await self._connection.fetch(
            _PRIOR_STATES,
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
                same_request=self._with_fingerprint(stored.get((draft.channel_id, row["by_request"])), draft),
                same_nonce=stored.get((draft.channel_id, row["by_nonce"])),
            )
            for draft, row in zip(drafts, rows, strict=True)
        ]

    async def deleted_files(self, file_ids: Collection[UUID]) -> frozenset[UUID]:
        """Return those of these files that are known to be deleted."""
        rows = await self._connection.fetch(_DELETED_FILES, list(file_ids))
        return frozenset(row["id"] for row in rows)

    async def add(self, messages: Sequence[NumberedMessage], channels: Iterable[Channel]) -> None:
        """Store the messages, the channels' counters and the events, in one statement."""
        events = [
            Fact(
                event_type=MESSAGE_CREATED,
                key=numbered.message.server_id,
                revision=numbered.revision,
                data=numbered.message,
                correlation_id=numbered.draft.correlation_id,
            )
            for numbered in messages
        ]
        await self._connection.execute(
            _ADD,
            *outbox_rows(events, self._clock, self._ids),
            *_message_columns(messages, self._contents),
            *_counters(channels),
        )
        if attached := [numbered.message for numbered in messages if numbered.message.attachments]:
            await self._connection.execute(_ATTACH, *_attachment_columns(attached))

    def _with_fingerprint(self, stored: StoredMessage | None, draft: Draft) -> StoredMessage | None:
        """Return the message with the draft's fingerprint, if it is the same; an HMAC of it may be stored."""
        if stored is None or stored.fingerprint is None:
            return stored
        fingerprint = self._contents.recognize_fingerprint(stored.fingerprint, draft.fingerprint)
        return replace(stored, fingerprint=fingerprint)

    async def _find(
        self, drafts: Sequence[Draft], rows: Sequence[asyncpg.Record]
    ) -> dict[tuple[UUID, int | None], StoredMessage]:
        keys = {
            (draft.channel_id, sequence)
            for draft, row in zip(drafts, rows, strict=True)
            for sequence in (row["by_request"], row["by_nonce"])
            if sequence is not None
        }
        if not keys:
            return {}
        records = await self._connection.fetch(
            _FIND, [channel_id for channel_id, _ in keys], [sequence for _, sequence in keys]
        )
        return {
            (record["channel_id"], record["sequence"]): stored_of(record, self._contents)
            for record in records
        }


def _message_columns(messages: Sequence[NumberedMessage], contents: ContentEncryption) -> tuple[object, ...]:
    """Return the columns of the messages, and the time at which all of them are created."""
    encrypted = [
        contents.encrypt(numbered.message.channel_id, numbered.message.id, numbered.message.content)
        for numbered in messages
    ]
    return (
        [numbered.message.channel_id for numbered in messages],
        [numbered.message.sequence for numbered in messages],
        [numbered.message.id for numbered in messages],
        [numbered.message.profile_id for numbered in messages],
        [numbered.message.server_id for numbered in messages],
        [content for content, _ in encrypted],
        [numbered.message.nonce for numbered in messages],
        [numbered.draft.request_key for numbered in messages],
        [contents.protect_fingerprint(numbered.draft.fingerprint) for numbered in messages],
        [key_id for _, key_id in encrypted],
        messages[0].message.created_at,
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
