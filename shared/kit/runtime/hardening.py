"""Protection of a process's memory from other processes of its user."""

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def make_undumpable() -> None:
    """Deny other processes of our user access to this one's memory (Linux: prctl(2), PR_SET_DUMPABLE).

    The process that decodes images is one of them: a compromised decoder could otherwise read the secrets
    of every service of that user, with a system call that needs no file (process_vm_readv(2)).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
