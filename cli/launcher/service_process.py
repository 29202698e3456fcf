"""A service as a child process: its command line, its record, its readiness."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from cli.config.data_folder import DataFolder
from cli.config.ports import free_port
from cli.config.settings import ListenSettings, read
from cli.processes.child import Child
from cli.processes.health import unready_components
from cli.processes.identity import start_mark
from cli.processes.registry import SERVICE, Record
from shared.kit.http.hosts import reachable


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
        """Return True if the process reports that it is ready."""
        return self.unready() == {}

    def unready(self) -> dict[str, str]:
        """Return the reasons of what is not ready yet, by component; empty if all is ready."""
        return unready_components(health_host(self.name, self._environ), self.port)

    def _record(self, child: Child) -> None:
        started = start_mark(child.pid) or ""
        self._data.records.write(
            Record(self.name, SERVICE, child.pid, started, ("run", self.name), self.port)
        )
        if not self._enabled():  # a stop came while the process was being started
            child.kill()


def health_port(service: str, environ: Mapping[str, str]) -> int:
    """Return the port on which a service process reports its health: the gateway's own, or a free one."""
    return gateway_address(environ)[1] if service == "gateway" else free_port()


def health_host(service: str, environ: Mapping[str, str]) -> str:
    """Return the host at which a process of this service is asked for its health."""
    listen = read(ListenSettings, environ)
    return reachable(listen.gateway_host if service == "gateway" else listen.health_host)


def gateway_address(environ: Mapping[str, str]) -> tuple[str, int]:
    """Return the host and port that the gateway listens on."""
    listen = read(ListenSettings, environ)
    return listen.gateway_host, listen.gateway_port


def public_ports(environ: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """Return host and port of each service that listens for clients, by the setting of the port."""
    listen = read(ListenSettings, environ)
    return {
        "GATEWAY_PORT": (listen.gateway_host, listen.gateway_port),
        "FILE_PORT": (listen.file_host, listen.file_port),
    }


def concord_command() -> list[str]:
    """Return the command line of `concord` in this environment."""
    script = Path(sys.executable).with_name("concord")
    return [sys.executable, str(script)] if script.exists() else [sys.executable, "-m", "cli.main"]
