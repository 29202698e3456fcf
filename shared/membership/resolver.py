"""Ask the server service who may do what, when our own copy of the members does not say yes."""

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
    """Who wants to know, until when (milliseconds since the epoch), and under which correlation id."""

    channel_id: UUID
    profile_id: UUID
    deadline_ms: int
    correlation_id: str

    @property
    def key(self) -> Key:
        """What is asked about."""
        return (self.channel_id, self.profile_id)


class MembershipResolver:
    """Asks, stores the answer, and shares one call among all who want to know the same at once.

    * An answer is stored beside what events brought meanwhile, the newer fact wins; who asked reads it there.
    * A no holds for those who wanted to know before it was asked for: who has just joined may post at once.
    * Who was told no ten times in a second is not asked for again before that second is over.
    * The calls under way and the noes remembered are bounded.
    """

    def __init__(
        self,
        directory: MembershipDirectory,
        facts: MembershipStore,
        clock: Clock,
        *,
        calls_max: int = 4096,
        calls_at_once: int = 128,
        noes_max: int = 10_000,
        noes_before_silence: int = 10,
        memory_s: float = 1.0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._facts = facts
        self._clock = clock
        self._calls_max = calls_max
        self._noes_max = noes_max
        self._noes_before_silence = noes_before_silence
        self._memory_s = memory_s
        self._now_s = now_s
        self._calls: dict[Key, tuple[int, asyncio.Task[bool]]] = {}
        self._begun = 0
        self._at_once = asyncio.Semaphore(calls_at_once)
        self._noes: OrderedDict[Key, tuple[float, int]] = OrderedDict()

    async def learn(self, asker: AccessQuery) -> None:
        """Bring our copy up to date. Raises `channel.not_found` for a no, `mesh.busy`, `mesh.timeout`."""
        begun_before = self._begun
        while True:
            if self._silenced(asker.key):
                raise channel_not_found()
            number, call = self._calls.get(asker.key) or self._start(asker)
            answer = await self._wait(call, asker)
            if answer:
                return
            if answer is False and number > begun_before:
                raise channel_not_found()

    async def _wait(self, call: "asyncio.Task[bool]", asker: AccessQuery) -> bool | None:
        """The answer of a shared call; None when its deadline passed before that of the asker."""
        try:
            async with asyncio.timeout(self._remaining_s(asker)):
                return await asyncio.shield(call)
        except TimeoutError:
            raise MESH_TIMEOUT.exception(
                "It could not be found out in time whether you may see it."
            ) from None
        except ServiceError as error:
            if error.kind is MESH_TIMEOUT and self._remaining_s(asker) > 0.05:
                return None
            raise

    def _remaining_s(self, asker: AccessQuery) -> float:
        return asker.deadline_ms / 1000 - self._clock.now().timestamp()

    def _start(self, asker: AccessQuery) -> "tuple[int, asyncio.Task[bool]]":
        if len(self._calls) >= self._calls_max:
            raise MESH_BUSY.exception("Too many memberships are being asked for.")
        call = asyncio.create_task(self._ask(asker))
        self._begun += 1
        self._calls[asker.key] = (self._begun, call)
        call.add_done_callback(lambda done: self._finished(asker.key, done))
        return self._begun, call

    def _finished(self, key: Key, call: "asyncio.Task[bool]") -> None:
        del self._calls[key]
        if not call.cancelled():
            call.exception()  # nobody may be waiting for it any longer

    async def _ask(self, asker: AccessQuery) -> bool:
        async with self._at_once:
            try:
                access = await self._directory.access(
                    asker.channel_id, asker.profile_id, asker.deadline_ms, asker.correlation_id
                )
            except ServiceError as error:
                if error.kind is not CHANNEL_NOT_FOUND:
                    raise
                self._remember_no(asker.key)
                return False
            await self._facts.access(access, asker.profile_id)
        if access.role is None:
            self._remember_no(asker.key)
        return access.role is not None

    def _remember_no(self, key: Key) -> None:
        now_s = self._now_s()
        since_s, noes = self._noes.pop(key, (now_s, 0))
        if now_s - since_s > self._memory_s:
            since_s, noes = now_s, 0
        self._noes[key] = (since_s, noes + 1)
        if len(self._noes) > self._noes_max:
            self._noes.popitem(last=False)

    def _silenced(self, key: Key) -> bool:
        since_s, noes = self._noes.get(key, (0.0, 0))
        return noes >= self._noes_before_silence and self._now_s() - since_s <= self._memory_s


async def with_fresh_membership(
    learn: MembershipResolver, asker: AccessQuery, work: Callable[[], Awaitable[T]]
) -> T:
    """Do `work`; when it is Unsure, ask the server service once and do it again. Then its verdict counts."""
    try:
        return await work()
    except MembershipUnknown:
        await learn.learn(asker)
    try:
        return await work()
    except MembershipUnknown as unsure:
        raise unsure.verdict from None
