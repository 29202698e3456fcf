"""Senders: each sends one message after another, each until it is acknowledged, and keeps the ledger."""

import asyncio
import json
import random
import time
from collections import Counter

import msgspec
from msgspec import Struct

from bench.durability.http import NO_ANSWER, Line
from bench.durability.ledger import Entry, content_of

ACKNOWLEDGED = (200, 201)
EXPECTED = frozenset({NO_ANSWER, 200, 201, 503, 504})
"""The statuses that a send may get while processes are killed."""
_PAUSE_S = 0.2
GIVE_UP_S = 90.0
"""After the end of sending: what then has no answer is nobody's promise."""


class Acknowledged(Struct, rename="camel"):
    """The fields that are read of a response."""

    id: str
    sequence: int


_decode = msgspec.json.Decoder(Acknowledged).decode


class Watch:
    """The shared state of all senders. Times are those of `time.monotonic`."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self.statuses: Counter[int] = Counter()
        self.last_ack: dict[str, float] = {}
        """By channel."""
        self.longest_outage_s = 0.0
        """The longest time in which no send at all was acknowledged."""
        self.slowest_send_s = 0.0
        self.stopping = asyncio.Event()
        self._last_of_all = time.monotonic()

    def begin(self) -> None:
        """Note the start of a send."""
        self._last_of_all = time.monotonic()

    def note(self, channel_id: str, begun: float) -> None:
        """Note an acknowledgement."""
        now = time.monotonic()
        self.acknowledged += 1
        self.last_ack[channel_id] = now
        self.slowest_send_s = max(self.slowest_send_s, now - begun)
        self.longest_outage_s = max(self.longest_outage_s, now - self._last_of_all)
        self._last_of_all = now


class Sender:
    """One person in one channel. `entries` is the ledger: every message, in the order of sending."""

    def __init__(self, name: str, channel_id: str, token: str, line: Line, watch: Watch) -> None:
        self.channel_id = channel_id
        self.entries: list[Entry] = []
        self._name = name
        self._token = token
        self._line = line
        self._watch = watch

    async def run(self) -> None:
        """Send until asked to stop; what was begun is seen through, for a while."""
        while not self._watch.stopping.is_set():
            nonce = f"{self._name}-{len(self.entries)}"
            self.entries.append(Entry(nonce))
            answer = await self._send(nonce)
            if answer is None:
                break
            self.entries[-1] = Entry(nonce, answer.id, answer.sequence)
        await self._line.close()

    async def _send(self, nonce: str) -> Acknowledged | None:
        """Send with one nonce until acknowledged; return None if given up."""
        path = f"/api/channels/{self.channel_id}/messages"
        body = json.dumps({"content": content_of(nonce), "nonce": nonce}).encode()
        begun, give_up = time.monotonic(), None
        while True:
            status, raw = await self._line.ask("POST", path, self._token, body)
            self._watch.statuses[status] += 1
            if status in ACKNOWLEDGED:
                self._watch.note(self.channel_id, begun)
                return _decode(raw)
            if status != NO_ANSWER:  # without an answer the line has turned by itself
                await self._line.turn()
            if self._watch.stopping.is_set():
                give_up = give_up or time.monotonic() + GIVE_UP_S
                if time.monotonic() > give_up:
                    return None
            await asyncio.sleep(_PAUSE_S * (0.5 + random.random()))  # noqa: S311 - no secret
