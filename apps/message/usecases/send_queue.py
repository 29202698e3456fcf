"""Keep a batch of sends moving: what can not be decided in it waits beside it and holds up nobody else."""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from uuid import UUID

from msgspec import Struct

from apps.message.domain.sending import Decision, Deferral, Draft, SendResult, too_late
from apps.message.ports import Sending, StillLocked
from apps.message.usecases.send_message import send_messages
from shared.contracts.clock import Clock, Ids
from shared.contracts.errors import INTERNAL_ERROR, MESH_BUSY, ServiceError
from shared.membership.resolver import AccessQuery, Key, MembershipResolver

log = logging.getLogger(__name__)

Settled = SendResult | ServiceError

_PAUSES_S = (0.02, 0.1, 0.5)
"""Between the tries after the database was away. Each try looks up first what the one before it stored."""


class QueueLimits(Struct, frozen=True, kw_only=True):
    """How much may wait beside the batches."""

    waiting_max: int = 2048
    """Drafts that wait; more are busy."""
    lane_batch_max: int = 256
    """Drafts of one channel that are written at once."""
    lanes_at_work: int = 4
    """Channels that wait for their lock at once, each with a connection."""


class _Waiting(Struct):
    draft: Draft
    settled: "asyncio.Future[Settled]"


_Line = deque[_Waiting]


