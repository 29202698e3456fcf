"""Send messages: all that queued up, in one transaction."""

from collections.abc import Sequence
from uuid import UUID

from apps.message.domain.sending import Batch, Decision, Draft
from apps.message.ports import SendUnit
from shared.contracts.clock import Clock, Ids


async def send_messages(
    drafts: Sequence[Draft], unit: SendUnit, clock: Clock, ids: Ids, *, wait: bool = False
) -> list[Decision]:
    """Number and store the drafts; gives a decision for each, in their order.

    * The channels are locked first; what is known is read afterwards, so that nothing committed meanwhile is
      missed.
    * Only members of the channel's server send; a deleted channel is not found; only TEXT channels take
      messages.
    * The same request again gives the first message with 201, the same nonce of the same author with 200.
    * Within a channel the messages are numbered from 1 without gaps, in the order in which they were asked.
    * With each message its event is stored, and the channel's `messages_revision` goes up by one.
    * What nobody waits for any longer by the time the locks are held is not stored.
    * A file that was deleted since it was asked about is left out.
    * A channel that is locked elsewhere holds up its own drafts only (without `wait`).
    """
    locked = await unit.lock({draft.channel_id for draft in drafts}, wait=wait)
    known = await unit.known(drafts, locked.channels)
    if attached := {file.id for draft in drafts for file in draft.attachments}:
        _leave_out(drafts, await unit.deleted_files(attached))
    batch = Batch(locked.channels, locked.elsewhere, clock.now(), ids)
    decisions = batch.decide_all(drafts, known)
    if batch.new:
        await unit.add(batch.new, batch.changed_channels())
    return decisions


def _leave_out(drafts: Sequence[Draft], deleted: frozenset[UUID]) -> None:
    for draft in drafts:
        if draft.attachments and deleted:
            draft.attachments = tuple(file for file in draft.attachments if file.id not in deleted)
