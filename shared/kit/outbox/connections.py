"""A relay's own connections to the database of the outbox."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from shared.kit.database.database import Database
from shared.kit.database.errors import database_errors

_CONNECTIONS = 2
_ACQUIRE_S = 3.0
_SESSION = {
    # A relay that is stopped amid a transaction must not hold the others up.
    "idle_in_transaction_session_timeout": "2000",
    "lock_timeout": "3000",
    "statement_timeout": "10000",
    # The statistics of a queue lie; the primary key gives the oldest rows whatever they say.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}


class RelayConnections:
    """One connection for the rows, one for the leases, so that neither waits for the other or for
    requests.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        """Begin, whether or not Postgres is there."""
        self._pool = await self._database.own_pool(_CONNECTIONS, _SESSION)

    async def close(self) -> None:
        """Close what is idle, cut off what is not."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection; raises `mesh.busy` as `Database.connection` does."""
        if self._pool is None:
            raise RuntimeError("the store of the relay is not open")
        with database_errors():
            async with self._pool.acquire(timeout=_ACQUIRE_S) as connection:
                yield connection