class SendQueue:
    """Writes drafts, many at once.

    * A channel that is locked elsewhere gets a lane of its own, which waits for the lock; all later drafts of
      that channel queue there, until it is empty.
    * A draft whose author is not known as a member waits while the server service is asked; later drafts of
      the same author in the same channel queue behind it. Then they go to the front of their channel's lane.
    * When the data of one draft make a batch fail, it is halved until that draft fails alone.
    * When the connection is lost, everything is tried again: the request keys tell what was stored.
    """

    def __init__(
        self,
        sending: Sending,
        learn: MembershipResolver,
        clock: Clock,
        ids: Ids,
        limits: QueueLimits | None = None,
    ) -> None:
        self._sending = sending
        self._learn = learn
        self._clock = clock
        self._ids = ids
        self._limits = limits or QueueLimits()
        self._lanes: dict[UUID, _Line] = {}
        self._asking: dict[Key, _Line] = {}
        self._at_work = asyncio.Semaphore(self._limits.lanes_at_work)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0

    async def send(self, drafts: Sequence[Draft]) -> "list[Settled | asyncio.Future[Settled]]":
        """An outcome for each draft, in their order; a future of it for those that were put aside."""
        lines = [self._line_of(draft) for draft in drafts]
        straight = [draft for draft, line in zip(drafts, lines, strict=True) if line is None]
        behind = [
            None if line is None else self._wait_in(line, draft)
            for draft, line in zip(drafts, lines, strict=True)
        ]
        decisions = zip(straight, await self._write(straight, wait=False), strict=True)
        return [self._outcome(*next(decisions)) if waiting is None else waiting for waiting in behind]

    async def close(self) -> None:
        """Give up what waits."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _outcome(self, draft: Draft, decision: Decision) -> "Settled | asyncio.Future[Settled]":
        if isinstance(decision, Deferral):
            return self._wait_in(self._line_for(draft, decision), draft)
        return decision

    def _wait_in(self, line: _Line, draft: Draft) -> "Settled | asyncio.Future[Settled]":
        if self._waiting >= self._limits.waiting_max:
            return MESH_BUSY.exception("Too many messages wait for their channel or their author.")
        settled: asyncio.Future[Settled] = asyncio.get_running_loop().create_future()
        self._waiting += 1
        settled.add_done_callback(self._left)
        line.append(_Waiting(draft, settled))
        return settled

    def _left(self, _: object) -> None:
        self._waiting -= 1

    def _line_of(self, draft: Draft) -> _Line | None:
        """The line that a draft must queue in, if there is one."""
        line = self._asking.get((draft.channel_id, draft.profile_id))
        return self._lanes.get(draft.channel_id) if line is None else line

    def _line_for(self, draft: Draft, hold: Deferral) -> _Line:
        return self._lane_of(draft.channel_id) if hold is Deferral.LOCKED else self._asking_of(draft)

    def _lane_of(self, channel_id: UUID) -> _Line:
        if channel_id not in self._lanes:
            self._lanes[channel_id] = deque()
            self._begin(self._work_lane(channel_id, self._lanes[channel_id]))
        return self._lanes[channel_id]

    def _asking_of(self, draft: Draft) -> _Line:
        key = (draft.channel_id, draft.profile_id)
        if key not in self._asking:
            self._asking[key] = deque()
            self._begin(self._work_asking(key, self._asking[key]))
        return self._asking[key]

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work_lane(self, channel_id: UUID, line: _Line) -> None:
        while line:
            async with self._at_work:
                await self._write_lane(line, self._take(line))
        del self._lanes[channel_id]

    async def _write_lane(self, line: _Line, batch: list[_Waiting]) -> None:
        decisions = await self._write([waiting.draft for waiting in batch], wait=True)
        locked = []
        for waiting, decision in zip(batch, decisions, strict=True):
            if decision is Deferral.LOCKED:
                locked.append(waiting)
            elif decision is Deferral.UNSURE:
                self._asking_of(waiting.draft).append(waiting)
            else:
                _settle(waiting, decision)
        line.extendleft(reversed(locked))

    def _take(self, line: _Line) -> list[_Waiting]:
        """The next of a lane that somebody still waits for, without those whose author is being asked for."""
        batch: list[_Waiting] = []
        now_ms = self._now_ms()
        while line and len(batch) < self._limits.lane_batch_max:
            waiting = line.popleft()
            asking = self._asking.get((waiting.draft.channel_id, waiting.draft.profile_id))
            if asking is not None:
                asking.append(waiting)
            elif _alive(waiting, now_ms):
                batch.append(waiting)
        return batch

    async def _work_asking(self, key: Key, line: _Line) -> None:
        while line:
            now_ms = self._now_ms()
            asked = [waiting for waiting in line if _alive(waiting, now_ms)]
            line.clear()
            if not asked:
                continue
            refusal = await self._ask(max(asked, key=lambda waiting: waiting.draft.deadline_ms).draft)
            for waiting in asked:
                waiting.draft.with_fresh_membership = True
                if refusal is not None:
                    _settle(waiting, refusal)
            if refusal is None:
                self._lane_of(key[0]).extendleft(reversed([*asked, *line]))
                line.clear()
        del self._asking[key]

    async def _ask(self, draft: Draft) -> ServiceError | None:
        """None when our copy has been brought up to date."""
        asker = AccessQuery(draft.channel_id, draft.profile_id, draft.deadline_ms, draft.correlation_id)
        try:
            await self._learn.learn(asker)
        except ServiceError as error:
            return error
        except Exception:
            log.exception("a membership could not be learned")
            return _internal_error()
        return None

    def _now_ms(self) -> float:
        return self._clock.now().timestamp() * 1000

    async def _write(self, drafts: Sequence[Draft], *, wait: bool) -> list[Decision]:
        """A decision for each draft; never raises."""
        pauses_s = iter(_PAUSES_S)
        while drafts:
            try:
                async with self._sending.transaction() as unit:
                    return await send_messages(drafts, unit, self._clock, self._ids, wait=wait)
            except StillLocked:
                return [Deferral.LOCKED] * len(drafts)
            except ServiceError as busy:
                pause_s = next(pauses_s, None)
                if pause_s is None or not _in_time(drafts, self._now_ms() + pause_s * 1000):
                    return [busy] * len(drafts)
                await asyncio.sleep(pause_s)
            except Exception:
                if len(drafts) == 1:
                    log.exception("a message could not be stored")
                    return [_internal_error()]
                return await self._write_halves(drafts, wait=wait)
        return []

    async def _write_halves(self, drafts: Sequence[Draft], *, wait: bool) -> list[Decision]:
        first, second = drafts[: len(drafts) // 2], drafts[len(drafts) // 2 :]
        decisions = await self._write(first, wait=wait)
        # What is held up in the first half must not be overtaken by the second.
        held = {
            draft.channel_id for draft, it in zip(first, decisions, strict=True) if isinstance(it, Deferral)
        }
        rest = iter(await self._write([draft for draft in second if draft.channel_id not in held], wait=wait))
        return [
            *decisions,
            *(Deferral.LOCKED if draft.channel_id in held else next(rest) for draft in second),
        ]


def _settle(waiting: _Waiting, outcome: Settled) -> None:
    if not waiting.settled.done():
        waiting.settled.set_result(outcome)


def _alive(waiting: _Waiting, now_ms: float) -> bool:
    """Whether somebody still waits for it; what came too late is settled."""
    if waiting.draft.deadline_ms <= now_ms:
        _settle(waiting, too_late())
    return not waiting.settled.done()


def _in_time(drafts: Iterable[Draft], begin_ms: float) -> bool:
    return any(draft.deadline_ms > begin_ms for draft in drafts)


def _internal_error() -> ServiceError:
    return INTERNAL_ERROR.exception("The message could not be stored.")
