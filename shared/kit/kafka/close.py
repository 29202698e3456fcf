"""Closes Kafka clients, also while no broker answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 1.5


async def close_quietly(close: Callable[[], Awaitable[Any]], timeout_s: float = CLOSE_TIMEOUT_S) -> None:
    """Call and await `close` for at most `timeout_s`; log what it raises.

    Without a broker, closing an aiokafka client may take long, or raise the CancelledError of one of its own
    tasks, which would look as if the caller had been cancelled.
    """
    task = asyncio.ensure_future(_run(close))
    await asyncio.wait({task}, timeout=timeout_s)
    if not task.done():
        log.info("closing was given up after %g s", timeout_s)
        task.cancel()
    elif not task.cancelled() and (error := task.exception()) is not None:
        log.info("closing failed: %r", error)


async def _run(close: Callable[[], Awaitable[Any]]) -> None:
    await close()
