"""Garbage written straight into the topics: good requests beside it are answered, it is read past."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.contracts.catalogue import operations_of
from shared.contracts.fields import Time
from shared.contracts.message import MESSAGE_GET, MESSAGE_SEND, Message, OfMessage, SendMessage
from shared.contracts.topics import CONSUMER_GROUPS, dead_letter_topic
from shared.kit.clock import SystemClock, now_ms
from shared.kit.rpc.client import RpcClient
from shared.kit.rpc.handlers import HandlerRegistry, Received
from shared.kit.wire.call import Call
from tests.integration.kit.mesh import (
    answering_all,
    make_request_topics,
    make_topics,
    running_client,
    running_service,
    settings_for,
)
from tests.integration.kit.offsets import until_committed
from tests.integration.kit.raw import RawName, raw_batch, write_raw
from tests.unit.kit.rpc.calls import SIGNATURES

Headers = list[tuple[str, bytes | None]]

NOW: Time = SystemClock().now()
TOPICS = [operation.name for operation in operations_of("message")]
GROUP = CONSUMER_GROUPS["message"]
MIB = 1024 * 1024 - 2048
"""Just below what the broker takes."""


@pytest.fixture
async def bootstrap(kafka_bootstrap: str) -> str:
    await make_request_topics(kafka_bootstrap, "message")
    await make_topics(kafka_bootstrap, dead_letter_topic("message"), partitions=1)
    return kafka_bootstrap


def message(request: Any) -> Message:
    return Message(
        id=UUID(int=1),
        channel_id=request.channel_id,
        server_id=UUID(int=2),
        profile_id=request.profile_id,
        sequence=1,
        content=getattr(request, "content", "read"),
        nonce=None,
        created_at=NOW,
        edited_at=None,
    )


def echoing() -> HandlerRegistry:
    async def one(request: Any, call: Call) -> Message:
        return message(request)

    async def many(asked: Sequence[Received[Any]]) -> Sequence[Message]:
        return [message(one.request) for one in asked]

    handlers = answering_all("message", one)
    handlers.register_batch(MESSAGE_SEND, many)
    return handlers


async def good_calls(client: RpcClient, count: int = 12) -> None:
    """Calls to a hot and to a cold topic, over all partitions: each must have its answer."""
    channels = [UUID(int=number) for number in range(count)]
    sends = [
        client.call(MESSAGE_SEND, SendMessage(content=str(one.int), channel_id=one, profile_id=one))
        for one in channels
    ]
    gets = [
        client.call(MESSAGE_GET, OfMessage(channel_id=one, message_id=one, profile_id=one))
        for one in channels
    ]
    handlers = await asyncio.wait_for(asyncio.gather(*sends, *gets), 15)
    assert [answer.content for answer in handlers] == [str(n) for n in range(count)] + ["read"] * count


def garbage(chance: random.Random) -> list[tuple[bytes | None, bytes | None, Headers]]:
    """Keys, values and headers that nobody should write."""
    noise = chance.randbytes
    reply: tuple[str, bytes | None] = ("reply_to", b"gateway.replies.nobody-reads-this")
    broken: list[Headers] = [
        [],
        [
            ("correlation_id", noise(20)),
            ("call_id", noise(20)),
            ("reply_to", noise(20)),
            ("deadline", noise(8)),
        ],
        [(name, None) for name in ("correlation_id", "call_id", "reply_to", "deadline", "traceparent")],
        [("call_id", b"x" * 100_000), ("idempotency_key", noise(50_000))],
        [("deadline", b"99999999999999999999"), ("reply_to", b"message.send")],
        [("deadline", b"0")],
        [("", noise(3)), ("ключ", noise(3)), ("call_id", b"a"), ("call_id", b"b")],
        [("h", b"x")] * 2000,
    ]
    values = [
        b"",
        noise(200),
        noise(MIB),
        b"[" * 200_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"content": "' + b"x" * (MIB - 100) + b'"}',
        b"null",
        b'{"channelId": "\\ud800"}',
        b'{"channelId": 1e999, "content": []}',
    ]
    found: list[tuple[bytes | None, bytes | None, Headers]] = [(noise(4), None, []), (None, b"{}", [reply])]
    found.extend((noise(4), b"{}", headers) for headers in broken)
    found.extend((noise(4), value, []) for value in values)
    return found


async def write(bootstrap: str, records: Sequence[tuple[bytes | None, bytes | None, Headers]]) -> None:
    """Each of them, to a partition of every topic, by a stranger and, if it can be signed, by ourselves."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=2 * MIB)
    await producer.start()
    try:
        for topic in TOPICS:
            for number, (key, value, headers) in enumerate(records):
                if key is None and value is None:
                    continue
                await producer.send(topic, value, key, partition=number % 4, headers=headers)
                given = [(name, text) for name, text in headers if text is not None]
                signed = [*given, SIGNATURES.signature(topic, key, value or b"", given)]
                await producer.send(topic, value, key, partition=number % 4, headers=signed)
        await producer.flush()
    finally:
        await producer.stop()


