"""Roles and databases inside a Postgres, made by `psql` so that no driver has to be imported for it."""

import os
import subprocess

from cli.embedded.postgres import program
from cli.errors import ConcordError

# Names and passwords are our own: letters, digits, "_" and "-".
ENSURE = """
SELECT 'CREATE ROLE "{name}" LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') \\gexec
ALTER ROLE "{name}" PASSWORD '{password}';
SELECT 'CREATE DATABASE "{name}" OWNER "{name}"'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec
REVOKE ALL ON DATABASE "{name}" FROM PUBLIC;
"""


def run_sql(url: str, sql: str, timeout_s: float = 60.0) -> str:
    """Run a psql script and return its unaligned output; raises ConcordError with psql's words."""
    # The password goes through the environment: command lines are readable by every user of the machine.
    head, _, place = url.rpartition("@")
    user, _, password = head.removeprefix("postgresql://").partition(":")
    command = [
        program("psql"),
        "-X",
        "-q",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        "-d",
        f"postgresql://{user}@{place}",
    ]
    env = {**os.environ, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "5"}
    done = subprocess.run(
        command, check=False, input=sql, env=env, capture_output=True, text=True, timeout=timeout_s
    )
    if done.returncode != 0:
        raise ConcordError(f"Postgres refused a statement: {done.stderr.strip()}")
    return done.stdout.strip()


def ensure_database(admin_url: str, name: str, password: str) -> None:
    """Make sure that the role `name` and its own database of the same name exist, with this password."""
    run_sql(admin_url, ENSURE.format(name=name, password=password))


def drop_database(admin_url: str, name: str) -> None:
    """Drop the database and the role `name`, whoever is connected."""
    run_sql(admin_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE);\nDROP ROLE IF EXISTS "{name}";')
