"""The same behaviour on Postgres as in memory; and what it reads for that."""

import re
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text

from apps.file.outbound import pending_thumbnails
from shared.kit.database.database import Database
from tests.unit.file.test_turns import *  # noqa: F403

FILL = """
    INSERT INTO files (id, channel_id, server_id, profile_id, name, size, content_type, status, revision,
        charged, created_at, thumbnails_after, thumbnail_tries)
    SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), md5((n % 3)::text)::uuid, 'tea', 3,
        'image/png', 'COMPLETE', 1, true, now() - interval '1 hour',
        CASE WHEN n % 2 = 0 THEN now() + interval '1 hour' END, (n % 2)
    FROM generate_series(1, 20000) AS n
"""
"""Three people, half of whose images have to wait."""


async def test_the_many_are_not_read(database: Database) -> None:
    wanted = {"now": datetime.now(UTC), "size": 16, "last": UUID(int=0)}
    async with database.transaction() as session:
        await session.execute(text(FILL))
        explain = text(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {pending_thumbnails._DUE.text}")
        plan = "\n".join((await session.execute(explain, wanted)).scalars())
    assert plan.count("using files_to_paint") == 3
    assert "Seq Scan" not in plan
    assert all(int(rows) < 10 for rows in re.findall(r"Rows Removed by .*: (\d+)", plan)), plan
