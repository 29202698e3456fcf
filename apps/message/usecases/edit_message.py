"""Edit a message."""

from apps.message.domain.messages import check_edit, edit, message_not_found, require_member
from apps.message.ports import UnitOfWork
from shared.contracts.clock import Clock
from shared.contracts.event import MESSAGE_UPDATED
from shared.contracts.message import EditMessage, Message


async def edit_message(request: EditMessage, unit: UnitOfWork, clock: Clock) -> Message:
    """Change the content of a message. Return the message as it is then.

    * Its author edits it, as long as they are a member; a deleted message is not found.
    * The content is trimmed. The same content again changes nothing and publishes nothing.
    * A change bumps the channel's `messages_revision` and is published as `message.updated`.
    """
    channel, _ = require_member(await unit.lock_membership(request.channel_id, request.profile_id))
    stored = await unit.message(request.channel_id, request.message_id)
    if stored is None or stored.deleted:
        raise message_not_found()
    check_edit(stored.message, request.profile_id)
    changed = edit(stored.message, request.content, clock.now())
    if changed is None:
        return stored.message
    revision = channel.messages_revision + 1
    await unit.change_content(changed, revision)
    await unit.publish(MESSAGE_UPDATED, channel.server_id, revision, changed)
    return changed
