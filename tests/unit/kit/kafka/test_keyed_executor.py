"""Lanes: order within a key, side by side across keys, bounds, failures, cancellation."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kit.kafka.keyed_executor import KeyedExecutor

Plan = list[tuple[int, int]]
"""Jobs in the order of their coming: the key, and how often each gives way while it runs."""


async def drained(lanes: KeyedExecutor) -> None:
    while len(lanes):
        await asyncio.sleep(0.001)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=40))
def test_one_key_is_done_in_order_and_every_job_once(plan: Plan) -> None:
    async def run() -> tuple[list[int], int]:
        lanes = KeyedExecutor(lane_max=100, jobs_max=100)
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
            assert lanes.submit(b"%d" % key, job(number, key, turns))
        await asyncio.wait_for(drained(lanes), 5)
        return done, len(lanes)

    done, left = asyncio.run(run())
    assert left == 0
    assert sorted(done) == list(range(len(plan)))
    for key in range(5):
        of_key = [number for number in done if plan[number][0] == key]
        assert of_key == sorted(of_key)


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 5), st.integers(1, 12))
def test_bounds_of_a_lane_and_of_all(keys: list[int], lane_max: int, jobs_max: int) -> None:
    async def run() -> None:
        lanes = KeyedExecutor(lane_max=lane_max, jobs_max=jobs_max)
        release = asyncio.Event()
        taken: dict[int, int] = dict.fromkeys(range(4), 0)

        async def wait() -> None:
            await release.wait()

        for key in keys:
            expected = taken[key] < lane_max + 1 and sum(taken.values()) < jobs_max
            assert lanes.submit(b"%d" % key, wait) is expected
            taken[key] += expected
            await asyncio.sleep(0)  # the first of each lane begins, so that lane_max wait behind it
        assert len(lanes) == sum(taken.values())
        release.set()
        await asyncio.wait_for(drained(lanes), 5)
        assert lanes.submit(b"0", wait)
        await drained(lanes)

    asyncio.run(run())


async def test_different_keys_run_side_by_side() -> None:
    lanes = KeyedExecutor(lane_max=1, jobs_max=10)
    meeting = asyncio.Barrier(3)

    async def meet() -> None:
        await meeting.wait()

    for key in (b"a", b"b", b"c"):
        assert lanes.submit(key, meet)
    await asyncio.wait_for(drained(lanes), 2)


async def test_a_full_lane_stops_no_other() -> None:
    lanes = KeyedExecutor(lane_max=2, jobs_max=100)
    release = asyncio.Event()
    done: list[str] = []

    async def wait() -> None:
        await release.wait()

    async def other() -> None:
        done.append("other")

    assert [lanes.submit(b"slow", wait) for _ in range(4)] == [True, True, False, False]
    assert lanes.submit(b"quick", other)
    await asyncio.sleep(0.01)
    assert done == ["other"]
    release.set()
    await drained(lanes)


async def test_a_job_that_raises_is_logged_and_the_next_one_is_done(caplog: pytest.LogCaptureFixture) -> None:
    lanes = KeyedExecutor(lane_max=5, jobs_max=5)
    done: list[str] = []

    async def broken() -> None:
        raise ZeroDivisionError

    async def fine() -> None:
        done.append("fine")

    assert lanes.submit(b"k", broken)
    assert lanes.submit(b"k", fine)
    await asyncio.wait_for(drained(lanes), 2)
    assert done == ["fine"]
    assert "a job failed" in caplog.text


async def test_a_cancelled_lane_counts_none_of_its_jobs_and_begins_anew() -> None:
    lanes = KeyedExecutor(lane_max=5, jobs_max=5)
    done: list[str] = []

    async def cancel_this_lane() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)

    async def job() -> None:
        done.append("job")

    assert lanes.submit(b"k", cancel_this_lane)
    assert lanes.submit(b"k", job)
    await asyncio.wait_for(drained(lanes), 2)
    assert (len(lanes), done) == (0, [])
    assert lanes.submit(b"k", job)
    await drained(lanes)
    assert done == ["job"]
