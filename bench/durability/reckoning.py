"""Reads everything back, histories over HTTP and events from Kafka, and checks it against the ledger."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from bench.durability.concord import OwnConcord
from bench.durability.http import Line
from bench.durability.ledger import Published, Stored, Verdict, check_channel, check_events
from bench.durability.scene import Scene
from cli.errors import ConcordError
from shared.contracts.event import MESSAGE_CREATED
from shared.kit.outbox_page import EVENT_TYPE
from shared.kit.topic_reading import Bounds, Passage

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


async def reckon(concord: OwnConcord, scene: Scene) -> tuple[Verdict, int]:
    """The verdict, and how many messages are stored. Raises ConcordError when things can not be read."""
    verdict = Verdict()
    channels = list(scene.readers)
    read = [_history(concord.gateway_ports, channel, scene.readers[channel]) for channel in channels]
    histories = dict(zip(channels, await asyncio.gather(*read), strict=True))
    for channel, history in histories.items():
        entries = [sender.entries for sender in scene.senders if sender.channel_id == channel]
        check_channel(channel, entries, history, verdict)
    await _drained(concord)
    for topic in MESSAGE_CREATED.topics:
        events = await _events(concord, topic, channels)
        for channel, history in histories.items():
            check_events(topic, channel, history, events[channel], verdict)
    return verdict, sum(map(len, histories.values()))


async def _history(ports: list[int], channel_id: str, token: str) -> list[Stored]:
    """The whole history of a channel, the oldest first."""
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


async def _events(concord: OwnConcord, topic: str, channels: Iterable[str]) -> Mapping[str, list[Published]]:
    """By channel, each in the order of the topic: those about new messages in these channels."""
    passage = Passage(
        {"bootstrap_servers": concord.kafka.bootstrap}, [topic], Bounds(records_max=RECORDS_MAX)
    )
    wanted, created = frozenset(channels), (EVENT_TYPE, MESSAGE_CREATED.name.encode())
    decode = msgspec.json.Decoder(_Event).decode
    found: defaultdict[str, list[Published]] = defaultdict(list)
    async for record in passage.records():
        if created in record.headers:
            event = decode(record.value or b"")
            if (data := event.data).channel_id in wanted:
                published = Published(event.id, data.id, data.sequence, data.content, record.partition)
                found[data.channel_id].append(published)
    if passage.cut:
        raise ConcordError(f"{topic} could not be read to its end")
    return found
