"""Bring a service's database to the newest revision, even if several processes do it at once."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

import migrations
from shared.kit.database.errors import translate_errors

_log = logging.getLogger(__name__)

_LOCK = 0x436F6E636F7264  # "Concord" in ASCII: the advisory lock of a migration
_LOCK_WAIT_S = 60.0
_ROOT = Path(migrations.__file__).parent


async def migrate(service: str, url: str) -> bool:
    """Run the missing revisions; return True if there were any. A service without revisions is skipped.

    Raise `mesh.busy` if the database is unavailable or another process migrates it for over a minute.
    """
    head = head_of(service)
    if head is None or await _current(url) == head:
        return False
    with translate_errors():
        async with connect(url) as connection:
            await _lock(connection)
            changed = await _version(connection) != head
            if changed:
                await connection.run_sync(_upgrade, service)
                _log.info("%s: the database is at revision %s now", service, head)
            return changed


def head_of(service: str) -> str | None:
    """Return the newest revision, by the file names `NNNN_what.py`; None if there is none."""
    numbers = [path.name[:4] for path in (_ROOT / service).glob("[0-9][0-9][0-9][0-9]_*.py")]
    return max(numbers, default=None)


def service_metadata(service: str) -> MetaData:
    """Return the tables of a service; import those of no other. Raises KeyError for an unknown service."""
    if service == "auth":
        from apps.auth.outbound.tables import metadata as auth

        return auth
    if service == "server":
        from apps.server.outbound.tables import metadata as server

        return server
    if service == "message":
        from apps.message.outbound.tables import metadata as message

        return message
    if service == "file":
        from apps.file.outbound.tables import metadata as file

        return file
    raise KeyError(service)


def alembic_config(service: str, connection: Connection) -> Any:
    """Return Alembic's configuration for one service, on an open connection."""
    from alembic.config import Config  # slow to import, and rarely needed

    config = Config()
    config.set_main_option("script_location", str(_ROOT).replace("%", "%%"))
    config.set_main_option("version_locations", str(_ROOT / service).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes.update(connection=connection, service=service)
    return config


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[AsyncConnection]:
    """Open a connection for schema changes: it waits 10 s for a lock; a statement may take long."""

    async def creator() -> asyncpg.Connection:
        settings = {"application_name": "concord migrate", "lock_timeout": "10000", "timezone": "UTC"}
        return await asyncpg.connect(url, timeout=10, server_settings=settings)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=creator, pool_size=1)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


async def _current(url: str) -> str | None:
    """Return the revision of a database without SQLAlchemy: most starts have nothing to do."""
    with translate_errors():
        connection = await asyncpg.connect(url, timeout=10)
        try:
            version: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
            return version
        except asyncpg.UndefinedTableError:
            return None
        finally:
            await connection.close()


async def _version(connection: AsyncConnection) -> str | None:
    exists = await connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
    version = await connection.scalar(text("SELECT version_num FROM alembic_version")) if exists else None
    await connection.rollback()
    return version


async def _lock(connection: AsyncConnection) -> None:
    """Take the lock for the session, so that it outlives the transactions of the revisions."""
    deadline = asyncio.get_running_loop().time() + _LOCK_WAIT_S
    while not await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}):
        await connection.rollback()
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError("another process has been migrating this database for a minute")
        await asyncio.sleep(0.2)
    await connection.rollback()


def _upgrade(connection: Connection, service: str) -> None:
    from alembic import command

    command.upgrade(alembic_config(service, connection), "head")
    connection.commit()
