"""The cold paths in Postgres: one message read, edited or deleted in a session."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from apps.message.domain.messages import Channel, ChannelMembership, Stored
from apps.message.outbound.content_encryption import ContentEncryption
from apps.message.outbound.rows import (
    CHANNEL_COLUMNS,
    STORED_COLUMNS,
    channel_of,
    message_of,
    role_of,
    stored_of,
)
from shared.contracts.base import Answer
from shared.contracts.clock import Clock, Ids
from shared.contracts.event import EventType
from shared.contracts.message import Message
from shared.kit.database.database import Database
from shared.kit.database.unit_of_work import SqlUnitOfWorkFactory
from shared.kit.outbox.outbox import Outbox

_CHANNEL = f"SELECT {CHANNEL_COLUMNS} FROM channels WHERE id = :channel_id"  # noqa: S608 (names of columns)
_READ_CHANNEL = text(_CHANNEL)
_LOCK_CHANNEL = text(f"{_CHANNEL} FOR UPDATE")
_ROLE = text("SELECT role FROM members WHERE server_id = :server_id AND profile_id = :profile_id")
_MESSAGE = text(
    f"SELECT {STORED_COLUMNS} FROM messages WHERE channel_id = :channel_id AND id = :message_id"  # noqa: S608
)
_CHANGE = text(
    """
    UPDATE messages SET content = :content, content_key = :content_key, edited_at = :edited_at
    WHERE channel_id = :channel_id AND sequence = :sequence
    """
)
_BURY = text(
    """
    UPDATE messages SET content = NULL, content_key = NULL, fingerprint = NULL, attachments = NULL,
        deleted_at = :now, deleting_call = :call_id
    WHERE channel_id = :channel_id AND sequence = :sequence
    """
)
_NOTE_DELETED = text("INSERT INTO deleted_files (id, deleted_at) VALUES (:id, :now) ON CONFLICT DO NOTHING")
_WITH_FILE = text(
    f"""
    SELECT {STORED_COLUMNS} FROM messages
    WHERE channel_id = :channel_id AND attachments @> CAST(:file AS jsonb) AND deleted_at IS NULL
    ORDER BY sequence LIMIT :limit
    """  # noqa: S608 (names of columns)
)
_CHANGE_ATTACHMENTS = text(
    """
    UPDATE messages SET attachments = CAST(:attachments AS jsonb)
    WHERE channel_id = :channel_id AND sequence = :sequence
    """
)
_COUNT = text("UPDATE channels SET messages_revision = :revision WHERE id = :channel_id")


class SqlUnitOfWork:
    """One transaction of the cold paths."""

    def __init__(self, session: AsyncSession, outbox: Outbox, contents: ContentEncryption) -> None:
        self._contents = contents
        self._session = session
        self._outbox = outbox

    async def gate(self, channel_id: UUID, profile_id: UUID, *, lock: bool = False) -> ChannelMembership:
        """What is known about a profile in a channel; with `lock` the channel's row is locked first."""
        statement = _LOCK_CHANNEL if lock else _READ_CHANNEL
        found = (await self._session.execute(statement, {"channel_id": channel_id})).mappings().one_or_none()
        if found is None:
            return ChannelMembership(channel=None, role=None)
        channel = channel_of(found)
        key = {"server_id": channel.server_id, "profile_id": profile_id}
        return ChannelMembership(channel=channel, role=role_of(await self._session.scalar(_ROLE, key)))

    async def message(self, channel_id: UUID, message_id: UUID) -> Stored | None:
        """A message or the tombstone of one."""
        key = {"channel_id": channel_id, "message_id": message_id}
        found = (await self._session.execute(_MESSAGE, key)).mappings().one_or_none()
        return None if found is None else stored_of(found, self._contents)

    async def change(self, message: Message, revision: int) -> None:
        """Store the new content of a message, and its channel's `messages_revision`."""
        content, key = self._contents.close(message.channel_id, message.id, message.content)
        change = {"content": content, "content_key": key, "edited_at": message.edited_at}
        await self._session.execute(_CHANGE, {**_place(message), **change})
        await self._count(message, revision)

    async def bury(self, message: Message, call_id: str, now: datetime, revision: int) -> None:
        """Make a tombstone of a message, and store its channel's `messages_revision`."""
        await self._session.execute(_BURY, {**_place(message), "call_id": call_id, "now": now})
        await self._count(message, revision)

    async def publish(self, kind: EventType, key: UUID, revision: int, data: Answer) -> None:
        """Write an event that is sent if, and only if, this transaction commits."""
        await self._outbox.publish(kind, key, revision, data)

    async def lock_channel(self, channel_id: UUID) -> Channel | None:
        """Lock a channel's row."""
        key = {"channel_id": channel_id}
        found = (await self._session.execute(_LOCK_CHANNEL, key)).mappings().one_or_none()
        return None if found is None else channel_of(found)

    async def note_deleted_file(self, file_id: UUID, now: datetime) -> None:
        """Remember for a while that a file was deleted."""
        await self._session.execute(_NOTE_DELETED, {"id": file_id, "now": now})

    async def messages_with(self, channel_id: UUID, file_id: UUID, limit: int) -> list[Message]:
        """Messages of a channel that show a file."""
        file = msgspec.json.encode([{"id": file_id}]).decode()
        key = {"channel_id": channel_id, "file": file, "limit": limit}
        rows = (await self._session.execute(_WITH_FILE, key)).mappings()
        return [message_of(row, self._contents) for row in rows]

    async def change_attachments(self, message: Message, revision: int) -> None:
        """Store the new attachments of a message, and its channel's `messages_revision`."""
        encoded = msgspec.json.encode(message.attachments).decode() if message.attachments else None
        await self._session.execute(_CHANGE_ATTACHMENTS, {**_place(message), "attachments": encoded})
        await self._count(message, revision)

    async def _count(self, message: Message, revision: int) -> None:
        await self._session.execute(_COUNT, {"channel_id": message.channel_id, "revision": revision})


def _place(message: Message) -> dict[str, object]:
    return {"channel_id": message.channel_id, "sequence": message.sequence}


def sql_unit_of_work_factory(
    database: Database, clock: Clock, ids: Ids, contents: ContentEncryption
) -> SqlUnitOfWorkFactory[SqlUnitOfWork]:
    """Return `apps.message.ports.UnitOfWorkFactory` over a database."""
    return SqlUnitOfWorkFactory(
        database, lambda session: SqlUnitOfWork(session, Outbox(session, clock, ids), contents), clock
    )
