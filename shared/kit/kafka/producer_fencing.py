"""A fence around aiokafka's producer, and a way to end one without its consent."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.produce import ProduceRequest

_log = logging.getLogger(__name__)

_CLOSE_S = 2.0


def guard_sends(kafka: AIOKafkaProducer, fence: Callable[[], bool]) -> None:
    """Ask for the lease at the last moment before the socket: a process that was stopped wakes up
    anywhere.
    """
    send = kafka.client.send

    async def fenced(node_id: int, request: Any, **options: Any) -> Any:
        if isinstance(request, ProduceRequest) and (kafka._closed or not fence()):
            raise KafkaConnectionError("the lease has run out")
        return await send(node_id, request, **options)

    kafka.client.send = fenced


async def abort_producer(kafka: AIOKafkaProducer) -> None:
    """Close without flushing: `stop` would wait for the broker for ever, and send late what others sent by
    now.

    The sender ends when what it waits for has an outcome: answers fail with their connections, an update of
    the metadata, which nobody works on any more, is declared failed.
    """
    kafka._closed = True
    sender = kafka._sender.sender_task if kafka._sender is not None else None
    if sender is not None:
        sender.cancel()
    try:
        async with asyncio.timeout(_CLOSE_S):
            await kafka.client.close()
            while sender is not None and not sender.done():
                update = kafka.client._md_update_fut
                if update is not None and not update.done():
                    update.set_result(False)
                await asyncio.wait([sender], timeout=0.02)
    except TimeoutError:
        _log.warning("the producer did not end in time")
