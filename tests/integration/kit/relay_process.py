"""A relay in its own process, to be suspended and killed.

Usage: `python -m tests.integration.kit.relay_process URL KAFKA NAME`.
"""

import asyncio
import logging
import signal
import sys

from shared.kit.clock import SystemClock
from shared.kit.database.database import Database
from shared.kit.outbox.relay import Relay

LEASE_S = 2.0
MARGIN_S = 0.5
BATCH_ROWS = 50


async def main(service: str, url: str, bootstrap: str, name: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database = await Database.open(url)
    relay = Relay(
        service,
        database,
        {"bootstrap_servers": bootstrap},
        name,
        SystemClock(),
        lease_s=LEASE_S,
        margin_s=MARGIN_S,
        batch_rows=BATCH_ROWS,
    )
    await relay.start()
    print("started", flush=True)
    await stop.wait()
    await relay.stop()
    await database.close()


if __name__ == "__main__":
    logging.basicConfig(level="WARNING")
    asyncio.run(main(*sys.argv[1:]))
