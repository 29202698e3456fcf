"""Connections to Postgres and the bounds of their use."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from msgspec import Struct
from sqlalchemy import event, exc
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


class DatabaseBounds(Struct, frozen=True, kw_only=True):
    """Bounds of a database's use. Every wait ends with `mesh.busy` at its bound."""

    sessions: int = 10
    """The maximum number of connections for sessions."""
    hot: int = 10
    """The maximum number of connections of the hot pool."""
    acquire_timeout_ms: int = 3_000
    """The wait for a free connection."""
    connect_timeout_ms: int = 3_000
    """The wait for a new connection."""
    statement_timeout_ms: int = 8_000
    """The run time of one statement."""
    lock_timeout_ms: int = 5_000
    """The wait of one statement for a lock."""


_QUERIES_MAX = 10_000_000
"""A connection is replaced after this many queries; a new one must prepare its statements again."""


async def _keep_session(connection: asyncpg.Connection) -> None:
    """Skip the reset, which is a round trip each time: settings are only ever set for a transaction."""


def make_pool(url: str, size: int, options: dict[str, Any]) -> asyncpg.Pool:
    """Return a pool that connects when first used and keeps its connections."""
    return asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        max_queries=_QUERIES_MAX,
        max_inactive_connection_lifetime=0,
        reset=_keep_session,
        **options,
    )


def connect_options(bounds: DatabaseBounds, application_name: str) -> dict[str, Any]:
    """Return the keyword arguments of asyncpg.connect that apply the bounds in client and server."""
    return {
        "timeout": bounds.connect_timeout_ms / 1000,
        # The server stops a statement first; this is for a server that stopped responding.
        "command_timeout": bounds.statement_timeout_ms / 1000 + 2,
        "server_settings": {
            "application_name": application_name,
            "statement_timeout": str(bounds.statement_timeout_ms),
            "lock_timeout": str(bounds.lock_timeout_ms),
            "idle_in_transaction_session_timeout": "60000",
            "timezone": "UTC",
        },
    }


def make_engine(url: str, bounds: DatabaseBounds, options: dict[str, Any]) -> AsyncEngine:
    """Return SQLAlchemy's engine over connections with the same options."""

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url, **options)

    creator: Callable[[], Awaitable[asyncpg.Connection]] = connect
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=creator,
        pool_size=bounds.sessions,
        max_overflow=0,
        pool_timeout=bounds.acquire_timeout_ms / 1000,
        hide_parameters=True,  # the text of an error is logged; hashes, keys and messages must not be
    )
    event.listen(engine.sync_engine, "checkout", _discard_closed)
    return engine


def _discard_closed(connection: Any, record: Any, proxy: Any) -> None:
    """Have the pool replace connections closed meanwhile (a restart of Postgres), without a round trip."""
    if connection.driver_connection.is_closed():
        raise exc.DisconnectionError
