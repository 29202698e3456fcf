"""The disk of Kafka or Postgres is full: calls fail with `Retry-After`, and nothing is damaged."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.postgres import EmbeddedPostgres
from tests.e2e.people import sign_up
from tests.faults.conftest import Mesh
from tests.faults.load import Ledger, check_nothing_lost, check_problems, send_until
from tests.support.polling import until

DISK_MIB = 192
Part = EmbeddedKafka | EmbeddedPostgres


class Disk:
    """A small file system; `fill` uses up its space, `free` releases it."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        piece = b"\0" * 65_536
        with self._ballast.open("wb", buffering=0) as ballast:
            while len(piece) > 1:
                try:
                    if ballast.write(piece) < len(piece):
                        piece = piece[: len(piece) // 2]
                except OSError:
                    piece = piece[: len(piece) // 2]

    def free(self) -> None:
        self._ballast.unlink()


@contextmanager
def mounted(folder: Path) -> Iterator[Disk]:
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        pytest.skip(f"a file system of its own needs the right to mount one: {done.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def kafka_disk(tmp_path: Path) -> Iterator[Disk]:
    """Mount the file system before the mesh starts on it."""
    with mounted(tmp_path / "kafka") as disk:
        yield disk


@pytest.fixture
def postgres_disk(tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "postgres") as disk:
        yield disk


async def test_kafka_has_no_room(kafka_disk: Disk, mesh: Mesh) -> None:
    await run_out_of_room(mesh, mesh.kafka, kafka_disk)


async def test_postgres_has_no_room(postgres_disk: Disk, mesh: Mesh) -> None:
    await run_out_of_room(mesh, mesh.postgres, postgres_disk)


async def run_out_of_room(mesh: Mesh, part: Part, disk: Disk) -> None:
    """Send continuously; fill the disk, free it, and check the acknowledged messages at the end."""
    gateway, *_ = mesh.concord.start("gateway", "auth", "server", "message")
    mesh.concord.wait_ready()
    with httpx.Client(base_url=gateway.url, timeout=30) as http:
        ada = sign_up(http)
        channels = [channel["id"] for channel in ada.make_server()["channels"]]
        ledger, stop = Ledger(), asyncio.Event()
        sending = asyncio.create_task(send_until(stop, gateway.url, ada, channels, at_once=8, ledger=ledger))
        await until(lambda: ledger.statuses[201] > 100, 60)
        await asyncio.to_thread(disk.fill)
        await until(lambda: len(ledger.problems) > 16, 90)
        refused = len(ledger.problems)
        await asyncio.to_thread(disk.free)
        await asyncio.to_thread(restart, part)
        good = ledger.statuses[201]
        await until(lambda: ledger.statuses[201] > good + 100, 90)
        stop.set()
        await sending
        assert refused > 16
        check_problems(ledger)
        assert all(process.alive() for process in mesh.concord.processes)
        check_nothing_lost(ada, channels, ledger)
    assert "No space left on device" in part.log.read_text(errors="replace")


def restart(part: Part) -> None:
    """Restart a component as an operator does once space is free; stop it first if it still runs."""
    part.stop()
    part.start()
    part.wait_ready()
