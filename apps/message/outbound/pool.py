"""Connections for the hot paths, whose statements are rarely planned."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from shared.contracts.errors import ServiceError
from shared.kit.database.database import Database
from shared.kit.database.errors import translate_errors

_SESSION = {
    # Each hot statement probes indexes by keys, whatever the parameters: to plan it each time costs as
    # much as to run it.
    "plan_cache_mode": "force_generic_plan",
    # Without statistics the planner would read a page by sorting half a channel, because it looks cheap.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}
_ACQUIRE_TIMEOUT_S = 3.0
_PLAN_LIFE_S = 5.0
"""A plan made while the tables were small can be bad for larger ones; Postgres would keep it otherwise."""


class ConnectionPool:
    """The connections of one hot path; a pool for each, so that none starves another. Close it at the end."""

    def __init__(self, database: Database, size: int) -> None:
        self._database = database
        self._size = size
        self._pool: asyncpg.Pool = database.dedicated_pool(size, _SESSION)
        self._planned_s: dict[int, float] = {}

    async def open(self) -> None:
        """Open the pool and a first connection; the others are opened on demand."""
        with translate_errors():
            await self._pool
        with suppress(ServiceError):  # the first user tries again
            async with self.connection():
                pass

    async def close(self) -> None:
        """Close all connections at once, also those in use."""
        self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Acquire a connection within 3 s. Raises `mesh.busy` if none is free or if it is lost."""
        with translate_errors():
            async with self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection:
                if self._has_old_plans(connection.get_server_pid()):
                    await connection.execute("DISCARD PLANS")
                yield connection

    def committed(self) -> None:
        """Report a commit on one of the connections: it wakes the relay of the outbox."""
        self._database.committed()

    def _has_old_plans(self, pid: int) -> bool:
        now_s = time.monotonic()
        if now_s - self._planned_s.get(pid, 0) < _PLAN_LIFE_S:
            return False
        if len(self._planned_s) > 2 * self._size:  # of connections that were closed
            self._planned_s.clear()
        is_known = pid in self._planned_s
        self._planned_s[pid] = now_s
        return is_known
