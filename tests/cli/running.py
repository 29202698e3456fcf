"""Running the real `concord` command in tests, and finding the processes that it leaves."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.config.ports import free_port
from cli.config.settings import cache_folder
from cli.processes.identity import command_words, start_mark
from cli.processes.registry import Records, read
from tests.support.orphans import below
from tests.support.polling import eventually

ROOT = Path(__file__).resolve().parent.parent.parent
OUTSIDE = (
    "KAFKA_BOOTSTRAP_SERVERS",
    "AUTH_DATABASE_URL",
    "SERVER_DATABASE_URL",
    "MESSAGE_DATABASE_URL",
    "FILE_DATABASE_URL",
    "S3_ENDPOINT_URL",
)
PORTS = ("CONCORD_KAFKA_PORT", "CONCORD_POSTGRES_PORT", "CONCORD_S3_PORT", "GATEWAY_PORT", "FILE_PORT")


def scaled_s(seconds: float) -> float:
    """Return a bound of an idle machine in seconds of this one: times the processes that share a core."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def environment(data: Path, **more: str) -> dict[str, str]:
    """Return an environment with free ports and its own data folder, and without background work."""
    inherited = {name: value for name, value in os.environ.items() if name not in OUTSIDE}
    ports = {name: str(free_port()) for name in PORTS}
    cache = str(cache_folder(os.environ))
    own = {"CONCORD_DATA": str(data), "CONCORD_CACHE": cache, "CONCORD_KAFKA_AOT": "0"}
    return {**inherited, **ports, **own, **more}


def concord(
    *arguments: str, env: dict[str, str], timeout_s: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; stdout holds stderr too."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        check=False,
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
    )


class Running:
    """A `concord` command in the background, its output in a file."""

    def __init__(self, *arguments: str, env: dict[str, str], output: Path) -> None:
        self.data = Path(env["CONCORD_DATA"])
        self.records = Records(self.data / "run")
        self._output = output
        with output.open("wb") as handle:
            command = [sys.executable, "-m", "cli.main", *arguments]
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=env, stdout=handle, stderr=subprocess.STDOUT, start_new_session=True
            )

    def output(self) -> str:
        """Return all output so far."""
        return self._output.read_text()

    def wait_for(self, text: str, timeout_s: float = 60.0) -> None:
        """Wait until `text` is in the output."""
        eventually(lambda: text in self.output() or self.process.poll() is not None, timeout_s, self.output)
        assert text in self.output(), f"it ended with {self.process.returncode}:\n{self.output()}"

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and wait for its end, 10 s on an idle machine; return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(scaled_s(10.0))


@contextmanager
def running(*arguments: str, env: dict[str, str], output: Path, sweep: bool = True) -> Iterator[Running]:
    """Run a command in the background; `sweep` ends the processes that a failed test leaves behind."""
    command = Running(*arguments, env=env, output=output)
    try:
        yield command
    finally:
        if command.process.poll() is None:
            command.process.send_signal(signal.SIGTERM)
        try:
            command.process.wait(15)
        except subprocess.TimeoutExpired:
            command.process.kill()
            command.process.wait()
        for pid in processes_of(command.data) if sweep else []:
            os.kill(pid, signal.SIGKILL)


def processes_of(data: Path) -> list[int]:
    """Return every live process of the data folder.

    Its environment or command line names the folder, or a parent's does, or the folder has its record:
    services hide their environment from all but root.
    """
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    named = [pid for pid in pids if _names(pid, data)]
    records = [read(path) for path in (data / "run").glob("*.json")]
    recorded = [record.pid for record in records if record is not None and record.alive()]
    found = {*named, *below(*named), *recorded} - {os.getpid()}
    return sorted(pid for pid in found if start_mark(pid) is not None)


def _names(pid: int, data: Path) -> bool:
    words = b"\0".join(_bytes_of(Path(f"/proc/{pid}/{file}")) for file in ("environ", "cmdline"))
    ends = any(word.endswith(os.fsencode(data)) for word in words.split(b"\0"))
    return pid != os.getpid() and (ends or os.fsencode(f"{data}/") in words)


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # it has ended, or is not ours to look into
        return b""


def nothing_left(data: Path) -> bool:
    """Return True if the data folder has no process; print those that it has."""
    left = {pid: command_words(pid) for pid in processes_of(data)}
    if left:
        print("left:", left)
    return not left
