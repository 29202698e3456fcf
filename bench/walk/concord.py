"""A Concord of its own, whose processes record the functions that they enter."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from bench.walk import probe
from bench.walk.probe import Event
from cli.config.ports import LOOPBACK, free_port
from cli.config.secrets import DATABASES, load_secrets
from cli.embedded.databases import run_sql
from cli.errors import ConcordError

ROOT = Path(__file__).resolve().parents[2]
PORTS = ("CONCORD_KAFKA_PORT", "CONCORD_POSTGRES_PORT", "CONCORD_S3_PORT", "GATEWAY_PORT", "FILE_PORT")
SERVICES = ("gateway", "auth", "server", "message", "file")
READY_TIMEOUT_S = 120.0
WRITE_TIMEOUT_S = 10.0
FORGET_EVENTS = """
CREATE FUNCTION forget_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM outbox;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_events AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION forget_events();
"""
"""Events are written to the outbox and deleted in the same transaction, so no relay or consumer runs."""


class RecordedConcord:
    """`concord up` on free ports, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._output = folder / "output"
        self._recordings = folder / "recordings"
        self._ports = {name: str(free_port()) for name in PORTS}
        self._up: subprocess.Popen[bytes] | None = None

    @property
    def gateway_port(self) -> int:
        """The gateway's port on 127.0.0.1."""
        return int(self._ports["GATEWAY_PORT"])

    def start(self) -> None:
        """Start it and wait until it is ready. Raises ConcordError with the end of its output."""
        sites = self._folder / "site"
        for folder in (sites, self._recordings):
            folder.mkdir()
        shutil.copyfile(probe.__file__, sites / "sitecustomize.py")
        with self._output.open("wb") as output:
            self._up = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "up"],
                cwd=ROOT,
                env=self._environment(sites),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_TIMEOUT_S
        while "Ready after" not in (said := self._output.read_text()):
            if self._up.poll() is not None or time.monotonic() > deadline:
                raise ConcordError(f"Concord is not ready; the end of its output:\n{said[-2000:]}")
            time.sleep(0.1)

    def forget_events(self) -> None:
        """Keep events from leaving the outboxes from now on. Raises ConcordError."""
        secrets = load_secrets(self._folder / "data")
        for name in DATABASES:
            port = self._ports["CONCORD_POSTGRES_PORT"]
            run_sql(f"postgresql://{name}:{secrets[name]}@{LOOPBACK}:{port}/{name}", FORGET_EVENTS)

    def begin(self) -> None:
        """Begin a recording in every process."""
        for path in self._recordings.glob("*.json"):
            path.unlink()
        self._signal(signal.SIGUSR1)

    def end(self) -> dict[str, list[Event]]:
        """End the recording; return the events of each process. Raises ConcordError when one writes none."""
        self._signal(signal.SIGUSR2)
        deadline = time.monotonic() + WRITE_TIMEOUT_S
        paths = {name: self._recordings / f"{name}.json" for name in SERVICES}
        while missing := [name for name, path in paths.items() if not path.exists()]:
            if time.monotonic() > deadline:
                raise ConcordError(f"No recording came from: {', '.join(missing)}")
            time.sleep(0.01)
        return {
            name: msgspec.json.decode(path.read_bytes(), type=list[Event]) for name, path in paths.items()
        }

    def stop(self) -> None:
        """Stop everything that was started."""
        if self._up is None:
            return
        self._up.terminate()
        try:
            self._up.wait(20)
        except subprocess.TimeoutExpired:
            self._up.kill()
            self._up.wait()

    def _environment(self, sites: Path) -> dict[str, str]:
        outside = ("KAFKA_", "S3_", "CONCORD_", "PYTHONPATH")
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(outside) and not name.endswith("_DATABASE_URL")
        }
        cache = {
            name: os.environ[name] for name in ("CONCORD_CACHE", "CONCORD_MAVEN_URL") if name in os.environ
        }
        return {
            **inherited,
            **cache,
            **self._ports,
            "CONCORD_DATA": str(self._folder / "data"),
            "CONCORD_KAFKA_AOT": "0",
            "PYTHONPATH": str(sites),
            probe.FOLDER: str(self._recordings),
            probe.ROOT: str(ROOT),
        }

    def _signal(self, number: signal.Signals) -> None:
        for name in SERVICES:
            os.kill(int((self._recordings / f"{name}.pid").read_text()), number)
