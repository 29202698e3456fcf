"""Wait for a condition instead of a time: a test continues as soon as it holds, on a machine of any speed."""

import asyncio
import time
from collections.abc import Callable


def eventually(
    holds: Callable[[], bool], within_s: float = 20.0, what: Callable[[], str] = lambda: ""
) -> None:
    """Wait until the condition holds; fail with `what()` after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what()}"
        time.sleep(0.05)


async def until(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait likewise while the event loop runs."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        await asyncio.sleep(0.01)
