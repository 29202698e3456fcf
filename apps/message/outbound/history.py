"""Histories on Postgres: a page and its reader's membership in one round trip."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from apps.message.domain.history import Window
from apps.message.domain.messages import Channel, ChannelMembership
from apps.message.outbound.content_encryption import ContentEncryption
from apps.message.outbound.pool import ConnectionPool
from apps.message.outbound.rows import attachments_of, role_of, type_of
from apps.message.ports import HistoryPage
from shared.contracts.message import Message

_MEMBERSHIP = """
    SELECT channels.server_id, channels.type, channels.deleted_at IS NOT NULL AS deleted, members.role
    FROM channels
    LEFT JOIN members ON members.server_id = channels.server_id AND members.profile_id = $2
    WHERE channels.id = $1
"""
_COLUMNS = """
    id, profile_id, sequence, content, content_key, nonce, created_at, edited_at, attachments::text
"""
_VISIBLE = f"""
    SELECT {_COLUMNS} FROM messages
    WHERE channel_id = $1 AND deleted_at IS NULL AND membership.role IS NOT NULL
"""  # noqa: S608 (names of columns)

_NEWEST = f"""
    SELECT membership.*, NULL::bigint, page.*
    FROM ({_MEMBERSHIP}) AS membership
    LEFT JOIN LATERAL ({_VISIBLE} ORDER BY sequence DESC LIMIT $3) AS page ON true
"""  # noqa: S608 (composed of the above)
_AROUND_ANCHOR = f"""
    SELECT membership.*, anchor.sequence, page.*
    FROM ({_MEMBERSHIP}) AS membership
    LEFT JOIN LATERAL (SELECT sequence FROM messages WHERE channel_id = $1 AND id = $4) AS anchor ON true
    LEFT JOIN LATERAL (
        (SELECT * FROM (
            {_VISIBLE} AND sequence > anchor.sequence ORDER BY sequence LIMIT $5
        ) AS newer ORDER BY sequence DESC)
        UNION ALL
        ({_VISIBLE} AND sequence <= anchor.sequence ORDER BY sequence DESC LIMIT $3)
    ) AS page ON true
"""  # noqa: S608 (composed of the above)


class SqlHistory:
    """`apps.message.ports.History` on Postgres."""

    def __init__(self, pool: ConnectionPool, contents: ContentEncryption) -> None:
        self._pool = pool
        self._contents = contents

    async def page(self, channel_id: UUID, profile_id: UUID, window: Window) -> HistoryPage:
        """Return the messages of a window, the anchor and the next older one; none without a membership."""
        async with self._pool.connection() as connection:
            if window.anchor is None:
                rows = await connection.fetch(_NEWEST, channel_id, profile_id, window.older + 1)
            else:
                # The older ones, the anchor itself, and one more that shows whether older ones exist.
                bounds = (window.older + 2, window.anchor, window.newer)
                rows = await connection.fetch(_AROUND_ANCHOR, channel_id, profile_id, *bounds)
        if not rows:
            return HistoryPage(ChannelMembership(channel=None, role=None), None, [])
        server_id, channel_type, deleted, role, anchor = rows[0][:5]
        channel = Channel(id=channel_id, server_id=server_id, type=type_of(channel_type), deleted=deleted)
        return HistoryPage(
            ChannelMembership(channel=channel, role=role_of(role)),
            anchor,
            _messages(channel, rows, self._contents),
        )


def _messages(channel: Channel, rows: Sequence[asyncpg.Record], contents: ContentEncryption) -> list[Message]:
    channel_id, server_id = channel.id, channel.server_id
    return [
        Message(
            id=id_,
            channel_id=channel_id,
            server_id=server_id,
            profile_id=profile_id,
            sequence=sequence,
            content=content if key_id is None else contents.decrypt(channel_id, id_, content, key_id),
            nonce=nonce,
            created_at=created_at,
            edited_at=edited_at,
            attachments=() if attachments is None else attachments_of(attachments),
        )
        for (
            *_,
            id_,
            profile_id,
            sequence,
            content,
            key_id,
            nonce,
            created_at,
            edited_at,
            attachments,
        ) in rows
        if id_ is not None
    ]
