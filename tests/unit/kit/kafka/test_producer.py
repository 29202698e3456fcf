"""The producer: batches form by themselves, memory is bounded, every delivery is reported once."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.kit.kafka.producer import Producer, Record, partition_for

TOPIC = "gateway.replies.test"


class Broker:
    """A fake of aiokafka's producer that keeps the batches until the test acknowledges them."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, asyncio.Future[None]]] = []
        self.sent_to: list[int] = []
        self.accepting = asyncio.Event()
        self.accepting.set()
        self.accepts_one = False
        self.error: Exception | None = None
        self.partitions: set[int] | None = {0}

    @property
    def client(self) -> "Broker":
        return self

    @property
    def cluster(self) -> "Broker":
        return self

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return self.partitions

    async def partitions_for(self, topic: str) -> set[int]:
        await self.accepting.wait()
        if self.error:
            raise self.error
        self.partitions = set(range(8))
        return self.partitions

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
        self.sent_to.append(partition)
        return delivery

    async def stop(self) -> None:
        await asyncio.sleep(60)


class Sender:
    """A producer at that broker, and the outcome that was reported for each record."""

    def __init__(self, **bounds: int) -> None:
        self.broker = Broker()
        values = {"timeout_ms": 200, "waiting_max": 5, **bounds}
        self.producer = Producer({}, **values)
        self.producer._kafka = self.broker
        self.reported: Counter[str] = Counter()

    def send(self, count: int = 1, value: bytes = b"v", partition: int = 0) -> list[bool]:
        def done(error: BaseException | None) -> None:
            self.reported.update([type(error).__name__])

        return [
            self.producer.send(TOPIC, Record(None, value, [("h", b"x")], done), partition)
            for _ in range(count)
        ]

    async def until(self, batches: int) -> None:
        async with asyncio.timeout(2):
            while len(self.broker.batches) < batches:
                await asyncio.sleep(0)


async def test_records_that_arrive_while_a_batch_is_sent_form_the_next() -> None:
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
    assert (sender.reported, sender.producer.held_bytes) == (Counter({"NoneType": 5}), 0)


async def test_a_full_partition_does_not_affect_another() -> None:
    sender = Sender(waiting_max=3)
    sender.broker.accepting.clear()
    sender.send()
    await asyncio.sleep(0)
    assert sender.send(5) == [True, True, True, False, False]
    assert sender.send(1, partition=1) == [True]


