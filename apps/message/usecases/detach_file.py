"""Remove a deleted file from the messages that show it."""

from apps.message.domain.messages import without_attachment
from apps.message.ports import UnitOfWork, UnitOfWorkFactory
from shared.contracts.clock import Clock
from shared.contracts.event import MESSAGE_UPDATED, FileDeleted

BATCH_SIZE = 100
"""Messages changed in one transaction."""


async def detach_file(deleted: FileDeleted, units: UnitOfWorkFactory, clock: Clock) -> None:
    """Remove the file from the messages of its channel.

    * The deletion is stored under the channel's lock: a send in progress leaves the file out.
    * A change bumps the channel's `messages_revision` and is published as `message.updated`. It is no edit.
    * The same event again changes nothing.
    """
    more = True
    while more:
        async with units.transaction() as unit:
            more = await _detach_batch(deleted, unit, clock)


async def _detach_batch(deleted: FileDeleted, unit: UnitOfWork, clock: Clock) -> bool:
    """Change the next messages; return True if more may show the file."""
    channel = await unit.lock_channel(deleted.channel_id)
    await unit.add_deleted_file(deleted.id, clock.now())
    if channel is None or channel.deleted:
        return False
    messages = await unit.messages_with_file(deleted.channel_id, deleted.id, BATCH_SIZE)
    for revision, message in enumerate(messages, channel.messages_revision + 1):
        changed = without_attachment(message, deleted.id)
        await unit.change_attachments(changed, revision)
        await unit.publish(MESSAGE_UPDATED, channel.server_id, revision, changed)
    return len(messages) == BATCH_SIZE
