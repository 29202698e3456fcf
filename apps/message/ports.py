"""The ports of the use cases: storage and other services."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from apps.message.domain.history import Window
from apps.message.domain.messages import Channel, ChannelMembership, StoredMessage
from apps.message.domain.sending import Draft, NumberedMessage, PriorState
from shared.contracts.base import Answer
from shared.contracts.event import EventType
from shared.contracts.file import Attachment
from shared.contracts.message import Message
from shared.membership.resolver import AccessQuery


class LockTimeout(Exception):
    """A channel's row stayed locked for longer than one wait may take; nothing was stored."""


class LockedChannels(Struct, frozen=True):
    """The channels that this transaction has locked, and the ids of those that another one holds."""

    channels: dict[UUID, Channel]
    elsewhere: frozenset[UUID]


class SendUnitOfWork(Protocol):
    """One transaction of a batch of sends."""

    async def lock(self, channel_ids: Collection[UUID], *, wait: bool) -> LockedChannels:
        """Lock the channels' rows, in the order of their ids.

        Without `wait` a row that another transaction has locked is left out at once; with it LockTimeout is
        raised after a bounded time.
        """

    async def prior_states(
        self, drafts: Sequence[Draft], channels: Mapping[UUID, Channel]
    ) -> list[PriorState]:
        """Return the stored state of each draft, in their order, as committed now. Call it after `lock`."""

    async def deleted_files(self, file_ids: Collection[UUID]) -> frozenset[UUID]:
        """Return those of these files that are known to be deleted. Call it after `lock`."""

    async def add(self, messages: Sequence[NumberedMessage], channels: Iterable[Channel]) -> None:
        """Store the messages, the channels' counters and an event `message.created` for each message."""


class SendUnitOfWorkFactory(Protocol):
    """Transactions of batches of sends."""

    def transaction(self) -> AbstractAsyncContextManager[SendUnitOfWork]:
        """Begin a transaction; commit it at the end, roll it back when the block raises.

        Raises `mesh.busy` when the result of the commit is unknown.
        """


class HistoryPage(Struct, frozen=True):
    """A part of a history as read: the reader's membership, and the messages for `Window.select`."""

    membership: ChannelMembership
    anchor: int | None
    """Sequence of the window's anchor; null also when no such message exists."""
    messages: list[Message]


class History(Protocol):
    """Histories of channels."""

    async def page(self, channel_id: UUID, profile_id: UUID, window: Window) -> HistoryPage:
        """Return the messages of a window that are not deleted; none if the profile is not a member."""


class UnitOfWork(Protocol):
    """One transaction on single messages and their channel."""

    async def membership(self, channel_id: UUID, profile_id: UUID) -> ChannelMembership:
        """Return the channel and the role of a profile in it."""

    async def lock_membership(self, channel_id: UUID, profile_id: UUID) -> ChannelMembership:
        """Lock the channel's row, then return the channel and the role of a profile in it."""

    async def lock_channel(self, channel_id: UUID) -> Channel | None:
        """Lock a channel's row and return the channel; None if it is unknown."""

    async def message(self, channel_id: UUID, message_id: UUID) -> StoredMessage | None:
        """Return a message or its tombstone; None if it is unknown."""

    async def messages_with_file(self, channel_id: UUID, file_id: UUID, limit: int) -> list[Message]:
        """Return the first messages of a channel that show a file and are not deleted."""

    async def change_content(self, message: Message, revision: int) -> None:
        """Store the new content of a message, and its channel's `messages_revision`."""

    async def change_attachments(self, message: Message, revision: int) -> None:
        """Store the new attachments of a message, and its channel's `messages_revision`."""

    async def mark_deleted(self, message: Message, call_id: str, now: datetime, revision: int) -> None:
        """Replace a message by a tombstone, and store its channel's `messages_revision`."""

    async def add_deleted_file(self, file_id: UUID, now: datetime) -> None:
        """Store that a file was deleted: sends in progress leave it out."""

    async def publish(self, event_type: EventType, key: UUID, revision: int, data: Answer) -> None:
        """Write an event that is sent if, and only if, this transaction commits."""


class UnitOfWorkFactory(Protocol):
    """Transactions on single messages."""

    def transaction(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Begin a transaction; commit it at the end, roll it back when the block raises."""

    def snapshot(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Begin a transaction that reads only; all its reads see the same moment."""


class Files(Protocol):
    """The file service."""

    async def describe(self, file_ids: Sequence[UUID], query: AccessQuery) -> tuple[Attachment, ...]:
        """Return the public data of the profile's complete files in the channel, in the order of the ids.

        Raises `file.not_found`, `mesh.timeout`, `mesh.busy`.
        """


class Purge(Protocol):
    """Rows that deleted channels and servers have left."""

    async def delete_batch(self, size: int, now: datetime) -> int:
        """Delete up to `size` invisible rows. Return their number, 0 when none is left."""

    async def delete_old_files(self, before: datetime) -> None:
        """Delete the records of files that were deleted before then: no send in progress shows them."""
