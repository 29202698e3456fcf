"""The embedded Postgres: starts, ends, survives, asks for a password."""

import asyncio
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from cli.config.ports import LOOPBACK, free_port, is_taken
from cli.embedded import postgres_paths, postgres_user
from cli.embedded.databases import ensure_database, run_sql
from cli.embedded.postgres import EmbeddedPostgres
from cli.embedded.postgres_paths import cluster_parent, enterable, make_cluster_parent, programs
from cli.embedded.postgres_user import NOBODY
from cli.errors import ConcordError
from tests.cli.running import processes_of
from tests.cli.test_kafka import listening
from tests.support.polling import eventually


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


@pytest.mark.parametrize(
    "content", ["", "garbage\n", f"{os.getpid()}\n/elsewhere\n"], ids=["empty", "garbage", "another program"]
)
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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become someone else")
def test_root_without_user_namespaces_runs_it_as_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_user, "namespaces_work", lambda: False)
    tmp_path.chmod(0o700)
    said: list[str] = []
    server = EmbeddedPostgres(tmp_path / "postgres", free_port(), tmp_path / "postgres.log")
    outside = server.data.parent.parent
    try:
        server.start(said.append)
        server.wait_ready()
        assert server.child is not None
        assert f"Uid:\t{NOBODY}\t{NOBODY}" in Path(f"/proc/{server.child.pid}/status").read_text()
        assert server.data.stat().st_uid == NOBODY
        assert str(server.data.parent) in said[-1]
        run_sql(server.admin_url, "CREATE TABLE kept AS SELECT generate_series(1, 10) AS id;")
        server.stop()
        start(server)
        assert run_sql(server.admin_url, "SELECT count(*) FROM kept;") == "10"
        server.stop()
        assert server.child.exit_code() == 0
    finally:
        server.stop(timeout_s=3)
        shutil.rmtree(outside)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become someone else")
def test_a_folder_outside_that_is_somebody_elses_is_refused(tmp_path: Path) -> None:
    who = postgres_user.RunAs(uid=NOBODY)
    outside = cluster_parent(tmp_path, who).parent
    outside.mkdir()
    os.chown(outside, NOBODY, NOBODY)
    try:
        with pytest.raises(ConcordError, match="belongs to somebody else"):
            make_cluster_parent(tmp_path, who)
    finally:
        outside.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become someone else")
def test_clusters_outside_of_temporary_folders_that_are_gone_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_paths, "OUTSIDE", tmp_path / "outside")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    who = postgres_user.RunAs(uid=NOBODY)
    for name in ("outside", "gone", "here"):
        (tmp_path / name).mkdir()
    gone, here = (make_cluster_parent(tmp_path / name, who) for name in ("gone", "here"))
    elsewhere = make_cluster_parent(Path("/nowhere/any/more"), who)
    (tmp_path / "gone").rmdir()
    make_cluster_parent(tmp_path / "here", who)
    assert [gone.exists(), here.exists(), elsewhere.exists()] == [False, True, True]


def test_what_others_put_beside_the_clusters_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_paths, "OUTSIDE", tmp_path)
    foreign = tmp_path / "concord-postgres-of-somebody"
    foreign.mkdir()
    foreign.chmod(0o777)  # as good as somebody else's
    os.mkfifo(foreign / postgres_paths.OWNER_NOTE)  # reading it would block without end
    sweeping = threading.Thread(target=postgres_paths.sweep, daemon=True)
    sweeping.start()
    sweeping.join(2)
    assert not sweeping.is_alive()
    assert foreign.exists()


def test_programs_that_another_user_cannot_reach_are_copied_to_where_they_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_paths, "OUTSIDE", tmp_path)
    monkeypatch.setattr(postgres_paths, "enterable", lambda _: False)
    folder = programs(postgres_user.RunAs(uid=NOBODY))
    assert folder.is_relative_to(tmp_path)
    done = subprocess.run([folder / "psql", "--version"], check=True, capture_output=True, text=True)
    assert "(PostgreSQL) 18" in done.stdout
    assert programs(postgres_user.RunAs(uid=NOBODY)) == folder


def test_a_path_is_enterable_only_when_each_folder_is(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.touch(mode=0o755)
    assert not enterable(program)  # the test's folder is its owner's alone
    assert enterable(Path("/bin/sh"))
