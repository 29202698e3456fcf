"""Counters of wrong passwords in Postgres."""

from collections.abc import Collection, Mapping

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from apps.auth.domain.attempts import microseconds, moment_of
from apps.auth.outbound.tables import AttemptRow


class SqlAttempts:
    """`apps.auth.ports.Attempts` within one session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock(self, keys: Collection[bytes]) -> dict[bytes, int]:
        # In the same order everywhere, so that two transactions with the same keys cannot deadlock.
        return {key: await self._lock(key) for key in sorted(keys)}

    async def save(self, tats_us: Mapping[bytes, int]) -> None:
        for key, tat_us in tats_us.items():
            statement = update(AttemptRow).where(col(AttemptRow.key) == key)
            await self._session.execute(statement.values(paid_back_at=moment_of(tat_us)))

    async def remove(self, keys: Collection[bytes]) -> None:
        if keys:
            await self._session.execute(delete(AttemptRow).where(col(AttemptRow.key).in_(keys)))

    async def _lock(self, key: bytes) -> int:
        """Lock the counters, inserting missing ones: the sweep could delete a row between two statements."""
        statement = insert(AttemptRow).values(key=key, paid_back_at=moment_of(0))
        upsert = statement.on_conflict_do_update(
            index_elements=["key"], set_={"paid_back_at": col(AttemptRow.paid_back_at)}
        )
        moments = await self._session.execute(upsert.returning(col(AttemptRow.paid_back_at)))
        return microseconds(moments.scalar_one())
