"""A file was deleted: no message shows it any longer."""

from apps.message.domain.messages import without_attachment
from apps.message.ports import UnitOfWork, UnitOfWorkFactory
from shared.contracts.clock import Clock
from shared.contracts.event import MESSAGE_UPDATED, FileDeleted

PIECE = 100
"""Messages changed in one transaction."""


async def detach_file(gone: FileDeleted, work: UnitOfWorkFactory, clock: Clock) -> None:
    """Take the file from the messages of its channel.

    * It is remembered as deleted under the channel's lock: a message that is on its way goes without it.
    * Each change bumps the channel's `messages_revision` and is told by `message.updated`. It is no edit.
    * The same again changes nothing.
    """
    more = True
    while more:
        async with work.transaction() as unit:
            more = await _detach_piece(gone, unit, clock)


async def _detach_piece(gone: FileDeleted, unit: UnitOfWork, clock: Clock) -> bool:
    channel = await unit.lock_channel(gone.channel_id)
    await unit.note_deleted_file(gone.id, clock.now())
    if channel is None or channel.deleted:
        return False
    messages = await unit.messages_with(gone.channel_id, gone.id, PIECE)
    for revision, message in enumerate(messages, channel.messages_revision + 1):
        changed = without_attachment(message, gone.id)
        await unit.change_attachments(changed, revision)
        await unit.publish(MESSAGE_UPDATED, channel.server_id, revision, changed)
    return len(messages) == PIECE
