"""Postgres refuses to run as root: how a root user runs its programs all the same."""

import os
import shutil
import subprocess
from functools import cache

NOBODY = 65534


@cache
def namespaces_work() -> bool:
    """Whether root may open a user namespace here (containers often forbid it)."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    done = subprocess.run([*unshare_prefix(), "true"], check=False, capture_output=True, timeout=10)
    return done.returncode == 0


def unshare_prefix() -> list[str]:
    """A command prefix under which root appears as another user; the files stay root's."""
    return ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]


def prefix() -> list[str]:
    """What to put before each Postgres program: nothing for an ordinary user."""
    return unshare_prefix() if os.geteuid() == 0 and namespaces_work() else []
