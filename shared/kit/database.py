"""One service's Postgres: sessions for the cold paths, an asyncpg pool for the hot ones."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from msgspec import Struct
from sqlalchemy import event, exc
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from shared.kit.database_errors import database_errors

__all__ = ["Database", "Limits", "database_errors"]


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of a database's use. Every wait has an end, and that end is `mesh.busy`."""

    sessions: int = 10
    """Connections for sessions at most."""
    hot: int = 10
    """Connections of the hot pool at most."""
    acquire_timeout_ms: int = 3_000
    """How long to wait for a connection to come free."""
    connect_timeout_ms: int = 3_000
    """How long to wait for a new connection."""
    statement_timeout_ms: int = 8_000
    """How long one statement may run."""
    lock_timeout_ms: int = 5_000
    """How long one statement may wait for a lock."""


class Database:
    """A service's database. Open it within the event loop that uses it, close it there."""

    def __init__(
        self,
        engine: AsyncEngine,
        pool: asyncpg.Pool,
        limits: Limits,
        url: str,
        options: dict[str, Any],
    ) -> None:
        self.engine = engine
        self.pool = pool
        self.on_commit: Callable[[], None] = lambda: None
        """Called after each commit; may be set later than `open`, for who needs the database first."""
        self._limits = limits
        self._url = url
        self._options = options

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        on_commit: Callable[[], None] = lambda: None,
        limits: Limits | None = None,
        application_name: str = "concord",
    ) -> "Database":
        """Open `postgresql://user:password@host:port/name`.

        `on_commit` is called after each commit (it wakes the relay). Raises `mesh.busy` when the database
        is away: the caller waits and tries again.
        """
        bounds = limits or Limits()
        options = _connect_options(bounds, application_name)
        database = cls(_engine(url, bounds, options), _pool(url, bounds.hot, options), bounds, url, options)
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
            async with self.pool.acquire(timeout=self._limits.acquire_timeout_ms / 1000) as connection:
                yield connection

    def own_pool(self, size: int, session: dict[str, str]) -> asyncpg.Pool:
        """Connections of one's own, for background work that must not queue behind requests.

        `session` are Postgres settings beside the usual ones. Await it or enter it to begin; it connects when
        first used. Whoever asks for it closes it. Wrap its use into `database_errors()`.
        """
        settings = {**self._options["server_settings"], **session}
        return _pool(self._url, size, {**self._options, "server_settings": settings})

    def committed(self) -> None:
        """Say that something was committed by way of the hot pool."""
        self.on_commit()

    async def ping(self) -> None:
        """Ask the server for a sign of life. Raises `mesh.busy` when there is none."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")


_QUERIES_MAX = 10_000_000
"""After so many a connection is replaced; each new one has to prepare its statements again."""


async def _keep_session(connection: asyncpg.Connection) -> None:
    """Instead of RESET ALL and the like, a round trip each time: settings are only ever set for a
    transaction.
    """


def _pool(url: str, size: int, options: dict[str, Any]) -> asyncpg.Pool:
    return asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        max_queries=_QUERIES_MAX,
        max_inactive_connection_lifetime=0,
        reset=_keep_session,
        **options,
    )


_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def _connect_options(limits: Limits, application_name: str) -> dict[str, Any]:
    """Keyword arguments of asyncpg.connect that hold the bounds on both sides of the wire."""
    return {
        "timeout": limits.connect_timeout_ms / 1000,
        # The server stops a statement first; this is for a server that went silent.
        "command_timeout": limits.statement_timeout_ms / 1000 + 2,
        "server_settings": {
            "application_name": application_name,
            "statement_timeout": str(limits.statement_timeout_ms),
            "lock_timeout": str(limits.lock_timeout_ms),
            "idle_in_transaction_session_timeout": "60000",
            "timezone": "UTC",
        },
    }


def _engine(url: str, limits: Limits, options: dict[str, Any]) -> AsyncEngine:
    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url, **options)

    creator: Callable[[], Awaitable[asyncpg.Connection]] = connect
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=creator,
        pool_size=limits.sessions,
        max_overflow=0,
        pool_timeout=limits.acquire_timeout_ms / 1000,
        hide_parameters=True,  # an error's text is logged; hashes, keys and messages must not be
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, record: Any, proxy: Any) -> None:
    """Have the pool replace connections that died in it (a restart of Postgres); costs no round trip."""
    if connection.driver_connection.is_closed():
        raise exc.DisconnectionError
