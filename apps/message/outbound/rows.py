"""Conversion of asyncpg's records to entities, and the columns that it needs."""

import asyncpg
import msgspec

from apps.message.domain.messages import Channel, StoredMessage
from apps.message.outbound.content_encryption import ContentEncryption
from shared.contracts.fields import ChannelType, Role
from shared.contracts.file import Attachment
from shared.contracts.message import Message

CHANNEL_COLUMNS = "id, server_id, type, deleted_at IS NOT NULL AS deleted, last_sequence, messages_revision"
STORED_COLUMNS = """
    id, channel_id, server_id, profile_id, sequence, content, content_key, nonce, created_at, edited_at,
    attachments::text, deleted_at IS NOT NULL AS deleted, fingerprint, deleting_call
"""

_decode_attachments = msgspec.json.Decoder(tuple[Attachment, ...]).decode
_ROLES = {role.value: role for role in Role}
_TYPES = {channel_type.value: channel_type for channel_type in ChannelType}


def role_of(value: str | None) -> Role | None:
    """Return a role, None for the tombstone of a membership."""
    return None if value is None else _ROLES[value]


def type_of(value: str | None) -> ChannelType | None:
    """Return a channel's type, None for one never seen alive."""
    return None if value is None else _TYPES[value]


def attachments_of(value: str | None) -> tuple[Attachment, ...]:
    """Return the attachments of their JSON; null means none."""
    return () if value is None else _decode_attachments(value)


def channel_of(record: asyncpg.Record) -> Channel:
    """Return the channel of a record with CHANNEL_COLUMNS."""
    return Channel(
        id=record["id"],
        server_id=record["server_id"],
        type=type_of(record["type"]),
        deleted=record["deleted"],
        last_sequence=record["last_sequence"],
        messages_revision=record["messages_revision"],
    )


def stored_of(record: asyncpg.Record, contents: ContentEncryption) -> StoredMessage:
    """Return the message or tombstone of a record with STORED_COLUMNS; a tombstone's content is empty."""
    content = contents.decrypt(
        record["channel_id"], record["id"], record["content"] or "", record["content_key"]
    )
    message = Message(
        id=record["id"],
        channel_id=record["channel_id"],
        server_id=record["server_id"],
        profile_id=record["profile_id"],
        sequence=record["sequence"],
        content=content,
        nonce=record["nonce"],
        created_at=record["created_at"],
        edited_at=record["edited_at"],
        attachments=attachments_of(record["attachments"]),
    )
    return StoredMessage(
        message=message,
        deleted=record["deleted"],
        fingerprint=record["fingerprint"],
        deleting_call=record["deleting_call"],
    )
