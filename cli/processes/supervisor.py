"""Supervision of infrastructure and services: restart on death, stop in the right order."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cli.errors import ConcordError
from cli.processes.child import Child, rotate
from cli.processes.registry import INFRASTRUCTURE, SERVICE, Records

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
# A process that lived this long did not die of its start: the next pause is a short one again.
STABLE_AFTER_S = 30.0
# One after the other, within 10 s of the signal: services need the infrastructure until they have ended.
STOP_WITHIN_S = {SERVICE: 5.0, INFRASTRUCTURE: 3.5}

Say = Callable[[str], None]


class Supervised(Protocol):
    """An embedded server or a service, with its process."""

    name: str
    child: Child | None

    def start(self, say: Say) -> None:
        """Start a new process."""

    def ready(self) -> bool:
        """Return True if it serves."""


@dataclass
class Watched:
    """A subject under supervision; `restart_at` is a monotonic time in seconds while it is down."""

    subject: Supervised
    kind: str
    pause_s: float = FIRST_PAUSE_S
    started_at: float = 0.0
    restart_at: float | None = None
    deaths: int = 0


class Supervisor:
    """Restart dead processes, with growing pauses, and report it; stop all on request."""

    def __init__(self, records: Records, say: Say, bounds_s: Mapping[str, float] = STOP_WITHIN_S) -> None:
        self._records = records
        self._bounds_s = bounds_s
        self._say = say
        self._watched: list[Watched] = []

    def watch(self, subject: Supervised, kind: str) -> None:
        """Supervise a subject, which the caller starts."""
        self._watched.append(Watched(subject, kind, started_at=time.monotonic()))

    def deaths(self, name: str) -> int:
        """Return how often a subject has died so far."""
        return sum(watched.deaths for watched in self._watched if watched.subject.name == name)

    def check(self, *kinds: str) -> None:
        """Check all subjects of these kinds once; call it a few times a second."""
        for watched in self._watched:
            if watched.kind not in kinds:
                continue
            if watched.restart_at is None:
                self._notice_death(watched)
            elif time.monotonic() >= watched.restart_at:
                self._restart(watched)

    def _notice_death(self, watched: Watched) -> None:
        child = watched.subject.child
        code = child.exit_code() if child else None
        if child is not None and code is None:
            rotate(child.log)
        if child is None or code is None:
            return
        if time.monotonic() - watched.started_at > STABLE_AFTER_S:
            watched.pause_s = FIRST_PAUSE_S
        watched.restart_at = time.monotonic() + watched.pause_s
        watched.deaths += 1
        self._say(
            f"{watched.subject.name} died ({exit_in_words(code)}); "
            f"it is started again in {watched.pause_s:.1f} s. Its log: {child.log}"
        )
        watched.pause_s = min(watched.pause_s * 2, LONGEST_PAUSE_S)

    def _restart(self, watched: Watched) -> None:
        watched.restart_at = None
        watched.started_at = time.monotonic()
        try:
            watched.subject.start(self._say)
            self._say(f"{watched.subject.name} runs again")
        except (ConcordError, OSError) as error:
            watched.restart_at = time.monotonic() + watched.pause_s
            watched.pause_s = min(watched.pause_s * 2, LONGEST_PAUSE_S)
            self._say(f"{watched.subject.name} could not be started: {error}")

    def stop(self) -> None:
        """Stop the services, then the infrastructure; each kind within its bound."""
        for kind, timeout_s in self._bounds_s.items():
            children = [
                w.subject.child for w in self._watched if w.kind == kind and w.subject.child is not None
            ]
            stop_children(children, timeout_s)
            for child in children:
                self._records.remove(child.name)


def stop_children(children: Sequence[Child], timeout_s: float) -> None:
    """Send all their stop signals, wait up to `timeout_s` for all together, kill the rest."""
    deadline = time.monotonic() + timeout_s
    for child in children:
        child.ask_to_stop()
    for child in children:
        child.stop(max(0.0, deadline - time.monotonic()), ask=False)


def exit_in_words(code: int) -> str:
    """Return an exit code in words."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
