"""What the use cases need from outside."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from apps.message.domain.messages import Channel, Gate, Stored, Window
from apps.message.domain.numbering import Draft, Known, New
from shared.contracts.base import Answer
from shared.contracts.event import EventType
from shared.contracts.fields import ChannelType, Role
from shared.contracts.message import Message
from shared.contracts.server import ChannelAccess


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

    async def known(self, drafts: Sequence[Draft], channels: Mapping[UUID, Channel]) -> list[Known]:
        """What is stored about the drafts, in their order, as committed now. After `lock`, never before."""

    async def add(self, news: Sequence[New], channels: Iterable[Channel]) -> None:
        """Store the messages, the channels' counters and an event `message.created` for each message."""


class Sending(Protocol):
    """Where batches of sends are written."""

    def transaction(self) -> AbstractAsyncContextManager[SendUnit]:
        """Committed at the end. Raises `mesh.busy` when it is not known whether it was committed."""


class Page(Struct, frozen=True):
    """A part of a history as read: what is known about the reader, and what `Window.cut` needs."""

    gate: Gate
    anchor: int | None
    """Sequence of the window's anchor; null also when there is no such message."""
    messages: list[Message]


class History(Protocol):
    """Where histories are read."""

    async def page(self, channel_id: UUID, profile_id: UUID, window: Window) -> Page:
        """The messages of a window that are not deleted; none for who is no member."""


class Unit(Protocol):
    """One transaction of the cold paths."""

    async def gate(self, channel_id: UUID, profile_id: UUID, *, lock: bool = False) -> Gate:
        """What is known about a profile in a channel; with `lock` the channel's row is locked first."""

    async def message(self, channel_id: UUID, message_id: UUID) -> Stored | None:
        """A message or the tombstone of one."""

    async def change(self, message: Message, revision: int) -> None:
        """Store the new content of a message, and its channel's `messages_revision`."""

    async def bury(self, message: Message, call_id: str, now: datetime, revision: int) -> None:
        """Make a tombstone of a message, and store its channel's `messages_revision`."""

    async def publish(self, kind: EventType, key: UUID, revision: int, data: Answer) -> None:
        """Write an event that is sent if, and only if, this transaction commits."""


class Work(Protocol):
    """Where the cold paths work."""

    def transaction(self) -> AbstractAsyncContextManager[Unit]:
        """Committed at the end, rolled back when the block raises."""

    def snapshot(self) -> AbstractAsyncContextManager[Unit]:
        """To read only."""


class Facts(Protocol):
    """Our copy of the server service's facts. Each call is one transaction; of two facts the newer wins."""

    async def channel(self, channel_id: UUID, server_id: UUID, kind: ChannelType, revision: int) -> None:
        """A channel exists. Nothing brings a deleted one back."""

    async def channel_gone(self, channel_id: UUID, server_id: UUID, revision: int, now: datetime) -> None:
        """A channel was deleted."""

    async def member(self, server_id: UUID, profile_id: UUID, role: Role | None, revision: int) -> None:
        """A membership as of a revision; without a role it is none, which is remembered as well."""

    async def server_gone(self, server_id: UUID, revision: int, now: datetime) -> None:
        """A server was deleted, and all its channels with it."""

    async def access(self, access: ChannelAccess, profile_id: UUID) -> None:
        """What the server service answered about a channel and a profile in it, both at once."""


class Purge(Protocol):
    """Takes away what deleted channels and servers leave behind."""

    async def piece(self, size: int, now: datetime) -> int:
        """Delete up to `size` rows that nobody can see any longer; gives how many, 0 when nothing is left."""


class Directory(Protocol):
    """The server service."""

    async def access(
        self, channel_id: UUID, profile_id: UUID, deadline_ms: int, correlation_id: str
    ) -> ChannelAccess:
        """What a profile may do in a channel. Raises `channel.not_found`, `mesh.timeout`, `mesh.busy`."""
