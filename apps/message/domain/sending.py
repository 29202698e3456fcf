"""Drafts and how they become messages: permissions, repeated requests, numbers. Pure."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from uuid import UUID

from msgspec import Struct

from apps.message.domain.messages import (
    Channel,
    ChannelMembership,
    StoredMessage,
    message_not_found,
    not_text,
    require_member,
)
from shared.contracts import errors
from shared.contracts.clock import Ids
from shared.contracts.errors import ServiceError
from shared.contracts.fields import ChannelType, Role
from shared.contracts.file import Attachment
from shared.contracts.message import Message
from shared.membership.access import MembershipUnknown


class Draft(Struct, kw_only=True, frozen=True):
    """A message that a profile wants to send. Its request key is unique for the author in the channel."""

    channel_id: UUID
    profile_id: UUID
    content: str
    nonce: str | None
    request_key: str
    """`k:` and the digest of the Idempotency-Key, or `c:` and the id of the call."""
    fingerprint: bytes | None
    """SHA-256 of the request when an Idempotency-Key came with it."""
    deadline_ms: int
    """Milliseconds since the epoch."""
    correlation_id: str
    attachments: tuple[Attachment, ...] = ()
    attachments_error: ServiceError | None = None
    """The reply, unless this very message was sent before: a file may have been deleted since."""
    with_fresh_membership: bool = False
    """The server service was queried: our copy decides now, also against the author."""


class PriorState(Struct, kw_only=True):
    """The stored state of a draft's author and of the draft itself, as of the lock of its channel."""

    role: Role | None
    same_request: StoredMessage | None = None
    same_nonce: StoredMessage | None = None


class Deferral(Enum):
    """The reason why a draft cannot be decided in this batch."""

    LOCKED = "another transaction holds its channel"
    MEMBERSHIP_UNKNOWN = "our copy does not know its author as a member"


class SendResult(Struct, frozen=True):
    """The reply to a draft: 201 for a new message and for the same request again, 200 for a known nonce."""

    status: int
    message: Message


Decision = SendResult | ServiceError | Deferral


class NumberedMessage(Struct, frozen=True):
    """A message to be stored."""

    message: Message
    draft: Draft
    revision: int
    """The channel's messages_revision with this message."""


class Batch:
    """Decide drafts one after the other; the result of an earlier one counts for the later ones."""

    def __init__(
        self,
        channels: Mapping[UUID, Channel],
        locked_elsewhere: Container[UUID],
        now: datetime,
        ids: Ids,
    ) -> None:
        self.numbered: list[NumberedMessage] = []
        self._channels = channels
        self._locked_elsewhere = locked_elsewhere
        self._now = now
        self._now_ms = now.timestamp() * 1000
        self._ids = ids
        self._by_request: dict[tuple[UUID, UUID, str], StoredMessage] = {}
        self._by_nonce: dict[tuple[UUID, UUID, str], StoredMessage] = {}

    def decide_all(self, drafts: Iterable[Draft], prior_states: Sequence[PriorState]) -> list[Decision]:
        """Return the decisions in the order of the drafts; `numbered` holds the messages to store then."""
        return [self._decide(draft, prior) for draft, prior in zip(drafts, prior_states, strict=True)]

    def changed_channels(self) -> list[Channel]:
        """Return the channels that got messages, with their new counters."""
        changed = {numbered.message.channel_id for numbered in self.numbered}
        return [channel for channel in self._channels.values() if channel.id in changed]

    def _decide(self, draft: Draft, prior: PriorState) -> Decision:
        if draft.channel_id in self._locked_elsewhere:
            return Deferral.LOCKED
        if draft.deadline_ms < self._now_ms:
            return too_late()
        try:
            channel, _ = require_member(
                ChannelMembership(channel=self._channels.get(draft.channel_id), role=prior.role)
            )
        except MembershipUnknown as unknown:
            return unknown.verdict if draft.with_fresh_membership else Deferral.MEMBERSHIP_UNKNOWN
        except ServiceError as error:
            return error
        if channel.type is not ChannelType.TEXT:
            return not_text()
        return self._repeated(draft, prior) or draft.attachments_error or self._number(draft, channel)

    def _repeated(self, draft: Draft, prior: PriorState) -> Decision | None:
        """Return the reply if this very request, or this nonce, has made a message before.

        The request comes first: delivered twice, it gets the same reply twice. For a message that was deleted
        meanwhile the reply is `message.not_found`: its content is gone, and to send it once more would
        restore a message that its author or a moderator removed.
        """
        author = (draft.channel_id, draft.profile_id)
        if same := prior.same_request or self._by_request.get((*author, draft.request_key)):
            if same.fingerprint != draft.fingerprint and not same.deleted:
                return errors.IDEMPOTENCY_MISMATCH.exception("This key was used for another message before.")
            return _reply_of(same, 201)
        if draft.nonce is None:
            return None
        if same := prior.same_nonce or self._by_nonce.get((*author, draft.nonce)):
            return _reply_of(same, 200)
        return None

    def _number(self, draft: Draft, channel: Channel) -> Decision:
        channel.last_sequence += 1
        channel.messages_revision += 1
        message = Message(
            id=self._ids.new(),
            channel_id=draft.channel_id,
            server_id=channel.server_id,
            profile_id=draft.profile_id,
            sequence=channel.last_sequence,
            content=draft.content,
            nonce=draft.nonce,
            created_at=self._now,
            edited_at=None,
            attachments=draft.attachments,
        )
        self.numbered.append(NumberedMessage(message, draft, channel.messages_revision))
        self._remember(draft, StoredMessage(message=message, fingerprint=draft.fingerprint))
        return SendResult(201, message)

    def _remember(self, draft: Draft, stored: StoredMessage) -> None:
        self._by_request[draft.channel_id, draft.profile_id, draft.request_key] = stored
        if draft.nonce is not None:
            self._by_nonce[draft.channel_id, draft.profile_id, draft.nonce] = stored


def too_late() -> ServiceError:
    """Return the error for a draft that was not stored before its deadline."""
    return errors.MESH_TIMEOUT.exception("The deadline passed before the message could be stored.")


def _reply_of(stored: StoredMessage, status: int) -> Decision:
    return message_not_found() if stored.deleted else SendResult(status, stored.message)
