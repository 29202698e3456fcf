"""The data folder: data and logs of the embedded infrastructure, and the records of running processes."""

import fcntl
import os
from pathlib import Path
from typing import TextIO

from cli.errors import ConcordError
from cli.processes.registry import Records


class DataFolder:
    """A data folder. `claim` locks it for this process until its end, however it ends."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.logs = root / "logs"
        self.records = Records(root / "run")
        self._lock: TextIO | None = None

    def log(self, name: str) -> Path:
        """Return the path of the log of a process."""
        return self.logs / f"{name}.log"

    def claim(self) -> None:
        """Lock the folder; raise ConcordError if it cannot be written or another Concord holds it."""
        try:
            for folder in (self.root, self.logs, self.records.folder):
                folder.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o700)
            # Do not truncate on opening: the file holds the pid of the process that has the lock.
            # Do not follow a link that somebody else made: root would write where it points.
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            self._lock = os.fdopen(os.open(self.root / "lock", flags, 0o600), "r+")
        except OSError as error:
            raise ConcordError(
                f"The data folder {self.root} cannot be written ({error.strerror}): "
                "make it writable, or set CONCORD_DATA to a folder that is."
            ) from error
        self._take(self._lock)

    def release(self) -> None:
        """Let another process claim the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take(self, lock: TextIO) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = lock.read().strip() or "unknown"
            raise ConcordError(
                f"The data folder {self.root} is in use by another Concord (pid {holder}): "
                "stop it with `concord down`, or set CONCORD_DATA to another folder."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
