"""Waiting for what may start later than this process does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiokafka.errors import KafkaError

from shared.contracts.errors import ServiceError
from shared.kit.health.checks import Part

T = TypeVar("T")

_RETRY_AFTER_S = 0.5
_PASSING = (KafkaError, OSError, TimeoutError, ServiceError)


async def retry_until_available(part: Part, attempt: Callable[[], Awaitable[T]]) -> T:
    """Try until it works: what this process needs may start later than it does."""
    while True:
        try:
            result = await attempt()
        except Exception as error:
            if not isinstance(error, _PASSING) and not _is_unprepared(error):
                raise
            # The text of an error may hold an address with a password; its kind does not.
            part.down(f"waiting: {type(error).__name__}")
            await asyncio.sleep(_RETRY_AFTER_S)
        else:
            part.ready()
            return result


def _is_unprepared(error: BaseException | None) -> bool:
    """Whether a table is not there (SQLSTATE 42P01): that passes when `concord prepare` has run.

    Read by attribute, because gateways wait here too and know no database.
    """
    while error is not None:
        original = getattr(error, "orig", None)
        if "42P01" in (getattr(error, "sqlstate", None), getattr(original, "sqlstate", None)):
            return True
        error = error.__cause__
    return False
