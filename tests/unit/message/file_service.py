"""A stand-in for the file service."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from shared.contracts.errors import FILE_NOT_FOUND, ServiceError
from shared.contracts.event import FILE_DELETED, Event, FileDeleted
from shared.contracts.file import Attachment
from shared.kit.clock import SystemClock, SystemIds
from shared.membership.resolver import AccessQuery, Key

IDS = SystemIds()


class FileService:
    """Complete files, each with its channel and owner."""

    def __init__(self) -> None:
        self.queries: list[AccessQuery] = []
        self.failure: ServiceError | None = None
        self.files: dict[UUID, Key] = {}

    def add(self, channel_id: UUID, profile_id: UUID) -> UUID:
        """Add a complete file; return its id."""
        file_id = IDS.new()
        self.files[file_id] = (channel_id, profile_id)
        return file_id

    def delete(self, file_id: UUID, server_id: UUID) -> Event:
        """Delete a file; return the event of its deletion."""
        channel_id, _ = self.files.pop(file_id)
        deleted = FileDeleted(id=file_id, channel_id=channel_id, server_id=server_id)
        return Event(
            id=IDS.new(),
            type=FILE_DELETED.name,
            occurred_at=SystemClock().now(),
            revision=3,
            data=msgspec.Raw(msgspec.json.encode(deleted)),
        )

    async def describe(self, file_ids: Sequence[UUID], query: AccessQuery) -> tuple[Attachment, ...]:
        """Return the public data of the files. Raises `file.not_found` and the test's failure."""
        self.queries.append(query)
        if self.failure is not None:
            raise self.failure
        if any(self.files.get(file_id) != query.key for file_id in file_ids):
            raise FILE_NOT_FOUND.exception("no such file")
        return tuple(
            Attachment(id=file_id, name="a.png", size=9, content_type="image/png") for file_id in file_ids
        )
