"""An event consumer in a process of its own, to be killed.

Usage: `python -m tests.integration.kit.inbox_process SERVICE KAFKA NAME`.

It prints the revision of each event that it processed.
"""

import asyncio
import signal
import sys

from shared.contracts.event import Event
from shared.contracts.topics import CONSUMER_GROUPS
from shared.kit.events.consumer import EventConsumer
from shared.kit.kafka import aiokafka_patches
from shared.kit.kafka.broker import make_broker
from shared.kit.kafka.options import kafka_options
from tests.integration.kit.mesh import settings_for


async def take_in(event: Event) -> None:
    await asyncio.sleep(0.002)
    print(event.revision, flush=True)


async def main(service: str, bootstrap: str, name: str) -> None:
    aiokafka_patches.apply()
    CONSUMER_GROUPS[service] = f"{service}-group"
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    options = kafka_options(settings_for(bootstrap))
    broker = make_broker(options, name)
    inbox = EventConsumer(service, options, settings_for(bootstrap))
    inbox.add((f"{service}.facts",), take_in)
    inbox.attach(broker)
    await broker.start()
    inbox.start()
    await stop.wait()
    await inbox.stop()
    await broker.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
