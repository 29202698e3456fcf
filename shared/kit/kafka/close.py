"""Closes Kafka clients, also when no broker answers any more."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 1.5


async def close_quietly(close: Callable[[], Awaitable[Any]], timeout_s: float = CLOSE_TIMEOUT_S) -> None:
    """Wait for `close`, for so long at most; what it raises is logged.

    Without a broker aiokafka's own closing may take long, or raise the CancelledError of a task of its
    own, which would look as if the caller had been cancelled.
    """
    task = asyncio.ensure_future(_run(close))
    await asyncio.wait({task}, timeout=timeout_s)
    if not task.done():
        log.info("closing took too long and was given up")
        task.cancel()
    elif not task.cancelled() and (error := task.exception()) is not None:
        log.info("closing failed: %r", error)


async def _run(close: Callable[[], Awaitable[Any]]) -> None:
    await close()
