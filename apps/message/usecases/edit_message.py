"""Edit a message."""

from apps.message.domain.messages import admit, check_edit, edited, message_not_found
from apps.message.ports import UnitOfWork
from shared.contracts.clock import Clock
from shared.contracts.event import MESSAGE_UPDATED
from shared.contracts.message import EditMessage, Message


async def edit_message(request: EditMessage, unit: UnitOfWork, clock: Clock) -> Message:
    """The message with its new content.

    * Its author edits it, as long as he is a member; a deleted message is not found.
    * The content is trimmed. The same content again changes nothing and says nothing.
    * A change bumps the channel's `messages_revision` and is told by `message.updated`.
    """
    gate = await unit.gate(request.channel_id, request.profile_id, lock=True)
    channel, _ = admit(gate)
    stored = await unit.message(request.channel_id, request.message_id)
    if stored is None or stored.deleted:
        raise message_not_found()
    check_edit(stored.message, request.profile_id)
    changed = edited(stored.message, request.content, clock.now())
    if changed is None:
        return stored.message
    revision = channel.messages_revision + 1
    await unit.change(changed, revision)
    await unit.publish(MESSAGE_UPDATED, channel.server_id, revision, changed)
    return changed
