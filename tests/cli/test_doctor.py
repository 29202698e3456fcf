"""`concord doctor` finds what is wrong, and nothing else."""

import socket
from pathlib import Path

from cli.config.ports import LOOPBACK, free_port
from cli.processes.registry import SERVICE, Records, own_record
from tests.cli.running import concord, environment
from tests.unit.kit.rpc.calls import SECRET


def wrong(output: str) -> list[str]:
    """Return the subjects of the lines with this mark."""
    lines = [line.removeprefix("WRONG").strip() for line in output.splitlines() if line.startswith("WRONG")]
    return [line.split("  ")[0] for line in lines]


def test_a_machine_in_order(tmp_path: Path) -> None:
    done = concord("doctor", env=environment(tmp_path / "data"))
    assert (done.returncode, wrong(done.stdout)) == (0, [])
    assert done.stdout.splitlines()[-1] == "Everything is in place"
    assert not (tmp_path / "data").exists()  # it looks, it touches nothing


def test_taken_ports_and_unwritable_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    env = environment(tmp_path / "file" / "data", CONCORD_CACHE=str(tmp_path / "file" / "cache"))
    with socket.create_server((LOOPBACK, int(env["GATEWAY_PORT"]))):
        done = concord("doctor", env=env)
    assert done.returncode == 1
    assert wrong(done.stdout) == ["data folder", "cache folder", "GATEWAY_PORT"]
    assert env["GATEWAY_PORT"] in done.stdout
    assert "CONCORD_DATA" in done.stdout


def test_the_ports_of_a_concord_that_runs_are_its_own(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    records = Records(tmp_path / "data" / "run")
    records.write(own_record("gateway", SERVICE, int(env["GATEWAY_PORT"])))
    records.write(own_record("file", SERVICE, free_port()))  # answers elsewhere than at FILE_PORT
    with (
        socket.create_server((LOOPBACK, int(env["GATEWAY_PORT"]))),
        socket.create_server((LOOPBACK, int(env["FILE_PORT"]))),
    ):
        done = concord("doctor", env=env)
    assert (done.returncode, wrong(done.stdout)) == (0, []), done.stdout
    assert done.stdout.count("in use by this Concord") == 2


def test_outside_services_that_answer_are_fine(
    tmp_path: Path, kafka_bootstrap: str, postgres_admin_url: str
) -> None:
    env = environment(
        tmp_path / "data",
        KAFKA_BOOTSTRAP_SERVERS=kafka_bootstrap,
        MESH_SECRET=SECRET,
        AUTH_DATABASE_URL=postgres_admin_url,
    )
    done = concord("doctor", env=env)
    assert (done.returncode, wrong(done.stdout)) == (0, [])
    assert f"{kafka_bootstrap} answers" in done.stdout
    assert "CONCORD_KAFKA_PORT" not in done.stdout
    password = postgres_admin_url.split(":")[2].split("@")[0]
    assert password not in done.stdout


def test_outside_services_that_do_not_answer_are_named(tmp_path: Path) -> None:
    env = environment(
        tmp_path / "data",
        KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}",
        AUTH_DATABASE_URL=f"postgresql://a:b@127.0.0.1:{free_port()}/auth",
        SERVER_DATABASE_URL="mysql://a:b@127.0.0.1/server",
    )
    done = concord("doctor", env=env)
    assert done.returncode == 1
    assert wrong(done.stdout) == [
        "KAFKA_BOOTSTRAP_SERVERS",
        "MESH_SECRET",
        "AUTH_DATABASE_URL",
        "SERVER_DATABASE_URL",
    ]


def test_something_that_is_no_kafka_does_not_pass_for_one(tmp_path: Path, postgres_admin_url: str) -> None:
    place = postgres_admin_url.partition("@")[2].partition("/")[0]
    env = environment(tmp_path / "data", KAFKA_BOOTSTRAP_SERVERS=place, MESH_SECRET=SECRET)
    done = concord("doctor", env=env)
    assert wrong(done.stdout) == ["KAFKA_BOOTSTRAP_SERVERS"]
