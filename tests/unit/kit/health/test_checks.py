"""Health: components and probes."""

import asyncio

import pytest

from shared.kit.health.checks import Health


async def test_components_start_as_not_ready() -> None:
    health = Health()
    component = health.component("kafka")
    assert (await health.report()).parts == {"kafka": "starting"}
    component.ready()
    assert (await health.report()).is_ready
    component.down("no broker answers")
    report = await health.report()
    assert (report.status, report.parts) == ("not ready", {"kafka": "no broker answers"})


async def test_a_component_added_during_a_report() -> None:
    health = Health()

    async def grows() -> None:
        health.component("later")

    health.probe("database", grows)
    assert (await health.report()).parts == {"database": "ready"}
    assert set((await health.report()).parts) == {"database", "later"}


def test_a_name_is_used_once() -> None:
    health = Health()
    health.component("kafka")
    with pytest.raises(ValueError, match="kafka"):
        health.component("kafka")


async def test_a_probe_that_fails_or_hangs_is_not_ready_and_shows_no_secret() -> None:
    async def fails() -> None:
        raise OSError("postgresql://ada:hunter2@h/d")

    health = Health()
    health.probe("database", fails)
    health.probe("slow", lambda: asyncio.sleep(60), timeout_s=0.01)
    health.probe("fine", lambda: asyncio.sleep(0))
    report = await health.report()
    assert report.parts == {"database": "failed: OSError", "slow": "no answer within 0.01 s", "fine": "ready"}


async def test_a_probe_runs_once_a_second_however_many_reports() -> None:
    now, probes = 0.0, 0

    async def probe() -> None:
        nonlocal probes
        probes += 1
        await asyncio.sleep(0.01)

    health = Health(now_s=lambda: now)
    health.probe("database", probe)
    await asyncio.gather(*(health.report() for _ in range(10)))
    now = 0.9
    await health.report()
    assert probes == 1
    now = 1.1
    await health.report()
    assert probes == 2
