"""`apps.server.ports.Channels` in memory."""

from collections.abc import Collection, Sequence
from copy import deepcopy
from uuid import UUID

from shared.contracts.paging import Cursor
from shared.contracts.server import Channel, ChannelAccess
from tests.fakes.server.state import State, page_of


class MemoryChannels:
    """The channels of a state."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, channel: Channel) -> None:
        self._state.channels[channel.id] = deepcopy(channel)

    async def get(self, channel_id: UUID) -> Channel | None:
        channel = self._state.channels.get(channel_id)
        return deepcopy(channel) if channel and self._state.alive(channel.server_id) else None

    async def save(self, channel: Channel) -> None:
        self._state.channels[channel.id] = deepcopy(channel)

    async def remove(self, channel_id: UUID) -> None:
        self._state.channels.pop(channel_id, None)

    async def of_member(self, channel_id: UUID, profile_id: UUID) -> Channel | None:
        channel = await self.get(channel_id)
        return channel if channel and (channel.server_id, profile_id) in self._state.members else None

    async def of_servers(self, server_ids: Collection[UUID]) -> dict[UUID, list[Channel]]:
        grouped: dict[UUID, list[Channel]] = {}
        for channel in sorted(self._state.channels.values(), key=_cursor_of):
            if channel.server_id in server_ids:
                grouped.setdefault(channel.server_id, []).append(deepcopy(channel))
        return grouped

    async def page(self, server_id: UUID, after: Cursor | None, limit: int) -> Sequence[Channel]:
        rows = [row for row in self._state.channels.values() if row.server_id == server_id]
        return page_of(rows, _cursor_of, after, limit) if self._state.alive(server_id) else []

    async def access(self, channel_id: UUID, profile_id: UUID) -> ChannelAccess | None:
        channel = await self.get(channel_id)
        if channel is None:
            return None
        member = self._state.members.get((channel.server_id, profile_id))
        return ChannelAccess(
            channel_id=channel_id,
            server_id=channel.server_id,
            type=channel.type,
            role=member.role if member else None,
            revision=self._state.servers[channel.server_id].revision,
        )


def _cursor_of(channel: Channel) -> Cursor:
    return Cursor(channel.created_at, channel.id)
