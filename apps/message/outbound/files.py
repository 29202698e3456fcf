"""The file service, called over Kafka."""

from collections.abc import Sequence
from uuid import UUID

from shared.contracts.file import FILE_DESCRIBE, Attachment, Attachments, DescribeFiles
from shared.kit.rpc.client import RpcClient
from shared.membership.resolver import AccessQuery


class RpcFiles:
    """`apps.message.ports.Files` by calls of the file service."""

    def __init__(self, client: RpcClient) -> None:
        self._client = client

    async def describe(self, file_ids: Sequence[UUID], query: AccessQuery) -> tuple[Attachment, ...]:
        """Return the public data of complete files. Raises `file.not_found`, `mesh.timeout`, `mesh.busy`."""
        attachments: Attachments = await self._client.call(
            FILE_DESCRIBE,
            DescribeFiles(channel_id=query.channel_id, profile_id=query.profile_id, file_ids=list(file_ids)),
            correlation_id=query.correlation_id,
            deadline_ms=query.deadline_ms,
        )
        return tuple(attachments.items)
