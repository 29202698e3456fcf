"""Ports of the membership check: the local copy of memberships, and the server service."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.contracts.fields import ChannelType, Role
from shared.contracts.server import ChannelAccess


class MembershipStore(Protocol):
    """The local copy of channels and members. Each method is one transaction; the higher revision wins."""

    async def save_channel(
        self, channel_id: UUID, server_id: UUID, channel_type: ChannelType, revision: int
    ) -> None:
        """Store a channel; a deleted one stays deleted."""

    async def mark_channel_deleted(
        self, channel_id: UUID, server_id: UUID, revision: int, now: datetime
    ) -> None:
        """Store the deletion of a channel."""

    async def save_member(self, server_id: UUID, profile_id: UUID, role: Role | None, revision: int) -> None:
        """Store a profile's role as of a revision; None records that it is not a member."""

    async def mark_server_deleted(self, server_id: UUID, revision: int, now: datetime) -> None:
        """Store the deletion of a server and all its channels."""

    async def save_access(self, access: ChannelAccess, profile_id: UUID) -> None:
        """Store the server service's answer about a channel and a profile's role in it."""


class MembershipDirectory(Protocol):
    """The server service."""

    async def access(
        self, channel_id: UUID, profile_id: UUID, deadline_ms: int, correlation_id: str
    ) -> ChannelAccess:
        """Return a profile's role in a channel. Raises `channel.not_found`, `mesh.timeout`, `mesh.busy`."""
