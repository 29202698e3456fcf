"""`apps.file.ports.PendingThumbnails` on Postgres."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, over
from sqlmodel import col, select

from apps.file.domain.files import FileRecord
from apps.file.outbound.tables import THUMBNAILS_PENDING, THUMBNAILS_SINCE, FileRow
from apps.file.outbound.unit_of_work import file_of
from shared.kit.database.database import Database


class SqlPendingThumbnails:
    """Round robin over the owners. Concurrent processes may find the same file: each try locks its row and
    counts itself before it begins.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last = UUID(int=0)

    async def due(self, now: datetime, size: int) -> list[FileRecord]:
        """Return at most `size` complete files whose next try is due: one of each owner, then the next."""
        async with self._database.snapshot() as session:
            files = [file_of(row) for row in await session.scalars(due_query(now, size, self._last))]
        if files:
            self._last = files[-1].file.profile_id
        return files


def due_query(now: datetime, size: int, last: UUID) -> Select[Any]:
    """Rank the due files of each owner, oldest first. Select all first ones, then all second ones, and so
    on; each round begins after the owner `last`. The index `files_to_paint` has them in this order.
    """
    since = func.coalesce(FileRow.thumbnails_after, FileRow.created_at)
    number = over(
        func.row_number(), partition_by=col(FileRow.profile_id), order_by=(THUMBNAILS_SINCE, col(FileRow.id))
    )
    due = (
        select(FileRow.id, FileRow.profile_id, number.label("number"))
        .where(THUMBNAILS_PENDING, since <= now)
        .subquery()
    )
    order = (due.c.number, due.c.profile_id <= last, due.c.profile_id)
    first = (
        select(due.c.id, due.c.number, due.c.profile_id)
        .where(due.c.number <= size)
        .order_by(*order)
        .limit(size)
        .subquery()
    )
    return (
        select(FileRow)
        .join(first, first.c.id == col(FileRow.id))
        .order_by(first.c.number, first.c.profile_id <= last, first.c.profile_id)
    )
