"""The local copy of channels and members in Postgres: rows with revisions and tombstones.

Each change is one transaction that locks its server's row: shared, or exclusively to delete the server. So no
channel or member can be added concurrently with the deletion of its server.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import MetaData, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.fields import ChannelType, Role
from shared.contracts.server import ChannelAccess
from shared.kit.database.database import Database
from shared.membership.adapters.tables import membership_tables

_SERVERS, _CHANNELS, _MEMBERS = membership_tables(MetaData())
"""The columns that all services have; a service's own metadata may have more."""


class SqlMembershipStore:
    """`shared.membership.ports.MembershipStore` on the tables of `membership_tables`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_channel(
        self, channel_id: UUID, server_id: UUID, channel_type: ChannelType, revision: int
    ) -> None:
        """Store a channel; a deleted one stays deleted."""
        new = insert(_CHANNELS).values(
            id=channel_id, server_id=server_id, type=channel_type, revision=revision
        )
        upsert = new.on_conflict_do_update(
            index_elements=["id"],
            set_={"type": new.excluded.type, "revision": new.excluded.revision},
            where=_CHANNELS.c.revision < new.excluded.revision,
        )
        async with self._database.transaction() as session:
            if await _lock_live(session, server_id):
                await session.execute(upsert)

    async def mark_channel_deleted(
        self, channel_id: UUID, server_id: UUID, revision: int, now: datetime
    ) -> None:
        """Store the deletion of a channel."""
        new = insert(_CHANNELS).values(id=channel_id, server_id=server_id, revision=revision, deleted_at=now)
        upsert = new.on_conflict_do_update(
            index_elements=["id"],
            set_={
                "deleted_at": func.coalesce(_CHANNELS.c.deleted_at, new.excluded.deleted_at),
                "revision": func.greatest(_CHANNELS.c.revision, new.excluded.revision),
            },
        )
        async with self._database.transaction() as session:
            if await _lock_live(session, server_id):
                await session.execute(upsert)

    async def save_member(self, server_id: UUID, profile_id: UUID, role: Role | None, revision: int) -> None:
        """Store a profile's role as of a revision; None records that it is not a member."""
        async with self._database.transaction() as session:
            if await _lock_live(session, server_id):
                await _save_member(session, server_id, profile_id, role, revision)

    async def mark_server_deleted(self, server_id: UUID, revision: int, now: datetime) -> None:
        """Store the deletion of a server and all its channels."""
        new = insert(_SERVERS).values(id=server_id, revision=revision, deleted_at=now)
        upsert = new.on_conflict_do_update(
            index_elements=["id"],
            set_={
                "deleted_at": func.coalesce(_SERVERS.c.deleted_at, new.excluded.deleted_at),
                "revision": func.greatest(_SERVERS.c.revision, new.excluded.revision),
            },
        )
        live_channels = (_CHANNELS.c.server_id == server_id) & _CHANNELS.c.deleted_at.is_(None)
        async with self._database.transaction() as session:
            await session.execute(upsert)
            await session.execute(update(_CHANNELS).where(live_channels).values(deleted_at=now))

    async def save_access(self, access: ChannelAccess, profile_id: UUID) -> None:
        """Store the server service's answer about a channel and a profile's role in it."""
        channel = insert(_CHANNELS).values(
            id=access.channel_id, server_id=access.server_id, type=access.type, revision=access.revision
        )
        async with self._database.transaction() as session:
            if await _lock_live(session, access.server_id):
                # A channel's type never changes: for a stored channel there is no need to lock its row.
                await session.execute(channel.on_conflict_do_nothing(index_elements=["id"]))
                await _save_member(session, access.server_id, profile_id, access.role, access.revision)


async def _lock_live(session: AsyncSession, server_id: UUID) -> bool:
    """Lock the server's row, shared, until the end of the transaction; return False if it is deleted."""
    is_live = select(_SERVERS.c.deleted_at.is_(None)).where(_SERVERS.c.id == server_id)
    live: bool | None = await session.scalar(is_live.with_for_update(read=True))
    if live is None:
        new = insert(_SERVERS).values(id=server_id, revision=0)
        await session.execute(new.on_conflict_do_nothing(index_elements=["id"]))
        live = await session.scalar(is_live.with_for_update(read=True))
    return bool(live)


async def _save_member(
    session: AsyncSession, server_id: UUID, profile_id: UUID, role: Role | None, revision: int
) -> None:
    new = insert(_MEMBERS).values(server_id=server_id, profile_id=profile_id, role=role, revision=revision)
    upsert = new.on_conflict_do_update(
        index_elements=["server_id", "profile_id"],
        set_={"role": new.excluded.role, "revision": new.excluded.revision},
        where=_MEMBERS.c.revision < new.excluded.revision,
    )
    await session.execute(upsert)
