"""The script of the Postgres container makes one login and one database a service, and closes the rest."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from cli.config.ports import LOOPBACK
from cli.embedded.databases import drop_database
from cli.embedded.postgres_paths import wheel

SCRIPT = Path(__file__).parents[2] / "ops" / "postgres" / "init.sh"
SERVICES = ("auth", "server", "message", "file")
PASSWORD = 'it\'s "odd" $HOME \\ %'


@pytest.fixture
def port(postgres_admin_url: str) -> Iterator[int]:
    user, _, password = postgres_admin_url.removeprefix("postgresql://").partition("@")[0].partition(":")
    port = int(postgres_admin_url.rpartition(":")[2].partition("/")[0])
    environ = {
        **os.environ,
        "PATH": f"{wheel() / 'pginstall' / 'bin'}:{os.environ['PATH']}",
        "PGHOST": LOOPBACK,
        "PGPORT": str(port),
        "PGPASSWORD": password,
        "POSTGRES_USER": user,
        **{f"{name.upper()}_DATABASE_PASSWORD": PASSWORD for name in SERVICES},
    }
    subprocess.run(["sh", str(SCRIPT)], env=environ, check=True, timeout=60)
    yield port
    for name in SERVICES:
        drop_database(postgres_admin_url, name)


async def test_each_has_its_own_and_no_other(port: int) -> None:
    for name in SERVICES:
        connection = await asyncpg.connect(
            host=LOOPBACK, port=port, user=name, password=PASSWORD, database=name
        )
        await connection.execute("CREATE TABLE things (id int)")
        await connection.close()
        for other in {*SERVICES, "postgres", "template1"} - {name}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await asyncpg.connect(host=LOOPBACK, port=port, user=name, password=PASSWORD, database=other)


def test_a_missing_password_stops_it() -> None:
    environ = {"PATH": os.environ["PATH"], "POSTGRES_USER": "nobody"}
    done = subprocess.run(["sh", str(SCRIPT)], env=environ, capture_output=True, text=True)
    assert done.returncode != 0
    assert "AUTH_DATABASE_PASSWORD: is not set" in done.stderr
