"""The auth service, called over the mesh."""

from collections.abc import Sequence
from uuid import UUID

from shared.contracts.account import PROFILES_GET, GetProfiles, PublicProfile, PublicProfiles
from shared.kit.rpc.client import RpcClient
from shared.kit.wire.call import Call


class RpcAccounts:
    """`apps.server.ports.Accounts` on behalf of one call: with its deadline and correlation id."""

    def __init__(self, client: RpcClient, call: Call) -> None:
        self._client = client
        self._call = call

    async def profiles(self, reader_id: UUID, profile_ids: Sequence[UUID]) -> Sequence[PublicProfile]:
        answer: PublicProfiles = await self._client.call(
            PROFILES_GET,
            GetProfiles(reader_id=reader_id, ids=list(profile_ids)),
            correlation_id=self._call.correlation_id,
            deadline_ms=self._call.deadline_ms,
        )
        return answer.items
