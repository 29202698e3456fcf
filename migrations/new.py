"""Write a new revision from the difference between a database at head and the service's tables.

`SERVER_DATABASE_URL=postgresql://… python -m migrations.new server "add topics to channels"`
"""

import asyncio
import os
import sys

from alembic import command
from sqlalchemy import Connection

from migrations.runner import alembic_config, connect, head_of


async def new_revision(service: str, url: str, message: str) -> None:
    """Write `migrations/<service>/NNNN_<message>.py`; review it before you commit it."""
    head = head_of(service)
    number = f"{int(head or 0) + 1:04d}"

    def write(connection: Connection) -> None:
        config = alembic_config(service, connection)
        command.revision(config, message, autogenerate=True, rev_id=number)

    async with connect(url) as connection:
        await connection.run_sync(write)


if __name__ == "__main__":
    name, text = sys.argv[1:3]
    asyncio.run(new_revision(name, os.environ[f"{name.upper()}_DATABASE_URL"], text))
