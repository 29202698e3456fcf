"""A mark that topics and tables of the embedded infrastructure are ready: a start need not wait for them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from cli.config.data_folder import DataFolder
from cli.config.secrets import write_private
from cli.embedded.postgres_paths import cluster_parent
from cli.embedded.postgres_state import system_identifier
from cli.embedded.postgres_user import run_as

ROOT = Path(__file__).resolve().parents[2]
# The code that decides which topics and tables have to exist.
SOURCES = ("migrations", "cli/provisioning", "shared/contracts", "shared/kit")
SETTINGS = ("KAFKA_PARTITIONS", "KAFKA_REPLICATION_FACTOR")


def fingerprint(environ: Mapping[str, str], data: DataFolder) -> str | None:
    """Return a digest of code, settings and the identity of Kafka and Postgres; None if these are new."""
    cluster = cluster_parent(data.root / "postgres", run_as()) / "data"
    identities = [kafka_identity(data.root / "kafka"), system_identifier(cluster)]
    if None in identities:
        return None
    digest = hashlib.sha256(repr(identities).encode())
    for name in SETTINGS:
        digest.update(f"{name}={environ.get(name, '')}\0".encode())
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*.py")):
            digest.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def kafka_identity(folder: Path) -> bytes | None:
    """Return the cluster id that formatting gave it."""
    try:
        lines = (folder / "log" / "meta.properties").read_bytes().splitlines()
    except OSError:
        return None
    return next((line for line in lines if line.startswith(b"cluster.id=")), None)


def is_prepared(environ: Mapping[str, str], data: DataFolder) -> bool:
    """Return True if preparation has succeeded before with the same fingerprint."""
    mark = fingerprint(environ, data)
    try:
        return mark is not None and (data.root / "prepared").read_text(encoding="utf-8") == mark
    except OSError:
        return False


def remember_prepared(environ: Mapping[str, str], data: DataFolder) -> None:
    """Note that preparation has succeeded."""
    mark = fingerprint(environ, data)
    if mark is not None:
        write_private(data.root / "prepared", mark)


def forget_prepared(data: DataFolder) -> None:
    """Delete the mark, so that the next start waits for provisioning."""
    (data.root / "prepared").unlink(missing_ok=True)
