"""Walk a service's migrations: every revision up, down and up again, and compare tables with models."""

from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from migrations.runner import alembic_config, connect, service_metadata


async def walk_stairs(service: str, url: str) -> int:
    """Upgrade, downgrade and upgrade each revision; return their number.

    Fails if a downgrade does not restore the schema, or a second upgrade leads to another one.
    """

    def walk(connection: Connection) -> int:
        config = alembic_config(service, connection)
        revisions = list(ScriptDirectory.from_config(config).walk_revisions("base", "heads"))[::-1]
        for revision in revisions:
            before = _schema(connection)
            command.upgrade(config, revision.revision)
            after = _schema(connection)
            command.downgrade(config, "-1")
            assert _schema(connection) == before, f"{service} {revision.revision} does not go back"
            command.upgrade(config, revision.revision)
            assert _schema(connection) == after
        connection.commit()
        return len(revisions)

    async with connect(url) as connection:
        return await connection.run_sync(walk)


async def to_revision(service: str, url: str, revision: str, *, down: bool = False) -> None:
    """Upgrade a database to a revision, or downgrade it with `down`."""

    def move(connection: Connection) -> None:
        step = command.downgrade if down else command.upgrade
        step(alembic_config(service, connection), revision)
        connection.commit()

    async with connect(url) as connection:
        await connection.run_sync(move)


async def differences(service: str, url: str) -> list[Any]:
    """Return the changes by which Alembic would make a database at the head revision match the models."""

    def compare(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, service_metadata(service)))

    async with connect(url) as connection:
        return await connection.run_sync(compare)


def _schema(connection: Connection) -> dict[str, Any]:
    """Return each table with its columns, keys, indexes and checks."""
    inspector = inspect(connection)
    schema = {}
    for table in sorted(inspector.get_table_names()):
        if table != "alembic_version":
            schema[table] = {
                "columns": [str(column) for column in inspector.get_columns(table)],
                "primary key": inspector.get_pk_constraint(table),
                "indexes": sorted(map(str, inspector.get_indexes(table))),
                "unique": sorted(map(str, inspector.get_unique_constraints(table))),
                "checks": sorted(map(str, inspector.get_check_constraints(table))),
                "foreign keys": sorted(map(str, inspector.get_foreign_keys(table))),
            }
    connection.rollback()
    return schema
