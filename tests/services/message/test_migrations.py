"""The migrations make what the tables say, and go up and down step by step."""

from collections.abc import Callable
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from apps.message.outbound.tables import metadata
from shared.kit.migrate import alembic_config, connect, head_of, migrate


def stairway(connection: Connection) -> None:
    """Up one step, down again, up again, for each."""
    config = alembic_config("message", connection)
    steps = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    for revision in reversed(steps):
        command.upgrade(config, revision)
        command.downgrade(config, "-1")
        command.upgrade(config, revision)
    connection.commit()


def emptied(connection: Connection) -> list[str]:
    command.downgrade(alembic_config("message", connection), "base")
    connection.commit()
    return inspect(connection).get_table_names()


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return [
        difference
        for difference in compare_metadata(context, metadata)
        if "alembic_version" not in str(difference)
    ]


async def test_each_step_goes_up_and_down(database_url: Callable[[], str]) -> None:
    async with connect(database_url()) as connection:
        await connection.run_sync(stairway)
        assert await connection.run_sync(emptied) == ["alembic_version"]


async def test_the_newest_revision_is_what_the_tables_say(database_url: Callable[[], str]) -> None:
    url = database_url()
    assert await migrate("message", url)
    assert not await migrate("message", url)
    assert head_of("message") is not None
    async with connect(url) as connection:
        assert await connection.run_sync(differences) == []
        tables = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
    assert tables == {*metadata.tables, "alembic_version"}
