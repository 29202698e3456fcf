"""The threads and the waiting calls of an executor are bounded."""

import asyncio
import threading

import pytest

from apps.file.outbound import bounded_executor
from apps.file.outbound.bounded_executor import BoundedExecutor
from tests.unit.file.world import refused


async def test_who_gives_up_leaves_the_thread_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_executor, "WAIT_TIMEOUT_S", 0.1)
    one, go = BoundedExecutor("one", 1), threading.Event()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await one.run(go.wait)
    assert await refused(one.run(lambda: "too early")) == "mesh.busy"
    monkeypatch.undo()
    go.set()
    assert await one.run(lambda: "free again") == "free again"
    one.close()


async def test_so_many_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_executor, "WAITING_MAX", 2)
    one, go = BoundedExecutor("one", 1), threading.Event()
    first = asyncio.create_task(one.run(go.wait))
    await asyncio.sleep(0)
    others = [asyncio.create_task(one.run(lambda: "done")) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert [other.done() for other in others] == [False, False, True]
    go.set()
    assert await asyncio.gather(first, *others[:2]) == [True, "done", "done"]
    assert await refused(others[2]) == "mesh.busy"
    one.close()


async def test_what_fails_gives_its_thread_back() -> None:
    one = BoundedExecutor("one", 1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await one.run(lambda: 1 // 0)
    assert await one.run(lambda: 1) == 1
    one.close()
    assert await refused(one.run(lambda: 1)) == "mesh.busy"
