"""Whoever can only write to Kafka makes nobody a member, has nothing done, and nothing done again."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Collection
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from shared.contracts.event import MEMBER_JOINED
from shared.contracts.topics import RETRY_DELAYS_S, dead_letter_topic, retry_topic
from shared.kit.clock import now_ms
from shared.kit.security.record_signatures import RecordSigner
from shared.kit.wire.failure import ATTEMPT, ORIGINAL_TOPIC
from shared.kit.wire.headers import CORRELATION_ID, DEADLINE, REPLY_TO, Headers
from tests.e2e.concord import Concord
from tests.e2e.people import Person

THEIRS = RecordSigner("somebody else's secret, as long as ours")
READERS = ("message", "file")
"""Services that keep a copy of who is a member where."""


@pytest.fixture(scope="module")
def bootstrap(concord: Concord) -> str:
    return concord.environ["KAFKA_BOOTSTRAP_SERVERS"]


@pytest.fixture
async def stranger(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """Someone who may write to every topic and does not know the secret."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        yield producer


async def records_of(
    bootstrap: str, topics: Collection[str], wanted: Callable[[ConsumerRecord], bool], count: int
) -> list[ConsumerRecord]:
    """The first so many records that are wanted, waited for."""
    found: list[ConsumerRecord] = []
    async with (
        asyncio.timeout(20),
        AIOKafkaConsumer(
            *topics, bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest"
        ) as consumer,
    ):
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=300)).values():
                found.extend(filter(wanted, records))
    return found


def joined(server: dict[str, Any], person: Person, revision: int = 1_000_000) -> bytes:
    """The fact that somebody joined, as the server service would tell it, and newer than any."""
    now = datetime.now(UTC).isoformat()
    fact = {"serverId": server["id"], "profileId": person.id, "role": "ADMIN", "joinedAt": now}
    event = {"id": str(uuid4()), "type": MEMBER_JOINED.name, "occurredAt": now, "revision": revision}
    return json.dumps({**event, "version": 1, "data": fact}).encode()


def is_out(person: Person, server: dict[str, Any]) -> bool:
    """Whether somebody may neither read nor write nor attach there, nor see the server."""
    channel = server["channels"][0]["id"]
    file = {"channelId": channel, "name": "a.png", "size": 1, "contentType": "image/png"}
    answers = [
        person.send(channel, "let me in"),
        person.get(f"/api/channels/{channel}/messages"),
        person.post("/api/files", json=file),
        person.get(f"/api/servers/{server['id']}"),
    ]
    return [answer.status_code for answer in answers] == [404] * 4


async def test_a_forged_membership_lets_nobody_in(
    bootstrap: str, stranger: AIOKafkaProducer, person: Callable[..., Person]
) -> None:
    """Not by the topics of events, nor by those of retries; unsigned or signed with another secret."""
    ada, eve = await asyncio.to_thread(person, "Ada"), await asyncio.to_thread(person, "Eve")
    server = await asyncio.to_thread(ada.make_server)
    key, value, mark = server["id"].encode(), joined(server, eve), secrets.token_hex(8).encode()
    own: Headers = [("event_id", b"e"), ("event_type", b"member.joined"), (CORRELATION_ID, mark)]
    theirs = [*own, *THEIRS.sign(" ".join(MEMBER_JOINED.topics), key, value, own)]
    for headers in (own, theirs):
        for topic in MEMBER_JOINED.topics:
            await stranger.send_and_wait(topic, value, key=key, headers=headers)
        failed = [*headers, (ORIGINAL_TOPIC, b"server-events"), (ATTEMPT, b"1")]
        for service in READERS:
            for delay_s in RETRY_DELAYS_S[:2]:
                await stranger.send_and_wait(retry_topic(service, delay_s), value, key=key, headers=failed)

    def is_it(record: ConsumerRecord) -> bool:
        return (CORRELATION_ID, mark) in record.headers

    for service in READERS:
        await records_of(bootstrap, [dead_letter_topic(service)], is_it, 2 * 3)
    assert await asyncio.to_thread(is_out, eve, server)
    ben = await asyncio.to_thread(person, "Ben")
    await asyncio.to_thread(ben.join, server)
    sent = await asyncio.to_thread(ben.send, server["channels"][0]["id"], "I was let in")
    assert sent.status_code == 201, "true events still arrive"


