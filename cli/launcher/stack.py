"""The stack of `concord up`: embedded infrastructure, preparation, services; started, supervised, stopped."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from cli.config.data_folder import DataFolder
from cli.config.environment import check_secret, complete
from cli.config.settings import CommandSettings
from cli.embedded.infrastructure import EmbeddedInfrastructure, check_ports
from cli.errors import ConcordError
from cli.launcher.provisioning_step import ProvisioningStep
from cli.launcher.service_process import ServiceProcess, public_ports
from cli.launcher.start_gate import StartGate
from cli.processes.child import Child
from cli.processes.orphans import stop_orphans
from cli.processes.registry import COMMAND, INFRASTRUCTURE, SERVICE, own_record
from cli.processes.stop_flag import StopFlag
from cli.processes.subprocesses import stop_subprocesses
from cli.processes.supervisor import Supervisor

POLL_S = 0.05
CHECK_EVERY_S = 0.2
READY_TIMEOUT_S = 90.0
STARTER_STOPS_WITHIN_S = 1.0
DEATHS_BEFORE_GIVING_UP = 3

Say = Callable[[str], None]


class Stack:
    """One Concord in the foreground; `run` returns when a signal has ended it."""

    def __init__(
        self, environ: Mapping[str, str], settings: CommandSettings, services: Sequence[str], say: Say
    ) -> None:
        self._environ = environ
        self._settings = settings
        self._say = say
        self._data = DataFolder(settings.data_path)
        self._stop = StopFlag()
        self._infrastructure = EmbeddedInfrastructure(environ, settings, self._data, self._may_start)
        self._infrastructure_gate = StartGate(self._data.records.folder, "infrastructure")
        self._prepared_gate = StartGate(self._data.records.folder, "prepared")
        self._supervisor = Supervisor(self._data.records, say)
        self._service_names = services
        self._services: list[ServiceProcess] = []
        self._preparation: ProvisioningStep | None = None
        self._trainer: Child | None = None
        self._starter: threading.Thread | None = None
        self._failure: BaseException | None = None

    def run(self, on_ready: Callable[[], None]) -> None:
        """Start all, call `on_ready`, supervise until a signal, stop all; raise ConcordError on failure."""
        self._data.claim()
        try:
            self._begin()
            if self._come_up():
                on_ready()
                self._start_late_work()
                while not self._stop.wait(CHECK_EVERY_S):
                    self._supervisor.check(INFRASTRUCTURE, SERVICE)
                    if self._preparation is not None:
                        self._preparation.report_late_failure(self._say)
            self._say("Stopping")
        finally:
            self._end()

    def _start_late_work(self) -> None:
        """Start the work that a start need not wait for."""
        if self._preparation is not None and self._preparation.is_cached:
            self._preparation.start()
        self._trainer = self._infrastructure.trainer()
        if self._trainer is not None:
            self._trainer.start()

    def _begin(self) -> None:
        orphans = stop_orphans(self._data.records)
        if orphans:
            self._say(f"Stopped what a killed Concord had left running here: {', '.join(orphans)}")
        self._infrastructure_gate.close()
        self._prepared_gate.close()
        if self._service_names:
            check_secret(self._environ)
        check_ports(self._infrastructure.ports(), public_ports(self._environ) if self._service_names else {})
        self._data.records.write(own_record("up", COMMAND))

    def _come_up(self) -> bool:
        """Start everything as early as possible; return False if a signal came first."""
        for server in self._infrastructure.all():
            self._supervisor.watch(server, INFRASTRUCTURE)
        self._starter = starter = threading.Thread(target=self._start_infrastructure, daemon=True)
        starter.start()
        if self._service_names:
            self._start_services()
        if not self._wait(lambda: not starter.is_alive()):
            return False
        self._infrastructure_gate.open()
        return self._prepared() and self._wait(self._all_ready, READY_TIMEOUT_S)

    def _start_infrastructure(self) -> None:
        try:
            self._infrastructure.start(self._say)
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which ends everything
            self._failure = error

    def _start_services(self) -> None:
        """Start the services: they load their code while Kafka starts, and wait at a gate for the rest."""
        ports = (self._settings.kafka_port, self._settings.postgres_port, self._settings.s3_port)
        env = complete(self._environ, self._data, *ports)
        embedded = self._infrastructure.kafka is not None and self._infrastructure.postgres is not None
        self._preparation = ProvisioningStep(env, self._data, self._infrastructure_gate, embedded)
        if not self._preparation.is_cached:
            self._preparation.start()
        env |= {"CONCORD_PREPARED": "1", **self._prepared_gate.variable()}
        for name in self._service_names:
            service = ServiceProcess(name, env, self._data, self._may_start)
            self._supervisor.watch(service, SERVICE)
            self._services.append(service)
            service.start(self._say)

    def _prepared(self) -> bool:
        """Wait for topics and tables if needed, then let the services continue."""
        preparation = self._preparation
        if preparation is not None and not preparation.is_cached and not self._wait(preparation.finished):
            return False
        self._prepared_gate.open()
        return True

    def _all_ready(self) -> bool:
        self._supervisor.check(SERVICE)
        for service in self._services:
            if self._supervisor.deaths(service.name) >= DEATHS_BEFORE_GIVING_UP and service.child:
                end = service.child.last_lines(10)
                raise ConcordError(f"{service.name} does not start; the end of {service.child.log}:\n{end}")
        return all(service.ready() for service in self._services)

    def _wait(self, condition: Callable[[], bool], timeout_s: float = 3600.0) -> bool:
        """Wait for the condition; return False if a signal came first. Raise the starter thread's error."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self._failure is not None:
                raise self._failure
            if self._stop.wait(POLL_S):
                return False
            if time.monotonic() > deadline:
                raise ConcordError(f"Not ready after {timeout_s:.0f} s: {self._unready_in_words()}")
        if self._failure is not None:
            raise self._failure
        return True

    def _unready_in_words(self) -> str:
        unready = {service.name: service.unready() for service in self._services}
        words = [
            f"{name} ({component}: {reason})"
            for name, reasons in unready.items()
            for component, reason in reasons.items()
        ]
        return f"{', '.join(words)}. The logs are in {self._data.logs}"

    def _may_start(self) -> bool:
        return not self._stop.is_set()

    def _end(self) -> None:
        self._stop.set()
        stop_subprocesses()
        if self._preparation is not None:
            self._preparation.stop()
        if self._trainer is not None:
            self._trainer.stop(timeout_s=1.0)
            self._data.records.remove(self._trainer.name)
        self._supervisor.stop()
        if self._starter is not None:
            self._starter.join(STARTER_STOPS_WITHIN_S)
        self._infrastructure_gate.close()
        self._prepared_gate.close()
        self._data.records.remove("up")
