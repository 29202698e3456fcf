"""Members in Postgres."""

from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, insert, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from apps.server.domain.members import MemberRecord
from apps.server.outbound.tables import MemberRow, ServerRow
from shared.contracts.fields import Role
from shared.contracts.paging import Cursor
from shared.kit.database.rows import select_rows

_LOCK_OF_PROFILE = 1
"""First number of the advisory lock: the kind of thing that is locked."""
_ORDER = (col(MemberRow.joined_at), col(MemberRow.profile_id))
_IN_LIVE_SERVER = and_(col(ServerRow.id) == col(MemberRow.server_id), col(ServerRow.deleted_at).is_(None))


class SqlMembers:
    """`apps.server.ports.Members` within one session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock_profile(self, profile_id: UUID) -> None:
        """Take an advisory lock of 32 bits: two profiles may share one, which only costs a wait."""
        number = int.from_bytes(sha256(profile_id.bytes).digest()[:4], signed=True)
        await self._session.execute(select(func.pg_advisory_xact_lock(_LOCK_OF_PROFILE, number)))

    async def count_of(self, profile_id: UUID) -> int:
        statement = (
            select(func.count())
            .select_from(MemberRow)
            .join(ServerRow, _IN_LIVE_SERVER)
            .where(col(MemberRow.profile_id) == profile_id)
        )
        return (await self._session.scalars(statement)).one()

    async def add(self, member: MemberRecord) -> None:
        await self._session.execute(insert(MemberRow).values(asdict(member)))

    async def get(self, server_id: UUID, profile_id: UUID) -> MemberRecord | None:
        statement = select_rows(MemberRow).join(ServerRow, _IN_LIVE_SERVER).where(_key(server_id, profile_id))
        row = (await self._session.scalars(statement)).one_or_none()
        return None if row is None else _member(row)

    async def save(self, member: MemberRecord) -> None:
        key = _key(member.server_id, member.profile_id)
        await self._session.execute(update(MemberRow).where(key).values(asdict(member)))

    async def remove(self, server_id: UUID, profile_id: UUID) -> None:
        await self._session.execute(delete(MemberRow).where(_key(server_id, profile_id)))

    async def page(self, server_id: UUID, after: Cursor | None, limit: int) -> Sequence[MemberRecord]:
        statement = (
            select_rows(MemberRow)
            .join(ServerRow, _IN_LIVE_SERVER)
            .where(col(MemberRow.server_id) == server_id)
        )
        if after is not None:
            statement = statement.where(tuple_(*_ORDER) > after)
        rows = await self._session.scalars(statement.order_by(*_ORDER).limit(limit))
        return [_member(row) for row in rows]


def _key(server_id: UUID, profile_id: UUID) -> ColumnElement[bool]:
    return and_(col(MemberRow.server_id) == server_id, col(MemberRow.profile_id) == profile_id)


def _member(row: MemberRow) -> MemberRecord:
    return MemberRecord(
        server_id=row.server_id, profile_id=row.profile_id, role=Role(row.role), joined_at=row.joined_at
    )
