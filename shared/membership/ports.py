"""What is needed from outside to know who may see which channel."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.contracts.fields import ChannelType, Role
from shared.contracts.server import ChannelAccess


class MembershipStore(Protocol):
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


class MembershipDirectory(Protocol):
    """The server service."""

    async def access(
        self, channel_id: UUID, profile_id: UUID, deadline_ms: int, correlation_id: str
    ) -> ChannelAccess:
        """What a profile may do in a channel. Raises `channel.not_found`, `mesh.timeout`, `mesh.busy`."""
