"""What nobody needs any longer, in memory."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from itertools import islice
from uuid import UUID

from msgspec.structs import replace

from apps.file.domain.keys import DanglingFile
from tests.fakes.file.store import Row, Store


class MemoryDanglingFiles:
    """Finds what nobody needs any longer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def overdue(self, now: datetime, size: int) -> int:
        """Make tombstones of files whose upload was not completed in time; gives how many."""
        return self._bury(
            self._unlocked(lambda row: not (row.kept.complete or row.kept.deleted or row.kept.is_open(now))),
            now,
            size,
        )

    async def of_deleted_channels(self, now: datetime, size: int) -> int:
        """Make tombstones of the files of deleted channels and servers; gives how many rows were touched."""
        deleted = {channel_id for channel_id, channel in self._store.channels.items() if channel.deleted}
        for channel_id in sorted(deleted - self._store.purged):
            return await self._piece_of_channel(channel_id, now, size)
        for server_id in sorted(self._store.servers_gone - self._store.purged):
            return self._piece_of_server(server_id, size)
        return 0

    async def give_back(self, now: datetime, size: int) -> int:
        """Count tombstones no longer whose address takes no more bytes; gives how many."""
        due = self._unlocked(lambda it: it.kept.deleted and it.kept.charged and not it.kept.is_open(now))
        piece = list(islice(due, size))
        for row in piece:
            row.kept = replace(row.kept, charged=False)
            self._store.charge(row.kept.file.profile_id, -row.kept.file.size, -1)
        return len(piece)

    async def claim(self, now: datetime, until: datetime, size: int) -> list[DanglingFile]:
        """What is to be purged by now. Nobody else is given it before `until`, which names this claim."""
        due = self._unlocked(lambda row: row.kept.purge_at is not None and row.kept.purge_at <= now)
        piece = sorted(due, key=lambda row: row.kept.purge_at or now)[:size]
        for row in piece:
            row.kept = replace(row.kept, purge_at=until)
        return [_leftover_of(row) for row in piece]

    async def settle(self, claim: datetime, done: Collection[UUID], again: Mapping[UUID, datetime]) -> None:
        """End a claim: forget the tombstones that are `done`, and look at the others when it is said."""
        for file_id in [*done, *again]:
            row = self._store.files.get(file_id)
            if row is None or row.kept.purge_at != claim:
                continue
            if file_id in again:
                row.kept = replace(row.kept, purge_at=again[file_id])
            elif not row.kept.deleted:
                row.kept = replace(row.kept, purge_at=None, upload_until=None)
            elif not row.kept.charged:
                del self._store.files[file_id]

    async def _piece_of_channel(self, channel_id: UUID, now: datetime, size: int) -> int:
        async with self._store.begin() as transaction:
            rows = self._store.files.values()
            there = [row for row in rows if row.kept.file.channel_id == channel_id and not row.kept.deleted]
            for row in there[:size]:
                await transaction.hold(row.kept.file.id)
            gone = self._bury((row for row in there if not row.kept.deleted), now, size)
        if gone < size:
            self._store.purged.add(channel_id)
        return max(gone, 1)

    def _piece_of_server(self, server_id: UUID, size: int) -> int:
        gone = [key for key in self._store.members if key[0] == server_id][:size]
        for key in gone:
            del self._store.members[key]
        if len(gone) < size:
            self._store.purged.add(server_id)
        return max(len(gone), 1)

    def _unlocked(self, due: Callable[[Row], bool]) -> Iterable[Row]:
        rows = list(self._store.files.values())
        return (row for row in rows if due(row) and not self._store.lock_of(row.kept.file.id).locked())

    def _bury(self, rows: Iterable[Row], now: datetime, size: int) -> int:
        piece = list(islice(rows, size))
        for row in piece:
            row.kept = replace(row.kept, deleted=True, purge_at=now)
            row.deleted_at = now
        return len(piece)


def _leftover_of(row: Row) -> DanglingFile:
    times = [time for time in (row.kept.upload_until, row.deleted_at) if time is not None]
    return DanglingFile(row.kept.file.id, row.kept.deleted, row.kept.complete, max(times))
