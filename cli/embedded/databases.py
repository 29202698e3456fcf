"""Roles and databases of a Postgres, created with `psql` so that no driver has to be imported."""

import os
from collections.abc import Mapping

from cli.embedded.postgres_paths import wheel
from cli.processes.subprocesses import run_subprocess

# Names and passwords are our own: letters, digits, "_" and "-".
ENSURE = """
SELECT 'CREATE ROLE "{name}" LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') \\gexec
ALTER ROLE "{name}" PASSWORD '{password}';
SELECT 'CREATE DATABASE "{name}" OWNER "{name}"'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec
REVOKE ALL ON DATABASE "{name}" FROM PUBLIC;
"""
# Otherwise every role could connect there too, and see the names of all others.
REVOKE_PUBLIC = """
SELECT 'REVOKE ALL ON DATABASE ' || datname || ' FROM PUBLIC' FROM pg_database
WHERE datname IN ('postgres', 'template1') AND has_database_privilege('public', oid, 'CONNECT') \\gexec
"""


def run_sql(url: str, sql: str, timeout_s: float = 60.0) -> str:
    """Run a psql script and return its unaligned output; raise ConcordError with psql's message."""
    # The password goes through the environment: command lines are readable by every user of the machine.
    head, _, address = url.rpartition("@")
    user, _, password = head.removeprefix("postgresql://").partition(":")
    command = [
        str(wheel() / "pginstall" / "bin" / "psql"),
        "-X",
        "-q",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        "-d",
        f"postgresql://{user}@{address}",
    ]
    env = {**os.environ, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "5"}
    return run_subprocess(command, "Postgres refused a statement", timeout_s, env, sql).strip()


def ensure_database(admin_url: str, name: str, password: str) -> None:
    """Make sure that the role `name` and its own database of the same name exist, with this password."""
    ensure_databases(admin_url, {name: password})


def ensure_databases(admin_url: str, passwords: Mapping[str, str]) -> None:
    """Do the same for several, by name, in one script."""
    statements = (ENSURE.format(name=name, password=word) for name, word in passwords.items())
    run_sql(admin_url, "".join([*statements, REVOKE_PUBLIC]))


def drop_database(admin_url: str, name: str) -> None:
    """Drop the database and the role `name`, even if clients are connected."""
    run_sql(admin_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE);\nDROP ROLE IF EXISTS "{name}";')
