"""Our copy of the server service's facts in Postgres: rows with revisions and tombstones.

Each fact is one transaction that locks its server's row: shared, or alone when the server is deleted. So no
channel or member slips in unseen beside the deletion of its server.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.fields import ChannelType, Role
from shared.contracts.server import ChannelAccess
from shared.kit.database.database import Database

_MEET = text("INSERT INTO servers (id, revision) VALUES (:server_id, 0) ON CONFLICT (id) DO NOTHING")
_ALIVE = text("SELECT deleted_at IS NULL FROM servers WHERE id = :server_id FOR SHARE")
_CHANNEL = text(
    """
    INSERT INTO channels (id, server_id, type, revision) VALUES (:channel_id, :server_id, :type, :revision)
    ON CONFLICT (id) DO UPDATE SET type = excluded.type, revision = excluded.revision
    WHERE channels.revision < excluded.revision
    """
)
# A channel's type never changes: an answer that tells nothing new need not wait for the lock of the row.
_CHANNEL_MET = text(
    """
    INSERT INTO channels (id, server_id, type, revision) VALUES (:channel_id, :server_id, :type, :revision)
    ON CONFLICT (id) DO NOTHING
    """
)
_CHANNEL_GONE = text(
    """
    INSERT INTO channels (id, server_id, revision, deleted_at)
    VALUES (:channel_id, :server_id, :revision, :now)
    ON CONFLICT (id) DO UPDATE SET
        deleted_at = coalesce(channels.deleted_at, excluded.deleted_at),
        revision = greatest(channels.revision, excluded.revision)
    """
)
_MEMBER = text(
    """
    INSERT INTO members (server_id, profile_id, role, revision)
    VALUES (:server_id, :profile_id, :role, :revision)
    ON CONFLICT (server_id, profile_id) DO UPDATE SET role = excluded.role, revision = excluded.revision
    WHERE members.revision < excluded.revision
    """
)
_SERVER_GONE = text(
    """
    INSERT INTO servers (id, revision, deleted_at) VALUES (:server_id, :revision, :now)
    ON CONFLICT (id) DO UPDATE SET
        deleted_at = coalesce(servers.deleted_at, excluded.deleted_at),
        revision = greatest(servers.revision, excluded.revision)
    """
)
_CHANNELS_GONE = text(
    "UPDATE channels SET deleted_at = :now WHERE server_id = :server_id AND deleted_at IS NULL"
)


class SqlMembershipStore:
    """Each call is one transaction; of two facts about the same thing the newer wins."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def channel(self, channel_id: UUID, server_id: UUID, kind: ChannelType, revision: int) -> None:
        """A channel exists. Nothing brings a deleted one back."""
        fact = {"channel_id": channel_id, "server_id": server_id, "type": kind, "revision": revision}
        async with self._database.transaction() as session:
            if await _is_alive(session, server_id):
                await session.execute(_CHANNEL, fact)

    async def channel_gone(self, channel_id: UUID, server_id: UUID, revision: int, now: datetime) -> None:
        """A channel was deleted."""
        fact = {"channel_id": channel_id, "server_id": server_id, "revision": revision, "now": now}
        async with self._database.transaction() as session:
            if await _is_alive(session, server_id):
                await session.execute(_CHANNEL_GONE, fact)

    async def member(self, server_id: UUID, profile_id: UUID, role: Role | None, revision: int) -> None:
        """A membership as of a revision; without a role it is none, which is remembered as well."""
        async with self._database.transaction() as session:
            if await _is_alive(session, server_id):
                await _store_member(session, server_id, profile_id, role, revision)

    async def server_gone(self, server_id: UUID, revision: int, now: datetime) -> None:
        """A server was deleted, and all its channels with it."""
        fact = {"server_id": server_id, "revision": revision, "now": now}
        async with self._database.transaction() as session:
            await session.execute(_SERVER_GONE, fact)
            await session.execute(_CHANNELS_GONE, {"server_id": server_id, "now": now})

    async def access(self, access: ChannelAccess, profile_id: UUID) -> None:
        """What the server service answered about a channel and a profile in it, both at once."""
        channel = {
            "channel_id": access.channel_id,
            "server_id": access.server_id,
            "type": access.type,
            "revision": access.revision,
        }
        async with self._database.transaction() as session:
            if await _is_alive(session, access.server_id):
                await session.execute(_CHANNEL_MET, channel)
                await _store_member(session, access.server_id, profile_id, access.role, access.revision)


async def _is_alive(session: AsyncSession, server_id: UUID) -> bool:
    """Whether a server was not deleted, which cannot change before this transaction ends."""
    key = {"server_id": server_id}
    alive: bool | None = await session.scalar(_ALIVE, key)
    if alive is None:
        await session.execute(_MEET, key)
        alive = await session.scalar(_ALIVE, key)
    return bool(alive)


async def _store_member(
    session: AsyncSession, server_id: UUID, profile_id: UUID, role: Role | None, revision: int
) -> None:
    fact = {"server_id": server_id, "profile_id": profile_id, "role": role, "revision": revision}
    await session.execute(_MEMBER, fact)
