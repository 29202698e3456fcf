"""The client: pending calls are bounded, and nothing is left behind however a call ends."""

import asyncio
import gc
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError

from shared.contracts.account import KEYS_GET, USER_SIGNOUT, GetKeys, Jwks
from shared.contracts.errors import INTERNAL_ERROR, MESH_BUSY, MESH_TIMEOUT, SESSION_NOT_FOUND, ServiceError
from shared.kit.clock import now_ms
from shared.kit.kafka.producer import Producer
from shared.kit.rpc.caller import RawReply
from shared.kit.rpc.client import RpcClient, decode_reply
from shared.kit.telemetry.log_context import traceparent_var
from shared.kit.wire.headers import CALL_ID, DEADLINE, REPLY_TO, TRACEPARENT
from tests.unit.kit.rpc.calls import SIGNATURES, Outbox


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def client(outbox: Outbox) -> RpcClient:
    producer = cast(Producer, outbox)
    return RpcClient(producer, "gateway.replies.me", SIGNATURES, pending_max=3, timeout_ms=10_000)


def call(client: RpcClient, **changes: Any) -> "asyncio.Task[RawReply]":
    options = {"correlation_id": "c", "deadline_ms": now_ms() + 5_000, **changes}
    return asyncio.create_task(client.send_raw(KEYS_GET, b"{}", b"k", **options))


async def until_sent(outbox: Outbox, count: int) -> list[str]:
    """Wait for the calls to be sent; return their ids."""
    async with asyncio.timeout(2):
        while len(outbox.sent) < count:
            await asyncio.sleep(0)
    return [dict(record.headers)[CALL_ID].decode() for _, _, record in outbox.sent]


async def test_each_reply_finds_its_call_in_any_order(client: RpcClient, outbox: Outbox) -> None:
    calls = [call(client) for _ in range(3)]
    ids = await until_sent(outbox, 3)
    for number in (2, 0, 1):
        client.resolve(ids[number], RawReply(200, b"%d" % number))
    assert [reply.body for reply in await asyncio.gather(*calls)] == [b"0", b"1", b"2"]
    assert client.pending == 0


async def test_a_request_names_its_reply_topic_and_its_deadline(client: RpcClient, outbox: Outbox) -> None:
    task = call(client, deadline_ms=now_ms() + 5_000)
    ids = await until_sent(outbox, 1)
    headers = dict(outbox.sent[0][2].headers)
    assert headers[REPLY_TO] == b"gateway.replies.me"
    assert now_ms() < int(headers[DEADLINE]) <= now_ms() + 5_000
    client.resolve(ids[0], RawReply(200, b""))
    await task


async def test_a_call_of_a_task_is_in_its_trace(client: RpcClient, outbox: Outbox) -> None:
    async def ask(trace: str | None) -> None:
        traceparent_var.set(trace)
        await client.call(KEYS_GET, GetKeys())

    for number, trace in enumerate(("00-1-2-01", None)):
        task = asyncio.create_task(ask(trace))
        ids = await until_sent(outbox, number + 1)
        client.resolve(ids[number], RawReply(200, b'{"keys":[]}'))
        await task
    assert [dict(record.headers).get(TRACEPARENT) for _, _, record in outbox.sent] == [b"00-1-2-01", None]


async def test_too_many_pending_are_busy_at_once(client: RpcClient, outbox: Outbox) -> None:
    waiting = [call(client) for _ in range(3)]
    ids = await until_sent(outbox, 3)
    with pytest.raises(ServiceError) as raised:
        await call(client)
    assert raised.value.code is MESH_BUSY
    client.resolve(ids[0], RawReply(200, b""))
    await waiting[0]
    assert client.pending == 2
    for task in waiting:
        task.cancel()


