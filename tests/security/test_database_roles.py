"""Each service's role owns its database and may do nothing elsewhere."""

from collections.abc import Iterator

import asyncpg
import pytest

from cli.config.ports import LOOPBACK
from cli.embedded.databases import drop_database, ensure_databases

ROLES = {"least_auth": "pw-auth", "least_message": "pw-message"}


@pytest.fixture
def port(postgres_admin_url: str) -> Iterator[int]:
    ensure_databases(postgres_admin_url, ROLES)
    yield int(postgres_admin_url.rpartition(":")[2].partition("/")[0])
    for name in ROLES:
        drop_database(postgres_admin_url, name)


def url(role: str, port: int, database: str) -> str:
    return f"postgresql://{role}:{ROLES[role]}@{LOOPBACK}:{port}/{database}"


async def test_a_role_owns_its_database(port: int) -> None:
    connection = await asyncpg.connect(url("least_auth", port, "least_auth"))
    await connection.execute("CREATE TABLE things (id int)")
    await connection.close()


@pytest.mark.parametrize("database", ["least_message", "postgres", "template1"])
async def test_a_role_can_not_connect_elsewhere(port: int, database: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(url("least_auth", port, database))


async def test_a_role_is_no_more_than_a_login(port: int) -> None:
    connection = await asyncpg.connect(url("least_auth", port, "least_auth"))
    try:
        row = await connection.fetchrow(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls "
            "FROM pg_roles WHERE rolname = current_user"
        )
        assert row is not None
        assert not any(row.values())
        assert (
            await connection.fetchval(
                "SELECT count(*) FROM pg_auth_members WHERE member = "
                "(SELECT oid FROM pg_roles WHERE rolname = current_user)"
            )
            == 0
        )
        for statement in (
            "CREATE ROLE another",
            "CREATE DATABASE another",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "SELECT pg_read_file('postgresql.conf')",
            "ALTER ROLE least_message PASSWORD 'x'",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_wrong_password_does_not_get_in(port: int) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://least_auth:wrong@{LOOPBACK}:{port}/least_auth")
