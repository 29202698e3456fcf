"""Order within a key, concurrency across keys, bounds, failures, cancellation."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kit.kafka.keyed_executor import KeyedExecutor

Plan = list[tuple[int, int]]
"""Jobs in the order of their submission: the key, and how often each yields while it runs."""


async def drained(executor: KeyedExecutor) -> None:
    while len(executor):
        await asyncio.sleep(0.001)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=40))
def test_one_key_is_done_in_order_and_every_job_once(plan: Plan) -> None:
    async def run() -> tuple[list[int], int]:
        executor = KeyedExecutor(per_key_max=100, jobs_max=100)
        done: list[int] = []
        running: set[int] = set()

        def job(number: int, key: int, turns: int) -> Callable[[], Awaitable[None]]:
            async def work() -> None:
                assert key not in running
                running.add(key)
                for _ in range(turns):
                    await asyncio.sleep(0)
                running.discard(key)
                done.append(number)

            return work

        for number, (key, turns) in enumerate(plan):
            assert executor.submit(b"%d" % key, job(number, key, turns))
        await asyncio.wait_for(drained(executor), 5)
        return done, len(executor)

    done, left = asyncio.run(run())
    assert left == 0
    assert sorted(done) == list(range(len(plan)))
    for key in range(5):
        of_key = [number for number in done if plan[number][0] == key]
        assert of_key == sorted(of_key)


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 5), st.integers(1, 12))
def test_bounds_of_a_key_and_of_all(keys: list[int], per_key_max: int, jobs_max: int) -> None:
    async def run() -> None:
        executor = KeyedExecutor(per_key_max=per_key_max, jobs_max=jobs_max)
        release = asyncio.Event()
        taken: dict[int, int] = dict.fromkeys(range(4), 0)

        async def wait() -> None:
            await release.wait()

        for key in keys:
            expected = taken[key] < per_key_max + 1 and sum(taken.values()) < jobs_max
            assert executor.submit(b"%d" % key, wait) is expected
            taken[key] += expected
            await asyncio.sleep(0)  # the first of each key begins, so that per_key_max wait behind it
        assert len(executor) == sum(taken.values())
        release.set()
        await asyncio.wait_for(drained(executor), 5)
        assert executor.submit(b"0", wait)
        await drained(executor)

    asyncio.run(run())


async def test_different_keys_run_concurrently() -> None:
    executor = KeyedExecutor(per_key_max=1, jobs_max=10)
    meeting = asyncio.Barrier(3)

    async def meet() -> None:
        await meeting.wait()

    for key in (b"a", b"b", b"c"):
        assert executor.submit(key, meet)
    await asyncio.wait_for(drained(executor), 2)


async def test_a_full_key_stops_no_other() -> None:
    executor = KeyedExecutor(per_key_max=2, jobs_max=100)
    release = asyncio.Event()
    done: list[str] = []

    async def wait() -> None:
        await release.wait()

    async def other() -> None:
        done.append("other")

    assert [executor.submit(b"slow", wait) for _ in range(4)] == [True, True, False, False]
    assert executor.submit(b"quick", other)
    await asyncio.sleep(0.01)
    assert done == ["other"]
    release.set()
    await drained(executor)


async def test_a_job_that_raises_is_logged_and_the_next_one_is_done(caplog: pytest.LogCaptureFixture) -> None:
    executor = KeyedExecutor(per_key_max=5, jobs_max=5)
    done: list[str] = []

    async def broken() -> None:
        raise ZeroDivisionError

    async def fine() -> None:
        done.append("fine")

    assert executor.submit(b"k", broken)
    assert executor.submit(b"k", fine)
    await asyncio.wait_for(drained(executor), 2)
    assert done == ["fine"]
    assert "a job failed" in caplog.text


async def test_a_cancelled_key_counts_none_of_its_jobs_and_starts_again() -> None:
    executor = KeyedExecutor(per_key_max=5, jobs_max=5)
    done: list[str] = []

    async def cancel_this_task() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)

    async def job() -> None:
        done.append("job")

    assert executor.submit(b"k", cancel_this_task)
    assert executor.submit(b"k", job)
    await asyncio.wait_for(drained(executor), 2)
    assert (len(executor), done) == (0, [])
    assert executor.submit(b"k", job)
    await drained(executor)
    assert done == ["job"]
