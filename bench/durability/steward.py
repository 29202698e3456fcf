"""Renames servers and people again and again: events of the other services, while these are killed too."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from bench.durability.http import NO_ANSWER, Line
from bench.durability.sender import Watch

PAUSE_S = 0.1
EXPECTED = frozenset({NO_ANSWER, 200, 503, 504})


class Thing(Struct, frozen=True):
    """Something that has a name, and the token of a user who may change it."""

    path: str
    token: str


class Steward:
    """Changes one thing after another; what is not answered well is not tried again."""

    def __init__(self, things: Sequence[Thing], line: Line, watch: Watch) -> None:
        self.statuses: Counter[int] = Counter()
        self._things: Iterator[Thing] = itertools.cycle(things)
        self._line = line
        self._watch = watch

    async def run(self) -> None:
        """Run until asked to stop."""
        for number in itertools.count():
            if self._watch.stopping.is_set():
                break
            thing = next(self._things)
            body = json.dumps({"name": f"Engine {number}"}).encode()
            status, _ = await self._line.ask("PATCH", thing.path, thing.token, body)
            self.statuses[status] += 1
            if status not in (NO_ANSWER, 200):
                await self._line.turn()
            await asyncio.sleep(PAUSE_S)
        await self._line.close()
