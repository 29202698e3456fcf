"""Processes and infrastructure may start in any order, and stop cleanly at any time."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from cli.config.ports import LOOPBACK, free_port
from cli.embedded.databases import ensure_database
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_jars import JarCache
from cli.embedded.postgres import EmbeddedPostgres
from cli.embedded.s3 import EmbeddedS3
from tests.e2e.concord import Concord, Process
from tests.e2e.people import sign_up
from tests.faults.load import Ledger, check_nothing_lost, check_problems, history_of, send_until
from tests.support.polling import eventually
from tests.support.s3 import s3_settings

SERVICES = ("gateway", "auth", "server", "message", "file")
DATABASES = ("auth", "server", "message", "file")
STOP_WITHIN_S = 6.0
WORST = ("gateway", "file", "message", "server", "auth", "s3", "postgres", "kafka")
"""The process with the most dependencies first, and the common dependency of all last."""


class Ground:
    """Kafka, Postgres and S3 that have not started yet, and a Concord that has their addresses."""

    def __init__(self, folder: Path, jars: JarCache) -> None:
        self.kafka = EmbeddedKafka(folder / "kafka", free_port(), jars, folder / "kafka.log")
        self.postgres = EmbeddedPostgres(folder / "postgres", free_port(), folder / "postgres.log")
        urls = {
            name: f"postgresql://{name}:secret@{LOOPBACK}:{self.postgres.port}/{name}" for name in DATABASES
        }
        self.s3 = EmbeddedS3(folder / "s3", free_port(), folder / "s3.log", lambda: ("key-id", "secret-key"))
        self.concord = Concord(folder, self.kafka.bootstrap, urls, **s3_settings(self.s3))

    def let_processes_prepare(self) -> None:
        """Let each process create topics and tables, as `concord run` does by default."""
        del self.concord.environ["CONCORD_PREPARED"]

    def start_kafka(self) -> None:
        self.kafka.start(print)
        self.kafka.wait_ready()

    def start_postgres(self) -> None:
        self.postgres.start()
        self.postgres.wait_ready()
        for name in DATABASES:
            ensure_database(self.postgres.admin_url, name, "secret")

    def start_s3(self) -> None:
        self.s3.start()
        self.s3.wait_ready()

    def start_parts(self) -> None:
        self.start_kafka()
        self.start_postgres()
        self.start_s3()

    def stop(self) -> None:
        self.concord.stop()
        self.s3.stop()
        self.kafka.stop()
        self.postgres.stop()


def drawn(seed: int) -> tuple[str, ...]:
    """Return a random order."""
    return tuple(random.Random(seed).sample(WORST, len(WORST)))


@pytest.fixture
def ground(tmp_path: Path, jar_cache: JarCache) -> Iterator[Ground]:
    made = Ground(tmp_path, jar_cache)
    try:
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize(
    ("order", "prepared"),
    [(WORST, True), (WORST, False), (drawn(1), True), (drawn(2), False)],
    ids=["worst", "worst, each prepares", "drawn", "drawn, each prepares"],
)
def test_everything_starts_in_any_order(ground: Ground, order: Sequence[str], prepared: bool) -> None:
    """Start everything in some order; create topics and tables once Kafka and Postgres run."""
    if not prepared:
        ground.let_processes_prepare()
    parts = {"kafka": ground.start_kafka, "postgres": ground.start_postgres, "s3": ground.start_s3}
    for name in order:
        parts[name]() if name in parts else ground.concord.start(name)
        time.sleep(0.3)
    time.sleep(2)
    ended = [process.log.read_text() for process in ground.concord.processes if not process.alive()]
    assert ended == []
    if prepared:
        ground.concord.prepare()
    ground.concord.wait_ready()
    gateway = next(process for process in ground.concord.processes if process.service == "gateway")
    with httpx.Client(base_url=gateway.url, timeout=20) as http:
        ada = sign_up(http)
        channel = ada.make_server()["channels"][0]["id"]
        assert ada.send(channel, "here we are").status_code == 201
        file = {"file": ("a.txt", b"tea", "text/plain")}
        assert ada.post("/api/files/upload", data={"channelId": channel}, files=file).status_code == 201


@pytest.mark.parametrize("prepared", [True, False])
def test_processes_that_wait_for_infrastructure_stop_at_once(ground: Ground, prepared: bool) -> None:
    """Without infrastructure each is live, reports what it waits for, and exits with 0 on SIGTERM."""
    if not prepared:
        ground.let_processes_prepare()
    processes = ground.concord.start(*SERVICES)
    for process in processes:
        eventually(process.is_live, 30)
        answer = httpx.get(f"{process.url}/health/ready", timeout=5)
        assert answer.status_code == 503
        assert any(state != "ready" for state in answer.json()["parts"].values())
    for process in processes:
        begun = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - begun < STOP_WITHIN_S


async def test_every_process_stops_cleanly_under_load(ground: Ground) -> None:
    """On SIGTERM during sends each exits with 0 in time; every accepted request gets a response."""
    ground.start_parts()
    await asyncio.to_thread(ground.concord.prepare)
    gateway, *others = ground.concord.start(*SERVICES)
    await asyncio.to_thread(ground.concord.wait_ready)
    with httpx.Client(base_url=gateway.url, timeout=30) as http:
        ada = sign_up(http)
        channels = [channel["id"] for channel in ada.make_server()["channels"]]
        ledger, stop = Ledger(), asyncio.Event()
        # A keep-alive connection may be closed while a request is written to it.
        sending = asyncio.create_task(
            send_until(stop, gateway.url, ada, channels, at_once=8, ledger=ledger, may_hang_up=True)
        )
        await _acknowledged(ledger, 50)
        await _stops(gateway)
        ground.concord.start_again(gateway)
        await _acknowledged(ledger, ledger.statuses[201] + 50)
        for process in others:
            await _stops(process)
        stop.set()
        await sending
        ground.concord.start(*SERVICES[1:])
        await asyncio.to_thread(ground.concord.wait_ready)
        check_problems(ledger)
        check_nothing_lost(ada, channels, ledger)
        stored = {message["content"] for channel in channels for message in history_of(ada, channel)}
    assert stored.isdisjoint(ledger.hung_up), "an accepted request got no response"


async def _acknowledged(ledger: Ledger, count: int) -> None:
    async with asyncio.timeout(60):
        while ledger.statuses[201] < count:
            await asyncio.sleep(0.05)


async def _stops(process: Process) -> None:
    begun = time.monotonic()
    assert await asyncio.to_thread(process.stop) == 0, process.log.read_text()[-2000:]
    assert time.monotonic() - begun < STOP_WITHIN_S, process.service
