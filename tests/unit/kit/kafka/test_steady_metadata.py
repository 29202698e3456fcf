"""While no broker answers, clients ask for metadata a few times a second."""

import asyncio

from aiokafka.client import AIOKafkaClient

from shared.kit.kafka.steady_metadata import install


async def test_a_client_that_gets_no_answer_waits_before_it_asks_again() -> None:
    install()
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1", retry_backoff_ms=50)
    synchronizer = asyncio.create_task(client._md_synchronizer())
    asked = 0
    try:
        async with asyncio.timeout(0.5):
            while True:
                assert await client.force_metadata_update() is False
                asked += 1
    except TimeoutError:
        pass
    finally:
        synchronizer.cancel()
    assert 2 <= asked <= 10
