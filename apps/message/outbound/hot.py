"""Connections for the hot paths, whose statements are planned once and for all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from shared.kit.database import Database
from shared.kit.database_errors import database_errors

_SESSION = {
    # Each hot statement probes indexes by keys, whatever the parameters: planning it anew each time costs as
    # much as running it. A plan that was made while the tables were small must be good for large ones, too.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
}
_ACQUIRE_TIMEOUT_S = 3.0


class HotPool:
    """A pool of its own for one hot path, so that none can starve another. Close it at the end."""

    def __init__(self, database: Database, size: int) -> None:
        self._database = database
        self._pool: asyncpg.Pool = database.own_pool(size, _SESSION)

    async def open(self) -> None:
        """Get ready; a connection is made when it is first needed."""
        with database_errors():
            await self._pool

    async def close(self) -> None:
        """Cut off what is still used."""
        self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection, waited for at most 3 s. Raises `mesh.busy` when there is none or when it is lost."""
        with database_errors():
            async with self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """A transaction, committed at the end. Raises `mesh.busy` also when the commit's answer was lost."""
        async with self.connection() as connection, connection.transaction():
            yield connection
        self._database.committed()
