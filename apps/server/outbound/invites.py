"""Invites in Postgres."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, func, insert, not_, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from apps.server.domain.servers import InviteRecord
from apps.server.outbound.tables import invites, servers
from apps.server.ports import InviteCount
from shared.contracts.paging import Place

_PLACE = (invites.c.created_at, invites.c.id)
_USED_UP = invites.c.uses >= invites.c.max_uses


class SqlInvites:
    """`apps.server.ports.Invites` within one session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, invite: InviteRecord) -> None:
        await self._session.execute(insert(invites).values(asdict(invite)))

    async def get(self, code: str) -> InviteRecord | None:
        return await self._one(_alive().where(invites.c.code == code))

    async def lock(self, code: str) -> InviteRecord | None:
        return await self._one(_alive().where(invites.c.code == code).with_for_update(of=invites))

    async def save(self, invite: InviteRecord) -> None:
        await self._session.execute(update(invites).where(invites.c.id == invite.id).values(asdict(invite)))

    async def remove(self, code: str) -> None:
        await self._session.execute(delete(invites).where(invites.c.code == code))

    async def count(self, server_id: UUID, now: datetime) -> InviteCount:
        counts = select(func.count().filter(_good(now)), func.count()).where(invites.c.server_id == server_id)
        good, every = (await self._session.execute(counts)).one()
        return InviteCount(good, every)

    async def remove_spent(self, server_id: UUID, now: datetime) -> None:
        spent = select(invites.c.id).where(invites.c.server_id == server_id, not_(_good(now)))
        await self._delete(spent)

    async def page(
        self, server_id: UUID, now: datetime, after: Place | None, limit: int
    ) -> Sequence[InviteRecord]:
        downwards = [column.desc() for column in _PLACE]
        found = _alive().where(invites.c.server_id == server_id, _good(now)).order_by(*downwards).limit(limit)
        if after is not None:
            found = found.where(tuple_(*_PLACE) < after)
        return [InviteRecord(**row._mapping) for row in await self._session.execute(found)]

    async def sweep(self, spent_before: datetime, rows_max: int) -> int:
        spent = or_(invites.c.expires_at <= spent_before, and_(_USED_UP, invites.c.used_at <= spent_before))
        return await self._delete(select(invites.c.id).where(spent).limit(rows_max))

    async def _delete(self, which: Select[Any]) -> int:
        """What someone holds locked stays for the next time, so that this waits for nobody."""
        free = which.with_for_update(skip_locked=True)
        gone = delete(invites).where(invites.c.id.in_(free)).returning(invites.c.id)
        return len((await self._session.execute(gone)).all())

    async def _one(self, statement: Select[Any]) -> InviteRecord | None:
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else InviteRecord(**row._mapping)


def _alive() -> Select[Any]:
    return (
        select(invites)
        .join(servers, servers.c.id == invites.c.server_id)
        .where(servers.c.deleted_at.is_(None))
    )


def _good(now: datetime) -> ColumnElement[bool]:
    """`InviteRecord.is_good` in SQL."""
    unexpired = or_(invites.c.expires_at.is_(None), invites.c.expires_at > now)
    return and_(unexpired, or_(invites.c.max_uses.is_(None), invites.c.uses < invites.c.max_uses))
