"""How rows become entities."""

from collections.abc import Mapping
from typing import Any

import msgspec

from apps.message.domain.messages import Channel, Stored
from apps.message.outbound.content_encryption import ContentEncryption
from shared.contracts.fields import ChannelType, Role
from shared.contracts.file import Attachment
from shared.contracts.message import Message

CHANNEL_COLUMNS = "id, server_id, type, deleted_at IS NOT NULL AS deleted, last_sequence, messages_revision"
MESSAGE_COLUMNS = """
    id, channel_id, server_id, profile_id, sequence, content, content_key, nonce, created_at, edited_at,
    attachments::text
"""
STORED_COLUMNS = f"{MESSAGE_COLUMNS}, deleted_at IS NOT NULL AS deleted, fingerprint, deleting_call"

Row = Mapping[Any, Any]
"""Of asyncpg or of SQLAlchemy: its columns by name."""

_decode_attachments = msgspec.json.Decoder(tuple[Attachment, ...]).decode
_ROLES = {role.value: role for role in Role}
_TYPES = {kind.value: kind for kind in ChannelType}


def role_of(value: str | None) -> Role | None:
    """A role, or None for the tombstone of a membership."""
    return None if value is None else _ROLES[value]


def type_of(value: str | None) -> ChannelType | None:
    """A channel's type, or None for one never seen alive."""
    return None if value is None else _TYPES[value]


def channel_of(row: Row) -> Channel:
    """A channel of a row that has its columns by name."""
    return Channel(
        id=row["id"],
        server_id=row["server_id"],
        type=type_of(row["type"]),
        deleted=row["deleted"],
        last_sequence=row["last_sequence"],
        messages_revision=row["messages_revision"],
    )


def message_of(row: Row, contents: ContentEncryption) -> Message:
    """A message of a row that has MESSAGE_COLUMNS by name; a tombstone's content is empty."""
    stored = row["content"] or ""
    return Message(
        id=row["id"],
        channel_id=row["channel_id"],
        server_id=row["server_id"],
        profile_id=row["profile_id"],
        sequence=row["sequence"],
        content=contents.open(row["channel_id"], row["id"], stored, row["content_key"]),
        nonce=row["nonce"],
        created_at=row["created_at"],
        edited_at=row["edited_at"],
        attachments=attachments_of(row["attachments"]),
    )


def attachments_of(value: str | None) -> tuple[Attachment, ...]:
    """Nearly all messages have none."""
    return () if value is None else _decode_attachments(value)


def stored_of(row: Row, contents: ContentEncryption) -> Stored:
    """A message or tombstone of a row that has STORED_COLUMNS by name."""
    return Stored(
        message=message_of(row, contents),
        deleted=row["deleted"],
        fingerprint=row["fingerprint"],
        deleting_call=row["deleting_call"],
    )
