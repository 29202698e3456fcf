"""`apps.file.ports.DanglingFiles` in memory."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from itertools import islice
from uuid import UUID

from msgspec.structs import replace

from apps.file.domain.keys import DanglingFile
from tests.fakes.file.store import Row, Store


class MemoryDanglingFiles:
    """Finds files and tombstones that nobody needs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def delete_overdue(self, now: datetime, size: int) -> int:
        """Turn at most `size` files with an overdue upload into tombstones; return how many."""
        return self._bury(
            self._unlocked(
                lambda row: not (row.record.complete or row.record.deleted or row.record.is_open(now))
            ),
            now,
            size,
        )

    async def delete_of_deleted_channels(self, now: datetime, size: int) -> int:
        """Turn files of deleted channels and servers into tombstones; return how many rows were touched."""
        deleted = {channel_id for channel_id, channel in self._store.channels.items() if channel.deleted}
        for channel_id in sorted(deleted - self._store.purged):
            return await self._piece_of_channel(channel_id, now, size)
        for server_id in sorted(self._store.servers_gone - self._store.purged):
            return self._piece_of_server(server_id, size)
        return 0

    async def release_quota(self, now: datetime, size: int) -> int:
        """Release the quota of at most `size` tombstones whose upload URL has expired; return how many."""
        due = self._unlocked(
            lambda row: row.record.deleted and row.record.charged and not row.record.is_open(now)
        )
        piece = list(islice(due, size))
        for row in piece:
            row.record = replace(row.record, charged=False)
            self._store.charge(row.record.file.profile_id, -row.record.file.size, -1)
        return len(piece)

    async def claim(self, now: datetime, until: datetime, size: int) -> list[DanglingFile]:
        """Claim at most `size` files that are due for a purge. `until` identifies this claim."""
        due = self._unlocked(lambda row: row.record.purge_at is not None and row.record.purge_at <= now)
        piece = sorted(due, key=lambda row: row.record.purge_at or now)[:size]
        for row in piece:
            row.record = replace(row.record, purge_at=until)
        return [_dangling_file(row) for row in piece]

    async def settle(
        self, claim: datetime, done: Collection[UUID], postponed: Mapping[UUID, datetime]
    ) -> None:
        """End a claim: delete the tombstones that are `done`, and set the next purge of the others."""
        for file_id in [*done, *postponed]:
            row = self._store.files.get(file_id)
            if row is None or row.record.purge_at != claim:
                continue
            if file_id in postponed:
                row.record = replace(row.record, purge_at=postponed[file_id])
            elif not row.record.deleted:
                row.record = replace(row.record, purge_at=None, upload_until=None)
            elif not row.record.charged:
                del self._store.files[file_id]

    async def _piece_of_channel(self, channel_id: UUID, now: datetime, size: int) -> int:
        async with self._store.begin() as transaction:
            rows = self._store.files.values()
            existing = [
                row for row in rows if row.record.file.channel_id == channel_id and not row.record.deleted
            ]
            for row in existing[:size]:
                await transaction.hold(row.record.file.id)
            gone = self._bury((row for row in existing if not row.record.deleted), now, size)
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
        return (row for row in rows if due(row) and not self._store.lock_of(row.record.file.id).locked())

    def _bury(self, rows: Iterable[Row], now: datetime, size: int) -> int:
        piece = list(islice(rows, size))
        for row in piece:
            row.record = replace(row.record, deleted=True, purge_at=now)
            row.deleted_at = now
        return len(piece)


def _dangling_file(row: Row) -> DanglingFile:
    times = [time for time in (row.record.upload_until, row.deleted_at) if time is not None]
    return DanglingFile(row.record.file.id, row.record.deleted, row.record.complete, max(times))
