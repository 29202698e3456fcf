"""A Concord of its own, whose parts and processes can be killed and come back."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.api import Api
from bench.durability import outboxes
from cli.config.data_folder import DataFolder
from cli.config.environment import KAFKA_VARIABLE, complete_from_records, database_variable
from cli.config.ports import LOOPBACK, free_port
from cli.config.secrets import DATABASES, load_secrets
from cli.config.settings import CommandSettings, read_settings
from cli.embedded.databases import ensure_databases, run_sql
from cli.embedded.kafka import EmbeddedKafka, KafkaOptions
from cli.embedded.kafka_jars import JarCache
from cli.embedded.postgres import EmbeddedPostgres
from cli.errors import ConcordError
from cli.launcher.service_process import concord_command
from cli.processes.child import Child
from cli.processes.health import unready_components
from cli.processes.identity import start_mark
from cli.processes.registry import INFRASTRUCTURE, Record

GATEWAYS = ("gateway-1", "gateway-2")
SERVICES = ("auth-1", "server-1", "message-1", "message-2")
DATABASES_IN_USE = ("auth", "server", "message")
READY_TIMEOUT_S = 90.0
SETTINGS = {
    "CONCORD_PREPARED": "1",
    "ACCESS_TOKEN_TTL_S": "7200",
    "KEY_OVERLAP_S": "7260",
    "RATE_LIMIT_PER_MINUTE": "0",
}
"""Tokens outlive the run and no limit slows senders down; all other settings are the defaults."""

Say = Callable[[str], None]


class OwnConcord:
    """Two gateways, two message replicas, one of the other services, a Kafka, a Postgres; on free ports."""

    def __init__(self, folder: Path, environ: Mapping[str, str] = os.environ) -> None:
        self.data = DataFolder(folder)
        outside = {KAFKA_VARIABLE, *(database_variable(name) for name in DATABASES)}
        self._environ = {name: value for name, value in environ.items() if name not in outside}
        settings = read_settings({**self._environ, "CONCORD_DATA": str(folder)})
        self.kafka = _kafka(self.data, settings)
        self.postgres = _postgres(self.data)
        self.environ: dict[str, str] = {}
        self.processes: dict[str, Child] = {}
        self._ports = {name: free_port() for name in (*GATEWAYS, *SERVICES)}

    @property
    def gateway_ports(self) -> list[int]:
        """The ports of the gateways."""
        return [self._ports[name] for name in GATEWAYS]

    def start(self, say: Say) -> None:
        """Bring all up, ready. Raises ConcordError."""
        self.data.claim()
        self.kafka.start(say)
        self.postgres.start(say)
        self.postgres.wait_ready()
        secrets = load_secrets(self.data.root)
        ensure_databases(self.postgres.admin_url, {name: secrets[name] for name in DATABASES})
        self.kafka.wait_ready()
        self.environ = complete_from_records(self._environ, self.data, DATABASES_IN_USE) | SETTINGS
        self._prepare()
        for service in DATABASES_IN_USE:
            self.sql(service, outboxes.KEEP)
        for name in self._ports:
            self.start_process(name)
        self.wait_ready()

    def start_process(self, name: str) -> None:
        """Start a gateway or a service; it becomes ready later."""
        service = name.rpartition("-")[0]
        variable = "GATEWAY_PORT" if service == "gateway" else "HEALTH_PORT"
        environ = {**self.environ, variable: str(self._ports[name])}
        child = Child(name, [*concord_command(), "run", service], self.data.log(name), environ)
        self.processes[name] = child
        child.start()

    def kill(self, name: str) -> None:
        """SIGKILL to a process, to `kafka` or to `postgres`."""
        child = self.processes[name] if name in self.processes else self._part(name).child
        if child is None:
            raise ConcordError(f"{name} does not run")
        child.kill()

    def bring_back(self, name: str) -> None:
        """Start again what was killed."""
        if name in self.processes:
            self.start_process(name)
            return
        part = self._part(name)
        part.start()
        part.wait_ready()

    def unready(self) -> dict[str, str]:
        """Return the reasons of what is not ready; empty if all is. Raise ConcordError if a process died."""
        for name, child in self.processes.items():
            if child.exit_code() is not None:
                raise ConcordError(f"{name} ended by itself; the end of {child.log}:\n{child.last_lines()}")
        missing = {name: unready_components(LOOPBACK, port) for name, port in self._ports.items()}
        return {name: str(parts) for name, parts in missing.items() if parts}

    def wait_ready(self) -> None:
        """Wait until all processes are ready. Raise ConcordError on a timeout."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while missing := self.unready():
            if time.monotonic() > deadline:
                raise ConcordError(f"not ready: {missing}; the logs lie in {self.data.logs}")
            time.sleep(0.1)

    def api(self) -> Api:
        """Return the public API, through the first gateway."""
        return Api(LOOPBACK, self.gateway_ports[0])

    def waiting_events(self) -> int:
        """Return the number of events in the outboxes."""
        return sum(int(self.sql(name, "SELECT count(*) FROM outbox;")) for name in DATABASES_IN_USE)

    def sql(self, service: str, script: str) -> str:
        """Run a psql script in the database of a service and return its output. Raises ConcordError."""
        return run_sql(self.environ[database_variable(service)], script)

    def stop(self) -> None:
        """End everything, the processes first."""
        for child in self.processes.values():
            child.ask_to_stop()
        for child in self.processes.values():
            child.stop()
        self.kafka.stop()
        self.postgres.stop()
        self.data.release()

    def _part(self, name: str) -> EmbeddedKafka | EmbeddedPostgres:
        return self.kafka if name == "kafka" else self.postgres

    def _prepare(self) -> None:
        child = Child("prepare", [*concord_command(), "prepare"], self.data.log("prepare"), self.environ)
        child.start()
        deadline = time.monotonic() + READY_TIMEOUT_S
        while child.running() and time.monotonic() < deadline:
            time.sleep(0.1)
        child.kill()
        if child.exit_code() != 0:
            raise ConcordError(f"Preparing failed; the end of {child.log}:\n{child.last_lines()}")


def _kafka(data: DataFolder, settings: CommandSettings) -> EmbeddedKafka:
    jars = JarCache(settings.cache_path, repository=settings.maven_url)
    options = KafkaOptions(settings.kafka_jit, settings.kafka_heap_mib)
    port = free_port()
    return EmbeddedKafka(
        data.root / "kafka", port, jars, data.log("kafka"), options, lambda child: _note(data, child, port)
    )


def _postgres(data: DataFolder) -> EmbeddedPostgres:
    port = free_port()
    return EmbeddedPostgres(
        data.root / "postgres",
        port,
        data.log("postgres"),
        on_start=lambda child: _note(data, child, port),
    )


def _note(data: DataFolder, child: Child, port: int) -> None:
    """Return the environment of the processes."""
    data.records.write(Record(child.name, INFRASTRUCTURE, child.pid, start_mark(child.pid) or "", port=port))
