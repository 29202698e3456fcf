"""Delete a message."""

from apps.message.domain.messages import check_delete, message_not_found, require_member
from apps.message.ports import UnitOfWork
from shared.contracts.clock import Clock
from shared.contracts.event import MESSAGE_DELETED, MessageDeleted
from shared.contracts.message import OfMessage


async def delete_message(request: OfMessage, unit: UnitOfWork, call_id: str, clock: Clock) -> None:
    """Replace the message by a tombstone.

    * Its author, an ADMIN or a MODERATOR deletes it, as long as they are members.
    * Its content is gone; its id still works as a cursor, its sequence is not used again.
    * A deleted message is not found, unless this very call deleted it and was delivered twice.
    * The deletion bumps the channel's `messages_revision` and is published as `message.deleted`.
    """
    channel, role = require_member(await unit.lock_membership(request.channel_id, request.profile_id))
    stored = await unit.message(request.channel_id, request.message_id)
    if stored is not None and stored.deleted and stored.deleting_call == call_id:
        return
    if stored is None or stored.deleted:
        raise message_not_found()
    message = stored.message
    check_delete(message, request.profile_id, role)
    revision = channel.messages_revision + 1
    deleted = MessageDeleted(
        id=message.id, channel_id=channel.id, server_id=channel.server_id, sequence=message.sequence
    )
    await unit.mark_deleted(message, call_id, clock.now(), revision)
    await unit.publish(MESSAGE_DELETED, channel.server_id, revision, deleted)
