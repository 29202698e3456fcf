"""Messages in channels, and the permissions to change them. Pure."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from shared.contracts import errors
from shared.contracts.errors import FieldError, ServiceError
from shared.contracts.fields import ChannelType, Role
from shared.contracts.message import Message
from shared.contracts.validation import validation_failed
from shared.membership.access import MembershipUnknown, channel_not_found

_MAY_DELETE_ALL = frozenset({Role.ADMIN, Role.MODERATOR})


class Channel(Struct, kw_only=True):
    """A channel as this service knows it. `type` is null in the tombstone of one never seen alive."""

    id: UUID
    server_id: UUID
    type: ChannelType | None
    deleted: bool
    last_sequence: int = 0
    messages_revision: int = 0
    """The number of changes to the channel's messages; the revision of their events."""


class StoredMessage(Struct, kw_only=True):
    """A message as stored; a deleted one is a tombstone: it keeps its id and number, its content is gone."""

    message: Message
    deleted: bool = False
    fingerprint: bytes | None = None
    """SHA-256 of the request, when an Idempotency-Key came with it; a tombstone has none."""
    deleting_call: str | None = None
    """The call that deleted it: the same call, delivered twice, gets the same reply twice."""


class ChannelMembership(Struct, kw_only=True, frozen=True):
    """A channel and a profile's role in it, as far as our copy knows them."""

    channel: Channel | None
    role: Role | None


def message_not_found() -> ServiceError:
    """Return the error for an unknown and for a deleted message alike."""
    return errors.MESSAGE_NOT_FOUND.exception("There is no message with this id in this channel.")


def not_text() -> ServiceError:
    """Return the error for a channel that carries voice or video."""
    return errors.CHANNEL_NOT_TEXT.exception("Messages live in TEXT channels only.")


def trim(content: str) -> str:
    """Return the content without white space around it; its contract has checked that something remains."""
    return content.strip()


def require_member(membership: ChannelMembership) -> tuple[Channel, Role]:
    """Return the channel and the role of a member.

    Raises `channel.not_found` for a deleted channel, which never comes back, and MembershipUnknown when our
    copy has no such channel or member.
    """
    channel, role = membership.channel, membership.role
    if channel is None or (role is None and not channel.deleted):
        raise MembershipUnknown(channel_not_found())
    if channel.deleted or role is None:
        raise channel_not_found()
    return channel, role


def check_attachments(file_ids: Sequence[UUID]) -> None:
    """Raise `validation.failed` if a file is named twice."""
    if len(set(file_ids)) < len(file_ids):
        raise validation_failed((FieldError("attachments", "must not name a file twice"),))


def without_attachment(message: Message, file_id: UUID) -> Message:
    """Return the message without a file that was deleted."""
    remaining = tuple(attachment for attachment in message.attachments if attachment.id != file_id)
    return replace(message, attachments=remaining)


def check_edit(message: Message, profile_id: UUID) -> None:
    """Raise `permission.denied` if the profile is not the author of the message."""
    if message.profile_id != profile_id:
        raise errors.PERMISSION_DENIED.exception("Only its author may edit a message.")


def check_delete(message: Message, profile_id: UUID, role: Role) -> None:
    """Raise MembershipUnknown if the profile is neither the author nor an ADMIN or MODERATOR.

    A role that was just given may not be known here yet; its verdict is `permission.denied`.
    """
    if message.profile_id != profile_id and role not in _MAY_DELETE_ALL:
        detail = f"Deleting others' messages takes the role ADMIN or MODERATOR; yours is {role}."
        raise MembershipUnknown(errors.PERMISSION_DENIED.exception(detail))


def edit(message: Message, content: str, now: datetime) -> Message | None:
    """Return the message with its new content, trimmed; None when that changes nothing."""
    content = trim(content)
    if content == message.content:
        return None
    return replace(message, content=content, edited_at=now)
