"""A relay's dedicated connections to the database of the outbox."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from shared.kit.database.database import Database
from shared.kit.database.errors import translate_errors

_CONNECTIONS = 2
_ACQUIRE_S = 3.0
_SESSION = {
    # A relay that is suspended within a transaction must not block the others.
    "idle_in_transaction_session_timeout": "2000",
    "lock_timeout": "3000",
    "statement_timeout": "10000",
    # The statistics of a queue are misleading; the primary key finds the oldest rows in any case.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}


class RelayConnections:
    """One connection for the rows and one for the leases; neither waits for the other or for requests."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        """Open the pool; Postgres may still be unavailable."""
        self._pool = await self._database.dedicated_pool(_CONNECTIONS, _SESSION)

    async def close(self) -> None:
        """Close idle connections and abort the others."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection; raises `mesh.busy` as `Database.connection` does."""
        if self._pool is None:
            raise RuntimeError("the connections of the relay are not open")
        with translate_errors():
            async with self._pool.acquire(timeout=_ACQUIRE_S) as connection:
                yield connection
