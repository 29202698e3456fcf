"""Messages in channels: what is stored, how messages are numbered, who may do what. Pure."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from shared.contracts import errors
from shared.contracts.errors import FieldError, ServiceError
from shared.contracts.fields import ChannelType, Role
from shared.contracts.message import Message, ReadHistory
from shared.contracts.validation import validation_failed
from shared.membership.access import MembershipUnknown, channel_not_found

SIDES = ("before", "after", "around", "cursor")
"""The bounds of a page of history; at most one of them may be given."""
_MAY_DELETE_ALL = frozenset({Role.ADMIN, Role.MODERATOR})


class Channel(Struct, kw_only=True):
    """A channel as this service knows it. `type` is null in the tombstone of one never seen alive."""

    id: UUID
    server_id: UUID
    type: ChannelType | None
    deleted: bool
    last_sequence: int = 0
    messages_revision: int = 0
    """Counts what ever happened to the channel's messages; the revision of their events."""


class Stored(Struct, kw_only=True):
    """A message as stored; a deleted one is a tombstone: it keeps its id and number, its content is gone."""

    message: Message
    deleted: bool = False
    fingerprint: bytes | None = None
    """SHA-256 of the request, when an Idempotency-Key came with it; a tombstone has none."""
    deleting_call: str | None = None
    """The call that deleted it: the same call, delivered twice, is answered the same twice."""


class ChannelMembership(Struct, kw_only=True, frozen=True):
    """What our copy knows about a profile in a channel."""

    channel: Channel | None
    role: Role | None


def message_not_found() -> ServiceError:
    """The answer for an unknown and for a deleted message alike."""
    return errors.MESSAGE_NOT_FOUND.exception("There is no message with this id in this channel.")


def not_text() -> ServiceError:
    """The answer for a channel that carries voice or video."""
    return errors.CHANNEL_NOT_TEXT.exception("Messages live in TEXT channels only.")


def trimmed(content: str) -> str:
    """Content without white space around it; its contract has checked that something remains."""
    return content.strip()


def admit(gate: ChannelMembership) -> tuple[Channel, Role]:
    """The channel and the role of a member.

    Raises `channel.not_found` for a deleted channel, which never comes back, and Unsure when the channel or
    the membership is unknown here.
    """
    if gate.channel is None or gate.role is None:
        if gate.channel is not None and gate.channel.deleted:
            raise channel_not_found()
        raise MembershipUnknown(channel_not_found())
    if gate.channel.deleted:
        raise channel_not_found()
    return gate.channel, gate.role


def check_attachments(file_ids: Sequence[UUID]) -> None:
    """Each file once; raises `validation.failed`."""
    if len(set(file_ids)) < len(file_ids):
        raise validation_failed((FieldError("attachments", "must not name a file twice"),))


def without_attachment(message: Message, file_id: UUID) -> Message:
    """The message after one of its files was deleted."""
    left = tuple(attachment for attachment in message.attachments if attachment.id != file_id)
    return replace(message, attachments=left)


def check_edit(message: Message, profile_id: UUID) -> None:
    """Only its author edits a message; raises `permission.denied`."""
    if message.profile_id != profile_id:
        raise errors.PERMISSION_DENIED.exception("Only its author may edit a message.")


def check_delete(message: Message, profile_id: UUID, role: Role) -> None:
    """Its author, an ADMIN or a MODERATOR deletes a message.

    Raises Unsure, because a role that was just given may not be known here yet.
    """
    if message.profile_id != profile_id and role not in _MAY_DELETE_ALL:
        detail = f"Deleting others' messages takes the role ADMIN or MODERATOR; yours is {role}."
        raise MembershipUnknown(errors.PERMISSION_DENIED.exception(detail))


def edited(message: Message, content: str, now: datetime) -> Message | None:
    """The message with its new content; None when that changes nothing."""
    content = trimmed(content)
    if content == message.content:
        return None
    message.content = content
    message.edited_at = now
    return message


class Window(Struct, frozen=True, kw_only=True):
    """Which part of a history is asked for: `older` messages before the anchor, `newer` ones after it.

    Without an anchor the newest ones count as older.
    """

    anchor: UUID | None
    older: int
    newer: int
    itself: bool

    def cut(self, messages: Sequence[Message], anchor: int | None) -> tuple[list[Message], bool]:
        """What is shown of these messages, the newest first, and whether there are older ones than those.

        `messages`, the newest first too, are at least the window, the anchor and the next older one, as far
        as they exist; `anchor` is the anchor's sequence.
        """
        if anchor is None:
            shown = list(messages[: self.older])
        else:
            newer = [message for message in messages if message.sequence > anchor]
            older = [message for message in messages if message.sequence < anchor]
            itself = [message for message in messages if self.itself and message.sequence == anchor]
            shown = [*newer[max(0, len(newer) - self.newer) :], *itself, *older[: self.older]]
        return shown, bool(shown) and messages[-1].sequence < shown[-1].sequence


def window(request: ReadHistory) -> Window:
    """The part of the history that a request asks for.

    Of an `around` page of n, one is the message itself and the others lie half on each side (one more on the
    older side when n is even). Raises `validation.failed` naming all bounds when more than one is given.
    """
    given = [side for side in SIDES if getattr(request, side) is not None]
    if len(given) > 1:
        rule = f"only one of {', '.join(SIDES)} may be given"
        raise validation_failed(FieldError(side, rule) for side in given)
    limit = request.limit
    if request.around is not None:
        return Window(anchor=request.around, older=limit // 2, newer=(limit - 1) // 2, itself=True)
    if request.after is not None:
        return Window(anchor=request.after, older=0, newer=limit, itself=False)
    return Window(anchor=request.before or request.cursor, older=limit, newer=0, itself=False)


def page_next(items: Sequence[Message], has_older: bool) -> str | None:
    """The cursor of a page: its oldest message's id, when older ones exist."""
    return str(items[-1].id) if items and has_older else None
