"""Waiting for dependencies that may start later than this process."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiokafka.errors import KafkaError

from shared.contracts.errors import ServiceError
from shared.kit.health.checks import Component

T = TypeVar("T")

_RETRY_AFTER_S = 0.5
_TRANSIENT = (KafkaError, OSError, TimeoutError, ServiceError)


async def retry_until_available(component: Component, attempt: Callable[[], Awaitable[T]]) -> T:
    """Repeat `attempt` every 0.5 s until it succeeds; return its result.

    Retries after errors of an unavailable dependency (Kafka, network, a typed error, a table not yet created)
    and reports them as the state of `component`; raises all others.
    """
    while True:
        try:
            result = await attempt()
        except Exception as error:
            if not isinstance(error, _TRANSIENT) and not _is_table_missing(error):
                raise
            # The text of an error may hold a URL with a password; its class name does not.
            component.down(f"waiting: {type(error).__name__}")
            await asyncio.sleep(_RETRY_AFTER_S)
        else:
            component.ready()
            return result


def _is_table_missing(error: BaseException | None) -> bool:
    """Return True if a table is missing (SQLSTATE 42P01): `concord prepare` will create it.

    The state is read by attribute, because the gateway uses this module too and imports no database driver.
    """
    while error is not None:
        original = getattr(error, "orig", None)
        if "42P01" in (getattr(error, "sqlstate", None), getattr(original, "sqlstate", None)):
            return True
        error = error.__cause__
    return False