async def test_a_cancelled_call_leaves_nothing(client: RpcClient, outbox: Outbox) -> None:
    task = call(client)
    ids = await until_sent(outbox, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.pending == 0
    client.resolve(ids[0], RawReply(200, b"late"))


async def test_late_double_and_foreign_replies_are_ignored(client: RpcClient, outbox: Outbox) -> None:
    task = call(client)
    ids = await until_sent(outbox, 1)
    client.resolve("somebody else's", RawReply(200, b"?"))
    client.resolve(ids[0], RawReply(200, b"first"))
    client.resolve(ids[0], RawReply(200, b"second"))
    assert (await task).body == b"first"
    client.resolve(ids[0], RawReply(200, b"third"))


async def test_a_produce_that_fails_fails_the_call_at_once(client: RpcClient, outbox: Outbox) -> None:
    task = call(client)
    await until_sent(outbox, 1)
    outbox.settle(KafkaConnectionError("away"))
    with pytest.raises(ServiceError) as raised:
        await asyncio.wait_for(task, 0.5)
    assert (raised.value.code, client.pending) == (MESH_BUSY, 0)


async def test_a_reply_before_the_acknowledgement_of_the_broker_counts(
    client: RpcClient, outbox: Outbox
) -> None:
    task = call(client)
    ids = await until_sent(outbox, 1)
    client.resolve(ids[0], RawReply(200, b"done"))
    outbox.settle(KafkaConnectionError("away"))
    assert (await task).body == b"done"


async def test_a_full_producer_is_busy_at_once(
    client: RpcClient, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.full = True
    with pytest.raises(ServiceError) as raised:
        await call(client)
    assert (raised.value.code, client.pending) == (MESH_BUSY, 0)
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_a_call_without_a_deadline_has_the_timeout_of_the_client(
    client: RpcClient, outbox: Outbox
) -> None:
    earliest_ms = now_ms() + 10_000
    task = call(client, deadline_ms=None)
    ids = await until_sent(outbox, 1)
    assert earliest_ms <= int(dict(outbox.sent[0][2].headers)[DEADLINE]) <= now_ms() + 10_000
    client.resolve(ids[0], RawReply(200, b""))
    await task


async def test_no_reply_until_the_deadline(client: RpcClient) -> None:
    with pytest.raises(ServiceError) as raised:
        await call(client, deadline_ms=now_ms() + 50)
    assert (raised.value.code, client.pending) == (MESH_TIMEOUT, 0)


async def test_a_call_past_its_deadline_is_not_sent(client: RpcClient, outbox: Outbox) -> None:
    with pytest.raises(ServiceError) as raised:
        await call(client, deadline_ms=now_ms() - 1)
    assert (raised.value.code, outbox.sent, client.pending) == (MESH_TIMEOUT, [], 0)


async def test_call_decodes_the_answer(client: RpcClient, outbox: Outbox) -> None:
    task = asyncio.create_task(client.call(KEYS_GET, GetKeys()))
    ids = await until_sent(outbox, 1)
    client.resolve(ids[0], RawReply(200, b'{"keys": [], "newer": 1}'))
    assert await task == Jwks(keys=[])


def test_an_error_reply_becomes_the_typed_error() -> None:
    body = b'{"code": "session.not_found", "status": 404, "detail": "It has ended.", "errors": []}'
    with pytest.raises(ServiceError) as raised:
        decode_reply(USER_SIGNOUT, RawReply(404, body, "session.not_found"))
    assert (raised.value.code, raised.value.detail) == (SESSION_NOT_FOUND, "It has ended.")


@pytest.mark.parametrize("body", [b"", b"\xff", b"{", b"[]", b'{"code": 1}', b'{"keys": [1]}'])
def test_replies_that_can_not_be_read_are_internal_errors(body: bytes) -> None:
    for error in (None, "session.not_found"):
        with pytest.raises(ServiceError) as raised:
            decode_reply(KEYS_GET, RawReply(200, body, error))
        assert raised.value.code is INTERNAL_ERROR


def test_an_operation_without_an_answer_has_none() -> None:
    assert decode_reply(USER_SIGNOUT, RawReply(204, b"")) is None
