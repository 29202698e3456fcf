"""Files of which it is not known whether they have thumbnails."""

from datetime import datetime

from sqlalchemy import text

from apps.file.domain.files import Kept
from apps.file.domain.thumbnails import TRIES_MAX
from apps.file.outbound.units import KEPT_COLUMNS, kept_of
from shared.kit.database import Database

_DUE = text(
    f"""
    SELECT {KEPT_COLUMNS} FROM files
    WHERE thumbnails IS NULL AND status = 'COMPLETE' AND deleted_at IS NULL
        AND thumbnail_tries < :tries_max AND (thumbnails_after IS NULL OR thumbnails_after <= :now)
    ORDER BY thumbnails_after NULLS FIRST LIMIT :size
    """  # noqa: S608 (names of columns)
)


class PostgresUnpainted:
    """Several processes may look at once: each try is counted under the lock of its row before it begins."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, now: datetime, size: int) -> list[Kept]:
        """At most so many complete files that are to be tried now."""
        wanted = {"now": now, "size": size, "tries_max": TRIES_MAX}
        async with self._database.snapshot() as session:
            return [kept_of(row) for row in (await session.execute(_DUE, wanted)).mappings()]
