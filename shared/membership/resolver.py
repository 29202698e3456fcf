"""Refresh of the local copy of memberships from the server service, when the copy denies access."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from msgspec import Struct

from shared.contracts.clock import Clock
from shared.contracts.errors import CHANNEL_NOT_FOUND, MESH_BUSY, MESH_TIMEOUT, ServiceError
from shared.membership.access import MembershipUnknown, channel_not_found
from shared.membership.ports import MembershipDirectory, MembershipStore

T = TypeVar("T")
Key = tuple[UUID, UUID]
"""A channel and a profile."""


class AccessQuery(Struct, frozen=True):
    """A question about a profile's access to a channel; the deadline is in milliseconds since the epoch."""

    channel_id: UUID
    profile_id: UUID
    deadline_ms: int
    correlation_id: str

    @property
    def key(self) -> Key:
        """Return the channel and the profile."""
        return (self.channel_id, self.profile_id)


class MembershipResolver:
    """Calls the server service, stores the answer, and shares one call among concurrent equal queries.

    * The answer is stored next to facts from events; the higher revision wins, and the caller reads the
      store.
    * A denial holds for queries that began before its call: a profile that has just joined may post at once.
    * After ten denials within a second, a query is denied without a call until that second is over.
    * The number of calls in flight and of remembered denials is bounded.
    """

    def __init__(
        self,
        directory: MembershipDirectory,
        store: MembershipStore,
        clock: Clock,
        *,
        calls_max: int = 4096,
        concurrent_calls_max: int = 128,
        denials_max: int = 10_000,
        denials_before_suppression: int = 10,
        denial_ttl_s: float = 1.0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._store = store
        self._clock = clock
        self._calls_max = calls_max
        self._denials_max = denials_max
        self._denials_before_suppression = denials_before_suppression
        self._denial_ttl_s = denial_ttl_s
        self._now_s = now_s
        self._calls: dict[Key, tuple[int, asyncio.Task[bool]]] = {}
        self._started = 0
        self._slots = asyncio.Semaphore(concurrent_calls_max)
        self._denials: OrderedDict[Key, tuple[float, int]] = OrderedDict()

    async def refresh(self, query: AccessQuery) -> None:
        """Update the local copy. Raises `channel.not_found` for a denial, `mesh.busy`, `mesh.timeout`.

        Each iteration waits for an unfinished call, so it yields to the event loop.
        """
        started_before = self._started
        while True:
            if self._suppressed(query.key):
                raise channel_not_found()
            number, call = self._running(query.key) or self._start(query)
            is_granted = await self._wait(call, query)
            if is_granted:
                return
            if is_granted is False and number > started_before:
                raise channel_not_found()

    async def _wait(self, call: "asyncio.Task[bool]", query: AccessQuery) -> bool | None:
        """Return the result of a shared call; None if its deadline passed before that of the query."""
        try:
            async with asyncio.timeout(self._remaining_s(query)):
                return await asyncio.shield(call)
        except TimeoutError:
            raise MESH_TIMEOUT.exception(
                "Your access to this channel could not be verified in time."
            ) from None
        except ServiceError as error:
            if error.code is MESH_TIMEOUT and self._remaining_s(query) > 0.05:
                return None
            raise

    def _remaining_s(self, query: AccessQuery) -> float:
        return query.deadline_ms / 1000 - self._clock.now().timestamp()

    def _running(self, key: Key) -> "tuple[int, asyncio.Task[bool]] | None":
        """Return the call to join. A finished call is dropped: awaiting it would not yield to the event loop,
        so its done-callback, which removes it, might never run.
        """
        entry = self._calls.get(key)
        if entry is not None and entry[1].done():
            del self._calls[key]
            return None
        return entry

    def _start(self, query: AccessQuery) -> "tuple[int, asyncio.Task[bool]]":
        if len(self._calls) >= self._calls_max:
            raise MESH_BUSY.exception("Too many membership queries are in flight.")
        call = asyncio.create_task(self._ask(query))
        self._started += 1
        self._calls[query.key] = (self._started, call)
        call.add_done_callback(lambda done: self._on_done(query.key, done))
        return self._started, call

    def _on_done(self, key: Key, call: "asyncio.Task[bool]") -> None:
        entry = self._calls.get(key)
        if entry is not None and entry[1] is call:  # a newer call may have replaced it
            del self._calls[key]
        if not call.cancelled():
            call.exception()  # retrieve it: all waiters may have been cancelled

    async def _ask(self, query: AccessQuery) -> bool:
        async with self._slots:
            try:
                access = await self._directory.access(
                    query.channel_id, query.profile_id, query.deadline_ms, query.correlation_id
                )
            except ServiceError as error:
                if error.code is not CHANNEL_NOT_FOUND:
                    raise
                self._record_denial(query.key)
                return False
            await self._store.save_access(access, query.profile_id)
        if access.role is None:
            self._record_denial(query.key)
        return access.role is not None

    def _record_denial(self, key: Key) -> None:
        now_s = self._now_s()
        since_s, count = self._denials.pop(key, (now_s, 0))
        if now_s - since_s > self._denial_ttl_s:
            since_s, count = now_s, 0
        self._denials[key] = (since_s, count + 1)
        if len(self._denials) > self._denials_max:
            self._denials.popitem(last=False)

    def _suppressed(self, key: Key) -> bool:
        since_s, count = self._denials.get(key, (0.0, 0))
        return count >= self._denials_before_suppression and self._now_s() - since_s <= self._denial_ttl_s


async def with_fresh_membership(
    resolver: MembershipResolver, query: AccessQuery, work: Callable[[], Awaitable[T]]
) -> T:
    """Run `work`; on `MembershipUnknown` refresh the local copy and run it again, then raise its verdict."""
    try:
        return await work()
    except MembershipUnknown:
        await resolver.refresh(query)
    try:
        return await work()
    except MembershipUnknown as unknown:
        raise unknown.verdict from None
