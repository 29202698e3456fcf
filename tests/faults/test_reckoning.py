"""What `concord bench durability` reckons up finds real damage, in the database and in Kafka."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import msgspec
from aiokafka import AIOKafkaProducer, ConsumerRecord

from bench.durability import ledger, outboxes
from bench.durability.concord import OwnConcord
from bench.durability.ledger import Entry, Verdict
from bench.durability.reckoning import reckon
from bench.durability.scene import Scene, set_scene
from bench.durability.sender import Sender, Watch
from cli.config.environment import database_variable
from cli.embedded.databases import run_sql
from shared.contracts.event import MESSAGE_CREATED
from shared.kit.kafka.topic_reader import ReadLimits, TopicReader

SENDERS = 6
"""Each in a channel of its own."""
EACH = 5
TOPICS = len(MESSAGE_CREATED.topics)


class Damage:
    """Does to a Concord what must never happen to one."""

    def __init__(self, concord: OwnConcord) -> None:
        self._url = concord.environ[database_variable("message")]
        self._kafka = concord.kafka.bootstrap

    def sql(self, statement: str, channel_id: str, entry: Entry) -> None:
        """`$channel` and `$sequence` stand for those of the message."""
        filled = statement.replace("$channel", f"'{channel_id}'").replace("$sequence", str(entry.sequence))
        run_sql(self._url, filled)

    def never_sent(self) -> None:
        """Events that were written to the outbox, and are not in Kafka."""
        topics = " ".join(MESSAGE_CREATED.topics)
        run_sql(self._url, f"INSERT INTO outbox_ledger VALUES (0, '{uuid4()}', '{uuid4()}', '{topics}');")

    async def another_event(self, topic: str, message_id: str) -> None:
        """The event of this message once more, and a second one with an id of its own."""
        (found,) = [record async for record in self._records(topic) if _is_about(record, message_id)]
        other = msgspec.json.encode(msgspec.json.decode(found.value) | {"id": str(uuid4())})
        async with AIOKafkaProducer(bootstrap_servers=self._kafka) as producer:
            for value in (found.value, other):
                headers = list(found.headers)
                await producer.send_and_wait(topic, value, found.key, found.partition, headers=headers)

    def _records(self, topic: str) -> AsyncIterator[ConsumerRecord]:
        return TopicReader({"bootstrap_servers": self._kafka}, [topic], ReadLimits()).records()


def _is_about(record: ConsumerRecord, message_id: str) -> bool:
    created = ("event_type", MESSAGE_CREATED.name.encode()) in record.headers
    return created and message_id.encode() in record.value


async def until_each_has(scene: Scene, watch: Watch, count: int) -> None:
    async with asyncio.timeout(60):
        sending = [asyncio.create_task(one.run()) for one in (*scene.senders, scene.steward)]
        while any(len(sender.entries) <= count for sender in scene.senders):
            await asyncio.sleep(0.01)
        watch.stopping.set()
        await asyncio.gather(*sending)


async def test_damage_is_found(tmp_path: Path) -> None:
    concord, watch = OwnConcord(tmp_path / "data"), Watch()
    try:
        await asyncio.to_thread(concord.start, print)
        scene = await asyncio.to_thread(set_scene, concord.api(), concord.gateway_ports, SENDERS, watch)
        await until_each_has(scene, watch, EACH)
        reckoned = await reckon(concord, scene)
        assert reckoned.verdict.good, reckoned.verdict.words
        assert reckoned.stored == watch.acknowledged >= SENDERS * EACH
        assert reckoned.events > reckoned.stored
        assert scene.steward.statuses.keys() == {200}
        await do_all(Damage(concord), scene.senders)
        check((await reckon(concord, scene)).verdict)
    finally:
        await asyncio.to_thread(concord.stop)


async def do_all(damage: Damage, senders: list[Sender]) -> None:
    """Each kind in a channel of its own; the last one stays well."""
    places = [(sender.channel_id, sender.entries[2]) for sender in senders]
    gone, bent, swapped, foreign, again, _ = places
    this = "WHERE channel_id = $channel AND sequence = $sequence"
    damage.sql(f"DELETE FROM messages {this};", *gone)
    damage.sql(f"UPDATE messages SET content = 'x' {this};", *bent)
    damage.sql(
        f"UPDATE messages SET sequence = -1 {this};"
        f"UPDATE messages SET sequence = $sequence {this} + 1;"
        "UPDATE messages SET sequence = $sequence + 1 WHERE channel_id = $channel AND sequence = -1;",
        *swapped,
    )
    damage.sql(
        "INSERT INTO messages"
        " (channel_id, sequence, id, profile_id, server_id, content, request_key, created_at)"
        " SELECT channel_id, sequence + 1, gen_random_uuid(), profile_id, server_id, content, 'x', now()"
        " FROM messages WHERE channel_id = $channel ORDER BY sequence DESC LIMIT 1;",
        *foreign,
    )
    damage.never_sent()
    await damage.another_event("message-events", again[1].message_id)


def check(verdict: Verdict) -> None:
    """Nothing more and nothing less than what was done."""
    assert verdict.faults == Counter(
        {
            ledger.LOST: 1 + 1 + 2,
            ledger.GAP: 1,
            ledger.DISORDER: 1,
            ledger.FOREIGN: 1,
            ledger.EVENT_LOST: TOPICS,
            ledger.EVENT_FOREIGN: TOPICS,
            ledger.EVENT_WRONG: (1 + 2) * TOPICS,
            ledger.EVENT_DOUBLED: 1,
            outboxes.STRANGER: 1,
            outboxes.MISSING: 3,
        }
    ), verdict.words
    assert verdict.redelivered == 1
    assert not verdict.good
