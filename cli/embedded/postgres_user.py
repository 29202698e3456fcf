"""Postgres refuses to run as root: as whom a root user runs its programs."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache

NOBODY = 65534


@dataclass(frozen=True)
class RunAs:
    """Words before each command line, and the user to become (None: stay who one is)."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None


def run_as() -> RunAs:
    """As oneself; as root in a user namespace; as root where there is none, as the user nobody."""
    if os.geteuid() != 0:
        return RunAs()
    return RunAs(prefix=tuple(unshare_prefix())) if namespaces_work() else RunAs(uid=NOBODY)


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