async def test_a_membership_that_ended_does_not_come_back_by_its_old_event(
    bootstrap: str, stranger: AIOKafkaProducer, person: Callable[..., Person]
) -> None:
    """The record is a true one, signed by us: but what it tells is older than what is known."""
    ada, ben = await asyncio.to_thread(person, "Ada"), await asyncio.to_thread(person, "Ben")
    server = await asyncio.to_thread(ada.make_server)
    channel = server["channels"][0]["id"]
    await asyncio.to_thread(ben.join, server)

    def is_it(record: ConsumerRecord) -> bool:
        return ben.id.encode() in (record.value or b"") and b'"member.joined"' in record.value

    (record,) = await records_of(bootstrap, ["server-events"], is_it, 1)
    kicked = await asyncio.to_thread(ada.delete, f"/api/servers/{server['id']}/members/{ben.id}")
    assert kicked.status_code == 204
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(is_out, ben, server):
            await asyncio.sleep(0.1)
    again = {"key": record.key, "headers": list(record.headers), "partition": record.partition}
    for _ in range(2):
        await stranger.send_and_wait("server-events", record.value, **again)
    # What comes behind it in the same partition has been taken in, so it was taken in as well.
    eve = await asyncio.to_thread(person, "Eve")
    await asyncio.to_thread(eve.join, server)
    assert (await asyncio.to_thread(eve.send, channel, "hello")).status_code == 201
    await asyncio.sleep(1)
    assert await asyncio.to_thread(is_out, ben, server)


@pytest.mark.parametrize("operation", ["create.server", "message.send", "invite.create"])
async def test_a_request_that_is_written_again_is_not_done_again(
    bootstrap: str, stranger: AIOKafkaProducer, person: Callable[..., Person], operation: str
) -> None:
    """Within its deadline: it is a true request, and still the call that it was."""
    ada, mark = await asyncio.to_thread(person, "Ada"), secrets.token_hex(8)
    server = await asyncio.to_thread(ada.make_server)
    channel = server["channels"][0]["id"]
    path, listed, body = {
        "create.server": ("/api/servers", "/api/servers", {"name": "Once"}),
        "message.send": (f"/api/channels/{channel}/messages",) * 2 + ({"content": "once"},),
        "invite.create": (f"/api/servers/{server['id']}/invites",) * 2 + ({},),
    }[operation]

    def count() -> int:
        return len(ada.get(listed).json()["items"])

    before = await asyncio.to_thread(count)
    done = await asyncio.to_thread(ada.post, path, json=body, headers={"X-Correlation-Id": mark})
    assert done.status_code == 201, done.text

    def is_it(record: ConsumerRecord) -> bool:
        return (CORRELATION_ID, mark.encode()) in record.headers

    (record,) = await records_of(bootstrap, [operation], is_it, 1)
    assert int(dict(record.headers)[DEADLINE]) > now_ms() + 2_000, "there is no time left to try it"
    again = {"key": record.key, "headers": list(record.headers), "partition": record.partition}
    for _ in range(3):
        await stranger.send_and_wait(operation, record.value, **again)
    replies = await records_of(bootstrap, [dict(record.headers)[REPLY_TO].decode()], is_it, 4)
    assert len({reply.value for reply in replies}) == 1, "each is answered as the first"
    assert await asyncio.to_thread(count) == before + 1


async def test_nobody_speaks_for_somebody_else(
    stranger: AIOKafkaProducer, http: httpx.Client, person: Callable[..., Person]
) -> None:
    ada = await asyncio.to_thread(person, "Ada")
    server = await asyncio.to_thread(ada.make_server)
    body = json.dumps({"serverId": server["id"], "profileId": ada.id}).encode()
    key = server["id"].encode()
    headers: Headers = [
        (CORRELATION_ID, b"c"),
        ("call_id", str(uuid4()).encode()),
        (DEADLINE, b"%d" % (now_ms() + 9_000)),
    ]
    for written in (headers, [*headers, THEIRS.signature("delete.server", key, body, headers)]):
        await stranger.send_and_wait("delete.server", body, key=key, headers=written)
    # Its key puts it behind them: when it is done, they were looked at.
    renamed = await asyncio.to_thread(ada.patch, f"/api/servers/{server['id']}", json={"name": "Still here"})
    assert renamed.status_code == 200
    await asyncio.sleep(0.5)
    assert (await asyncio.to_thread(ada.get, f"/api/servers/{server['id']}")).json()["name"] == "Still here"
