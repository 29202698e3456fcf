"""Servers in Postgres."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, delete, insert, inspect, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import Select, SelectOfScalar

from apps.server.domain.members import Membership
from apps.server.domain.servers import ServerRecord
from apps.server.outbound.tables import ChannelRow, InviteRow, MemberRow, ServerRow
from shared.contracts.fields import Role
from shared.contracts.paging import Cursor
from shared.kit.database.rows import select_rows

_LIVE = col(ServerRow.deleted_at).is_(None)
_CONTENTS = (MemberRow, InviteRow, ChannelRow)


class SqlServers:
    """`apps.server.ports.Servers` within one session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, server: ServerRecord) -> None:
        await self._session.execute(insert(ServerRow).values(asdict(server)))

    async def lock(self, server_id: UUID) -> ServerRecord | None:
        return await self._one(_live_server(server_id).with_for_update())

    async def get(self, server_id: UUID) -> ServerRecord | None:
        return await self._one(_live_server(server_id))

    async def save(self, server: ServerRecord) -> None:
        statement = update(ServerRow).where(col(ServerRow.id) == server.id).values(asdict(server))
        await self._session.execute(statement)

    async def remove(self, server_id: UUID, now: datetime) -> None:
        statement = update(ServerRow).where(col(ServerRow.id) == server_id).values(deleted_at=now)
        await self._session.execute(statement)

    async def exists(self, server_id: UUID) -> bool:
        statement = select(ServerRow.id).where(col(ServerRow.id) == server_id, _LIVE)
        return await self._session.scalar(statement) is not None

    async def id_of_code(self, code: str) -> UUID | None:
        statement = select(ServerRow.id).where(col(ServerRow.invite_code) == code, _LIVE)
        server_id: UUID | None = await self._session.scalar(statement)
        return server_id

    async def of_member(self, server_id: UUID, profile_id: UUID) -> Membership | None:
        statement = _memberships(profile_id).where(col(MemberRow.server_id) == server_id)
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else _membership(row)

    async def page(self, profile_id: UUID, after: Cursor | None, limit: int) -> Sequence[Membership]:
        order = (col(MemberRow.joined_at), col(MemberRow.server_id))
        statement = _memberships(profile_id)
        if after is not None:
            statement = statement.where(tuple_(*order) > after)
        rows = await self._session.execute(statement.order_by(*order).limit(limit))
        return [_membership(row) for row in rows]

    async def purge(self, rows_max: int) -> int:
        oldest = (
            select(ServerRow.id)
            .where(col(ServerRow.deleted_at).is_not(None))
            .order_by(col(ServerRow.deleted_at))
            .limit(1)
        )
        server_id = await self._session.scalar(oldest.with_for_update(skip_locked=True))
        if server_id is None:
            return 0
        for row_class in _CONTENTS:
            if count := await self._purge_from(row_class, server_id, rows_max):
                return count
        await self._session.execute(delete(ServerRow).where(col(ServerRow.id) == server_id))
        return 1

    async def _purge_from(
        self, row_class: type[MemberRow | InviteRow | ChannelRow], server_id: UUID, rows_max: int
    ) -> int:
        key = inspect(row_class).primary_key
        of_server = col(row_class.server_id) == server_id
        batch = select(*key).where(of_server).limit(rows_max)
        statement = delete(row_class).where(tuple_(*key).in_(batch)).returning(col(row_class.server_id))
        deleted = await self._session.execute(statement, execution_options={"synchronize_session": False})
        return len(deleted.all())

    async def _one(self, statement: SelectOfScalar[ServerRow]) -> ServerRecord | None:
        row = (await self._session.scalars(statement)).one_or_none()
        return None if row is None else _server(row)


def _live_server(server_id: UUID) -> SelectOfScalar[ServerRow]:
    return select_rows(ServerRow).where(col(ServerRow.id) == server_id, _LIVE)


def _memberships(profile_id: UUID) -> Select[ServerRow, str, datetime]:
    return (
        select(ServerRow, MemberRow.role, MemberRow.joined_at)
        .select_from(MemberRow)
        .join(ServerRow, col(ServerRow.id) == col(MemberRow.server_id))
        .where(col(MemberRow.profile_id) == profile_id, _LIVE)
        .execution_options(populate_existing=True)
    )


def _membership(row: Row[ServerRow, str, datetime]) -> Membership:
    server, role, joined_at = row
    return Membership(_server(server), Role(role), joined_at)


def _server(row: ServerRow) -> ServerRecord:
    return ServerRecord(
        id=row.id,
        name=row.name,
        image_url=row.image_url,
        invite_code=row.invite_code,
        profile_id=row.profile_id,
        revision=row.revision,
        channel_count=row.channel_count,
        member_count=row.member_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
