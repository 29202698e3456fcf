"""The producer's own queue: batches form by themselves, what is held is bounded, everyone is told once."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.kit.kafka.producer import Producer, Record

TOPIC = "gateway.replies.test"


class Broker:
    """Stands for aiokafka's producer: keeps the batches until the test lets them through."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, asyncio.Future[None]]] = []
        self.accepting = asyncio.Event()
        self.accepting.set()
        self.accepts_one = False
        self.error: Exception | None = None

    @property
    def client(self) -> "Broker":
        return self

    @property
    def cluster(self) -> "Broker":
        return self

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0}

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(512 * 1024, 0)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[None]":
        await self.accepting.wait()
        if self.error:
            raise self.error
        if self.accepts_one:
            self.accepting.clear()
        delivery: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.batches.append((batch.record_count(), delivery))
        return delivery

    async def stop(self) -> None:
        await asyncio.sleep(60)


class Sender:
    """A producer over that broker, and what each record was told."""

    def __init__(self, **bounds: int) -> None:
        self.broker = Broker()
        values = {"timeout_ms": 200, "waiting_max": 5, **bounds}
        self.producer = Producer({}, **values)
        self.producer._kafka = self.broker
        self.told: Counter[str] = Counter()

    def send(self, count: int = 1, value: bytes = b"v", partition: int = 0) -> list[bool]:
        def done(error: BaseException | None) -> None:
            self.told.update([type(error).__name__])

        return [
            self.producer.send(TOPIC, partition, Record(None, value, [("h", b"x")], done))
            for _ in range(count)
        ]

    async def until(self, batches: int) -> None:
        async with asyncio.timeout(2):
            while len(self.broker.batches) < batches:
                await asyncio.sleep(0)


async def test_what_comes_while_a_batch_is_on_the_way_goes_next_together() -> None:
    sender = Sender()
    sender.broker.accepting.clear()
    sender.send()
    await asyncio.sleep(0)
    sender.send(4)
    sender.broker.accepting.set()
    await sender.until(2)
    assert [count for count, _ in sender.broker.batches] == [1, 4]
    for _, delivery in sender.broker.batches:
        delivery.set_result(None)
    await asyncio.sleep(0)
    assert (sender.told, sender.producer.held_bytes) == (Counter({"NoneType": 5}), 0)


async def test_a_partition_holds_so_many_and_another_is_not_touched() -> None:
    sender = Sender(waiting_max=3)
    sender.broker.accepting.clear()
    sender.send()
    await asyncio.sleep(0)
    assert sender.send(5) == [True, True, True, False, False]
    assert sender.send(1, partition=1) == [True]


async def test_all_together_hold_so_many_bytes_until_they_are_written() -> None:
    sender = Sender(waiting_max=1000, held_max_bytes=100_000)
    taken = sum(sum(sender.send(20, b"x" * 1000, partition)) for partition in range(10))
    assert 60 <= taken <= 70
    await sender.until(taken // 20)
    assert sender.send() == [False]
    for _, delivery in sender.broker.batches:
        delivery.set_result(None)
    await asyncio.sleep(0.01)
    assert (sender.producer.held_bytes, sender.told["NoneType"]) == (0, taken)
    assert sender.send() == [True]


async def test_a_large_record_goes_alone_and_a_small_one_after_it() -> None:
    sender = Sender()
    sender.send(1, b"x" * 700_000)
    sender.send(2)
    await sender.until(2)
    assert [count for count, _ in sender.broker.batches] == [1, 2]


async def test_without_a_broker_all_are_told_within_the_timeout_and_nothing_is_held() -> None:
    sender = Sender(timeout_ms=100)
    sender.broker.accepting.clear()
    sender.send(5)
    await asyncio.sleep(0.05)
    sender.send(3)
    await asyncio.sleep(0.25)
    assert (sender.told, sender.producer.held_bytes) == (Counter({"TimeoutError": 8}), 0)
    sender.broker.accepting.set()
    sender.send()
    await sender.until(1)


async def test_a_refused_batch_is_told_and_the_line_goes_on() -> None:
    sender = Sender()
    sender.broker.error = UnknownTopicOrPartitionError()
    sender.send(2)
    await asyncio.sleep(0.01)
    assert sender.told == Counter({"UnknownTopicOrPartitionError": 2})
    sender.broker.error = None
    sender.send()
    await sender.until(1)


async def test_only_what_was_not_handed_over_fails_with_the_line() -> None:
    """A batch that the broker may have written already must not be reported as failed, too."""
    sender = Sender()
    sender.broker.accepts_one = True
    sender.send(3, b"x" * 300_000)
    await asyncio.sleep(0.3)
    assert [count for count, _ in sender.broker.batches] == [1]
    assert sender.told == Counter({"TimeoutError": 2})
    sender.broker.batches[0][1].set_exception(KafkaError("away"))
    await asyncio.sleep(0.01)
    assert sender.told == Counter({"TimeoutError": 2, "KafkaError": 1})
    assert sender.producer.held_bytes == 0


async def test_a_callback_that_raises_keeps_no_other_from_knowing(caplog: pytest.LogCaptureFixture) -> None:
    sender = Sender()

    def broken(error: BaseException | None) -> None:
        raise ZeroDivisionError

    sender.producer.send(TOPIC, 0, Record(None, b"v", [], broken))
    sender.send(2)
    await sender.until(1)
    sender.broker.batches[0][1].set_result(None)
    await asyncio.sleep(0)
    assert (sender.told["NoneType"], "could not be told" in caplog.text) == (2, True)


async def test_stopping_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.kit.kafka.producer._STOP_TIMEOUT_S", 0.1)
    sender: Any = Sender(timeout_ms=60_000)
    sender.broker.accepting.clear()
    sender.send(2)
    await asyncio.wait_for(sender.producer.stop(), 1)
    await asyncio.sleep(0)
    assert not sender.producer._tasks


async def test_sending_before_the_start_fails_the_record() -> None:
    told: list[BaseException | None] = []
    producer = Producer({}, timeout_ms=100, waiting_max=5)
    assert producer.send(TOPIC, 0, Record(None, b"v", [], told.append))
    await asyncio.sleep(0.01)
    assert [type(error) for error in told] == [KafkaError]
