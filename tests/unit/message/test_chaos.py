"""Random sends, locks and failures at once: no message is lost or doubled, each author's order is kept."""

import asyncio
import random
from collections import defaultdict
from typing import Any
from uuid import UUID

import pytest

from apps.message.usecases.send_queue import QueueLimits
from shared.contracts.errors import MESH_BUSY, ServiceError
from shared.kit.rpc.handlers import Deferred
from tests.fakes.message.store import Store
from tests.unit.message.faults import FailingCommits
from tests.unit.message.world import IDS, World, ask, memory, message_of


class Chaos:
    """Random senders, known and unknown, with locks held elsewhere and a database that fails."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        outside, self.store = memory()
        outside.send_units = FailingCommits(outside.send_units, before=self.fail, after=self.fail)
        self.world = World(outside, QueueLimits(locked_channels_max=2, lock_batch_max=4))
        self.channels: list[UUID] = []
        self.people: list[UUID] = []

    def fail(self) -> None:
        if self.random.random() < 0.05:
            raise MESH_BUSY.exception("the connection is lost")

    async def settle_in(self) -> None:
        self.channels = [await self.world.channel() for _ in range(3)]
        self.people = [await self.world.member() for _ in range(3)]
        for _ in range(3):
            self.people.append(IDS.new())
            self.world.server.join(self.people[-1])

    async def hold_locks(self, store: Store) -> None:
        while True:
            async with store.lock_of(self.random.choice(self.channels)):
                await asyncio.sleep(self.random.uniform(0, 0.01))
            await asyncio.sleep(0)

    async def send(self, count: int) -> list[tuple[UUID, UUID, Any]]:
        """Send batches as the batcher makes them. Return the channel, author and result of each, in order."""
        outcomes: list[tuple[UUID, UUID, Any]] = []
        for turn in range(count):
            batch = [
                ask(self.random.choice(self.channels), self.random.choice(self.people), f"{turn} {n}")
                for n in range(self.random.randint(1, 6))
            ]
            for received, outcome in zip(batch, await self.world.send_batch(batch), strict=True):
                waiting = asyncio.ensure_future(outcome.outcome) if isinstance(outcome, Deferred) else outcome
                outcomes.append((received.request.channel_id, received.request.profile_id, waiting))
            await asyncio.sleep(self.random.choice([0, 0, 0.003]))
        return [
            (channel, person, await outcome if isinstance(outcome, asyncio.Future) else outcome)
            for channel, person, outcome in outcomes
        ]


@pytest.mark.parametrize("seed", range(12))
async def test_nothing_is_lost_doubled_or_misnumbered(seed: int) -> None:
    chaos = Chaos(seed)
    await chaos.settle_in()
    locks = asyncio.create_task(chaos.hold_locks(chaos.store))
    async with asyncio.timeout(30):
        outcomes = await chaos.send(60)
    locks.cancel()

    orders: dict[tuple[UUID, UUID], list[int]] = defaultdict(list)
    answered = []
    for channel, person, outcome in outcomes:
        if isinstance(outcome, ServiceError):
            assert outcome.code is MESH_BUSY
            continue
        answered.append(message_of(outcome).id)
        orders[channel, person].append(message_of(outcome).sequence)
    assert len(answered) > 0.9 * len(outcomes)
    assert all(order == sorted(order) for order in orders.values())

    stored = []
    for channel in chaos.channels:
        messages = [row.stored.message for row in chaos.store.rows(channel)]
        assert [message.sequence for message in messages] == list(range(1, len(messages) + 1))
        stored += [message.id for message in messages]
    assert len(set(answered)) == len(answered)
    assert set(answered) <= set(stored)
    assert len(set(stored)) == len(stored) <= len(outcomes)
    assert {event.data.id for event in chaos.store.outbox} == set(stored)  # type: ignore[attr-defined]
    assert len(chaos.store.outbox) == len(stored)
    queue = chaos.world.queue
    assert (len(queue._lock_queue), len(queue._membership_queue), queue._waiting) == (0, 0, 0)
