"""A whole Concord for tests: real processes on the Kafka and Postgres of the test run."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
from aiokafka.admin import AIOKafkaAdminClient

from cli.config.ports import free_port
from cli.provisioning.provision import prepare
from tests.unit.kit.rpc.calls import SECRET

READY_TIMEOUT_S = 80.0
STOP_TIMEOUT_S = 10.0

_health_client = httpx.Client(timeout=2)
"""One client for all health checks: each new one would load all CA certificates."""


class Process:
    """One `concord run SERVICE`."""

    def __init__(self, service: str, environ: dict[str, str], log: Path, **more: str) -> None:
        self.service = service
        self.log = log
        self.port = free_port()
        port_name = "GATEWAY_PORT" if service == "gateway" else "HEALTH_PORT"
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "run", service],
                env={**environ, port_name: str(self.port), **more},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._popen.pid

    def alive(self) -> bool:
        return self._popen.poll() is None

    def is_live(self) -> bool:
        return self._is_healthy("live")

    def is_ready(self) -> bool:
        return self._is_healthy("ready")

    def _is_healthy(self, health: str) -> bool:
        try:
            return _health_client.get(f"{self.url}/health/{health}").status_code == 200
        except httpx.HTTPError:
            return False

    def wait_ready(self) -> None:
        """Wait until the process is ready; otherwise fail with the end of its log."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self.is_ready():
            if not self.alive() or time.monotonic() > deadline:
                raise AssertionError(f"{self.service} is not ready:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._popen.kill()
        self._popen.wait()

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        if self.alive():
            self._popen.send_signal(signal.SIGTERM)
        try:
            return self._popen.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.service} did not stop:\n{self.log.read_text()[-4000:]}") from None


class Concord:
    """Processes that share one environment."""

    def __init__(self, folder: Path, bootstrap: str, databases: dict[str, str], **settings: str) -> None:
        self.folder = folder
        self.processes: list[Process] = []
        self.topics_before: frozenset[str] = frozenset()
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CONCORD_")},
            "CONCORD_DATA": str(folder / "data"),
            "CONCORD_PREPARED": "1",
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "MESH_SECRET": SECRET,
            # On, so that responses have its headers, and too high to reject anything.
            "RATE_LIMIT_PER_MINUTE": "10000000",
            "SIGN_IN_LIMIT_PER_MINUTE": "10000000",
            **{f"{service.upper()}_DATABASE_URL": url for service, url in databases.items()},
            "FILE_PORT": str(free_port()),
            "FILE_SWEEP_S": "1",
            **settings,
        }

    def prepare(self) -> None:
        """Create topics and tables; remember the topics of other tests on this broker."""
        self.topics_before = frozenset(asyncio.run(topics_of(self.environ["KAFKA_BOOTSTRAP_SERVERS"])))
        prepare(self.environ)

    def start(self, *services: str) -> list[Process]:
        """Start one process of each named service, without waiting."""
        return [self._start(service) for service in services]

    def _start(self, service: str) -> Process:
        log = self.folder / f"{service}-{len(self.processes)}.log"
        is_second = service == "file" and any(process.service == "file" for process in self.processes)
        more = {"FILE_PORT": str(free_port())} if is_second else {}
        self.processes.append(Process(service, self.environ, log, **more))
        return self.processes[-1]

    def start_again(self, stopped: Process) -> Process:
        """Start the same service on the same port."""
        name = "GATEWAY_PORT" if stopped.service == "gateway" else "HEALTH_PORT"
        log = self.folder / f"{stopped.service}-{len(self.processes)}.log"
        again = Process(stopped.service, self.environ, log, **{name: str(stopped.port)})
        again.port = stopped.port
        self.processes.append(again)
        return again

    def start_all(self) -> Process:
        """Start one process of each service, wait until all are ready and return the gateway."""
        gateway, *_ = self.start("gateway", "auth", "server", "message", "file")
        self.wait_ready()
        return gateway

    def wait_ready(self) -> None:
        """Wait until every running process is ready."""
        for process in self.processes:
            if process.alive():
                process.wait_ready()

    def stop(self) -> None:
        """Stop all running processes."""
        for process in self.processes:
            if process.alive():
                os.kill(process.pid, signal.SIGTERM)
        for process in self.processes:
            process.stop()


async def topics_of(bootstrap: str) -> dict[str, int]:
    """Return the number of partitions of every topic of a broker."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    finally:
        await admin.close()
