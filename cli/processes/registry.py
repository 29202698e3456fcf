"""The registry of running processes: one small file each in the data folder, for later commands."""

import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

from cli.processes.identity import command_words, has_words, start_mark

# Services stop before the infrastructure that they need.
INFRASTRUCTURE, SERVICE, COMMAND = "infrastructure", "service", "command"


@dataclass(frozen=True)
class Record:
    """One process. `command_words` are words of its command line; `port` is 0 for one that has none."""

    name: str
    kind: str
    pid: int
    started: str
    command_words: tuple[str, ...] = ()
    port: int = 0
    stop_signal: int = signal.SIGTERM
    note: str = ""

    def alive(self) -> bool:
        """Return True if this very process still runs: pid, start time and command line all match."""
        if not self.started or start_mark(self.pid) != self.started:
            return False
        return has_words(self.pid, self.command_words)


class Records:
    """The record files of one data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, record: Record) -> None:
        """Write or replace the record of this name atomically."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(record.name)
        scratch = path.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_text(json.dumps(asdict(record)), encoding="utf-8")
        scratch.replace(path)

    def find(self, name: str) -> Record | None:
        """Return the record of this name if its process is alive."""
        record = read(self._path(name))
        return record if record is not None and record.alive() else None

    def all(self) -> list[Record]:
        """Return every record whose process is alive, by name; delete the files of dead ones."""
        alive = []
        for path in sorted(self.folder.glob("*.json")):
            record = read(path)
            if record is not None and record.alive():
                alive.append(record)
            else:
                path.unlink(missing_ok=True)
        return alive

    def remove(self, name: str) -> None:
        """Delete the record of this name."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def read(path: Path) -> Record | None:
    """Read the record in a file; return None if there is none or it is damaged."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return Record(**{**fields, "command_words": tuple(fields["command_words"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def own_record(name: str, kind: str, port: int = 0, note: str = "") -> Record:
    """Return a record of the calling process."""
    pid = os.getpid()
    return Record(name, kind, pid, start_mark(pid) or "", tuple(command_words(pid)), port, note=note)
