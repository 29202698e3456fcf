"""Waiting for a fact, not for a time: as soon as it is there a test goes on, however slow the machine is."""

import asyncio
import time
from collections.abc import Callable


def eventually(
    holds: Callable[[], bool], within_s: float = 20.0, what: Callable[[], str] = lambda: ""
) -> None:
    """Wait until it holds; fails with `what()` when it does not in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what()}"
        time.sleep(0.05)


async def until(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    """The same where a loop goes on meanwhile."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        await asyncio.sleep(0.01)
