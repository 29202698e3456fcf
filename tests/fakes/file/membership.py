"""Our copy of the server service's facts, in memory."""

from datetime import datetime
from uuid import UUID

from shared.contracts.fields import ChannelType, Role
from shared.contracts.server import ChannelAccess
from tests.fakes.file.store import Channel, Store


class MemoryMembershipStore:
    """`shared.membership.ports.MembershipStore` over a store; the higher revision wins."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save_channel(
        self, channel_id: UUID, server_id: UUID, channel_type: ChannelType, revision: int
    ) -> None:
        """Store a channel; a deleted one stays deleted."""
        if server_id not in self._store.servers_gone:
            self._store.channels.setdefault(channel_id, Channel(server_id))

    async def mark_channel_deleted(
        self, channel_id: UUID, server_id: UUID, revision: int, now: datetime
    ) -> None:
        """Store the deletion of a channel."""
        if server_id not in self._store.servers_gone:
            self._store.channels.setdefault(channel_id, Channel(server_id)).deleted = True

    async def save_member(self, server_id: UUID, profile_id: UUID, role: Role | None, revision: int) -> None:
        """Store a profile's role as of a revision; None records that it is not a member."""
        if server_id in self._store.servers_gone:
            return
        _, known = self._store.members.get((server_id, profile_id), (None, -1))
        if revision > known:
            self._store.members[server_id, profile_id] = (role, revision)

    async def mark_server_deleted(self, server_id: UUID, revision: int, now: datetime) -> None:
        """Store the deletion of a server and all its channels."""
        self._store.servers_gone.add(server_id)
        for channel in self._store.channels.values():
            channel.deleted |= channel.server_id == server_id

    async def save_access(self, access: ChannelAccess, profile_id: UUID) -> None:
        """Store the server service's answer about a channel and a profile's role in it."""
        await self.save_channel(access.channel_id, access.server_id, access.type, access.revision)
        await self.save_member(access.server_id, profile_id, access.role, access.revision)
