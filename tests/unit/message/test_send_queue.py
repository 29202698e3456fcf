"""Sends that wait for a lock or a membership."""

import asyncio

import pytest

from apps.message.usecases.send_queue import QueueLimits
from shared.contracts.message import SendMessage
from shared.kit.clock import now_ms
from shared.kit.rpc.handlers import Deferred, Received
from tests.unit.message.faults import RejectingBadContent
from tests.unit.message.world import IDS, World, ask, contents, memory

SOON_S = 0.01


def later(world: World, batch: list[Received[SendMessage]]) -> "asyncio.Task[list[str]]":
    async def work() -> list[str]:
        return contents(await world.send_all(batch))

    return asyncio.create_task(work())


async def test_a_locked_channel_delays_its_own_messages_only() -> None:
    outside, store = memory()
    world = World(outside)
    one, two, ada = await world.channel(), await world.channel(), await world.member()
    await store.lock_of(one).acquire()
    held = later(world, [ask(one, ada, "a"), ask(one, ada, "b")])
    await asyncio.sleep(SOON_S)
    behind = later(world, [ask(one, ada, "c"), ask(one, ada, "d")])
    await asyncio.sleep(SOON_S)
    assert contents(await world.send_all([ask(two, ada, "x")])) == ["1 x"]
    await asyncio.sleep(0.3)  # longer than one wait for a lock
    assert not held.done()
    assert not behind.done()
    store.lock_of(one).release()
    assert await held == ["1 a", "2 b"]
    assert await behind == ["3 c", "4 d"]
    assert contents(await world.send_all([ask(one, ada, "e")])) == ["5 e"]


async def test_an_unknown_author_in_a_locked_channel_keeps_their_order() -> None:
    outside, store = memory()
    world = World(outside)
    channel, ada, bob = await world.channel(), await world.member(), IDS.new()
    world.server.join(bob)
    world.server.slow = asyncio.Event()
    await store.lock_of(channel).acquire()
    first = later(world, [ask(channel, bob, "1"), ask(channel, ada, "a"), ask(channel, bob, "2")])
    await asyncio.sleep(SOON_S)
    store.lock_of(channel).release()
    await asyncio.sleep(SOON_S)
    last = later(world, [ask(channel, bob, "3")])
    await asyncio.sleep(SOON_S)
    world.server.slow.set()
    assert await first == ["2 1", "1 a", "3 2"]
    assert await last == ["4 3"]


async def test_more_locked_channels_than_are_waited_for_at_once() -> None:
    outside, store = memory()
    world = World(outside, QueueLimits(locked_channels_max=2))
    ada = await world.member()
    channels = [await world.channel() for _ in range(6)]
    for channel in channels[:5]:
        await store.lock_of(channel).acquire()
    stuck = [later(world, [ask(channel, ada)]) for channel in channels[:5]]
    await asyncio.sleep(SOON_S)
    store.lock_of(channels[4]).release()
    assert await asyncio.wait_for(stuck[4], 2) == ["1 hello"]
    for channel in channels[:4]:
        store.lock_of(channel).release()
    assert await asyncio.gather(*stuck[:4]) == [["1 hello"]] * 4


async def test_a_send_whose_caller_gave_up_is_not_stored() -> None:
    outside, store = memory()
    world = World(outside)
    channel, ada = await world.channel(), await world.member()
    await store.lock_of(channel).acquire()
    in_hand = later(world, [ask(channel, ada, "late", deadline_ms=now_ms() + 30), ask(channel, ada, "a")])
    await asyncio.sleep(SOON_S)
    expired = later(world, [ask(channel, ada, "late", deadline_ms=now_ms() + 20)])
    (given_up,) = await world.send_batch([ask(channel, ada, "given up")])
    assert isinstance(given_up, Deferred)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(given_up.outcome, 0.05)  # type: ignore[arg-type]
    store.lock_of(channel).release()
    assert await in_hand == ["mesh.timeout", "1 a"]
    assert await expired == ["mesh.timeout"]
    assert contents(await world.send_all([ask(channel, ada, "b")])) == ["2 b"]


async def test_the_number_of_waiting_sends_is_bounded() -> None:
    outside, store = memory()
    world = World(outside, QueueLimits(waiting_max=3))
    channel, other, ada = await world.channel(), await world.channel(), await world.member()
    await store.lock_of(channel).acquire()
    held = later(world, [ask(channel, ada, f"{n}") for n in range(5)])
    await asyncio.sleep(SOON_S)
    assert contents(await world.send_all([ask(channel, ada), ask(other, ada)])) == ["mesh.busy", "1 hello"]
    store.lock_of(channel).release()
    assert await held == ["1 0", "2 1", "3 2", "mesh.busy", "mesh.busy"]
    assert contents(await world.send_all([ask(channel, ada)])) == ["4 hello"]


async def test_a_deferred_send_is_not_overtaken_by_the_other_half() -> None:
    outside, store = memory()
    world = World(outside)
    channel, ada = await world.channel(), await world.member()
    free = await world.channel()
    await store.lock_of(channel).acquire()
    rejections = iter(range(9))

    def release_between_the_halves() -> None:
        # The whole batch, its first half and the bad one alone were rejected: the second half is next.
        if next(rejections) == 2:
            store.lock_of(channel).release()

    world.use_send_units(RejectingBadContent(outside.send_units, release_between_the_halves))
    batch = [ask(channel, ada, "a"), ask(free, ada, "bad"), ask(channel, ada, "b"), ask(free, ada, "x")]
    assert contents(await world.send_all(batch)) == ["1 a", "internal.error", "2 b", "1 x"]