async def test_all_partitions_together_hold_a_bounded_size() -> None:
    sender = Sender(waiting_max=1000, held_max_bytes=100_000)
    taken = sum(sum(sender.send(20, b"x" * 1000, partition)) for partition in range(10))
    assert 60 <= taken <= 70
    await sender.until(taken // 20)
    assert sender.send() == [False]
    for _, delivery in sender.broker.batches:
        delivery.set_result(None)
    await asyncio.sleep(0.01)
    assert (sender.producer.held_bytes, sender.reported["NoneType"]) == (0, taken)
    assert sender.send() == [True]


async def test_a_large_record_goes_alone_and_a_small_one_after_it() -> None:
    sender = Sender()
    sender.send(1, b"x" * 700_000)
    sender.send(2)
    await sender.until(2)
    assert [count for count, _ in sender.broker.batches] == [1, 2]


async def test_without_a_broker_all_fail_within_the_timeout_and_nothing_is_held() -> None:
    sender = Sender(timeout_ms=100)
    sender.broker.accepting.clear()
    sender.send(5)
    await asyncio.sleep(0.05)
    sender.send(3)
    await asyncio.sleep(0.25)
    assert (sender.reported, sender.producer.held_bytes) == (Counter({"TimeoutError": 8}), 0)
    sender.broker.accepting.set()
    sender.send()
    await sender.until(1)


async def test_a_rejected_batch_is_reported_and_the_next_one_is_sent() -> None:
    sender = Sender()
    sender.broker.error = UnknownTopicOrPartitionError()
    sender.send(2)
    await asyncio.sleep(0.01)
    assert sender.reported == Counter({"UnknownTopicOrPartitionError": 2})
    sender.broker.error = None
    sender.send()
    await sender.until(1)


async def test_a_batch_that_was_accepted_does_not_fail_with_the_next() -> None:
    """A batch that the broker may have written already must not be reported as failed, too."""
    sender = Sender()
    sender.broker.accepts_one = True
    sender.send(3, b"x" * 300_000)
    await asyncio.sleep(0.3)
    assert [count for count, _ in sender.broker.batches] == [1]
    assert sender.reported == Counter({"TimeoutError": 2})
    sender.broker.batches[0][1].set_exception(KafkaError("away"))
    await asyncio.sleep(0.01)
    assert sender.reported == Counter({"TimeoutError": 2, "KafkaError": 1})
    assert sender.producer.held_bytes == 0


async def test_a_callback_that_raises_keeps_no_other_from_knowing(caplog: pytest.LogCaptureFixture) -> None:
    sender = Sender()

    def broken(error: BaseException | None) -> None:
        raise ZeroDivisionError

    sender.producer.send(TOPIC, Record(None, b"v", [], broken), 0)
    sender.send(2)
    await sender.until(1)
    sender.broker.batches[0][1].set_result(None)
    await asyncio.sleep(0)
    assert (sender.reported["NoneType"], "a callback for a delivery failed" in caplog.text) == (2, True)


def by_key(sender: Sender, *keys: bytes) -> list[bool]:
    def on_delivery(error: BaseException | None) -> None:
        sender.reported.update([type(error).__name__])

    return [sender.producer.send(TOPIC, Record(key, b"v", [], on_delivery)) for key in keys]


async def test_a_record_without_a_partition_goes_to_that_of_its_key() -> None:
    sender = Sender()
    sender.broker.partitions = set(range(8))
    keys = [b"key %d" % number for number in range(20)]
    expected = {partition_for(key, 8) for key in keys}
    assert all(by_key(sender, *keys))
    await sender.until(len(expected))
    assert set(sender.broker.sent_to) == expected
    assert DefaultPartitioner()(keys[3], list(range(8)), []) == partition_for(keys[3], 8)


async def test_a_topic_is_looked_up_before_the_first_record_by_key() -> None:
    sender = Sender(waiting_max=1000)
    sender.broker.partitions = None
    keys = [b"key %d" % number for number in range(20)]
    assert all(by_key(sender, *keys))
    await sender.until(len({partition_for(key, 8) for key in keys}))
    for _, delivery in sender.broker.batches:
        delivery.set_result(None)
    await asyncio.sleep(0.01)
    assert sorted(set(sender.broker.sent_to)) == sorted({partition_for(key, 8) for key in keys})
    assert (sender.reported, sender.producer.held_bytes) == (Counter({"NoneType": 20}), 0)


async def test_records_beyond_the_bound_of_their_partition_fail_after_the_look_up() -> None:
    sender = Sender(waiting_max=5)
    sender.broker.partitions = None
    sender.broker.accepting.clear()
    assert all(by_key(sender, b"k"))
    await asyncio.sleep(0)
    assert by_key(sender, *[b"k"] * 6) == [True] * 5 + [False]
    sender.broker.accepting.set()
    await sender.until(1)
    for _, delivery in sender.broker.batches:
        delivery.set_result(None)
    await asyncio.sleep(0.01)
    assert sender.reported == Counter({"NoneType": 5, "KafkaError": 1})
    assert sender.producer.held_bytes == 0


@pytest.mark.parametrize("error", [KafkaError("away"), None])
async def test_a_failed_look_up_fails_the_records(error: Exception | None) -> None:
    sender = Sender(timeout_ms=50)
    sender.broker.partitions, sender.broker.error = None, error
    if error is None:
        sender.broker.accepting.clear()
    by_key(sender, b"a", b"b")
    await asyncio.sleep(0.1)
    assert sender.reported == Counter({type(error or TimeoutError()).__name__: 2})
    assert (sender.producer.held_bytes, sender.broker.sent_to) == (0, [])


async def test_stopping_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.kit.kafka.producer._STOP_TIMEOUT_S", 0.1)
    sender: Any = Sender(timeout_ms=60_000)
    sender.broker.accepting.clear()
    sender.send(2)
    await asyncio.wait_for(sender.producer.stop(), 1)
    await asyncio.sleep(0)
    assert not sender.producer._tasks


async def test_sending_before_the_start_fails_the_record() -> None:
    reported: list[BaseException | None] = []
    producer = Producer({}, timeout_ms=100, waiting_max=5)
    assert producer.send(TOPIC, Record(None, b"v", [], reported.append), 0)
    await asyncio.sleep(0.01)
    assert [type(error) for error in reported] == [KafkaError]
