"""Channels in Postgres."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, Select, and_, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from apps.server.outbound.tables import channels, members, servers
from shared.contracts.fields import ChannelType, Role
from shared.contracts.paging import Place
from shared.contracts.server import Channel, ChannelAccess

_PLACE = (channels.c.created_at, channels.c.id)


class SqlChannels:
    """`apps.server.ports.Channels` within one session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, channel: Channel) -> None:
        await self._session.execute(insert(channels).values(msgspec.structs.asdict(channel)))

    async def get(self, channel_id: UUID) -> Channel | None:
        return await self._one(_alive().where(channels.c.id == channel_id))

    async def save(self, channel: Channel) -> None:
        values = msgspec.structs.asdict(channel)
        await self._session.execute(update(channels).where(channels.c.id == channel.id).values(values))

    async def remove(self, channel_id: UUID) -> None:
        await self._session.execute(delete(channels).where(channels.c.id == channel_id))

    async def of_member(self, channel_id: UUID, profile_id: UUID) -> Channel | None:
        mine = members.c.server_id == channels.c.server_id
        found = _alive().join(members, mine).where(members.c.profile_id == profile_id)
        return await self._one(found.where(channels.c.id == channel_id))

    async def of_servers(self, server_ids: Collection[UUID]) -> dict[UUID, list[Channel]]:
        found = select(channels).where(channels.c.server_id.in_(server_ids)).order_by(*_PLACE)
        grouped: dict[UUID, list[Channel]] = {}
        for row in await self._session.execute(found):
            grouped.setdefault(row.server_id, []).append(_channel(row))
        return grouped

    async def page(self, server_id: UUID, after: Place | None, limit: int) -> Sequence[Channel]:
        found = _alive().where(channels.c.server_id == server_id).order_by(*_PLACE).limit(limit)
        if after is not None:
            found = found.where(tuple_(*_PLACE) > after)
        return [_channel(row) for row in await self._session.execute(found)]

    async def access(self, channel_id: UUID, profile_id: UUID) -> ChannelAccess | None:
        mine = and_(members.c.server_id == channels.c.server_id, members.c.profile_id == profile_id)
        found = (
            _alive(channels.c.server_id, channels.c.type, members.c.role, servers.c.revision)
            .outerjoin(members, mine)
            .where(channels.c.id == channel_id)
        )
        row = (await self._session.execute(found)).one_or_none()
        if row is None:
            return None
        return ChannelAccess(
            channel_id=channel_id,
            server_id=row.server_id,
            type=ChannelType(row.type),
            role=None if row.role is None else Role(row.role),
            revision=row.revision,
        )

    async def _one(self, statement: Select[Any]) -> Channel | None:
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else _channel(row)


def _alive(*columns: Any) -> Select[Any]:
    """Of servers that are not deleted; without columns, all of the channel."""
    return (
        select(*(columns or channels.c))
        .join_from(channels, servers, servers.c.id == channels.c.server_id)
        .where(servers.c.deleted_at.is_(None))
    )


def _channel(row: Row[Any]) -> Channel:
    values = dict(row._mapping)
    values["type"] = ChannelType(values["type"])
    return Channel(**values)
