"""The server service, called over the mesh."""

from uuid import UUID

from shared.contracts.server import CHANNEL_ACCESS, ChannelAccess, OfChannel
from shared.kit.rpc.client import RpcClient


class RpcMembershipDirectory:
    """`shared.membership.ports.MembershipDirectory` by the operation `channel.access`."""

    def __init__(self, client: RpcClient) -> None:
        self._client = client

    async def access(
        self, channel_id: UUID, profile_id: UUID, deadline_ms: int, correlation_id: str
    ) -> ChannelAccess:
        """Return a profile's role in a channel. Raises `channel.not_found`, `mesh.timeout`, `mesh.busy`."""
        access: ChannelAccess = await self._client.call(
            CHANNEL_ACCESS,
            OfChannel(channel_id=channel_id, profile_id=profile_id),
            correlation_id=correlation_id,
            deadline_ms=deadline_ms,
        )
        return access
