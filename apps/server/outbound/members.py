"""Members in Postgres."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from apps.server.domain.servers import MemberRecord
from apps.server.outbound.tables import members, servers
from shared.contracts.fields import Role
from shared.contracts.paging import Place

# The first number is the kind of lock: nothing else in this service's database locks persons.
_LOCK_PERSON = text("SELECT pg_advisory_xact_lock(1, :person)")
_PLACE = (members.c.joined_at, members.c.profile_id)


class SqlMembers:
    """`apps.server.ports.Members` within one session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock_person(self, profile_id: UUID) -> None:
        """Two persons may share a lock (32 bits), which costs them nothing but a wait."""
        person = int.from_bytes(sha256(profile_id.bytes).digest()[:4], signed=True)
        await self._session.execute(_LOCK_PERSON, {"person": person})

    async def count_of(self, profile_id: UUID) -> int:
        mine = (
            select(func.count())
            .select_from(members)
            .join(servers, servers.c.id == members.c.server_id)
            .where(members.c.profile_id == profile_id, servers.c.deleted_at.is_(None))
        )
        return (await self._session.execute(mine)).scalar_one()

    async def add(self, member: MemberRecord) -> None:
        await self._session.execute(insert(members).values(_values(member)))

    async def get(self, server_id: UUID, profile_id: UUID) -> MemberRecord | None:
        found = select(members).where(members.c.server_id == server_id, members.c.profile_id == profile_id)
        alive = found.join(servers, servers.c.id == members.c.server_id).where(servers.c.deleted_at.is_(None))
        row = (await self._session.execute(alive)).one_or_none()
        return None if row is None else _member(row)

    async def save(self, member: MemberRecord) -> None:
        await self._session.execute(
            update(members)
            .where(members.c.server_id == member.server_id, members.c.profile_id == member.profile_id)
            .values(_values(member))
        )

    async def remove(self, server_id: UUID, profile_id: UUID) -> None:
        await self._session.execute(
            delete(members).where(members.c.server_id == server_id, members.c.profile_id == profile_id)
        )

    async def page(self, server_id: UUID, after: Place | None, limit: int) -> Sequence[MemberRecord]:
        found = (
            select(members)
            .join(servers, servers.c.id == members.c.server_id)
            .where(members.c.server_id == server_id, servers.c.deleted_at.is_(None))
            .order_by(*_PLACE)
            .limit(limit)
        )
        if after is not None:
            found = found.where(tuple_(*_PLACE) > after)
        return [_member(row) for row in await self._session.execute(found)]


def _member(row: Row[Any]) -> MemberRecord:
    return MemberRecord(
        server_id=row.server_id, profile_id=row.profile_id, role=Role(row.role), joined_at=row.joined_at
    )


def _values(member: MemberRecord) -> dict[str, Any]:
    return {
        "server_id": member.server_id,
        "profile_id": member.profile_id,
        "role": member.role.value,
        "joined_at": member.joined_at,
    }
