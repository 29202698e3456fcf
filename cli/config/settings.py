"""Where the embedded parts keep things, and their ports; read from the environment."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.errors import ConcordError

SERVICES = ("gateway", "auth", "server", "message", "file")


@dataclass(frozen=True)
class Settings:
    """Folders and ports of the embedded parts; every port is on 127.0.0.1."""

    data: Path
    cache: Path
    kafka_port: int
    postgres_port: int
    s3_port: int
    kafka_jit: str
    kafka_heap_mib: int
    kafka_aot: bool
    maven_url: str


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check the settings; raises ConcordError that names the variable which is wrong."""
    jit = environ.get("CONCORD_KAFKA_JIT", "c1")
    if jit not in ("c1", "full"):
        raise ConcordError(
            f"CONCORD_KAFKA_JIT is {jit!r}: it must be c1 (starts quickly) or full (runs fastest)."
        )
    return Settings(
        data=Path(environ.get("CONCORD_DATA") or ".concord").absolute(),
        cache=cache_folder(environ),
        kafka_port=whole_number(environ, "CONCORD_KAFKA_PORT", 9092, 1, 65535),
        postgres_port=whole_number(environ, "CONCORD_POSTGRES_PORT", 5433, 1, 65535),
        s3_port=whole_number(environ, "CONCORD_S3_PORT", 9000, 1, 65535),
        kafka_jit=jit,
        maven_url=environ.get("CONCORD_MAVEN_URL", ""),
        kafka_aot=whole_number(environ, "CONCORD_KAFKA_AOT", 1, 0, 1) == 1,
        kafka_heap_mib=whole_number(environ, "CONCORD_KAFKA_HEAP_MIB", 256, 64, 65536),
    )


def whole_number(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """The integer that `name` holds, checked against its bounds."""
    text = environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise ConcordError(f"{name} is {text!r}: it must be a whole number from {low} to {high}.")
    return int(text)


def cache_folder(environ: Mapping[str, str]) -> Path:
    """`CONCORD_CACHE`, else `concord` in the user's cache folder."""
    if named := environ.get("CONCORD_CACHE"):
        return Path(named).absolute()
    if xdg := environ.get("XDG_CACHE_HOME"):
        return Path(xdg) / "concord"
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home raises where there is none
    if not home.is_absolute():
        raise ConcordError("There is no home folder for the cache of what is downloaded: set CONCORD_CACHE.")
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "concord"
