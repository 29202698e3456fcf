"""Waiting for what may start later than this process does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiokafka.errors import KafkaError

from shared.contracts.errors import MeshError
from shared.kit.health import Part

T = TypeVar("T")

_RETRY_AFTER_S = 0.5


async def until_there(part: Part, attempt: Callable[[], Awaitable[T]]) -> T:
    """Try until it works: what this process needs may start later than it does."""
    while True:
        try:
            result = await attempt()
        except (KafkaError, OSError, TimeoutError, MeshError) as error:
            # The text of an error may hold an address with a password; its kind does not.
            part.down(f"waiting: {type(error).__name__}")
            await asyncio.sleep(_RETRY_AFTER_S)
        else:
            part.ready()
            return result
