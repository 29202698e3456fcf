"""Event consumers on the real broker: nothing lost, order by key, retries, dead letters, rebalances."""

import asyncio
import re
import time
from collections import defaultdict
from typing import Any

import msgspec
import pytest
from aiokafka.errors import KafkaConnectionError

from shared.contracts.errors import MESH_BUSY, SERVER_NOT_FOUND
from shared.contracts.event import Event
from shared.contracts.topics import retry_topic
from shared.kit.dead_letters.publisher import DeadLetterPublisher
from shared.kit.wire.failure import redriven
from tests.integration.kit.inbox_place import PARTITIONS, Handler, Place, event, headers_of
from tests.integration.kit.raw import bare_batch, write_raw
from tests.support.polling import until


async def test_each_key_in_order_and_nothing_twice_after_a_restart(place: Place) -> None:
    seen: list[int] = []

    async def handler(event: Event) -> None:
        await asyncio.sleep(0.001 * (event.revision % 3))
        seen.append(event.revision)

    keys = [f"key-{number % 10}" for number in range(300)]
    await place.send(*((key, event(number)) for number, key in enumerate(keys)))
    async with place.inbox(handler):
        await until(lambda: len(seen) >= 300)
    for key in range(10):
        of_key = [number for number in seen if number % 10 == key]
        assert of_key == sorted(of_key)
    assert sorted(seen) == list(range(300))
    await place.send(("key-1", event(300)))
    async with place.inbox(handler):
        await until(lambda: len(seen) >= 301)
        await asyncio.sleep(0.3)
    assert seen[300:] == [300]


async def test_different_keys_side_by_side(place: Place) -> None:
    together = asyncio.Barrier(5)

    async def handler(event: Event) -> None:
        await asyncio.wait_for(together.wait(), 5)
        seen.append(event.revision)

    seen: list[int] = []
    await place.send(*((f"key-{number}", event(number)) for number in range(5)))
    async with place.inbox(handler):
        await until(lambda: len(seen) == 5)


@pytest.mark.usefixtures("quick_retries")
async def test_poison_is_tried_again_and_ends_as_a_dead_letter(place: Place) -> None:
    tries: dict[int, int] = defaultdict(int)

    async def handler(event: Event) -> None:
        tries[event.revision] += 1
        if event.revision == 1 or (event.revision == 2 and tries[2] < 3):
            raise RuntimeError("no luck with password=hunter2")
        if event.revision == 3:
            raise SERVER_NOT_FOUND.exception("not here")

    await place.send(
        *(("key", event(number)) for number in range(5)), headers=[("event_id", b"e-1"), ("bad", b"\xff")]
    )
    async with place.inbox(handler):
        await until(lambda: tries[4] == 1, 5)
        dead = await place.read(place.dead, 2)
        await until(lambda: tries[2] == 3)
    assert dict(tries) == {0: 1, 1: 4, 2: 3, 3: 4, 4: 1}
    letters = {msgspec.json.decode(record.value, type=Event).revision: record for record in dead}
    assert letters.keys() == {1, 3}
    assert letters[1].key == b"key"
    assert dict(letters[1].headers)["bad"] == b"\xff"
    headers = headers_of(letters[1])
    assert headers["event_id"] == "e-1"
    assert headers["original-topic"] == place.topic
    assert headers["original-offset"] == "1"
    assert int(headers["original-partition"]) in range(PARTITIONS)
    assert headers["attempt"] == "4"
    assert headers["reason"] == "RuntimeError: no luck with password=***"
    assert re.fullmatch(r"shared/kit/events/processor\.py:\d+ in _handle", headers["trace"])
    assert [name for name, _ in letters[1].headers].count("attempt") == 1


async def test_a_retry_waits_until_it_is_due_and_keeps_the_record(place: Place) -> None:
    times: list[float] = []

    async def handler(event: Event) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            raise RuntimeError("once")

    await place.send(("key", event(1)))
    async with place.inbox(handler):
        await until(lambda: len(times) == 2)
    assert 0.8 < times[1] - times[0] < 5


async def test_garbage_is_a_dead_letter_at_once_and_delays_nothing(place: Place) -> None:
    seen: list[int] = []

    async def handler(event: Event) -> None:
        seen.append(event.revision)

    garbage = [b"", b"\xff\xfe", b"{", b'{"id": 1}', b"[" * 100_000, b'{"data": "\\ud800"}']
    await place.send(*(("key", value) for value in garbage), headers=[("correlation_id", b"\xff\xff")])
    await place.send((None, event(7)))
    async with place.inbox(handler):
        await until(lambda: seen == [7])
        dead = await place.read(place.dead, len(garbage))
    assert [record.value for record in dead] == garbage
    assert {headers_of(record)["attempt"] for record in dead} == {"1"}
    assert {dict(record.headers)["correlation_id"] for record in dead} == {b"\xff\xff"}


async def test_a_record_with_neither_key_nor_value_is_a_dead_letter_and_delays_nothing(
    place: Place,
) -> None:
    seen: list[int] = []

    async def handler(event: Event) -> None:
        seen.append(event.revision)

    await write_raw(place.bootstrap, place.topic, 0, bare_batch(), 1)
    async with place.inbox(handler):
        (dead,) = await place.read(place.dead, 1)
        await place.send(*((f"key-{number}", event(number)) for number in range(20)))
        await until(lambda: len(seen) == 20)
        async with asyncio.timeout(10):
            while await place.committed() < 21:
                await asyncio.sleep(0.1)
    assert (dead.key, dead.value) == (None, b"")