async def test_good_requests_between_garbage_are_answered_and_it_is_committed(bootstrap: str) -> None:
    settings = settings_for(bootstrap)
    records = garbage(random.Random(7))
    async with running_service(settings, echoing()) as service, running_client(settings) as client:
        await good_calls(client)
        writing = asyncio.create_task(write(bootstrap, records))
        while not writing.done():
            await good_calls(client)
        await writing
        await good_calls(client)
        await until_committed(bootstrap, GROUP, TOPICS)
        assert service.ready.is_set()


async def test_a_service_that_starts_on_garbage_reads_past_it(bootstrap: str) -> None:
    settings = settings_for(bootstrap)
    await write(bootstrap, garbage(random.Random(8)))
    async with running_service(settings, echoing()), running_client(settings) as client:
        await good_calls(client)
        await until_committed(bootstrap, GROUP, TOPICS)


@pytest.mark.parametrize("service_first", [True, False])
async def test_batches_that_can_not_be_read_stop_nobody(bootstrap: str, service_first: bool) -> None:
    """The broker accepts a header name that is not UTF-8, which would stop aiokafka."""
    settings = settings_for(bootstrap)
    bad = raw_batch([("good", b"1")], [(RawName(b"\xff\xfe"), b"2")], [(RawName(b"\xc3"), None)])

    async def write_bad() -> None:
        for topic in (MESSAGE_SEND.name, MESSAGE_GET.name):
            for partition in range(4):
                await write_raw(bootstrap, topic, partition, bad, 3)

    if not service_first:
        await write_bad()
    async with running_service(settings, echoing()), running_client(settings) as client:
        if service_first:
            await good_calls(client)
            await write_bad()
        await good_calls(client)
        await good_calls(client)
        await until_committed(bootstrap, GROUP, (MESSAGE_SEND.name, MESSAGE_GET.name))


async def test_the_broker_refuses_a_corrupt_batch(bootstrap: str) -> None:
    """So a batch with a wrong checksum is none that a consumer must survive."""
    raw = bytearray(raw_batch([("name", b"value")]))
    raw[-1] ^= 0xFF
    with pytest.raises(KafkaError):
        await write_raw(bootstrap, MESSAGE_SEND.name, 0, bytes(raw), 1)


async def test_garbage_in_the_reply_topic_hides_no_reply(bootstrap: str) -> None:
    settings = settings_for(bootstrap)
    chance = random.Random(9)
    async with (
        running_service(settings, echoing()),
        running_client(settings) as client,
    ):
        topic = client._reply_to.decode()
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=2 * MIB)
        await producer.start()
        for _, value, headers in garbage(chance):
            await producer.send(topic, value, b"k", partition=0, headers=headers)
        dead: Headers = [("call_id", b"nobody-waits-for-this"), ("status", b"200")]
        await producer.send(topic, b"{}", partition=0, headers=dead)
        for status in (b"", b"999", b"abc", b"\xff", b"20", None):
            await producer.send(topic, b"{}", partition=0, headers=[("call_id", b"x"), ("status", status)])
        await producer.stop()
        await write_raw(bootstrap, topic, 0, raw_batch([], [(RawName(b"\xff"), b"")]), 2)
        await good_calls(client)


async def test_a_reply_to_a_topic_that_is_gone_holds_up_no_other(bootstrap: str) -> None:
    """Nor does it hold up commits until the send would time out, after ten seconds."""
    settings = settings_for(bootstrap)
    headers: Headers = [("reply_to", b"gateway.replies.gone"), ("call_id", b"1")]
    headers.append(("deadline", b"%d" % (now_ms() + 60_000)))
    async with running_service(settings, echoing()), running_client(settings) as client:
        await write(bootstrap, [(b"k", b"{}", headers)] * 20)
        await good_calls(client)
        await until_committed(bootstrap, GROUP, TOPICS, timeout_s=9)
