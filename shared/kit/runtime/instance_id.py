"""The name of a process: `<host>-<word>-<slot>`, the slot leased so that two on one host differ.

The word belongs to the folder of the leases: two processes that do not see the same folder (containers
on one host, another user) have different words.
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
        word = _word_of(folder)
        for slot in range(_SLOTS_MAX):
            lock = (folder / f"{self.service}-{slot}").open("w")
            try:
                # The kernel frees the lock when the process ends, however it ends.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            self._lock = lock
            return f"{host}-{word}-{slot}"
        raise RuntimeError(f"{_SLOTS_MAX} processes of {self.service} run on this host: set INSTANCE_NAME")


def _word_of(folder: Path) -> str:
    """The folder's own word, made by the first process that comes."""
    path = folder / "word"
    scratch = folder / f"word.{os.getpid()}"
    scratch.write_text(secrets.token_hex(3), encoding="ascii")
    try:
        with suppress(FileExistsError):
            path.hardlink_to(scratch)
    finally:
        scratch.unlink()
    return path.read_text(encoding="ascii")
