"""Reads everything back, histories over HTTP and events from Kafka, and checks it against the ledger."""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from bench.durability import outboxes
from bench.durability.concord import DATABASES_IN_USE, OwnConcord
from bench.durability.http import Line
from bench.durability.ledger import Published, Stored, Verdict, check_channel, check_events
from bench.durability.outboxes import Found, Written, check_outboxes
from bench.durability.scene import Scene
from cli.errors import ConcordError
from shared.contracts.event import MESSAGE_CREATED
from shared.kit.kafka.topic_reader import ReadLimits, TopicReader
from shared.kit.outbox.batch import EVENT_TYPE

DRAIN_TIMEOUT_S = 120.0
PAGE_TIMEOUT_S = 60.0
RECORDS_MAX = 20_000_000


class _Item(Struct, rename="camel"):
    id: str
    sequence: int
    nonce: str | None
    content: str


class _Page(Struct):
    items: list[_Item]
    next: str | None


class _Data(Struct, rename="camel"):
    id: str
    channel_id: str
    sequence: int
    content: str


class _Event(Struct):
    id: str
    data: _Data


class _Id(Struct):
    id: str


_decode_id = msgspec.json.Decoder(_Id).decode


class Reckoned(Struct, frozen=True):
    """The verdict, how many messages are stored, and how many events the outboxes had."""

    verdict: Verdict
    stored: int
    events: int


class _Topic(Struct, frozen=True):
    """All records of a topic, and by channel the events about new messages in it."""

    found: list[Found]
    created: defaultdict[str, list[Published]]


async def reckon(concord: OwnConcord, scene: Scene) -> Reckoned:
    """Read all back and compare it. Raises ConcordError when things can not be read."""
    verdict = Verdict()
    channels = list(scene.readers)
    read = [_history(concord.gateway_ports, channel, scene.readers[channel]) for channel in channels]
    histories = dict(zip(channels, await asyncio.gather(*read), strict=True))
    for channel, history in histories.items():
        entries = [sender.entries for sender in scene.senders if sender.channel_id == channel]
        check_channel(channel, entries, history, verdict)
    await _drained(concord)
    for topic in await asyncio.to_thread(_topics, concord):
        read_back = await _read(concord, topic, channels)
        check_outboxes(topic, await asyncio.to_thread(_written, concord, topic), read_back.found, verdict)
        if topic in MESSAGE_CREATED.topics:
            for channel, history in histories.items():
                check_events(topic, channel, history, read_back.created[channel], verdict)
    events = sum(int(concord.sql(service, outboxes.COUNT)) for service in DATABASES_IN_USE)
    return Reckoned(verdict, sum(map(len, histories.values())), events)


async def _history(ports: list[int], channel_id: str, token: str) -> list[Stored]:
    """Return a channel's history, oldest first."""
    line, found, bound = Line(ports), list[Stored](), ""
    while True:
        page = await _page(line, f"/api/channels/{channel_id}/messages?limit=100{bound}", token)
        found.extend(Stored(item.id, item.sequence, item.nonce, item.content) for item in page.items)
        if page.next is None:
            await line.close()
            return found[::-1]
        bound = f"&before={page.next}"


async def _page(line: Line, path: str, token: str) -> _Page:
    deadline = time.monotonic() + PAGE_TIMEOUT_S
    while True:
        status, raw = await line.ask("GET", path, token)
        if status == 200:
            return msgspec.json.decode(raw, type=_Page)
        if time.monotonic() > deadline:
            raise ConcordError(f"{path} can not be read: {status} {raw[:200].decode(errors='replace')}")
        await asyncio.sleep(0.5)


async def _drained(concord: OwnConcord) -> None:
    """Wait until the relays have sent all that there is."""
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    while waiting := await asyncio.to_thread(concord.waiting_events):
        if time.monotonic() > deadline:
            raise ConcordError(f"{waiting} events still wait in the outboxes")
        await asyncio.sleep(0.5)


def _topics(concord: OwnConcord) -> list[str]:
    """Return the topics of the outboxes, and in any case those of new messages."""
    lines = (concord.sql(service, outboxes.TOPICS).split() for service in DATABASES_IN_USE)
    return sorted({*MESSAGE_CREATED.topics, *itertools.chain.from_iterable(lines)})


def _written(concord: OwnConcord, topic: str) -> list[Written]:
    """Return the events of the outboxes for a topic, each service's in its order."""
    return [
        Written(event_id, service, aggregate)
        for service in DATABASES_IN_USE
        for line in concord.sql(service, outboxes.WRITTEN.format(topic=topic)).splitlines()
        for event_id, aggregate in [line.split()]
    ]


def _id_of(body: bytes | None) -> str:
    """Return the event id of a record, or ""."""
    try:
        return _decode_id(body or b"").id
    except msgspec.DecodeError:
        return ""


async def _read(concord: OwnConcord, topic: str, channels: Iterable[str]) -> _Topic:
    """Read a topic from start to end."""
    passage = TopicReader(
        {"bootstrap_servers": concord.kafka.bootstrap}, [topic], ReadLimits(records_max=RECORDS_MAX)
    )
    wanted, created = frozenset(channels), (EVENT_TYPE, MESSAGE_CREATED.name.encode())
    decode = msgspec.json.Decoder(_Event).decode
    read_back = _Topic([], defaultdict(list))
    async for record in passage.records():
        read_back.found.append(Found(_id_of(record.value), record.partition))
        if created in record.headers:
            event = decode(record.value or b"")
            if (data := event.data).channel_id in wanted:
                published = Published(event.id, data.id, data.sequence, data.content, record.partition)
                read_back.created[data.channel_id].append(published)
    if passage.truncated:
        raise ConcordError(f"{topic} could not be read to its end")
    return read_back
