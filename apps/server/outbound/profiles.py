"""Our copy of public profiles, in Postgres."""

from collections.abc import Collection
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from apps.server.outbound.tables import profiles as table
from shared.contracts.account import PublicProfile


class SqlProfiles:
    """`apps.server.ports.Profiles` within one session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def known(self, profile_ids: Collection[UUID]) -> dict[UUID, PublicProfile]:
        found = await self._session.execute(select(table).where(table.c.id.in_(profile_ids)))
        return {row.id: PublicProfile(**row._mapping) for row in found}

    async def keep(self, profiles: Collection[PublicProfile]) -> None:
        """In the order of ids, so that two that keep the same profiles do not wait for each other in turn."""
        newest: dict[UUID, PublicProfile] = {}
        for profile in sorted(profiles, key=lambda profile: (profile.id, profile.revision)):
            newest[profile.id] = profile
        if not newest:
            return
        statement = insert(table).values([msgspec.structs.asdict(profile) for profile in newest.values()])
        given = statement.excluded
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=[table.c.id],
                set_={"name": given.name, "image_url": given.image_url, "revision": given.revision},
                where=given.revision > table.c.revision,
            )
        )
