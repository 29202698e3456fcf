"""`concord bench durability`: the run, from setting up to the verdict."""

import asyncio
import random
import secrets
import tempfile
import time
from pathlib import Path

import click

from bench.api import ApiError
from bench.durability.concord import OwnConcord
from bench.durability.kills import Killer
from bench.durability.reckoning import reckon
from bench.durability.report import Run, report
from bench.durability.scene import Scene, set_scene
from bench.durability.sender import Watch
from cli.errors import ConcordError
from shared.kit.kafka import aiokafka_patches

PROGRESS_S = 10.0
FIRST_TIMEOUT_S = 30.0


@click.command()
@click.option("--seconds", type=click.IntRange(60, 3600), default=600, show_default=True)
@click.option("--senders", type=click.IntRange(1, 512), default=64, show_default=True, help="At once.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="The seed of the kills.")
@click.option(
    "--report", "target", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it."
)
def durability(seconds: int, senders: int, seed: int | None, target: Path | None) -> None:
    """Kill processes during load and count lost, duplicated and reordered messages.

    It starts a Concord of its own, on free ports and in a folder of its own, with two gateways and two
    message replicas; kills one of its processes, Kafka or Postgres with -9, again and again, the next one
    15 s after all is well; and reads everything back at the end. Exit code 1 when something is wrong.
    """
    draw = secrets.randbits(32) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="concord-durability-") as folder:
        run = measure(Path(folder) / "data", seconds, senders, draw)
    text = report(run)
    click.echo("\n" + text)
    if target is not None:
        target.write_text(text, encoding="utf-8")
    if not run.good:
        raise click.exceptions.Exit(1)


def measure(folder: Path, seconds: int, senders: int, seed: int) -> Run:
    """Bring a Concord up in the folder, send and kill, reckon up, end it. Raises ConcordError."""
    concord, watch = OwnConcord(folder), Watch()
    try:
        click.echo("Starting a Concord of its own")
        concord.start(click.echo)
        scene = set_scene(concord.api(), concord.gateway_ports, senders, watch)
        aiokafka_patches.apply()
        return asyncio.run(_run(concord, watch, scene, seconds, seed))
    except (ApiError, OSError) as error:
        raise ConcordError(f"{error}; the end of a log may tell more: {_ends(concord)}") from error
    finally:
        concord.stop()


async def _run(concord: OwnConcord, watch: Watch, scene: Scene, seconds: int, seed: int) -> Run:
    killer = Killer(concord, watch, random.Random(seed))  # noqa: S311 - no secret, and repeatable
    begun = time.monotonic()
    watch.begin()
    sending = [asyncio.create_task(sender.run()) for sender in scene.senders]
    sending.append(asyncio.create_task(scene.steward.run()))
    progress = asyncio.create_task(_progress(watch, killer, begun))
    try:
        await _first_of_all(watch, len(scene.readers))
        await killer.run(seconds)
    finally:
        watch.stopping.set()
        progress.cancel()
        ended = await asyncio.gather(*sending, return_exceptions=True)
    lasted = time.monotonic() - begun
    for outcome in ended:
        if isinstance(outcome, BaseException):
            raise outcome
    click.echo(f"{watch.acknowledged:,} sends were acknowledged; reading everything back")
    reckoned = await reckon(concord, scene)
    unanswered = sum(not entry.message_id for sender in scene.senders for entry in sender.entries)
    return Run(
        seconds=lasted,
        senders=len(scene.senders),
        seed=seed,
        acknowledged=watch.acknowledged,
        unanswered=unanswered,
        stored=reckoned.stored,
        events=reckoned.events,
        statuses=watch.statuses,
        changes=scene.steward.statuses,
        longest_outage_s=watch.longest_outage_s,
        slowest_send_s=watch.slowest_send_s,
        kills=killer.kills,
        verdict=reckoned.verdict,
    )


async def _first_of_all(watch: Watch, channels: int) -> None:
    """Every channel has been written to: from now on its silence means something."""
    deadline = time.monotonic() + FIRST_TIMEOUT_S
    while len(watch.last_ack) < channels:
        if time.monotonic() > deadline:
            raise ConcordError(f"only {len(watch.last_ack)} of {channels} channels can be written to")
        await asyncio.sleep(0.1)


async def _progress(watch: Watch, killer: Killer, begun: float) -> None:
    before = 0
    while True:
        await asyncio.sleep(PROGRESS_S)
        rate = (watch.acknowledged - before) / PROGRESS_S
        before = watch.acknowledged
        click.echo(
            f"  {time.monotonic() - begun:4.0f} s  {watch.acknowledged:>9,} acknowledged  {rate:>6,.0f}/s  "
            f"{len(killer.kills):>3} kills  {killer.now}"
        )


def _ends(concord: OwnConcord) -> str:
    return "; ".join(f"{child.name}: {child.last_lines(1)}" for child in concord.processes.values())
