"""A stand-in for the server service: it has the truth, publishes it as events and answers questions."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from shared.contracts import event as events
from shared.contracts.base import Answer
from shared.contracts.errors import CHANNEL_NOT_FOUND, ServiceError
from shared.contracts.event import Event, EventType
from shared.contracts.fields import ChannelType, Role
from shared.contracts.server import Channel, ChannelAccess
from shared.kit.clock import SystemIds

_IDS = SystemIds()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class ServerService:
    """One server with channels and members; each change bumps its revision and is one event."""

    def __init__(self) -> None:
        self.id = _IDS.new()
        self.revision = 0
        self.channels: dict[UUID, ChannelType] = {}
        self.members: dict[UUID, Role] = {}
        self.deleted = False
        self.calls = 0
        self.away: ServiceError | None = None
        self.slow: asyncio.Event | None = None
        self.turns = 0
        """Turns of the event loop that an answer takes."""

    def add_channel(self, channel_type: ChannelType = ChannelType.TEXT) -> tuple[UUID, Event]:
        """A new channel."""
        channel_id = _IDS.new()
        self.channels[channel_id] = channel_type
        return channel_id, self._tell(events.CHANNEL_CREATED, self._channel(channel_id))

    def rename_channel(self, channel_id: UUID) -> Event:
        """Something about a channel changes that is none of our business."""
        return self._tell(events.CHANNEL_UPDATED, self._channel(channel_id))

    def delete_channel(self, channel_id: UUID) -> Event:
        """A channel is deleted."""
        del self.channels[channel_id]
        return self._tell(events.CHANNEL_DELETED, events.ChannelDeleted(id=channel_id, server_id=self.id))

    def join(self, profile_id: UUID, role: Role = Role.GUEST) -> Event:
        """Someone joins."""
        self.members[profile_id] = role
        return self._tell(events.MEMBER_JOINED, self._member(profile_id))

    def promote(self, profile_id: UUID, role: Role) -> Event:
        """Someone gets another role."""
        self.members[profile_id] = role
        return self._tell(events.MEMBER_UPDATED, self._member(profile_id))

    def kick(self, profile_id: UUID) -> Event:
        """Someone is kicked."""
        del self.members[profile_id]
        gone = events.MemberLeft(server_id=self.id, profile_id=profile_id, reason=events.LeftReason.KICKED)
        return self._tell(events.MEMBER_LEFT, gone)

    def delete(self) -> Event:
        """The server is deleted."""
        self.deleted = True
        return self._tell(events.SERVER_DELETED, events.ServerDeleted(id=self.id))

    def answer(self, channel_id: UUID, profile_id: UUID) -> ChannelAccess:
        """Return its current answer; raises `channel.not_found`."""
        if self.deleted or channel_id not in self.channels:
            raise CHANNEL_NOT_FOUND.exception("no such channel")
        return ChannelAccess(
            channel_id=channel_id,
            server_id=self.id,
            type=self.channels[channel_id],
            role=self.members.get(profile_id),
            revision=self.revision,
        )

    async def access(
        self, channel_id: UUID, profile_id: UUID, deadline_ms: int, correlation_id: str
    ) -> ChannelAccess:
        """The port: read when asked, told when `slow` is set."""
        self.calls += 1
        for _ in range(self.turns):
            await asyncio.sleep(0)
        if self.away is not None:
            raise self.away
        try:
            return self.answer(channel_id, profile_id)
        finally:
            if self.slow is not None:
                await self.slow.wait()

    def _tell(self, kind: EventType, data: Answer) -> Event:
        self.revision += 1
        return Event(
            id=_IDS.new(),
            type=kind.name,
            occurred_at=NOW,
            revision=self.revision,
            data=msgspec.Raw(msgspec.json.encode(data)),
        )

    def _channel(self, channel_id: UUID) -> Channel:
        return Channel(
            id=channel_id,
            name=f"channel {self.revision}",
            type=self.channels[channel_id],
            server_id=self.id,
            profile_id=_IDS.new(),
            created_at=NOW,
            updated_at=NOW,
        )

    def _member(self, profile_id: UUID) -> events.MemberFact:
        return events.MemberFact(
            server_id=self.id, profile_id=profile_id, role=self.members[profile_id], joined_at=NOW
        )
