"""Upgrades of databases of earlier revisions."""

from collections.abc import Callable

import asyncpg

from migrations.runner import migrate
from shared.kit.clock import SystemIds
from tests.integration.kit.stairs import to_revision

IDS = SystemIds()
ADD = """
    INSERT INTO messages (channel_id, sequence, id, profile_id, server_id, content, request_key, fingerprint,
        created_at, deleted_at)
    VALUES ($1, $2, $3, $3, $3, CAST($4 AS text), $5, 'print', now(),
        CASE WHEN CAST($4 AS text) IS NULL THEN now() END)
"""


async def test_earlier_tombstones_lose_their_fingerprint(
    database_url: Callable[[], str],
) -> None:
    url, channel = database_url(), IDS.new()
    await to_revision("message", url, "0003")
    connection = await asyncpg.connect(url)
    for sequence, content in enumerate(("yes", None)):
        await connection.execute(ADD, channel, sequence, IDS.new(), content, str(sequence))
    await connection.close()
    assert await migrate("message", url)
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT content, fingerprint FROM messages ORDER BY sequence")
    await connection.close()
    assert [tuple(row) for row in rows] == [("yes", b"print"), (None, None)]
