"""Send messages: number and store a batch of drafts in one transaction."""

import asyncio
import logging
from collections.abc import Sequence

from msgspec.structs import replace

from apps.message.domain.sending import Batch, Decision, Deferral, Draft
from apps.message.ports import LockTimeout, SendUnitOfWork, SendUnitOfWorkFactory
from shared.contracts.clock import Clock, Ids
from shared.contracts.errors import INTERNAL_ERROR, ServiceError

log = logging.getLogger(__name__)

_PAUSES_S = (0.02, 0.1, 0.5)
"""Pauses between the attempts while the database is away."""


async def send_messages(
    drafts: Sequence[Draft], unit: SendUnitOfWork, clock: Clock, ids: Ids, *, wait: bool = False
) -> list[Decision]:
    """Assign numbers to the drafts and store them. Return a decision for each, in their order.

    * The channels are locked first; prior state is read afterwards, so that it includes everything committed
      until then.
    * Only members of the channel's server send; a deleted channel is not found; only TEXT channels take
      messages.
    * The same request again returns the first message with 201, the same nonce of the same author with 200.
    * Within a channel the messages are numbered from 1 without gaps, in the order of the requests.
    * With each message its event is stored, and the channel's `messages_revision` goes up by one.
    * A draft whose deadline has passed by the time the locks are held is not stored.
    * A file that was deleted since the file service described it is left out.
    * A channel that another transaction holds defers its own drafts only. With `wait` its lock is waited for:
      raises LockTimeout.
    """
    locked = await unit.lock({draft.channel_id for draft in drafts}, wait=wait)
    prior_states = await unit.prior_states(drafts, locked.channels)
    if any(draft.attachments for draft in drafts):
        drafts = await _without_deleted_files(drafts, unit)
    batch = Batch(locked.channels, locked.elsewhere, clock.now(), ids)
    decisions = batch.decide_all(drafts, prior_states)
    if batch.numbered:
        await unit.add(batch.numbered, batch.changed_channels())
    return decisions


async def _without_deleted_files(drafts: Sequence[Draft], unit: SendUnitOfWork) -> list[Draft]:
    deleted = await unit.deleted_files({file.id for draft in drafts for file in draft.attachments})
    return [
        replace(draft, attachments=tuple(file for file in draft.attachments if file.id not in deleted))
        if draft.attachments
        else draft
        for draft in drafts
    ]


class BatchWriter:
    """Write batches of drafts, each in one transaction. Turn every failure into decisions.

    * After a lost connection the batch is tried again: its request keys show whether it was stored.
    * A batch that fails because of the data of one draft is bisected until that draft fails alone.
    """

    def __init__(self, unit_of_work: SendUnitOfWorkFactory, clock: Clock, ids: Ids) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._ids = ids

    async def write(self, drafts: Sequence[Draft], *, wait: bool) -> list[Decision]:
        """Return a decision for each draft, in their order. With `wait` their channels' locks are waited for.

        Never raises: database errors become `mesh.busy`, other errors `internal.error`.
        """
        pauses_s = iter(_PAUSES_S)
        while drafts:
            try:
                async with self._unit_of_work.transaction() as unit:
                    return await send_messages(drafts, unit, self._clock, self._ids, wait=wait)
            except LockTimeout:
                return [Deferral.LOCKED] * len(drafts)
            except ServiceError as busy:
                pause_s = next(pauses_s, None)
                if pause_s is None or not self._is_in_time(drafts, pause_s):
                    return [busy] * len(drafts)
                await asyncio.sleep(pause_s)
            except Exception:
                if len(drafts) == 1:
                    log.exception("a message could not be stored")
                    return [INTERNAL_ERROR.exception("The message could not be stored.")]
                return await self._bisect(drafts, wait=wait)
        return []

    async def _bisect(self, drafts: Sequence[Draft], *, wait: bool) -> list[Decision]:
        first, second = drafts[: len(drafts) // 2], drafts[len(drafts) // 2 :]
        decisions = await self.write(first, wait=wait)
        # A draft of the second half must not overtake a deferred one of the same channel in the first.
        deferred = {
            draft.channel_id
            for draft, decision in zip(first, decisions, strict=True)
            if isinstance(decision, Deferral)
        }
        writable = [draft for draft in second if draft.channel_id not in deferred]
        written = iter(await self.write(writable, wait=wait))
        return [
            *decisions,
            *(Deferral.LOCKED if draft.channel_id in deferred else next(written) for draft in second),
        ]

    def _is_in_time(self, drafts: Sequence[Draft], pause_s: float) -> bool:
        resume_ms = (self._clock.now().timestamp() + pause_s) * 1000
        return any(draft.deadline_ms > resume_ms for draft in drafts)
