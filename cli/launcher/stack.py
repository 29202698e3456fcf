"""Everything that `concord up` runs: embedded parts, preparation, services; brought up, watched, ended."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from cli.config.data_folder import DataFolder
from cli.config.environment import check_secret, complete
from cli.config.settings import CommandSettings
from cli.embedded.infrastructure import EmbeddedParts, check_ports
from cli.errors import ConcordError
from cli.launcher.provisioning_step import Preparation
from cli.launcher.service_process import ServiceProcess, public_ports
from cli.launcher.start_gate import StartGate
from cli.processes.child import Child
from cli.processes.orphans import stop_leftovers
from cli.processes.registry import COMMAND, PART, SERVICE, own_record
from cli.processes.stop_flag import StopFlag
from cli.processes.subprocesses import stop_helpers
from cli.processes.supervisor import Supervisor

POLL_S = 0.05
CHECK_EVERY_S = 0.2
READY_TIMEOUT_S = 90.0
HELPERS_STOP_WITHIN_S = 1.0
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
        self._parts = EmbeddedParts(environ, settings, self._data, self._may_start)
        self._parts_gate = StartGate(self._data.records.folder, "parts")
        self._prepared_gate = StartGate(self._data.records.folder, "prepared")
        self._supervisor = Supervisor(self._data.records, say)
        self._service_names = services
        self._services: list[ServiceProcess] = []
        self._preparation: Preparation | None = None
        self._trainer: Child | None = None
        self._starter: threading.Thread | None = None
        self._failure: BaseException | None = None

    def run(self, on_ready: Callable[[], None]) -> None:
        """Bring all up, call `on_ready`, watch until a signal, end all. Raises ConcordError if it cannot."""
        self._data.claim()
        try:
            self._begin()
            if self._come_up():
                on_ready()
                self._start_late_work()
                while not self._stop.wait(CHECK_EVERY_S):
                    self._supervisor.check(PART, SERVICE)
                    if self._preparation is not None:
                        self._preparation.finished_late(self._say)
            self._say("Stopping")
        finally:
            self._end()

    def _start_late_work(self) -> None:
        """What a start need not wait for."""
        if self._preparation is not None and self._preparation.known:
            self._preparation.start()
        self._trainer = self._parts.trainer()
        if self._trainer is not None:
            self._trainer.start()

    def _begin(self) -> None:
        names = stop_leftovers(self._data.records)
        if names:
            self._say(f"Stopped what a killed Concord had left running here: {', '.join(names)}")
        self._parts_gate.close()
        self._prepared_gate.close()
        if self._service_names:
            check_secret(self._environ)
        check_ports(self._parts.ports(), public_ports(self._environ) if self._service_names else {})
        self._data.records.write(own_record("up", COMMAND))

    def _come_up(self) -> bool:
        """Start everything as early as possible; False when a signal came first."""
        for part in self._parts.all():
            self._supervisor.watch(part, PART)
        self._starter = starter = threading.Thread(target=self._start_parts, daemon=True)
        starter.start()
        if self._service_names:
            self._start_services()
        if not self._wait(lambda: not starter.is_alive()):
            return False
        self._parts_gate.open()
        return self._prepared() and self._wait(self._all_ready, READY_TIMEOUT_S)

    def _start_parts(self) -> None:
        try:
            self._parts.start(self._say)
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which ends everything
            self._failure = error

    def _start_services(self) -> None:
        """Processes load their code while Kafka starts, and wait at a gate for the rest."""
        ports = (self._settings.kafka_port, self._settings.postgres_port, self._settings.s3_port)
        env = complete(self._environ, self._data, *ports)
        embedded = self._parts.kafka is not None and self._parts.postgres is not None
        self._preparation = Preparation(env, self._data, self._parts_gate, embedded)
        if not self._preparation.known:
            self._preparation.start()
        env |= {"CONCORD_PREPARED": "1", **self._prepared_gate.variable()}
        for name in self._service_names:
            service = ServiceProcess(name, env, self._data, self._may_start)
            self._supervisor.watch(service, SERVICE)
            self._services.append(service)
            service.start(self._say)

    def _prepared(self) -> bool:
        """Wait for topics and tables where that is needed, then let the services go on."""
        preparation = self._preparation
        if preparation is not None and not preparation.known and not self._wait(preparation.finished):
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
        """Wait for the condition; False when a signal came first; raises what went wrong meanwhile."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self._failure is not None:
                raise self._failure
            if self._stop.wait(POLL_S):
                return False
            if time.monotonic() > deadline:
                raise ConcordError(f"Not ready after {timeout_s:.0f} s: {self._what_is_missing()}")
        if self._failure is not None:
            raise self._failure
        return True

    def _what_is_missing(self) -> str:
        missing = {service.name: service.unready() for service in self._services}
        words = [f"{name} ({part}: {why})" for name, parts in missing.items() for part, why in parts.items()]
        return f"{', '.join(words)}. The logs lie in {self._data.logs}"

    def _may_start(self) -> bool:
        return not self._stop.is_set()

    def _end(self) -> None:
        self._stop.set()
        stop_helpers()
        if self._preparation is not None:
            self._preparation.stop()
        if self._trainer is not None:
            self._trainer.stop(timeout_s=1.0)
            self._data.records.remove(self._trainer.name)
        self._supervisor.stop()
        if self._starter is not None:
            self._starter.join(HELPERS_STOP_WITHIN_S)
        self._parts_gate.close()
        self._prepared_gate.close()
        self._data.records.remove("up")
