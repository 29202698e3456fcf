"""Health: which parts of a process are ready, and why not."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

READY = "ready"
PROBE_TIMEOUT_S = 1.0
PROBE_CACHE_S = 1.0

Probe = Callable[[], Awaitable[object]]


class Part:
    """One thing that must be there for the process to be ready; it begins as not ready."""

    def __init__(self) -> None:
        self._state = "starting"

    def ready(self) -> None:
        """It is there."""
        self._state = READY

    def down(self, reason: str) -> None:
        """It is not there; `reason` is shown to whoever asks, so it holds no secret."""
        self._state = reason or "down"

    async def state(self) -> str:
        """`ready`, or why not."""
        return self._state


class ProbedComponent:
    """A part that is asked: ready when the probe comes back in time. One question a second, whoever asks."""

    def __init__(self, probe: Probe, timeout_s: float, now_s: Callable[[], float]) -> None:
        self._probe = probe
        self._timeout_s = timeout_s
        self._now_s = now_s
        self._state = ""
        self._asked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def state(self) -> str:
        """`ready`, or why not; at most a second old."""
        async with self._lock:
            if self._now_s() - self._asked_at >= PROBE_CACHE_S:
                self._state = await self._ask()
                self._asked_at = self._now_s()
        return self._state

    async def _ask(self) -> str:
        try:
            await asyncio.wait_for(self._probe(), self._timeout_s)
        except TimeoutError:
            return f"no answer within {self._timeout_s:g} s"
        except Exception as error:  # noqa: BLE001 - whatever it is, the part is not ready
            # The text of an error may hold an address with a password; its kind does not.
            return f"failed: {type(error).__name__}"
        return READY


class Report(Struct, frozen=True):
    """The body of `/health/ready`."""

    status: str
    parts: dict[str, str]

    @property
    def is_ready(self) -> bool:
        """Whether every part is."""
        return self.status == READY


class Health:
    """The parts of one process. Without any part it is ready."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._parts: dict[str, Part | ProbedComponent] = {}

    def part(self, name: str) -> Part:
        """A new part that says itself how it is. Raises ValueError for a name that is taken."""
        part = Part()
        self._add(name, part)
        return part

    def probe(self, name: str, probe: Probe, timeout_s: float = PROBE_TIMEOUT_S) -> None:
        """A new part that is asked: `probe` raises or takes longer than `timeout_s` when it is not ready."""
        self._add(name, ProbedComponent(probe, timeout_s, self._now_s))

    async def report(self) -> Report:
        """The state of all parts, asked side by side."""
        asked = dict(self._parts)  # while they are asked, a process that starts gets more of them
        states = await asyncio.gather(*(part.state() for part in asked.values()))
        parts = dict(zip(asked, states, strict=True))
        return Report(READY if all(state == READY for state in states) else "not ready", parts)

    def _add(self, name: str, part: Part | ProbedComponent) -> None:
        if name in self._parts:
            raise ValueError(f"there is a part {name} already")
        self._parts[name] = part
