"""The settings of the command: folders and ports of embedded infrastructure, addresses of services."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from msgspec import Meta

from cli.errors import ConcordError
from shared.kit.config.env import Settings, SettingsError, load

SERVICES = ("gateway", "auth", "server", "message", "file")

T = TypeVar("T", bound=Settings)


def _port(description: str) -> Meta:
    return Meta(ge=1, le=65535, description=description)


class CommandSettings(Settings, frozen=True, kw_only=True, rename=lambda name: f"concord_{name}"):
    """Folders and ports of the embedded infrastructure; every port is on 127.0.0.1."""

    data: Annotated[str, Meta(description="Folder of the data, the logs and the records of what runs")] = (
        ".concord"
    )
    cache: Annotated[
        str,
        Meta(description="Folder of downloads, shared by all data folders"),
    ] = ""
    kafka_port: Annotated[int, _port("Port of the embedded Kafka, on 127.0.0.1")] = 9092
    postgres_port: Annotated[int, _port("Port of the embedded Postgres, on 127.0.0.1")] = 5433
    s3_port: Annotated[int, _port("Port of the embedded S3, on 127.0.0.1")] = 9000
    kafka_jit: Annotated[
        Literal["c1", "full"], Meta(description="`c1` starts quickly, `full` runs fastest")
    ] = "c1"
    kafka_heap_mib: Annotated[int, Meta(ge=64, le=65536, description="Heap of the embedded Kafka in MiB")] = (
        256
    )
    kafka_aot: Annotated[
        int,
        Meta(ge=0, le=1, description="1: keep an ahead-of-time cache of Kafka's classes, for quicker starts"),
    ] = 1
    maven_url: Annotated[
        str,
        Meta(description="Repository to fetch Kafka's jars from; they are checked by SHA-256"),
    ] = ""

    @property
    def data_path(self) -> Path:
        """The data folder as an absolute path."""
        return Path(self.data).absolute()

    @property
    def cache_path(self) -> Path:
        """The cache folder as an absolute path."""
        return Path(self.cache).absolute()


class RunSettings(Settings, frozen=True, kw_only=True, rename=lambda name: f"concord_{name}"):
    """The settings of `concord run`, besides those of the service itself."""

    prepared: Annotated[
        int, Meta(ge=0, le=1, description="1: create no topics and tables; `concord prepare` does it")
    ] = 0


class ListenSettings(Settings, frozen=True, kw_only=True):
    """The addresses that the services of this machine listen on; the services document them."""

    gateway_host: str = "127.0.0.1"
    gateway_port: Annotated[int, Meta(ge=1, le=65535)] = 3001
    file_host: str = "127.0.0.1"
    file_port: Annotated[int, Meta(ge=1, le=65535)] = 3002
    health_host: str = "127.0.0.1"
    health_port: Annotated[int, Meta(ge=0, le=65535)] = 0


def read_settings(environ: Mapping[str, str]) -> CommandSettings:
    """Read the settings of the embedded infrastructure; raises ConcordError with a line for each problem."""
    return read(CommandSettings, {**environ, "CONCORD_CACHE": str(cache_folder(environ))})


def read(settings_type: type[T], environ: Mapping[str, str]) -> T:
    """Read settings from an environment; raises ConcordError with a line for each problem."""
    try:
        return load(settings_type, environ)
    except SettingsError as error:
        raise ConcordError("\n".join(error.problems)) from error


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return `CONCORD_CACHE`, by default `concord` in the user's cache folder."""
    if named := environ.get("CONCORD_CACHE"):
        return Path(named).absolute()
    if xdg := environ.get("XDG_CACHE_HOME"):
        return Path(xdg) / "concord"
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home raises where there is none
    if not home.is_absolute():
        raise ConcordError("There is no home folder for the cache of downloads: set CONCORD_CACHE.")
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "concord"
