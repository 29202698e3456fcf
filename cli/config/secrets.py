"""The secrets of an embedded set-up: made once at random, kept in the data folder for its owner alone."""

import json
import os
import secrets
import threading
from pathlib import Path

DATABASES = ("auth", "server", "message", "file")
MESH = "mesh"
S3_KEY = ("s3-key-id", "s3-secret")
_MAKING = threading.Lock()
"""The parts start side by side, and all have to be told the same."""


def load_secrets(folder: Path) -> dict[str, str]:
    """One password a database, by its name, the key of S3, and `mesh`, which signs records.

    Made when they are not there yet.
    """
    path = folder / "secrets.json"
    with _MAKING:
        known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        missing = [name for name in (*DATABASES, *S3_KEY, MESH) if name not in known]
        if missing:
            known |= {name: secrets.token_urlsafe(32) for name in missing}
            write_private(path, json.dumps(known))
    return known


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    scratch = path.with_name(path.name + ".tmp")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    scratch.replace(path)
