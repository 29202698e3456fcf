"""The data folder: where the embedded parts, their logs and the records of what runs lie, and whose it is."""

import fcntl
import os
from pathlib import Path
from typing import TextIO

from cli.errors import ConcordError
from cli.processes.registry import Records


class DataFolder:
    """One data folder. `claim` makes it this process' own until it ends, however it ends."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.logs = root / "logs"
        self.records = Records(root / "run")
        self._lock: TextIO | None = None

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self.logs / f"{name}.log"

    def claim(self) -> None:
        """Lock the folder; raises ConcordError when it cannot be written or another Concord holds it."""
        try:
            for folder in (self.root, self.logs, self.records.folder):
                folder.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o700)
            # Not truncated on opening: it holds the pid of whoever has the lock.
            # Nor through a link that somebody else put there: root would write where it points.
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