async def test_an_unavailable_database_is_no_poison(place: Place) -> None:
    seen: list[int] = []
    away = 3

    async def handler(event: Event) -> None:
        nonlocal away
        if event.revision == 1 and away:
            away -= 1
            raise MESH_BUSY.exception("The database is away.")
        seen.append(event.revision)

    await place.send(*(("key", event(number)) for number in range(3)))
    async with place.inbox(handler):
        await until(lambda: len(seen) == 3)
    assert seen == [0, 1, 2]


async def test_a_failure_that_cannot_be_published_loses_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, refused, tries = True, 0, 0
    send = DeadLetterPublisher._send

    async def maybe(self: DeadLetterPublisher, *args: Any) -> None:
        nonlocal refused
        if broken:
            refused += 1
            raise KafkaConnectionError("no broker")
        await send(self, *args)

    async def handler(event: Event) -> None:
        nonlocal tries
        tries += 1
        raise RuntimeError("poison")

    monkeypatch.setattr(DeadLetterPublisher, "_send", maybe)
    await place.send(("key", event(1)))
    async with place.inbox(handler):
        await until(lambda: refused >= 3)
        await asyncio.sleep(0.6)
    assert await place.committed() == 0
    assert tries == 1
    broken = False
    async with place.inbox(handler):
        (record,) = await place.read(retry_topic(place.service, 1), 1)
        await until(lambda: tries >= 2)
        await asyncio.sleep(0.6)
    assert msgspec.json.decode(record.value, type=Event).revision == 1
    assert await place.committed() == 1


async def test_nothing_is_lost_when_the_group_changes(place: Place) -> None:
    seen: list[tuple[str, int]] = []
    sent, enough = 0, asyncio.Event()

    def handler_of(name: str) -> Handler:
        async def handler(event: Event) -> None:
            await asyncio.sleep(0.005)
            seen.append((name, event.revision))

        return handler

    async def produce() -> None:
        nonlocal sent
        while not enough.is_set():
            await place.send(*((f"key-{n % 20}", event(n)) for n in range(sent, sent + 20)))
            sent += 20
            await asyncio.sleep(0.05)

    async with place.inbox(handler_of("one"), "one"):
        producing = asyncio.create_task(produce())
        await until(lambda: len(seen) > 50)
        async with place.inbox(handler_of("two"), "two"):
            await until(lambda: sum(name == "two" for name, _ in seen) > 50, 30)
        await until(lambda: len(seen) > sent - 20 and seen[-1][0] == "one")
        enough.set()
        await producing
        await until(lambda: {number for _, number in seen} == set(range(sent)))
    for key in range(20):
        firsts = list(dict.fromkeys(number for _, number in seen if number % 20 == key))
        assert firsts == sorted(firsts)


async def test_a_waiting_retry_does_not_delay_a_stop(place: Place) -> None:
    failed = asyncio.Event()

    async def handler(event: Event) -> None:
        failed.set()
        raise RuntimeError("poison")

    await place.send(("key", event(1)), topic=retry_topic(place.service, 60))
    await place.send(("key", event(1)))
    async with place.inbox(handler, drain_timeout_ms=10_000):
        await asyncio.wait_for(failed.wait(), 15)
        await asyncio.sleep(0.5)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5


async def test_no_more_is_taken_than_there_is_room_for(place: Place) -> None:
    seen: set[int] = set()
    running = most = 0
    room = asyncio.Event()

    async def handler(event: Event) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await room.wait()
        await asyncio.sleep(0.002)
        running -= 1
        seen.add(event.revision)

    await place.send(*((f"key-{number}", event(number)) for number in range(400)))
    async with place.inbox(handler, in_flight_max=20, batch_max=10):
        await until(lambda: running >= 20)
        await asyncio.sleep(1)
        assert most <= 30
        room.set()
        await until(lambda: len(seen) == 400)
    assert most <= 30


async def test_a_dead_letter_can_be_redriven(place: Place) -> None:
    seen: list[int] = []
    good = False

    async def handler(event: Event) -> None:
        if not good:
            raise msgspec.ValidationError("no such field")
        seen.append(event.revision)

    await place.send(("key", event(9)))
    async with place.inbox(handler):
        (dead,) = await place.read(place.dead, 1)
        good = True
        headers = redriven(dead.headers)
        assert dict(headers)["attempt"] == b"0"
        assert dict(headers)["original-topic"] == place.topic.encode()
        await place.send(("key", dead.value), headers=list(headers), topic=retry_topic(place.service, 1))
        await until(lambda: seen == [9])


async def test_a_retry_for_a_topic_without_a_handler_is_a_dead_letter(place: Place) -> None:
    async def handler(event: Event) -> None:
        raise AssertionError("not for us")

    headers = [("original-topic", b"elsewhere"), ("attempt", b"x")]
    await place.send(("key", event(9)), headers=headers, topic=retry_topic(place.service, 1))
    async with place.inbox(handler):
        (dead,) = await place.read(place.dead, 1)
    assert headers_of(dead)["reason"] == "no handler for elsewhere"
