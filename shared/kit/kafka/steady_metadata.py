"""Pauses between questions about the cluster while no broker answers.

A consumer whose leader is gone asks for metadata again as soon as the last question failed. Where a closed
port refuses at once, aiokafka does that thousands of times a second, with half a core, in every process, for
as long as the brokers are away. The pause is the one that aiokafka has for its other tries
(`retry_backoff_ms`, 100 ms by default).
"""

import asyncio
from typing import Any

from aiokafka.client import AIOKafkaClient

_update = AIOKafkaClient._metadata_update


async def _patient_update(client: Any, cluster: Any, topics: Any) -> bool:
    updated = bool(await _update(client, cluster, topics))
    if not updated:
        await asyncio.sleep(client._retry_backoff)
    return updated


def install() -> None:
    """Make all clients of this process wait before they ask again."""
    AIOKafkaClient._metadata_update = _patient_update
