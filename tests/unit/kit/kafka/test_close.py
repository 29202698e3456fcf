"""Closing is bounded, and whatever it raises stays inside."""

import asyncio
import time

import pytest

from shared.kit.kafka.close import close_quietly


async def test_what_closes_is_waited_for() -> None:
    closed = asyncio.Event()

    async def close() -> None:
        await asyncio.sleep(0.01)
        closed.set()

    await close_quietly(close)
    assert closed.is_set()


@pytest.mark.parametrize("error", [OSError("away"), ZeroDivisionError(), asyncio.CancelledError()])
async def test_what_it_raises_stays_inside(error: BaseException) -> None:
    async def close() -> None:
        raise error

    await close_quietly(close)


async def test_what_takes_too_long_is_given_up() -> None:
    async def close() -> None:
        await asyncio.sleep(60)

    begun = time.monotonic()
    await close_quietly(close, 0.05)
    assert time.monotonic() - begun < 5


async def test_who_waits_can_be_cancelled() -> None:
    async def close() -> None:
        await asyncio.sleep(60)

    waiting = asyncio.create_task(close_quietly(close, 60))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
