"""Delete a message."""

from apps.message.domain.messages import admit, check_delete, message_not_found
from apps.message.ports import UnitOfWork
from shared.contracts.clock import Clock
from shared.contracts.event import MESSAGE_DELETED, MessageDeleted
from shared.contracts.message import OfMessage


async def delete_message(request: OfMessage, call_id: str, unit: UnitOfWork, clock: Clock) -> None:
    """Leave a tombstone in the place of the message.

    * Its author deletes it, an ADMIN or a MODERATOR; all as long as they are members.
    * Its content is gone; its id still works as a cursor, its sequence is not used again.
    * A deleted message is not found, unless this very call deleted it and was delivered twice.
    * It bumps the channel's `messages_revision` and is told by `message.deleted`.
    """
    channel, role = admit(await unit.gate(request.channel_id, request.profile_id, lock=True))
    stored = await unit.message(request.channel_id, request.message_id)
    if stored is not None and stored.deleted and stored.deleting_call == call_id:
        return
    if stored is None or stored.deleted:
        raise message_not_found()
    message = stored.message
    check_delete(message, request.profile_id, role)
    revision = channel.messages_revision + 1
    gone = MessageDeleted(
        id=message.id, channel_id=channel.id, server_id=channel.server_id, sequence=message.sequence
    )
    await unit.bury(message, call_id, clock.now(), revision)
    await unit.publish(MESSAGE_DELETED, channel.server_id, revision, gone)
