"""The `concord prepare` of a start: before the services, or after them if nothing can have changed."""

from collections.abc import Callable, Mapping

from cli.config.data_folder import DataFolder
from cli.errors import ConcordError
from cli.launcher.provisioning_cache import forget_prepared, is_prepared, remember_prepared
from cli.launcher.service_process import concord_command
from cli.launcher.start_gate import StartGate
from cli.processes.child import Child


class ProvisioningStep:
    """One run of `concord prepare`. `is_cached` is True if it succeeded before with the same fingerprint."""

    def __init__(self, environ: Mapping[str, str], data: DataFolder, gate: StartGate, embedded: bool) -> None:
        self._environ = environ
        self._data = data
        self._embedded = embedded  # external services may have changed meanwhile
        self.is_cached = embedded and is_prepared(environ, data)
        env = {**environ, **gate.variable()}
        self._child = Child("prepare", [*concord_command(), "prepare"], data.log("prepare"), env)
        self._settled = False

    def start(self) -> None:
        """Start the process; it loads its code and waits until the infrastructure is up."""
        self._child.start()

    def finished(self) -> bool:
        """Return True if it has succeeded by now; raise ConcordError with the end of its log if it failed."""
        code = self._child.exit_code()
        if code is None or self._settled:
            return self._settled
        self._settled = True
        if code != 0:
            forget_prepared(self._data)
            end = self._child.last_lines(10)
            raise ConcordError(f"Preparing topics and tables failed; the end of {self._child.log}:\n{end}")
        if self._embedded:
            remember_prepared(self._environ, self._data)
        return True

    def report_late_failure(self, say: Callable[[str], None]) -> None:
        """Report a failure while the services run already; the next start waits again."""
        try:
            self.finished()
        except ConcordError as error:
            say(str(error))

    def stop(self) -> None:
        """Kill it if it runs."""
        if self._child.running():
            self._child.kill()
