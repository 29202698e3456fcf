"""The secrets of embedded infrastructure: random, created once, readable by their owner alone."""

import json
import os
import secrets
import threading
from pathlib import Path

DATABASES = ("auth", "server", "message", "file")
MESH = "mesh"
S3_KEY = ("s3-key-id", "s3-secret")
_CREATION = threading.Lock()
"""The servers start side by side and must all see the same secrets."""


def load_secrets(folder: Path) -> dict[str, str]:
    """Return the password of each database by its name, the key of S3, and `mesh`, which signs records.

    Create those that do not exist yet.
    """
    path = folder / "secrets.json"
    with _CREATION:
        stored: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        missing = [name for name in (*DATABASES, *S3_KEY, MESH) if name not in stored]
        if missing:
            stored |= {name: secrets.token_urlsafe(32) for name in missing}
            write_private(path, json.dumps(stored))
    return stored


def write_private(path: Path, text: str) -> None:
    """Write a file atomically that only its owner can read."""
    scratch = path.with_name(path.name + ".tmp")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    scratch.replace(path)
