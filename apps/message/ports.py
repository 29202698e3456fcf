"""What the use cases need from outside."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from apps.message.domain.messages import Channel, ChannelMembership, Stored, Window
from apps.message.domain.sending import Draft, NumberedMessage, PriorState
from shared.contracts.base import Answer
from shared.contracts.event import EventType
from shared.contracts.file import Attachment
from shared.contracts.message import Message
from shared.membership.resolver import AccessQuery


class StillLocked(Exception):
    """Somebody held a channel's row for longer than one wait may take; nothing was stored."""


class Locked(Struct, frozen=True):
    """The channels that exist and are locked now, and those that somebody else holds."""

    channels: dict[UUID, Channel]
    elsewhere: frozenset[UUID]


class SendUnit(Protocol):
    """One transaction of a batch of sends."""

    async def lock(self, channel_ids: Collection[UUID], *, wait: bool) -> Locked:
        """Lock the channels' rows, in the order of their ids.

        Without `wait` a row that is locked by somebody else is left out at once; with it StillLocked is
        raised after a bounded time.
        """

    async def known(self, drafts: Sequence[Draft], channels: Mapping[UUID, Channel]) -> list[PriorState]:
        """What is stored about the drafts, in their order, as committed now. After `lock`, never before."""

    async def deleted_files(self, file_ids: Collection[UUID]) -> frozenset[UUID]:
        """Those of these files that are known to be deleted. After `lock`, never before."""

    async def add(self, news: Sequence[NumberedMessage], channels: Iterable[Channel]) -> None:
        """Store the messages, the channels' counters and an event `message.created` for each message."""


class Sending(Protocol):
    """Where batches of sends are written."""

    def transaction(self) -> AbstractAsyncContextManager[SendUnit]:
        """Committed at the end. Raises `mesh.busy` when it is not known whether it was committed."""


class Page(Struct, frozen=True):
    """A part of a history as read: what is known about the reader, and what `Window.cut` needs."""

    gate: ChannelMembership
    anchor: int | None
    """Sequence of the window's anchor; null also when there is no such message."""
    messages: list[Message]


class History(Protocol):
    """Where histories are read."""

    async def page(self, channel_id: UUID, profile_id: UUID, window: Window) -> Page:
        """The messages of a window that are not deleted; none for who is no member."""


class UnitOfWork(Protocol):
    """One transaction of the cold paths."""

    async def gate(self, channel_id: UUID, profile_id: UUID, *, lock: bool = False) -> ChannelMembership:
        """What is known about a profile in a channel; with `lock` the channel's row is locked first."""

    async def message(self, channel_id: UUID, message_id: UUID) -> Stored | None:
        """A message or the tombstone of one."""

    async def change(self, message: Message, revision: int) -> None:
        """Store the new content of a message, and its channel's `messages_revision`."""

    async def bury(self, message: Message, call_id: str, now: datetime, revision: int) -> None:
        """Make a tombstone of a message, and store its channel's `messages_revision`."""

    async def publish(self, kind: EventType, key: UUID, revision: int, data: Answer) -> None:
        """Write an event that is sent if, and only if, this transaction commits."""

    async def lock_channel(self, channel_id: UUID) -> Channel | None:
        """Lock a channel's row."""

    async def note_deleted_file(self, file_id: UUID, now: datetime) -> None:
        """Remember for a while that a file was deleted, for messages that are on their way."""

    async def messages_with(self, channel_id: UUID, file_id: UUID, limit: int) -> list[Message]:
        """Messages of a channel that show a file; not those that were deleted."""

    async def change_attachments(self, message: Message, revision: int) -> None:
        """Store the new attachments of a message, and its channel's `messages_revision`."""


class UnitOfWorkFactory(Protocol):
    """Where the cold paths work."""

    def transaction(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Committed at the end, rolled back when the block raises."""

    def snapshot(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """To read only."""


class Files(Protocol):
    """The file service."""

    async def describe(self, file_ids: Sequence[UUID], asker: AccessQuery) -> tuple[Attachment, ...]:
        """What is shown of complete files of the asker in its channel, in the order asked.

        Raises `file.not_found`, `mesh.timeout`, `mesh.busy`.
        """


class Purge(Protocol):
    """Takes away what deleted channels and servers leave behind."""

    async def piece(self, size: int, now: datetime) -> int:
        """Delete up to `size` rows that nobody can see any longer; gives how many, 0 when nothing is left."""

    async def forget_deleted_files(self, before: datetime) -> None:
        """Forget files that were deleted before then: no message that shows them is on its way any more."""
