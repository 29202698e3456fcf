"""Read one message."""

from apps.message.domain.messages import message_not_found, require_member
from apps.message.ports import UnitOfWork
from shared.contracts.message import Message, OfMessage


async def get_message(request: OfMessage, unit: UnitOfWork) -> Message:
    """Return the message. Only members read; a deleted message is not found."""
    require_member(await unit.membership(request.channel_id, request.profile_id))
    stored = await unit.message(request.channel_id, request.message_id)
    if stored is None or stored.deleted:
        raise message_not_found()
    return stored.message
