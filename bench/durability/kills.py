"""The kills: which process is next, and how long the recovery takes."""

import asyncio
import random
import time
from collections.abc import Iterator

from msgspec import Struct

from bench.durability.concord import GATEWAYS, SERVICES, OwnConcord
from bench.durability.sender import Watch
from cli.errors import ConcordError

PAUSE_S = 15.0
"""Between a recovery and the next kill."""
DOWN_MAX_S = 3.0
RECOVERY_TIMEOUT_S = 120.0
KINDS: tuple[tuple[str, ...], ...] = (SERVICES, GATEWAYS, ("kafka",), ("postgres",))


class Kill(Struct, kw_only=True):
    """One kill. Times are in seconds; `at_s` since sending began."""

    victim: str
    at_s: float
    down_s: float
    """The seconds between the kill and the restart of the victim."""
    recovered_s: float
    """From the kill until all processes were ready and every channel had a new acknowledgement."""


def victims(draw: random.Random) -> Iterator[str]:
    """Kinds in random order, each once before any comes again; of a kind any one."""
    while True:
        for kind in draw.sample(KINDS, len(KINDS)):
            yield draw.choice(kind)


class Killer:
    """Kills one after another until the time is over. `now` says in words what it is at."""

    def __init__(self, concord: OwnConcord, watch: Watch, draw: random.Random) -> None:
        self.kills: list[Kill] = []
        self.now = "before the first kill"
        self._concord = concord
        self._watch = watch
        self._draw = draw

    async def run(self, seconds: float) -> None:
        """Kill for this long, then wait for the last recovery. Raises ConcordError if none comes."""
        begun = time.monotonic()
        for victim in victims(self._draw):
            await asyncio.sleep(min(PAUSE_S, max(0.0, begun + seconds - time.monotonic())))
            if time.monotonic() - begun >= seconds - PAUSE_S:
                break
            self.kills.append(await self._kill(victim, begun))
            self.now = "all is well"
        await asyncio.sleep(max(0.0, begun + seconds - time.monotonic()))

    async def _kill(self, victim: str, begun: float) -> Kill:
        self.now = f"{victim} was killed"
        killed = time.monotonic()
        await asyncio.to_thread(self._concord.kill, victim)
        down_s = self._draw.uniform(0.0, DOWN_MAX_S)
        await asyncio.sleep(down_s)
        await asyncio.to_thread(self._concord.bring_back, victim)
        self.now = f"{victim} is coming back"
        await self._recovered(victim, time.monotonic())
        return Kill(
            victim=victim,
            at_s=killed - begun,
            down_s=down_s,
            recovered_s=time.monotonic() - killed,
        )

    async def _recovered(self, victim: str, since: float) -> None:
        deadline = since + RECOVERY_TIMEOUT_S
        while missing := await self._missing(since):
            if time.monotonic() > deadline:
                raise ConcordError(f"{victim} was killed, and nothing recovered: {missing}")
            await asyncio.sleep(0.1)

    async def _missing(self, since: float) -> dict[str, str]:
        unready = await asyncio.to_thread(self._concord.unready)
        silent = [channel for channel, at in self._watch.last_ack.items() if at < since]
        return unready | ({"channels": ", ".join(silent)} if silent else {})
