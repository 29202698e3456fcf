"""The file service, asked over the mesh."""

from collections.abc import Sequence
from uuid import UUID

from shared.contracts.file import FILE_DESCRIBE, Attachment, Attachments, DescribeFiles
from shared.kit.rpc.client import RpcClient
from shared.membership.resolver import AccessQuery


class RpcFiles:
    """Asks the file service about attachments."""

    def __init__(self, client: RpcClient) -> None:
        self._client = client

    async def describe(self, file_ids: Sequence[UUID], asker: AccessQuery) -> tuple[Attachment, ...]:
        """What is shown of complete files. Raises `file.not_found`, `mesh.timeout`, `mesh.busy`."""
        found: Attachments = await self._client.call(
            FILE_DESCRIBE,
            DescribeFiles(channel_id=asker.channel_id, profile_id=asker.profile_id, file_ids=list(file_ids)),
            correlation_id=asker.correlation_id,
            deadline_ms=asker.deadline_ms,
        )
        return tuple(found.items)
