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
    """Complete files: whose, and where."""

    def __init__(self) -> None:
        self.asked: list[AccessQuery] = []
        self.failure: ServiceError | None = None
        self.files: dict[UUID, Key] = {}

    def add(self, channel_id: UUID, profile_id: UUID) -> UUID:
        """A complete file."""
        file_id = IDS.new()
        self.files[file_id] = (channel_id, profile_id)
        return file_id

    def delete(self, file_id: UUID, server_id: UUID) -> Event:
        """Delete a file; gives the event of it."""
        channel_id, _ = self.files.pop(file_id)
        gone = FileDeleted(id=file_id, channel_id=channel_id, server_id=server_id)
        return Event(
            id=IDS.new(),
            type=FILE_DELETED.name,
            occurred_at=SystemClock().now(),
            revision=3,
            data=msgspec.Raw(msgspec.json.encode(gone)),
        )

    async def describe(self, file_ids: Sequence[UUID], asker: AccessQuery) -> tuple[Attachment, ...]:
        """What is shown of them."""
        self.asked.append(asker)
        if self.failure is not None:
            raise self.failure
        if any(self.files.get(one) != asker.key for one in file_ids):
            raise FILE_NOT_FOUND.exception("no such file")
        return tuple(Attachment(id=one, name="a.png", size=9, content_type="image/png") for one in file_ids)
