"""The name of a process: `<host>-<user>-<slot>`, the slot leased so that two on one host differ."""

import fcntl
import os
import re
import socket
import tempfile
from pathlib import Path
from typing import IO

_SLOTS_MAX = 1000


class Instance:
    """A name that no other living process of this service on this host has; freed when it ends."""

    def __init__(self, service: str, name: str = "") -> None:
        self._lock: IO[str] | None = None
        self.service = service
        self.name = name or self._lease()

    def _lease(self) -> str:
        host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:64]
        folder = Path(tempfile.gettempdir()) / f"concord-instances-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.lstat().st_uid != os.getuid():  # whose folder it is could place links in it
            raise RuntimeError(f"{folder} belongs to somebody else: remove it, or set INSTANCE_NAME")
        for slot in range(_SLOTS_MAX):
            lock = (folder / f"{self.service}-{slot}").open("w")
            try:
                # The kernel frees the lock when the process ends, however it ends.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            self._lock = lock
            return f"{host}-{os.getuid()}-{slot}"
        raise RuntimeError(f"{_SLOTS_MAX} processes of {self.service} run on this host: set INSTANCE_NAME")
