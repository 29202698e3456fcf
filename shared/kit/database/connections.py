"""How connections to Postgres are made, and what bounds their use."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from msgspec import Struct
from sqlalchemy import event, exc
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


class DatabaseBounds(Struct, frozen=True, kw_only=True):
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


_QUERIES_MAX = 10_000_000
"""After so many a connection is replaced; each new one has to prepare its statements again."""


async def _keep_session(connection: asyncpg.Connection) -> None:
    """Instead of RESET ALL and the like, a round trip each time: settings are only ever set for a
    transaction.
    """


def make_pool(url: str, size: int, options: dict[str, Any]) -> asyncpg.Pool:
    """A pool that connects when first used and keeps what it has."""
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
    """Keyword arguments of asyncpg.connect that hold the bounds on both sides of the wire."""
    return {
        "timeout": bounds.connect_timeout_ms / 1000,
        # The server stops a statement first; this is for a server that went silent.
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
    """SQLAlchemy's engine over the same kind of connections."""

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url, **options)

    creator: Callable[[], Awaitable[asyncpg.Connection]] = connect
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=creator,
        pool_size=bounds.sessions,
        max_overflow=0,
        pool_timeout=bounds.acquire_timeout_ms / 1000,
        hide_parameters=True,  # an error's text is logged; hashes, keys and messages must not be
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, record: Any, proxy: Any) -> None:
    """Have the pool replace connections that died in it (a restart of Postgres); costs no round trip."""
    if connection.driver_connection.is_closed():
        raise exc.DisconnectionError
