"""Counts of attempts in Postgres."""

from collections.abc import Collection, Mapping

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from apps.auth.domain.attempts import microseconds, moment_of
from apps.auth.outbound.tables import attempts


class SqlAttempts:
    """`apps.auth.ports.Attempts` over a session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock(self, keys: Collection[bytes]) -> dict[bytes, int]:
        # In one order everywhere, so that two who need the same rows never wait for each other.
        return {key: await self._lock(key) for key in sorted(keys)}

    async def save(self, tats_us: Mapping[bytes, int]) -> None:
        for key, tat_us in tats_us.items():
            statement = update(attempts).where(attempts.c.key == key)
            await self._session.execute(statement.values(paid_back_at=moment_of(tat_us)))

    async def forget(self, keys: Collection[bytes]) -> None:
        if keys:
            await self._session.execute(delete(attempts).where(attempts.c.key.in_(keys)))

    async def _lock(self, key: bytes) -> int:
        """Made or found, in one statement: between two the row could be swept away."""
        statement = insert(attempts).values(key=key, paid_back_at=moment_of(0))
        found = statement.on_conflict_do_update(
            index_elements=["key"], set_={"paid_back_at": attempts.c.paid_back_at}
        )
        moment = await self._session.execute(found.returning(attempts.c.paid_back_at))
        return microseconds(moment.scalar_one())
