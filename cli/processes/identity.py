"""Who a process is: its pid alone may belong to someone else by now, pid and start time together may not."""

import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

PROC = Path("/proc")


def start_mark(pid: int) -> str | None:
    """When the process was started, in words that no other process of this pid has; None when gone."""
    if (PROC / "self" / "stat").exists():
        return linux_start_mark(pid)
    return ps_column(pid, "lstart")


def linux_start_mark(pid: int) -> str | None:
    """Boot id and clock ticks since the boot; None for a zombie, which is gone but for its exit code."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The command's name stands in brackets and may itself hold blanks and brackets.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{boot_id()}:{fields[19]}"


@cache
def boot_id() -> str:
    """The kernel's id of this boot: ticks count from it."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def command_words(pid: int) -> list[str]:
    """The command line; empty when the process is gone or not ours to read."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return (ps_column(pid, "command") or "").split() if not PROC.exists() else []
    return [os.fsdecode(word) for word in words[:-1]]


def has_words(pid: int, words: Sequence[str]) -> bool:
    """Whether all these words are in the command line."""
    found = command_words(pid)
    if PROC.exists():
        return all(word in found for word in words)
    line = " ".join(found)  # what ps gives tells no blank within a word from one between words
    return all(word in line for word in words)


def ps_column(pid: int, column: str) -> str | None:
    """One column of `ps`, for systems without /proc."""
    command = ["ps", "-o", f"{column}=", "-p", str(pid)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=5)
    return done.stdout.strip() or None
