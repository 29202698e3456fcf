"""A small S3 on localhost: `ministack`, which stores its objects in the data folder.

For trying Concord out and for testing. It checks presigned addresses and no other signature: every user
of this machine may read and change all objects.
"""

import http.client
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cli.config.ports import LOOPBACK
from cli.embedded.kafka_jars import Say
from cli.errors import ConcordError
from cli.processes.child import Child

START_TIMEOUT_S = 30.0


class EmbeddedS3:
    """One server with its objects below `folder`, listening on 127.0.0.1:`port` only."""

    name = "s3"
    command_words = ("ministack",)

    def __init__(
        self,
        folder: Path,
        port: int,
        log: Path,
        key: Callable[[], tuple[str, str]],
        on_start: Callable[[Child], None] = lambda _: None,
    ) -> None:
        self.folder = folder
        self.port = port
        self.log = log
        self._key_of = key
        self._on_start = on_start
        self.child: Child | None = None

    @property
    def key(self) -> tuple[str, str]:
        """The id and the secret of its only key."""
        return self._key_of()

    @property
    def url(self) -> str:
        """The address that it listens on."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self, say: Say = lambda _: None) -> None:
        """Start the process; `wait_ready` is the second half."""
        for name in ("objects", "state", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "ministack"]
        self.child = Child(self.name, command, self.log, self._env(), on_start=self._on_start)
        self.child.start()

    def ready(self) -> bool:
        """Return True if the started process answers."""
        return self.child is not None and self.child.running() and answers(self.port)

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Block until ready; raise ConcordError with the end of the log if it dies or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not self.ready():
            if self.child is None or not self.child.running() or time.monotonic() > deadline:
                end = self.child.last_lines() if self.child else ""
                raise ConcordError(f"S3 did not start; the end of {self.log}:\n{end}")
            time.sleep(0.05)

    def stop(self, timeout_s: float = 8.0) -> None:
        """Stop it cleanly; kill it after `timeout_s`."""
        if self.child is not None:
            self.child.stop(timeout_s)

    def _env(self) -> dict[str, str]:
        """Override its defaults: it would listen everywhere, serve many APIs and store nothing."""
        key_id, secret = self.key
        own = {
            "SERVICES": "s3",
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(self.port),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.folder / "objects"),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.folder / "state"),
            "TMPDIR": str(self.folder / "tmp"),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "AWS_ACCESS_KEY_ID": key_id,
            "AWS_SECRET_ACCESS_KEY": secret,
        }
        return {**os.environ, **own}


def answers(port: int, timeout_s: float = 1.0) -> bool:
    """Return True if a server is ready on this port."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout_s)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
