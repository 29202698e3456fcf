"""Senders that record every response, and the invariants that hold after any fault."""

import asyncio
import itertools
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
from msgspec import Struct, field

from tests.e2e.people import Person

ANSWERS = {201, 503, 504}
"""The statuses that a send may have during faults."""


class Ledger(Struct):
    """The acknowledged messages by channel, and the counts of all statuses."""

    acknowledged: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0
    problems: list[httpx.Response] = field(default_factory=list)
    hung_up: list[str] = field(default_factory=list)
    """Contents of sends whose connection was closed without a response, if that is allowed."""

    @property
    def answered(self) -> int:
        """Return the number of sends with a response."""
        return sum(self.statuses.values())

    def note(self, channel_id: str, response: httpx.Response, seconds: float) -> None:
        self.statuses[response.status_code] += 1
        self.slowest_s = max(self.slowest_s, seconds)
        if response.status_code == 201:
            self.acknowledged.setdefault(channel_id, []).append(response.json())
        else:
            self.problems.append(response)


async def send_many(
    url: str, person: Person, channels: list[str], count: int, *, at_once: int, ledger: Ledger
) -> None:
    """Send `count` messages, spread over the channels, with `at_once` concurrent senders."""
    numbers = iter(range(count))
    await _send_all(url, person, channels, numbers, at_once, ledger)


async def send_until(
    stop: asyncio.Event,
    url: str,
    person: Person,
    channels: list[str],
    *,
    at_once: int,
    ledger: Ledger,
    may_hang_up: bool = False,
) -> None:
    """Send messages, spread over the channels, until `stop` is set."""
    numbers = itertools.takewhile(lambda _: not stop.is_set(), itertools.count())
    await _send_all(url, person, channels, numbers, at_once, ledger, may_hang_up)


async def _send_all(
    url: str,
    person: Person,
    channels: list[str],
    numbers: Iterator[int],
    at_once: int,
    ledger: Ledger,
    may_hang_up: bool = False,
) -> None:
    async def sender() -> None:
        # One client per sender: in a shared pool a request may wait for seconds before it is sent.
        async with httpx.AsyncClient(base_url=url, timeout=30, verify=False) as http:
            for number in numbers:
                channel = channels[number % len(channels)]
                begun, content = time.monotonic(), secrets.token_hex(8)
                try:
                    response = await _send(http, person, channel, content)
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                    if not may_hang_up:
                        raise
                    ledger.hung_up.append(content)
                    continue
                ledger.note(channel, response, time.monotonic() - begun)

    await asyncio.gather(*(sender() for _ in range(at_once)))


async def _send(http: httpx.AsyncClient, person: Person, channel: str, content: str) -> httpx.Response:
    """Send one message; retry refused connections, on which nothing was sent."""
    body = {"content": content}
    while True:
        try:
            return await http.post(
                f"/api/channels/{channel}/messages",
                json=body,
                headers={"Authorization": f"Bearer {person.access_token}"},
            )
        except httpx.ConnectError:
            await asyncio.sleep(0.05)


def history_of(person: Person, channel: str) -> list[dict[str, Any]]:
    """Return the whole history of a channel, oldest first."""
    messages: list[dict[str, Any]] = []
    before: dict[str, str] = {}
    while True:
        answer = person.get(f"/api/channels/{channel}/messages", params={"limit": 100, **before})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        messages.extend(page["items"])
        if page["next"] is None:
            return messages[::-1]
        before = {"before": page["next"]}


def check_nothing_lost(person: Person, channels: list[str], ledger: Ledger) -> None:
    """Check that every 201 is in the history exactly once, unchanged, and that sequences have no gap."""
    for channel in channels:
        history = history_of(person, channel)
        assert [message["sequence"] for message in history] == list(range(1, len(history) + 1))
        by_id = {message["id"]: message for message in history}
        assert len(by_id) == len(history)
        acknowledged = ledger.acknowledged.get(channel, [])
        assert [message for message in acknowledged if by_id.get(message["id"]) != message] == []
        contents = Counter(message["content"] for message in history)
        doubled = [content for content, times in contents.items() if times > 1]
        assert doubled == [], "a request had its effect twice"


def check_problems(ledger: Ledger) -> None:
    """Check that every other response is a problem with `Retry-After`."""
    assert set(ledger.statuses) <= ANSWERS, ledger.statuses
    for response in ledger.problems:
        assert response.headers["content-type"] == "application/problem+json"
        assert int(response.headers["retry-after"]) >= 1
