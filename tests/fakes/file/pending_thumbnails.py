"""Files of which it is not known whether they have thumbnails, in memory."""

from datetime import datetime
from uuid import UUID

from apps.file.domain.files import FileRecord
from apps.file.domain.thumbnails import given_up, may_try
from tests.fakes.file.store import Store


class MemoryPendingThumbnails:
    """Goes around the people."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last = UUID(int=0)

    async def due(self, now: datetime, size: int) -> list[FileRecord]:
        """At most so many complete files that are to be tried now, of one person after another."""
        waiting: dict[UUID, list[FileRecord]] = {}
        for record in sorted((row.record for row in self._store.files.values()), key=_since):
            if record.complete and not record.deleted and may_try(record, now) and not given_up(record):
                waiting.setdefault(record.file.profile_id, []).append(record)
        people = sorted(waiting, key=lambda person: (person <= self._last, person))
        turns = [divmod(turn, len(people)) for turn in range(size)] if people else []
        due = [waiting[people[at]][before] for before, at in turns if before < len(waiting[people[at]])]
        if due:
            self._last = due[-1].file.profile_id
        return due


def _since(record: FileRecord) -> tuple[datetime, UUID]:
    return record.thumbnails_after or record.file.created_at, record.file.id
