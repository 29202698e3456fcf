"""Calls of the server service, and their limits."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from shared.contracts.errors import MESH_TIMEOUT
from shared.kit.clock import SystemClock, now_ms
from shared.membership.resolver import AccessQuery, MembershipResolver
from tests.unit.membership.server_service import ServerService
from tests.unit.membership.yielding_clock import YieldingClock
from tests.unit.message.world import IDS, memory, refused

SOON_S = 0.01


class Asking:
    """Someone who asks a server service that knows one channel."""

    def __init__(self, **limits: float) -> None:
        self.now_s = 0.0
        self.server = ServerService()
        self.channel, _ = self.server.add_channel()
        outside, self.store = memory()
        self.resolver = MembershipResolver(
            self.server, outside.facts, YieldingClock(), now_s=lambda: self.now_s, **limits
        )  # type: ignore[arg-type]

    def ask(self, profile_id: UUID, timeout_ms: int = 5_000) -> "asyncio.Task[None]":
        return asyncio.create_task(self.ask_here(profile_id, timeout_ms))

    async def ask_here(self, profile_id: UUID, timeout_ms: int = 5_000) -> None:
        await self.resolver.refresh(AccessQuery(self.channel, profile_id, now_ms() + timeout_ms, "id"))


async def test_a_yes_is_stored() -> None:
    asking, ada = Asking(), IDS.new()
    asking.server.join(ada)
    await asking.ask(ada)
    assert asking.store.membership(asking.channel, ada).role == "GUEST"


async def test_those_who_ask_the_same_share_one_call() -> None:
    asking, ada = Asking(), IDS.new()
    asking.server.join(ada)
    asking.server.slow = asyncio.Event()
    tasks = [asking.ask(ada) for _ in range(10)]
    await asyncio.sleep(SOON_S)
    asking.server.slow.set()
    await asyncio.gather(*tasks)
    assert asking.server.calls == 1


async def test_a_no_from_before_somebody_asked_does_not_count_for_him() -> None:
    asking, bob = Asking(), IDS.new()
    asking.server.slow = asyncio.Event()
    early = asking.ask(bob)
    await asyncio.sleep(SOON_S)
    asking.server.join(bob)
    late = [asking.ask(bob) for _ in range(5)]
    await asyncio.sleep(SOON_S)
    asking.server.slow.set()
    assert await refused(early) == "channel.not_found"
    await asyncio.gather(*late)
    assert asking.server.calls == 2


async def test_a_no_is_remembered_for_a_second_when_it_comes_again_and_again() -> None:
    asking, eve = Asking(denials_before_suppression=3), IDS.new()
    for _ in range(20):
        assert await refused(asking.ask(eve)) == "channel.not_found"
    assert asking.server.calls == 3
    asking.now_s = 1.1
    asking.server.join(eve)
    await asking.ask(eve)
    assert asking.server.calls == 4


async def test_denials_that_come_seldom_are_not_remembered() -> None:
    asking, eve = Asking(denials_before_suppression=3), IDS.new()
    for turn in range(9):
        asking.now_s = turn * 0.6
        assert await refused(asking.ask(eve)) == "channel.not_found"
    assert asking.server.calls == 9


async def test_the_denials_remembered_are_bounded() -> None:
    asking = Asking(denials_max=5, denials_before_suppression=1)
    strangers = [IDS.new() for _ in range(7)]
    for stranger in (*strangers, strangers[0]):
        assert await refused(asking.ask(stranger)) == "channel.not_found"
    assert asking.server.calls == 8
    assert len(asking.resolver._denials) == 5


async def test_the_calls_under_way_are_bounded() -> None:
    asking = Asking(calls_max=2)
    asking.server.slow = asyncio.Event()
    tasks = [asking.ask(IDS.new()) for _ in range(2)]
    await asyncio.sleep(SOON_S)
    assert await refused(asking.ask(IDS.new())) == "mesh.busy"
    asking.server.slow.set()
    for task in tasks:
        assert await refused(task) == "channel.not_found"


async def test_an_unknown_channel_is_not_found() -> None:
    asking, ada = Asking(), IDS.new()
    asking.server.join(ada)
    asking.channel = IDS.new()
    assert await refused(asking.ask(ada)) == "channel.not_found"


async def test_nobody_waits_past_his_deadline() -> None:
    asking, ada = Asking(), IDS.new()
    asking.server.join(ada)
    asking.server.slow = asyncio.Event()
    impatient, patient = asking.ask(ada, timeout_ms=20), asking.ask(ada)
    assert await refused(impatient) == "mesh.timeout"
    asking.server.slow.set()
    await patient


async def test_a_call_that_was_given_up_is_made_anew_for_who_still_waits() -> None:
    asking, ada = Asking(), IDS.new()
    asking.server.join(ada)
    asking.server.away = MESH_TIMEOUT.exception("the first asker's time is over")
    impatient, patient = asking.ask(ada, timeout_ms=30), asking.ask(ada)
    assert await refused(impatient) == "mesh.timeout"
    asking.server.away = None
    await patient


@pytest.mark.parametrize("waiters", [1, 3])
async def test_who_gives_up_does_not_stop_the_others(waiters: int) -> None:
    asking, ada = Asking(), IDS.new()
    asking.server.join(ada)
    asking.server.slow = asyncio.Event()
    tasks = [asking.ask(ada) for _ in range(waiters + 1)]
    await asyncio.sleep(SOON_S)
    tasks[0].cancel()
    await asyncio.sleep(SOON_S)
    asking.server.slow.set()
    await asyncio.gather(*tasks[1:])
    assert asking.server.calls == 1


async def test_more_than_may_be_asked_at_once_wait_their_turn() -> None:
    asking = Asking(concurrent_calls_max=2)
    strangers = [IDS.new() for _ in range(5)]
    for stranger in strangers:
        asking.server.join(stranger)
    asking.server.slow = asyncio.Event()
    tasks = [asking.ask(stranger) for stranger in strangers]
    await asyncio.sleep(SOON_S)
    assert asking.server.calls == 2
    asking.server.slow.set()
    await asyncio.gather(*tasks)
    assert asking.server.calls == 5


async def test_a_deadline_is_one_of_the_clock_that_was_given() -> None:
    class Ahead(SystemClock):
        def now(self) -> datetime:
            return super().now() + timedelta(hours=1)

    asking, ada = Asking(), IDS.new()
    asking.server.join(ada)
    asking.resolver = MembershipResolver(asking.server, memory()[0].facts, Ahead())
    assert await refused(asking.ask(ada)) == "mesh.timeout"


async def test_a_call_that_is_done_is_not_joined() -> None:
    """Between the end of a call and its done-callback other tasks run."""
    asking, eve = Asking(), IDS.new()

    async def late() -> None:
        await asyncio.sleep(0)  # runs right after the last step of the first call
        await asking.ask_here(eve)

    first, second = asking.ask(eve), asyncio.create_task(late())
    assert await refused(first) == "channel.not_found"
    assert await refused(second) == "channel.not_found"
    assert asking.server.calls == 2


async def test_a_done_callback_removes_only_its_own_call() -> None:
    asking, eve = Asking(), IDS.new()
    asking_again = asyncio.Event()

    async def late() -> None:
        await asyncio.sleep(0)
        asking.server.slow = asking_again
        await asking.ask_here(eve)

    first, second = asking.ask(eve), asyncio.create_task(late())
    assert await refused(first) == "channel.not_found"
    third = asking.ask(eve)
    await asyncio.sleep(SOON_S)
    assert list(asking.resolver._calls) == [(asking.channel, eve)]
    assert asking.server.calls == 2
    asking_again.set()
    assert await refused(second) == "channel.not_found"
    assert await refused(third) == "channel.not_found"
    assert asking.resolver._calls == {}


@pytest.mark.parametrize("turns", range(4))
async def test_requests_at_any_turn_of_the_loop_are_answered(turns: int) -> None:
    asking, eve = Asking(denials_before_suppression=1_000), IDS.new()
    asking.server.turns = turns

    async def after(pause: int) -> None:
        for _ in range(pause):
            await asyncio.sleep(0)
        await asking.ask_here(eve)

    tasks = [asyncio.create_task(after(pause)) for pause in range(50) for _ in range(3)]
    assert {await refused(task) for task in tasks} == {"channel.not_found"}
    assert asking.resolver._calls == {}
