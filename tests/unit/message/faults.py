"""Transactions of sends that fail as a test says."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from apps.message.domain.messages import Channel
from apps.message.domain.sending import NumberedMessage
from apps.message.ports import SendUnitOfWork, SendUnitOfWorkFactory
from shared.contracts.errors import MESH_BUSY


class FailingCommits:
    """Call a function of the test before each commit and another one after it; each may raise."""

    def __init__(
        self,
        send_units: SendUnitOfWorkFactory,
        *,
        before: Callable[[], None] = lambda: None,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        self._send_units = send_units
        self._before = before
        self._after = after

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SendUnitOfWork]:
        """Begin a transaction."""
        async with self._send_units.transaction() as unit:
            yield unit
            self._before()
        self._after()


class RejectingBadContent:
    """Reject batches with the content "bad", as a database rejects data."""

    def __init__(
        self, send_units: SendUnitOfWorkFactory, on_rejected: Callable[[], None] = lambda: None
    ) -> None:
        self._send_units = send_units
        self._on_rejected = on_rejected

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SendUnitOfWork]:
        """Begin a transaction."""
        async with self._send_units.transaction() as unit:
            yield _RejectingUnit(unit, self._on_rejected)


class _RejectingUnit:
    def __init__(self, unit: SendUnitOfWork, on_rejected: Callable[[], None]) -> None:
        self.lock, self.prior_states, self.deleted_files = unit.lock, unit.prior_states, unit.deleted_files
        self._add = unit.add
        self._on_rejected = on_rejected

    async def add(self, messages: Sequence[NumberedMessage], channels: Iterable[Channel]) -> None:
        """Store the messages; raise ValueError if one is bad."""
        if any(numbered.message.content == "bad" for numbered in messages):
            self._on_rejected()
            raise ValueError("this cannot be stored")
        await self._add(messages, channels)


def busy_times(times: int) -> Callable[[], None]:
    """Return a function that raises `mesh.busy` in its first calls."""
    remaining = iter(range(times))

    def fail() -> None:
        if next(remaining, None) is not None:
            raise MESH_BUSY.exception("the connection is lost")

    return fail
