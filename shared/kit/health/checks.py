"""Health of a process: its components, which of them are ready, and why the others are not."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

READY = "ready"
PROBE_TIMEOUT_S = 1.0
PROBE_CACHE_S = 1.0

Probe = Callable[[], Awaitable[object]]


class Component:
    """A component that reports its own state; it starts as not ready."""

    def __init__(self) -> None:
        self._state = "starting"

    def ready(self) -> None:
        """Report the component as ready."""
        self._state = READY

    def down(self, reason: str) -> None:
        """Report the component as not ready; `reason` is public, so it must hold no secret."""
        self._state = reason or "down"

    async def state(self) -> str:
        """Return `ready`, or the reason why it is not."""
        return self._state


class ProbedComponent:
    """A component that is ready when its probe returns in time; probed at most once a second."""

    def __init__(self, probe: Probe, timeout_s: float, now_s: Callable[[], float]) -> None:
        self._probe = probe
        self._timeout_s = timeout_s
        self._now_s = now_s
        self._state = ""
        self._probed_s = float("-inf")
        self._lock = asyncio.Lock()

    async def state(self) -> str:
        """Return `ready`, or the reason why it is not; at most a second old."""
        async with self._lock:
            if self._now_s() - self._probed_s >= PROBE_CACHE_S:
                self._state = await self._run_probe()
                self._probed_s = self._now_s()
        return self._state

    async def _run_probe(self) -> str:
        try:
            await asyncio.wait_for(self._probe(), self._timeout_s)
        except TimeoutError:
            return f"no answer within {self._timeout_s:g} s"
        except Exception as error:  # noqa: BLE001 (after any error the component is not ready)
            # The text of an error may hold a URL with a password; its class name does not.
            return f"failed: {type(error).__name__}"
        return READY


class Report(Struct, frozen=True):
    """The body of `/health/ready`."""

    status: str
    parts: dict[str, str]

    @property
    def is_ready(self) -> bool:
        """True if every component is ready."""
        return self.status == READY


class Health:
    """The components of one process. Without any component it is ready."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._components: dict[str, Component | ProbedComponent] = {}

    def component(self, name: str) -> Component:
        """Add a component that reports its own state. Raises ValueError for a name in use."""
        component = Component()
        self._add(name, component)
        return component

    def probe(self, name: str, probe: Probe, timeout_s: float = PROBE_TIMEOUT_S) -> None:
        """Add a component that is not ready while `probe` raises or takes longer than `timeout_s`.

        Raises ValueError for a name in use.
        """
        self._add(name, ProbedComponent(probe, timeout_s, self._now_s))

    async def report(self) -> Report:
        """Return the state of all components, probed concurrently."""
        components = dict(self._components)  # a starting process may add more meanwhile
        states = await asyncio.gather(*(component.state() for component in components.values()))
        parts = dict(zip(components, states, strict=True))
        return Report(READY if all(state == READY for state in states) else "not ready", parts)

    def _add(self, name: str, component: Component | ProbedComponent) -> None:
        if name in self._components:
            raise ValueError(f"there is a component {name} already")
        self._components[name] = component
