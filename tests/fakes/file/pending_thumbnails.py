"""`apps.file.ports.PendingThumbnails` in memory."""

from datetime import datetime
from itertools import zip_longest
from uuid import UUID

from apps.file.domain.files import FileRecord
from apps.file.domain.thumbnails import given_up, may_try
from tests.fakes.file.store import Store


class MemoryPendingThumbnails:
    """Round robin over the owners."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last = UUID(int=0)

    async def due(self, now: datetime, size: int) -> list[FileRecord]:
        """Return at most `size` complete files whose next try is due: one of each owner, then the next."""
        waiting: dict[UUID, list[FileRecord]] = {}
        for record in sorted((row.record for row in self._store.files.values()), key=_since):
            if record.complete and not record.deleted and may_try(record, now) and not given_up(record):
                waiting.setdefault(record.file.profile_id, []).append(record)
        owners = sorted(waiting, key=lambda owner: (owner <= self._last, owner))
        rounds = zip_longest(*(waiting[owner] for owner in owners))
        due = [record for turn in rounds for record in turn if record is not None][:size]
        if due:
            self._last = due[-1].file.profile_id
        return due


def _since(record: FileRecord) -> tuple[datetime, UUID]:
    return record.thumbnails_after or record.file.created_at, record.file.id
