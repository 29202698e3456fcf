"""The user that Postgres runs as: it refuses to run as root."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache

NOBODY = 65534


@dataclass(frozen=True)
class RunAs:
    """A prefix of each command line, and the user to run it as (None: the current user)."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None


def run_as() -> RunAs:
    """Return the current user; for root a user namespace, or the user nobody where namespaces are off."""
    if os.geteuid() != 0:
        return RunAs()
    return RunAs(prefix=tuple(unshare_prefix())) if namespaces_work() else RunAs(uid=NOBODY)


@cache
def namespaces_work() -> bool:
    """Return True if root may open a user namespace (containers often forbid it)."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    done = subprocess.run([*unshare_prefix(), "true"], check=False, capture_output=True, timeout=10)
    return done.returncode == 0


def unshare_prefix() -> list[str]:
    """Return a command prefix under which root appears as another user; the files stay root's."""
    return ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]
