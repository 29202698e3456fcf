"""The service's own copy of public profiles, in Postgres."""

from collections.abc import Collection
from uuid import UUID

import msgspec
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from apps.server.outbound.tables import ProfileRow
from shared.contracts.account import PublicProfile
from shared.kit.database.rows import select_rows


class SqlProfiles:
    """`apps.server.ports.Profiles` within one session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, profile_ids: Collection[UUID]) -> dict[UUID, PublicProfile]:
        rows = await self._session.scalars(select_rows(ProfileRow).where(col(ProfileRow.id).in_(profile_ids)))
        return {row.id: _profile(row) for row in rows}

    async def store(self, profiles: Collection[PublicProfile]) -> None:
        """Store in the order of ids, so that concurrent transactions cannot deadlock."""
        newest: dict[UUID, PublicProfile] = {}
        for profile in sorted(profiles, key=lambda profile: (profile.id, profile.revision)):
            newest[profile.id] = profile
        if not newest:
            return
        statement = insert(ProfileRow).values([msgspec.structs.asdict(row) for row in newest.values()])
        excluded = statement.excluded
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=[col(ProfileRow.id)],
                set_={"name": excluded.name, "image_url": excluded.image_url, "revision": excluded.revision},
                where=excluded.revision > col(ProfileRow.revision),
            )
        )


def _profile(row: ProfileRow) -> PublicProfile:
    return PublicProfile(id=row.id, name=row.name, image_url=row.image_url, revision=row.revision)
