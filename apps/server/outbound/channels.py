"""Channels in Postgres."""

from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import and_, delete, insert, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from apps.server.outbound.tables import ChannelRow, MemberRow, ServerRow
from shared.contracts.fields import ChannelType, Role
from shared.contracts.paging import Cursor
from shared.contracts.server import Channel, ChannelAccess
from shared.kit.database.rows import select_rows

_ORDER = (col(ChannelRow.created_at), col(ChannelRow.id))
_IN_LIVE_SERVER = and_(col(ServerRow.id) == col(ChannelRow.server_id), col(ServerRow.deleted_at).is_(None))


class SqlChannels:
    """`apps.server.ports.Channels` within one session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, channel: Channel) -> None:
        await self._session.execute(insert(ChannelRow).values(msgspec.structs.asdict(channel)))

    async def get(self, channel_id: UUID) -> Channel | None:
        return await self._one(_live_channels().where(col(ChannelRow.id) == channel_id))

    async def save(self, channel: Channel) -> None:
        values = msgspec.structs.asdict(channel)
        await self._session.execute(update(ChannelRow).where(col(ChannelRow.id) == channel.id).values(values))

    async def remove(self, channel_id: UUID) -> None:
        await self._session.execute(delete(ChannelRow).where(col(ChannelRow.id) == channel_id))

    async def of_member(self, channel_id: UUID, profile_id: UUID) -> Channel | None:
        statement = (
            _live_channels()
            .join(MemberRow, col(MemberRow.server_id) == col(ChannelRow.server_id))
            .where(col(MemberRow.profile_id) == profile_id, col(ChannelRow.id) == channel_id)
        )
        return await self._one(statement)

    async def of_servers(self, server_ids: Collection[UUID]) -> dict[UUID, list[Channel]]:
        statement = select_rows(ChannelRow).where(col(ChannelRow.server_id).in_(server_ids)).order_by(*_ORDER)
        grouped: dict[UUID, list[Channel]] = {}
        for row in await self._session.scalars(statement):
            grouped.setdefault(row.server_id, []).append(_channel(row))
        return grouped

    async def page(self, server_id: UUID, after: Cursor | None, limit: int) -> Sequence[Channel]:
        statement = _live_channels().where(col(ChannelRow.server_id) == server_id)
        if after is not None:
            statement = statement.where(tuple_(*_ORDER) > after)
        rows = await self._session.scalars(statement.order_by(*_ORDER).limit(limit))
        return [_channel(row) for row in rows]

    async def access(self, channel_id: UUID, profile_id: UUID) -> ChannelAccess | None:
        is_caller = and_(
            col(MemberRow.server_id) == col(ChannelRow.server_id), col(MemberRow.profile_id) == profile_id
        )
        statement = (
            select(ChannelRow.server_id, ChannelRow.type, MemberRow.role, ServerRow.revision)
            .select_from(ChannelRow)
            .join(ServerRow, _IN_LIVE_SERVER)
            .outerjoin(MemberRow, is_caller)
            .where(col(ChannelRow.id) == channel_id)
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            return None
        server_id, channel_type, role, revision = row
        return ChannelAccess(
            channel_id=channel_id,
            server_id=server_id,
            type=ChannelType(channel_type),
            role=None if role is None else Role(role),
            revision=revision,
        )

    async def _one(self, statement: SelectOfScalar[ChannelRow]) -> Channel | None:
        row = (await self._session.scalars(statement)).one_or_none()
        return None if row is None else _channel(row)


def _live_channels() -> SelectOfScalar[ChannelRow]:
    return select_rows(ChannelRow).join(ServerRow, _IN_LIVE_SERVER)


def _channel(row: ChannelRow) -> Channel:
    return Channel(
        id=row.id,
        name=row.name,
        type=ChannelType(row.type),
        server_id=row.server_id,
        profile_id=row.profile_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
