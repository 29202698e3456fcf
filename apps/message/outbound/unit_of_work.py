"""Transactions on single messages on Postgres: one message read, edited, deleted or freed of a file."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from apps.message.domain.messages import Channel, ChannelMembership, StoredMessage
from apps.message.outbound.content_encryption import ContentEncryption
from apps.message.outbound.rows import role_of, type_of
from apps.message.outbound.tables import ChannelRow, DeletedFileRow, MemberRow, MessageRow
from shared.contracts.base import Answer
from shared.contracts.clock import Clock, Ids
from shared.contracts.event import EventType
from shared.contracts.file import Attachment
from shared.contracts.message import Message
from shared.kit.database.database import Database
from shared.kit.database.unit_of_work import SqlUnitOfWorkFactory
from shared.kit.outbox.outbox import Outbox


class SqlUnitOfWork:
    """`apps.message.ports.UnitOfWork` on Postgres."""

    def __init__(self, session: AsyncSession, outbox: Outbox, contents: ContentEncryption) -> None:
        self._session = session
        self._outbox = outbox
        self._contents = contents

    async def membership(self, channel_id: UUID, profile_id: UUID) -> ChannelMembership:
        """Return the channel and the role of a profile in it."""
        row = await self._session.scalar(select(ChannelRow).where(col(ChannelRow.id) == channel_id))
        return await self._membership(None if row is None else _channel(row), profile_id)

    async def lock_membership(self, channel_id: UUID, profile_id: UUID) -> ChannelMembership:
        """Lock the channel's row, then return the channel and the role of a profile in it."""
        return await self._membership(await self.lock_channel(channel_id), profile_id)

    async def lock_channel(self, channel_id: UUID) -> Channel | None:
        """Lock a channel's row and return the channel; None if it is unknown."""
        query = select(ChannelRow).where(col(ChannelRow.id) == channel_id).with_for_update()
        row = await self._session.scalar(query)
        return None if row is None else _channel(row)

    async def message(self, channel_id: UUID, message_id: UUID) -> StoredMessage | None:
        """Return a message or its tombstone; None if it is unknown."""
        query = select(MessageRow).where(
            col(MessageRow.channel_id) == channel_id, col(MessageRow.id) == message_id
        )
        row = await self._session.scalar(query)
        if row is None:
            return None
        return StoredMessage(
            message=self._message(row),
            deleted=row.deleted_at is not None,
            fingerprint=row.fingerprint,
            deleting_call=row.deleting_call,
        )

    async def messages_with_file(self, channel_id: UUID, file_id: UUID, limit: int) -> list[Message]:
        """Return the first messages of a channel that show a file and are not deleted."""
        query = (
            select(MessageRow)
            .where(
                col(MessageRow.channel_id) == channel_id,
                col(MessageRow.attachments).contains([{"id": str(file_id)}]),
                col(MessageRow.deleted_at).is_(None),
            )
            .order_by(col(MessageRow.sequence))
            .limit(limit)
        )
        return [self._message(row) for row in await self._session.scalars(query)]

    async def change_content(self, message: Message, revision: int) -> None:
        """Store the new content of a message, and its channel's `messages_revision`."""
        content, key_id = self._contents.encrypt(message.channel_id, message.id, message.content)
        changes = {"content": content, "content_key": key_id, "edited_at": message.edited_at}
        await self._change(message, changes, revision)

    async def change_attachments(self, message: Message, revision: int) -> None:
        """Store the new attachments of a message, and its channel's `messages_revision`."""
        attachments = msgspec.to_builtins(message.attachments) if message.attachments else None
        await self._change(message, {"attachments": attachments}, revision)

    async def mark_deleted(self, message: Message, call_id: str, now: datetime, revision: int) -> None:
        """Replace a message by a tombstone, and store its channel's `messages_revision`."""
        tombstone = {
            "content": None,
            "content_key": None,
            "fingerprint": None,
            "attachments": None,
            "deleted_at": now,
            "deleting_call": call_id,
        }
        await self._change(message, tombstone, revision)

    async def add_deleted_file(self, file_id: UUID, now: datetime) -> None:
        """Store that a file was deleted."""
        await self._session.execute(
            insert(DeletedFileRow).values(id=file_id, deleted_at=now).on_conflict_do_nothing()
        )

    async def publish(self, event_type: EventType, key: UUID, revision: int, data: Answer) -> None:
        """Write an event that is sent if, and only if, this transaction commits."""
        await self._outbox.publish(event_type, key, revision, data)

    async def _membership(self, channel: Channel | None, profile_id: UUID) -> ChannelMembership:
        if channel is None:
            return ChannelMembership(channel=None, role=None)
        query = select(MemberRow.role).where(
            col(MemberRow.server_id) == channel.server_id, col(MemberRow.profile_id) == profile_id
        )
        return ChannelMembership(channel=channel, role=role_of(await self._session.scalar(query)))

    async def _change(self, message: Message, changes: dict[str, Any], revision: int) -> None:
        await self._session.execute(
            update(MessageRow)
            .where(
                col(MessageRow.channel_id) == message.channel_id,
                col(MessageRow.sequence) == message.sequence,
            )
            .values(changes)
        )
        await self._session.execute(
            update(ChannelRow)
            .where(col(ChannelRow.id) == message.channel_id)
            .values(messages_revision=revision)
        )

    def _message(self, row: MessageRow) -> Message:
        content = self._contents.decrypt(row.channel_id, row.id, row.content or "", row.content_key)
        return Message(
            id=row.id,
            channel_id=row.channel_id,
            server_id=row.server_id,
            profile_id=row.profile_id,
            sequence=row.sequence,
            content=content,
            nonce=row.nonce,
            created_at=row.created_at,
            edited_at=row.edited_at,
            attachments=msgspec.convert(row.attachments or [], tuple[Attachment, ...]),
        )


def sql_unit_of_work_factory(
    database: Database, clock: Clock, ids: Ids, contents: ContentEncryption
) -> SqlUnitOfWorkFactory[SqlUnitOfWork]:
    """Return `apps.message.ports.UnitOfWorkFactory` on Postgres."""
    return SqlUnitOfWorkFactory(
        database, lambda session: SqlUnitOfWork(session, Outbox(session, clock, ids), contents), clock
    )


def _channel(row: ChannelRow) -> Channel:
    return Channel(
        id=row.id,
        server_id=row.server_id,
        type=type_of(row.type),
        deleted=row.deleted_at is not None,
        last_sequence=row.last_sequence,
        messages_revision=row.messages_revision,
    )
