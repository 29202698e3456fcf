"""Keeps what a process knows from other processes of its user."""

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def make_undumpable() -> None:
    """Let no other process of our user look into this one (Linux: prctl(2), PR_SET_DUMPABLE).

    What opens pictures is such a process: a decoder that was taken over would read the secrets of every
    service of that user, by a system call that needs no file (process_vm_readv(2)).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
