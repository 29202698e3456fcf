"""A service's Postgres: sessions for the cold paths, an asyncpg pool for the hot ones."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from shared.kit.database.connections import DatabaseBounds, connect_options, make_engine, make_pool
from shared.kit.database.errors import translate_errors

__all__ = ["Database", "DatabaseBounds", "translate_errors"]


class Database:
    """A service's database. Open and close it in the event loop that uses it."""

    def __init__(
        self,
        engine: AsyncEngine,
        pool: asyncpg.Pool,
        bounds: DatabaseBounds,
        url: str,
        options: dict[str, Any],
    ) -> None:
        self.engine = engine
        self.pool = pool
        self.on_commit: Callable[[], None] = lambda: None
        """Called after each commit; set it after `open`. It wakes the relay of the outbox."""
        self._bounds = bounds
        self._url = url
        self._options = options

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        bounds: DatabaseBounds | None = None,
        application_name: str = "concord",
    ) -> "Database":
        """Open `postgresql://user:password@host:port/name`.

        Raises `mesh.busy` while the database is unavailable: the caller waits and tries again.
        """
        bounds = bounds or DatabaseBounds()
        options = connect_options(bounds, application_name)
        database = cls(
            make_engine(url, bounds, options), make_pool(url, bounds.hot, options), bounds, url, options
        )
        try:
            await database.pool
            await database.ping()
        except BaseException:
            await database.engine.dispose()
            raise
        return database

    async def close(self) -> None:
        """Close all connections; those still in use after 5 s are terminated."""
        await self.engine.dispose()
        try:
            await asyncio.wait_for(self.pool.close(), 5)
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self.pool.terminate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Run one transaction: committed at the end, rolled back if the block raises.

        Raises `mesh.busy` for a lost connection, an exhausted pool, a lock or statement that took too long, a
        deadlock. If the connection is lost during the commit itself, its outcome is unknown: see
        `idempotency.run_once`.
        """
        with translate_errors():
            async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
        self.committed()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """Run a read-only transaction with one snapshot. Raises `mesh.busy` as `transaction` does."""
        with translate_errors():
            async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
                await session.connection(execution_options=_SNAPSHOT)
                yield session

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection of the hot pool, after a bounded wait; errors as in `transaction`.

        After a commit on it, call `committed()`.
        """
        with translate_errors():
            async with self.pool.acquire(timeout=self._bounds.acquire_timeout_ms / 1000) as connection:
                yield connection

    def dedicated_pool(self, size: int, session: dict[str, str]) -> asyncpg.Pool:
        """Return a pool for background work that must not queue behind requests.

        `session` adds Postgres settings to the usual ones. Await or enter the pool to open it; it connects
        when first used. The caller closes it and wraps its use in `translate_errors()`.
        """
        settings = {**self._options["server_settings"], **session}
        return make_pool(self._url, size, {**self._options, "server_settings": settings})

    def committed(self) -> None:
        """Report a commit on a connection of the hot pool."""
        self.on_commit()

    async def ping(self) -> None:
        """Run an empty query. Raises `mesh.busy` if the server does not answer."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")


_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
