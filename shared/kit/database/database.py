"""One service's Postgres: sessions for the cold paths, an asyncpg pool for the hot ones."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from shared.kit.database.connections import DatabaseBounds, connect_options, make_engine, make_pool
from shared.kit.database.errors import database_errors

__all__ = ["Database", "DatabaseBounds", "database_errors"]


class Database:
    """A service's database. Open it within the event loop that uses it, close it there."""

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
        """Called after each commit; may be set later than `open`, for who needs the database first."""
        self._bounds = bounds
        self._url = url
        self._options = options

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        on_commit: Callable[[], None] = lambda: None,
        bounds: DatabaseBounds | None = None,
        application_name: str = "concord",
    ) -> "Database":
        """Open `postgresql://user:password@host:port/name`.

        `on_commit` is called after each commit (it wakes the relay). Raises `mesh.busy` when the database
        is away: the caller waits and tries again.
        """
        bounds = bounds or DatabaseBounds()
        options = connect_options(bounds, application_name)
        database = cls(
            make_engine(url, bounds, options), make_pool(url, bounds.hot, options), bounds, url, options
        )
        database.on_commit = on_commit
        try:
            await database.pool
            await database.ping()
        except BaseException:
            await database.engine.dispose()
            raise
        return database

    async def close(self) -> None:
        """Give all connections back and close them; what is still used after 5 s is cut off."""
        await self.engine.dispose()
        try:
            await asyncio.wait_for(self.pool.close(), 5)
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self.pool.terminate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed at the end, rolled back when the block raises.

        Raises `mesh.busy` for a lost connection, a crowded pool, a lock or statement that took too long, a
        deadlock. When the commit itself is cut off nobody knows whether it stands: see `ledger.once`.
        """
        with database_errors():
            async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
        self.committed()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """Read only, and all its statements see the same moment. Raises `mesh.busy` as `transaction` does."""
        with database_errors():
            async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
                await session.connection(execution_options=_SNAPSHOT)
                yield session

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the hot pool, waited for a bounded time; errors as in `transaction`.

        Who commits on it calls `committed()` afterwards.
        """
        with database_errors():
            async with self.pool.acquire(timeout=self._bounds.acquire_timeout_ms / 1000) as connection:
                yield connection

    def own_pool(self, size: int, session: dict[str, str]) -> asyncpg.Pool:
        """Connections of one's own, for background work that must not queue behind requests.

        `session` are Postgres settings beside the usual ones. Await it or enter it to begin; it connects when
        first used. Whoever asks for it closes it. Wrap its use into `database_errors()`.
        """
        settings = {**self._options["server_settings"], **session}
        return make_pool(self._url, size, {**self._options, "server_settings": settings})

    def committed(self) -> None:
        """Say that something was committed by way of the hot pool."""
        self.on_commit()

    async def ping(self) -> None:
        """Ask the server for a sign of life. Raises `mesh.busy` when there is none."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")


_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
