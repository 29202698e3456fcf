"""The identity of a process: a pid may be reused, a pid together with its start time may not."""

import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

PROC = Path("/proc")


def start_mark(pid: int) -> str | None:
    """Return the start time as text that no other process of this pid has; None if the process is gone."""
    if (PROC / "self" / "stat").exists():
        return linux_start_mark(pid)
    return ps_column(pid, "lstart")


def linux_start_mark(pid: int) -> str | None:
    """Return boot id and clock ticks since the boot; None for a zombie, which has only its exit code left."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The command's name stands in brackets and may itself hold blanks and brackets.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{boot_id()}:{fields[19]}"


@cache
def boot_id() -> str:
    """Return the kernel's id of this boot, from which the ticks count."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def command_words(pid: int) -> list[str]:
    """Return the command line; empty if the process is gone or may not be read."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return (ps_column(pid, "command") or "").split() if not PROC.exists() else []
    return [os.fsdecode(word) for word in words[:-1]]


def has_words(pid: int, words: Sequence[str]) -> bool:
    """Return True if all these words are in the command line."""
    actual = command_words(pid)
    if PROC.exists():
        return all(word in actual for word in words)
    line = " ".join(actual)  # ps does not distinguish a blank within a word from one between words
    return all(word in line for word in words)


def ps_column(pid: int, column: str) -> str | None:
    """Return one column of `ps`, for systems without /proc."""
    command = ["ps", "-o", f"{column}=", "-p", str(pid)]
    completed = subprocess.run(command, check=False, capture_output=True, text=True, timeout=5)
    return completed.stdout.strip() or None
