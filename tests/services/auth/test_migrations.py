"""The revisions of auth lead to its tables, step by step, up and down."""

import asyncio
from collections.abc import Callable

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from shared.kit.migrate import alembic_config, connect, head_of, migrate, service_metadata


def stairs(connection: Connection) -> None:
    config = alembic_config("auth", connection)
    for number in range(1, int(head_of("auth") or 0) + 1):
        command.upgrade(config, f"{number:04d}")
        command.downgrade(config, "-1")
        command.upgrade(config, f"{number:04d}")
    command.downgrade(config, "base")
    connection.commit()


def difference(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    found: list[object] = compare_metadata(context, service_metadata("auth"))
    return found


def test_each_step_goes_up_and_down_and_up_again(database_url: Callable[[], str]) -> None:
    async def walk() -> bool:
        async with connect(url) as connection:
            await connection.run_sync(stairs)
        return await migrate("auth", url)

    url = database_url()
    assert asyncio.run(walk())


def test_the_tables_are_those_of_the_code(auth_database_url: str) -> None:
    async def compare() -> list[object]:
        async with connect(auth_database_url) as connection:
            return await connection.run_sync(difference)

    assert asyncio.run(compare()) == []
