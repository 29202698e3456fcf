"""Our copy of the server service's facts, in memory."""

from datetime import datetime
from uuid import UUID

from shared.contracts.fields import ChannelType, Role
from shared.contracts.server import ChannelAccess
from tests.fakes.file.store import Channel, Store


class MemoryMembershipStore:
    """Of two facts about the same thing the newer wins."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save_channel(
        self, channel_id: UUID, server_id: UUID, channel_type: ChannelType, revision: int
    ) -> None:
        """A channel exists. Nothing brings a deleted one back."""
        if server_id not in self._store.servers_gone:
            self._store.channels.setdefault(channel_id, Channel(server_id))

    async def mark_channel_deleted(
        self, channel_id: UUID, server_id: UUID, revision: int, now: datetime
    ) -> None:
        """A channel was deleted."""
        if server_id not in self._store.servers_gone:
            self._store.channels.setdefault(channel_id, Channel(server_id)).deleted = True

    async def save_member(self, server_id: UUID, profile_id: UUID, role: Role | None, revision: int) -> None:
        """A membership as of a revision; without a role it is none, which is remembered as well."""
        if server_id in self._store.servers_gone:
            return
        _, known = self._store.members.get((server_id, profile_id), (None, -1))
        if revision > known:
            self._store.members[server_id, profile_id] = (role, revision)

    async def mark_server_deleted(self, server_id: UUID, revision: int, now: datetime) -> None:
        """A server was deleted, and all its channels with it."""
        self._store.servers_gone.add(server_id)
        for channel in self._store.channels.values():
            channel.deleted |= channel.server_id == server_id

    async def save_access(self, access: ChannelAccess, profile_id: UUID) -> None:
        """What the server service answered about a channel and a profile in it, both at once."""
        await self.save_channel(access.channel_id, access.server_id, access.type, access.revision)
        await self.save_member(access.server_id, profile_id, access.role, access.revision)
