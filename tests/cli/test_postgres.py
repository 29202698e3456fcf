"""The embedded Postgres: starts, ends, survives, asks for a password."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from cli.embedded.databases import ensure_database, run_sql
from cli.embedded.ports import LOOPBACK, free_port, is_taken
from cli.embedded.postgres import EmbeddedPostgres
from cli.errors import ConcordError
from tests.cli.running import eventually, processes_of
from tests.cli.test_kafka import listening


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server that is not started yet, in a path that needs care."""
    server = EmbeddedPostgres(tmp_path / "a b é" / "postgres", free_port(), tmp_path / "postgres.log")
    yield server
    server.stop(timeout_s=3)


def start(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    postgres.wait_ready()


def rows(postgres: EmbeddedPostgres) -> str:
    return run_sql(postgres.admin_url, "SELECT count(*) FROM kept;")


def test_data_outlive_a_stop_and_a_kill(postgres: EmbeddedPostgres) -> None:
    start(postgres)
    run_sql(postgres.admin_url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id;")
    postgres.stop()
    assert postgres.child is not None
    assert postgres.child.exit_code() == 0
    start(postgres)
    assert rows(postgres) == "1000"
    os.kill(postgres.child.pid, 9)  # the server alone: its own children have to notice
    eventually(lambda: postgres.child is not None and not postgres.child.running(), 5)
    start(postgres)
    assert rows(postgres) == "1000"
    postgres.stop()
    assert not is_taken(postgres.port)
    eventually(lambda: processes_of(postgres.folder) == [], 3)


def test_a_stop_does_not_wait_for_open_connections(postgres: EmbeddedPostgres) -> None:
    async def stop_while_connected() -> None:
        connection = await asyncpg.connect(postgres.admin_url)
        await asyncio.to_thread(postgres.stop, 5.0)
        connection.terminate()

    start(postgres)
    asyncio.run(stop_while_connected())
    assert postgres.child is not None
    assert postgres.child.exit_code() == 0


@pytest.mark.parametrize("content", ["", "garbage\n", f"{os.getpid()}\n/elsewhere\n"])
def test_a_stale_pid_file_is_no_obstacle(postgres: EmbeddedPostgres, content: str) -> None:
    start(postgres)
    postgres.stop()
    (postgres.data / "postmaster.pid").write_text(content)
    start(postgres)
    assert run_sql(postgres.admin_url, "SELECT 1;") == "1"


def test_a_wrong_password_is_refused(postgres: EmbeddedPostgres) -> None:
    start(postgres)
    with pytest.raises(ConcordError, match="password authentication failed"):
        run_sql(postgres.url("concord", "wrong", "postgres"), "SELECT 1;")
    mode = (postgres.folder / "admin-password").stat().st_mode
    assert mode & 0o077 == 0


def test_it_listens_on_localhost_only(postgres: EmbeddedPostgres) -> None:
    start(postgres)
    assert postgres.child is not None
    assert listening(postgres.child.pid) == [LOOPBACK]


def test_databases_are_their_owners_alone_and_made_once(postgres: EmbeddedPostgres) -> None:
    start(postgres)
    for name in ("one", "two", "one"):
        ensure_database(postgres.admin_url, name, "secret")
    run_sql(postgres.url("one", "secret", "one"), "CREATE TABLE mine (id int);")
    with pytest.raises(ConcordError, match="permission denied"):
        run_sql(postgres.url("one", "secret", "two"), "SELECT 1;")


def test_a_server_that_dies_at_its_start_is_a_sentence_with_its_log(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "p", free_port(), tmp_path / "log", {"no_such_setting": "1"})
    postgres.start()
    with pytest.raises(ConcordError, match=r"Postgres did not start[\s\S]+no_such_setting"):
        postgres.wait_ready()
