"""Invites in Postgres."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, insert, not_, or_, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from apps.server.domain.invites import InviteRecord
from apps.server.outbound.tables import InviteRow, ServerRow
from apps.server.ports import InviteCount
from shared.contracts.paging import Cursor
from shared.kit.database.rows import select_rows

_ORDER = (col(InviteRow.created_at), col(InviteRow.id))
_USED_UP = col(InviteRow.uses) >= col(InviteRow.max_uses)


class SqlInvites:
    """`apps.server.ports.Invites` within one session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, invite: InviteRecord) -> None:
        await self._session.execute(insert(InviteRow).values(asdict(invite)))

    async def get(self, code: str) -> InviteRecord | None:
        return await self._one(_live_invites().where(col(InviteRow.code) == code))

    async def lock(self, code: str) -> InviteRecord | None:
        statement = _live_invites().where(col(InviteRow.code) == code)
        return await self._one(statement.with_for_update(of=InviteRow))

    async def save(self, invite: InviteRecord) -> None:
        statement = update(InviteRow).where(col(InviteRow.id) == invite.id).values(asdict(invite))
        await self._session.execute(statement)

    async def remove(self, code: str) -> None:
        await self._session.execute(delete(InviteRow).where(col(InviteRow.code) == code))

    async def count(self, server_id: UUID, now: datetime) -> InviteCount:
        statement = select(func.count().filter(_valid(now)), func.count()).where(
            col(InviteRow.server_id) == server_id
        )
        valid, stored = (await self._session.execute(statement)).one()
        return InviteCount(valid, stored)

    async def remove_invalid(self, server_id: UUID, now: datetime) -> None:
        await self._delete(
            select(InviteRow.id).where(col(InviteRow.server_id) == server_id, not_(_valid(now)))
        )

    async def page(
        self, server_id: UUID, now: datetime, after: Cursor | None, limit: int
    ) -> Sequence[InviteRecord]:
        statement = _live_invites().where(col(InviteRow.server_id) == server_id, _valid(now))
        if after is not None:
            statement = statement.where(tuple_(*_ORDER) < after)
        descending = [column.desc() for column in _ORDER]
        rows = await self._session.scalars(statement.order_by(*descending).limit(limit))
        return [_invite(row) for row in rows]

    async def sweep(self, invalid_before: datetime, rows_max: int) -> int:
        expired = col(InviteRow.expires_at) <= invalid_before
        used_up = and_(_USED_UP, col(InviteRow.used_at) <= invalid_before)
        return await self._delete(select(InviteRow.id).where(or_(expired, used_up)).limit(rows_max))

    async def _delete(self, ids: SelectOfScalar[UUID]) -> int:
        """Delete the invites without waiting: locked rows are skipped and stay for the next time."""
        unlocked = ids.with_for_update(skip_locked=True)
        statement = delete(InviteRow).where(col(InviteRow.id).in_(unlocked)).returning(col(InviteRow.id))
        deleted = await self._session.execute(statement, execution_options={"synchronize_session": False})
        return len(deleted.all())

    async def _one(self, statement: SelectOfScalar[InviteRow]) -> InviteRecord | None:
        row = (await self._session.scalars(statement)).one_or_none()
        return None if row is None else _invite(row)


def _live_invites() -> SelectOfScalar[InviteRow]:
    in_live_server = and_(col(ServerRow.id) == col(InviteRow.server_id), col(ServerRow.deleted_at).is_(None))
    return select_rows(InviteRow).join(ServerRow, in_live_server)


def _valid(now: datetime) -> ColumnElement[bool]:
    """Return `InviteRecord.is_valid` as an expression."""
    unexpired = or_(col(InviteRow.expires_at).is_(None), col(InviteRow.expires_at) > now)
    unused = or_(col(InviteRow.max_uses).is_(None), col(InviteRow.uses) < col(InviteRow.max_uses))
    return and_(unexpired, unused)


def _invite(row: InviteRow) -> InviteRecord:
    return InviteRecord(
        id=row.id,
        code=row.code,
        server_id=row.server_id,
        profile_id=row.profile_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        uses=row.uses,
        max_uses=row.max_uses,
        used_at=row.used_at,
    )
