"""How drafts become messages: who is let in, what is known already, who gets which number. Pure."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from uuid import UUID

from msgspec import Struct

from apps.message.domain.messages import (
    Channel,
    ChannelMembership,
    Stored,
    admit,
    message_not_found,
    not_text,
)
from shared.contracts import errors
from shared.contracts.clock import Ids
from shared.contracts.errors import ServiceError
from shared.contracts.fields import ChannelType, Role
from shared.contracts.file import Attachment
from shared.contracts.message import Message
from shared.membership.access import MembershipUnknown


class Draft(Struct, kw_only=True):
    """A message that someone wants to send. Its request key is unique for the author in the channel."""

    channel_id: UUID
    profile_id: UUID
    content: str
    nonce: str | None
    request_key: str
    """`k:` and the digest of the Idempotency-Key, or `c:` and the id of the call."""
    fingerprint: bytes | None
    """SHA-256 of the request when an Idempotency-Key came with it."""
    deadline_ms: int
    correlation_id: str
    attachments: tuple[Attachment, ...] = ()
    refusal: ServiceError | None = None
    """What is wrong with its attachments: told unless this very message was sent before."""
    with_fresh_membership: bool = False
    """The server service was asked: what our copy says now is the verdict."""


class PriorState(Struct, kw_only=True):
    """What is stored about a draft's author and about the draft itself, as of the lock of its channel."""

    role: Role | None
    same_request: Stored | None = None
    same_nonce: Stored | None = None


class Deferral(Enum):
    """Why a draft can not be decided in this batch."""

    LOCKED = "another transaction holds its channel"
    UNSURE = "our copy does not know its author as a member"


class SendResult(Struct, frozen=True):
    """The answer to a draft: 201 for a new message and for the same request again, 200 for a known nonce."""

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
    """Decides drafts one after the other; what an earlier one became is known to the later ones."""

    def __init__(
        self,
        channels: Mapping[UUID, Channel],
        locked_elsewhere: Container[UUID],
        now: datetime,
        ids: Ids,
    ) -> None:
        self.new: list[NumberedMessage] = []
        self._channels = channels
        self._locked_elsewhere = locked_elsewhere
        self._now = now
        self._now_ms = now.timestamp() * 1000
        self._ids = ids
        self._by_request: dict[tuple[UUID, UUID, str], Stored] = {}
        self._by_nonce: dict[tuple[UUID, UUID, str], Stored] = {}

    def decide_all(self, drafts: Iterable[Draft], known: Sequence[PriorState]) -> list[Decision]:
        """The decisions in the order of the drafts; what is to be stored stands in `new` afterwards."""
        return [self._decide(draft, about) for draft, about in zip(drafts, known, strict=True)]

    def changed_channels(self) -> list[Channel]:
        """The channels that got messages, with their new counters."""
        changed = {new.message.channel_id for new in self.new}
        return [channel for channel in self._channels.values() if channel.id in changed]

    def _decide(self, draft: Draft, known: PriorState) -> Decision:
        if draft.channel_id in self._locked_elsewhere:
            return Deferral.LOCKED
        if draft.deadline_ms < self._now_ms:
            return too_late()
        try:
            channel, _ = admit(
                ChannelMembership(channel=self._channels.get(draft.channel_id), role=known.role)
            )
        except MembershipUnknown as unsure:
            return unsure.verdict if draft.with_fresh_membership else Deferral.UNSURE
        except ServiceError as error:
            return error
        if channel.type is not ChannelType.TEXT:
            return not_text()
        return self._again(draft, known) or draft.refusal or self._number(draft, channel)

    def _again(self, draft: Draft, known: PriorState) -> Decision | None:
        """The answer when this very request, or this nonce, has made a message before.

        The request comes first: delivered twice, it is answered the same twice. A message that was deleted
        meanwhile is answered as not found: its content is no longer kept, and sending it once more would
        bring back what someone took away.
        """
        author = (draft.channel_id, draft.profile_id)
        if same := known.same_request or self._by_request.get((*author, draft.request_key)):
            if same.fingerprint != draft.fingerprint and not same.deleted:
                return errors.IDEMPOTENCY_MISMATCH.exception("This key was used for another message before.")
            return _first(same, 201)
        if draft.nonce is None:
            return None
        if same := known.same_nonce or self._by_nonce.get((*author, draft.nonce)):
            return _first(same, 200)
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
        self.new.append(NumberedMessage(message, draft, channel.messages_revision))
        self._remember(draft, Stored(message=message, fingerprint=draft.fingerprint))
        return SendResult(201, message)

    def _remember(self, draft: Draft, stored: Stored) -> None:
        self._by_request[draft.channel_id, draft.profile_id, draft.request_key] = stored
        if draft.nonce is not None:
            self._by_nonce[draft.channel_id, draft.profile_id, draft.nonce] = stored


def too_late() -> ServiceError:
    """The answer to a draft that nobody waits for any longer; it was not stored."""
    return errors.MESH_TIMEOUT.exception("The deadline passed before the message could be stored.")


def _first(stored: Stored, status: int) -> Decision:
    return message_not_found() if stored.deleted else SendResult(status, stored.message)
