"""One service as a child process: the command line that starts it, and whether it is ready."""

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from cli.config.data_folder import DataFolder
from cli.config.ports import LOOPBACK, free_port
from cli.config.settings import SERVICES, whole_number
from cli.processes.child import Child
from cli.processes.health import unready_parts
from cli.processes.identity import start_mark
from cli.processes.registry import SERVICE, Record
from shared.kit.http.hosts import reachable

GATEWAY_PORT = 3001
FILE_PORT = 3002


class ServiceProcess:
    """`concord run SERVICE` under supervision; each start takes a fresh port for its health."""

    def __init__(
        self, name: str, environ: Mapping[str, str], data: DataFolder, enabled: Callable[[], bool]
    ) -> None:
        self.name = name
        self.child: Child | None = None
        self.port = 0
        self._environ = environ
        self._data = data
        self._enabled = enabled

    def start(self, say: Callable[[str], None]) -> None:
        """Start the process; it becomes ready later."""
        self.port = health_port(self.name, self._environ)
        env = {**self._environ, "CONCORD_SUPERVISED": "1"}
        if self.name != "gateway":
            env["HEALTH_PORT"] = str(self.port)
        self.child = Child(
            self.name,
            [*concord_command(), "run", self.name],
            self._data.log(self.name),
            env,
            on_start=self._record,
        )
        self.child.start()

    def ready(self) -> bool:
        """Whether the process says that it serves."""
        return self.unready() == {}

    def unready(self) -> dict[str, str]:
        """What is not ready yet, by part, with the reason; empty when all is."""
        return unready_parts(health_host(self.name, self._environ), self.port)

    def _record(self, child: Child) -> None:
        started = start_mark(child.pid) or ""
        self._data.records.write(
            Record(self.name, SERVICE, child.pid, started, ("run", self.name), self.port)
        )
        if not self._enabled():  # a stop came while the process was being started
            child.kill()


def health_port(service: str, environ: Mapping[str, str]) -> int:
    """Where a service process tells its health: the gateway on its own port, the others on a free one."""
    return gateway_address(environ)[1] if service == "gateway" else free_port()


def health_host(service: str, environ: Mapping[str, str]) -> str:
    """Where to ask a process of this service for its health."""
    listens = gateway_address(environ)[0] if service == "gateway" else environ.get("HEALTH_HOST") or LOOPBACK
    return reachable(listens)


def gateway_address(environ: Mapping[str, str]) -> tuple[str, int]:
    """Host and port that the gateway listens on."""
    return environ.get("GATEWAY_HOST") or LOOPBACK, whole_number(
        environ, "GATEWAY_PORT", GATEWAY_PORT, 1, 65535
    )


def public_ports(environ: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """Host and port of each service that listens for people, by the setting."""
    file_port = whole_number(environ, "FILE_PORT", FILE_PORT, 1, 65535)
    return {
        "GATEWAY_PORT": gateway_address(environ),
        "FILE_PORT": (environ.get("FILE_HOST") or LOOPBACK, file_port),
    }


def concord_command() -> list[str]:
    """The command line of `concord` in this environment."""
    script = Path(sys.executable).with_name("concord")
    return [sys.executable, str(script)] if script.exists() else [sys.executable, "-m", "cli.main"]


def existing_services() -> list[str]:
    """The services that this version has."""
    root = Path(__file__).resolve().parents[2] / "apps"
    return [name for name in SERVICES if (root / name / "main.py").exists()]


def service_module(name: str) -> str | None:
    """The dotted name of a service's entry module, None when there is no such service."""
    module = f"apps.{name}.main"
    try:
        return module if name in SERVICES and find_spec(module) is not None else None
    except ModuleNotFoundError:
        return None
