"""A process under a watchdog. Its argument names the coroutine of this module that it runs."""

import asyncio
import logging
import sys
import time

import uvloop

from shared.kit.runtime.watchdog import watched
from shared.kit.telemetry.json_logging import setup_logging

STALL_MAX_S = 1.0


async def sleeping() -> None:
    time.sleep(60)  # noqa: ASYNC251 - the fault itself


async def spinning() -> None:
    done = asyncio.get_running_loop().create_future()
    done.set_result(None)
    while True:
        await asyncio.shield(done)


async def deep() -> None:
    def descend(depth: int) -> None:
        return descend(depth - 1) if depth else innermost()

    descend(200)


def innermost() -> None:
    while True:
        pass


async def unread() -> None:
    while True:
        logging.getLogger().info("x" * 10_000)


async def busy() -> None:
    """Block again and again, each time for half as long as the loop may stand still."""
    end = time.monotonic() + 3 * STALL_MAX_S
    while time.monotonic() < end:
        time.sleep(STALL_MAX_S / 2)  # noqa: ASYNC251 - the fault itself
        await asyncio.sleep(0.01)


async def idle() -> None:
    """Wait for a line on stdin."""
    print("started", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.sleep(0.5)


async def leaving() -> None:
    """Return; the process then lives on without a loop for longer than one may stand still."""


def main() -> None:
    setup_logging("stalling")
    work = {name: do for name, do in globals().items() if asyncio.iscoroutinefunction(do)}[sys.argv[1]]
    uvloop.run(watched(work(), STALL_MAX_S))
    if work is leaving:
        time.sleep(2 * STALL_MAX_S)
    print("ended by itself", flush=True)


if __name__ == "__main__":
    main()
