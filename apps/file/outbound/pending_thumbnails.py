"""Files of which it is not known whether they have thumbnails."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from apps.file.domain.files import FileRecord
from apps.file.outbound.tables import PAINT_SINCE, TO_PAINT
from apps.file.outbound.unit_of_work import KEPT_COLUMNS, kept_of
from shared.kit.database.database import Database

_IS_DUE = f"{TO_PAINT} AND {PAINT_SINCE} <= :now"
_DUE = text(
    f"""
    WITH RECURSIVE turns (turn, person) AS (
        SELECT 0, CAST(:last AS uuid)
        UNION ALL
        SELECT turn + 1, coalesce(
            (SELECT profile_id FROM files WHERE profile_id > person AND {_IS_DUE} ORDER BY 1 LIMIT 1),
            (SELECT profile_id FROM files WHERE {_IS_DUE} ORDER BY 1 LIMIT 1)
        )
        FROM turns WHERE turn < :size AND person IS NOT NULL
    ), rounds AS (
        SELECT turn, person, row_number() OVER (PARTITION BY person ORDER BY turn) - 1 AS before
        FROM turns WHERE turn > 0
    )
    SELECT {KEPT_COLUMNS} FROM rounds CROSS JOIN LATERAL (
        SELECT * FROM files WHERE profile_id = person AND {_IS_DUE}
        ORDER BY profile_id, {PAINT_SINCE}, id OFFSET before LIMIT 1
    ) AS files
    ORDER BY turn
    """  # noqa: S608 (names of columns)
)
"""Goes around the people, so many steps: an index leads from each to the next, and to their n-th file."""


class SqlPendingThumbnails:
    """Several processes may look at once: each try is counted under the lock of its row before it begins."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last = UUID(int=0)

    async def due(self, now: datetime, size: int) -> list[FileRecord]:
        """At most so many complete files that are to be tried now, of one person after another."""
        wanted = {"now": now, "size": size, "last": self._last}
        async with self._database.snapshot() as session:
            due = [kept_of(row) for row in (await session.execute(_DUE, wanted)).mappings()]
        if due:
            self._last = due[-1].file.profile_id
        return due
