"""The name of a process: `<host>-<installation>-<slot>`, the slot leased so that two on one host differ.

The installation id belongs to the folder of the leases: processes that do not share the folder (containers
on one host, other users) have different ids.
"""

import fcntl
import os
import re
import secrets
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

_SLOTS_MAX = 1000


class Instance:
    """A name that no other living process of this service on this host has; freed when the process ends."""

    def __init__(self, service: str, name: str = "") -> None:
        self._lock: IO[str] | None = None
        self.service = service
        self.name = name or self._lease()

    def _lease(self) -> str:
        host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:64]
        folder = Path(tempfile.gettempdir()) / f"concord-instances-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.lstat().st_uid != os.getuid():  # its owner could place links in it
            raise RuntimeError(f"{folder} belongs to another user: remove it, or set INSTANCE_NAME")
        installation = _installation_id(folder)
        for slot in range(_SLOTS_MAX):
            lock = (folder / f"{self.service}-{slot}").open("w")
            try:
                # The kernel frees the lock however the process ends.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            self._lock = lock
            return f"{host}-{installation}-{slot}"
        raise RuntimeError(f"{_SLOTS_MAX} processes of {self.service} run on this host: set INSTANCE_NAME")


def _installation_id(folder: Path) -> str:
    """Return the id of the folder, created by the first process that needs it."""
    path = folder / "word"
    scratch = folder / f"word.{os.getpid()}"
    scratch.write_text(secrets.token_hex(3), encoding="ascii")
    try:
        with suppress(FileExistsError):
            path.hardlink_to(scratch)
    finally:
        scratch.unlink()
    return path.read_text(encoding="ascii")
