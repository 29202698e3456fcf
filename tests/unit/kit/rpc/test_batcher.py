"""Group commit: batches form while one is processed; every request has exactly one result."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.errors import CHANNEL_NOT_FOUND, MESH_BUSY, ServiceError
from shared.kit.clock import now_ms
from shared.kit.rpc.batcher import Batcher
from shared.kit.rpc.handlers import Deferred, Received, Result
from shared.kit.wire.call import Reply
from tests.unit.kit.rpc.calls import sending


class Written:
    """A handler that records its batches and the results of the requests."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.told: dict[str, list[Result]] = {}
        self.free = asyncio.Event()
        self.free.set()

    async def handle(self, asked: Sequence[Received[Any]]) -> Sequence[Result | Deferred]:
        self.batches.append([one.request.content for one in asked])
        await self.free.wait()
        return [Reply(201, one.request.content.encode()) for one in asked]

    def submit(self, group: Batcher, content: str, **changes: Any) -> bool:
        return group.submit(sending(content, **changes), self.told.setdefault(content, []).append)

    async def until_told(self, count: int) -> None:
        async with asyncio.timeout(5):
            while sum(map(len, self.told.values())) < count:
                await asyncio.sleep(0)

    def codes(self) -> dict[str, list[object]]:
        return {
            name: [
                told.code.name if isinstance(told, ServiceError) else getattr(told, "status", told)
                for told in all_told
            ]
            for name, all_told in self.told.items()
        }


async def test_what_queues_up_while_one_is_written_is_written_next() -> None:
    written = Written()
    group = Batcher(written.handle, batch_max=3, queue_max=100)
    written.free.clear()
    assert written.submit(group, "0")
    await asyncio.sleep(0)
    for number in range(1, 6):
        assert written.submit(group, str(number))
    written.free.set()
    await written.until_told(6)
    assert written.batches == [["0"], ["1", "2", "3"], ["4", "5"]]
    assert written.codes() == {str(number): [201] for number in range(6)}


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(1, 5))
def test_any_arrival_keeps_order_and_settles_each_once(bursts: list[int], batch_max: int) -> None:
    async def run() -> None:
        written = Written()
        group = Batcher(written.handle, batch_max=batch_max, queue_max=1000)
        for number in range(sum(bursts)):
            assert written.submit(group, str(number))
            if number in bursts:
                await asyncio.sleep(0)
        await written.until_told(sum(bursts))
        assert [one for batch in written.batches for one in batch] == [str(n) for n in range(sum(bursts))]
        assert all(len(batch) <= batch_max for batch in written.batches)
        assert all(len(told) == 1 for told in written.told.values())

    asyncio.run(run())


async def test_a_full_queue_refuses_and_those_put_aside_count() -> None:
    written = Written()
    later = asyncio.get_running_loop().create_future()

    async def handle(asked: Sequence[Received[Any]]) -> Sequence[Result | Deferred]:
        return [Deferred(later) for _ in asked]

    group = Batcher(handle, batch_max=10, queue_max=2)
    assert written.submit(group, "a")
    assert written.submit(group, "b")
    assert not written.submit(group, "c")
    await asyncio.sleep(0.01)
    assert not written.submit(group, "d")
    later.set_result(Reply(200, b""))
    await written.until_told(2)
    await asyncio.sleep(0)
    assert written.submit(group, "e")


async def test_what_is_put_aside_holds_nobody_up() -> None:
    written = Written()
    known = asyncio.Event()

    async def find_out() -> Any:
        await known.wait()
        return Reply(200, b"")

    async def handle(asked: Sequence[Received[Any]]) -> Sequence[Result | Deferred]:
        outcomes = await written.handle(asked)
        return [
            Deferred(find_out()) if one.request.content == "stranger" else outcome
            for one, outcome in zip(asked, outcomes, strict=True)
        ]

    group = Batcher(handle, batch_max=10, queue_max=10)
    written.submit(group, "stranger")
    written.submit(group, "friend")
    await written.until_told(1)
    assert written.codes() == {"stranger": [], "friend": [201]}
    known.set()
    await written.until_told(2)
    assert written.codes()["stranger"] == [200]
    assert written.batches == [["stranger", "friend"]]


async def _told_by(handle: Any, *contents: str, **changes: Any) -> dict[str, list[object]]:
    written = Written()
    group = Batcher(handle, batch_max=10, queue_max=10)
    for content in contents:
        assert written.submit(group, content, **changes)
    await written.until_told(len(contents))
    healthy = Written()
    group._handler = healthy.handle  # the group must go on, whatever the last batch did
    assert healthy.submit(group, "next")
    await healthy.until_told(1)
    return written.codes()


async def test_a_handler_that_raises_answers_all_of_its_batch(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(asked: Sequence[Received[Any]]) -> Sequence[Result | Deferred]:
        raise ZeroDivisionError

    assert await _told_by(broken, "a", "b") == {"a": ["internal.error"], "b": ["internal.error"]}
    assert "ZeroDivisionError" in caplog.text


async def test_a_typed_error_of_the_whole_batch_reaches_each() -> None:
    async def away(asked: Sequence[Received[Any]]) -> Sequence[Result | Deferred]:
        raise MESH_BUSY.exception("The database is away.")

    assert await _told_by(away, "a", "b") == {"a": ["mesh.busy"], "b": ["mesh.busy"]}


async def test_a_handler_with_too_few_outcomes_answers_all() -> None:
    async def short(asked: Sequence[Received[Any]]) -> Sequence[Result | Deferred]:
        return [Reply(201, b"")]

    assert await _told_by(short, "a", "b") == {"a": ["internal.error"], "b": ["internal.error"]}


async def test_a_handler_that_waits_for_something_cancelled_answers_all() -> None:
    async def cancelled(asked: Sequence[Received[Any]]) -> Sequence[Result | Deferred]:
        raise asyncio.CancelledError

    assert await _told_by(cancelled, "a") == {"a": ["internal.error"]}


async def test_a_handler_that_hangs_is_given_up_at_the_deadline() -> None:
    async def hang(asked: Sequence[Received[Any]]) -> Sequence[Result | Deferred]:
        await asyncio.sleep(60)
        return []

    told = await _told_by(hang, "a", "b", deadline_ms=now_ms() + 100)
    assert told == {"a": ["mesh.timeout"], "b": ["mesh.timeout"]}


async def test_an_expired_request_is_not_handled() -> None:
    written = Written()
    group = Batcher(written.handle, batch_max=10, queue_max=10)
    written.submit(group, "late", deadline_ms=now_ms() - 1)
    written.submit(group, "in time")
    await written.until_told(2)
    assert written.batches == [["in time"]]
    assert written.codes() == {"late": ["mesh.timeout"], "in time": [201]}


async def test_what_is_put_aside_may_fail_in_every_way() -> None:
    async def refused() -> Any:
        raise CHANNEL_NOT_FOUND.exception("No.")

    async def broken() -> Any:
        raise ZeroDivisionError

    async def hanging() -> Any:
        await asyncio.sleep(60)

    ways = {"refused": refused, "broken": broken, "hanging": hanging}

    async def handle(asked: Sequence[Received[Any]]) -> Sequence[Result | Deferred]:
        return [Deferred(ways[one.request.content]()) for one in asked]

    assert await _told_by(handle, *ways, deadline_ms=now_ms() + 100) == {
        "refused": ["channel.not_found"],
        "broken": ["internal.error"],
        "hanging": ["mesh.timeout"],
    }
