"""Connections for the hot paths, whose statements are planned seldom."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from shared.contracts.errors import ServiceError
from shared.kit.database.database import Database
from shared.kit.database.errors import database_errors

_SESSION = {
    # Each hot statement probes indexes by keys, whatever the parameters: planning it anew each time costs as
    # much as running it.
    "plan_cache_mode": "force_generic_plan",
    # Nor may a page be read by sorting half a channel, which looks cheap while nothing is known about it.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}
_ACQUIRE_TIMEOUT_S = 3.0
_PLAN_LIFE_S = 5.0
"""A plan made while the tables were small can be bad for larger ones, and Postgres would keep it."""


class ConnectionPool:
    """A pool of its own for one hot path, so that none can starve another. Close it at the end."""

    def __init__(self, database: Database, size: int) -> None:
        self._database = database
        self._size = size
        self._pool: asyncpg.Pool = database.own_pool(size, _SESSION)
        self._planned_s: dict[int, float] = {}

    async def open(self) -> None:
        """Get ready, with a first connection; the others are made when they are needed."""
        with database_errors():
            await self._pool
        with suppress(ServiceError):  # when it cannot be made now, who needs it first tries again
            async with self.connection():
                pass

    async def close(self) -> None:
        """Cut off what is still used."""
        self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection, waited for at most 3 s. Raises `mesh.busy` when there is none or when it is lost."""
        with database_errors():
            async with self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection:
                if self._is_planned_long_ago(connection.get_server_pid()):
                    await connection.execute("DISCARD PLANS")
                yield connection

    def _is_planned_long_ago(self, pid: int) -> bool:
        now_s = time.monotonic()
        if now_s - self._planned_s.get(pid, 0) < _PLAN_LIFE_S:
            return False
        if len(self._planned_s) > 2 * self._size:  # connections that are no longer there
            self._planned_s.clear()
        is_known = pid in self._planned_s
        self._planned_s[pid] = now_s
        return is_known

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """A transaction, committed at the end. Raises `mesh.busy` also when the commit's answer was lost."""
        async with self.connection() as connection, connection.transaction():
            yield connection
        self._database.committed()
