"""Our copy of the server service's facts, and the purge, in memory."""

from datetime import datetime
from uuid import UUID

from apps.message.domain.messages import Channel
from shared.contracts.fields import ChannelType, Role
from shared.contracts.server import ChannelAccess
from tests.fakes.message.store import Store


class MemoryMembershipStore:
    """`shared.membership.ports.MembershipStore` over a store; the higher revision wins."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save_channel(
        self, channel_id: UUID, server_id: UUID, channel_type: ChannelType, revision: int
    ) -> None:
        """Store a channel; a deleted one stays deleted."""
        if server_id in self._store.servers_gone:
            return
        known = self._store.channels.get(channel_id)
        if known is None:
            self._add(channel_id, server_id, channel_type, revision)
        elif revision > self._store.channel_revisions[channel_id]:
            known.type = channel_type
            self._store.channel_revisions[channel_id] = revision

    async def mark_channel_deleted(
        self, channel_id: UUID, server_id: UUID, revision: int, now: datetime
    ) -> None:
        """Store the deletion of a channel."""
        if server_id in self._store.servers_gone:
            return
        if channel_id not in self._store.channels:
            self._add(channel_id, server_id, None, revision)
        self._store.channels[channel_id].deleted = True
        revisions = self._store.channel_revisions
        revisions[channel_id] = max(revision, revisions[channel_id])

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
        if access.server_id in self._store.servers_gone:
            return
        if access.channel_id not in self._store.channels:
            self._add(access.channel_id, access.server_id, access.type, access.revision)
        await self.save_member(access.server_id, profile_id, access.role, access.revision)

    def _add(
        self, channel_id: UUID, server_id: UUID, channel_type: ChannelType | None, revision: int
    ) -> None:
        self._store.channels[channel_id] = Channel(
            id=channel_id, server_id=server_id, type=channel_type, deleted=False
        )
        self._store.channel_revisions[channel_id] = revision


class MemoryPurge:
    """Deletes what nobody can see any longer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def delete_batch(self, size: int, now: datetime) -> int:
        """Delete up to `size` rows of one channel or server; 0 when nothing is left to do."""
        deleted = (channel.id for channel in self._store.channels.values() if channel.deleted)
        for channel_id in sorted(set(deleted) - self._store.channels_purged):
            return self._purge_channel(channel_id, size)
        for server_id in sorted(self._store.servers_gone - self._store.servers_purged):
            return self._purge_server(server_id, size)
        return 0

    async def delete_old_files(self, before: datetime) -> None:
        """Forget files that were deleted before then."""
        gone = [file_id for file_id, at in self._store.deleted_files.items() if at < before]
        for file_id in gone:
            del self._store.deleted_files[file_id]

    def _purge_channel(self, channel_id: UUID, size: int) -> int:
        rows = self._store.rows(channel_id)
        gone = len(rows[:size])
        del rows[:size]
        if gone < size:
            self._store.channels_purged.add(channel_id)
        return max(gone, 1)

    def _purge_server(self, server_id: UUID, size: int) -> int:
        gone = [key for key in self._store.members if key[0] == server_id][:size]
        for key in gone:
            del self._store.members[key]
        if len(gone) < size:
            self._store.servers_purged.add(server_id)
        return max(len(gone), 1)
