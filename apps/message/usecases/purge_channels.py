"""Delete the rows that deleted channels and servers have left."""

from datetime import timedelta

from apps.message.ports import Purge
from shared.contracts.clock import Clock

BATCH_ROWS = 1000
DELETED_FILES_LIFE = timedelta(hours=1)
"""No send is in progress for that long."""
BATCHES_MAX = 20
"""Batches of one run; the rest is left to the next run, so that other work gets its turn."""


async def purge_channels(purge: Purge, clock: Clock) -> int:
    """Delete in small transactions, so that no lock is held for long. Return the number of deleted rows."""
    await purge.delete_old_files(clock.now() - DELETED_FILES_LIFE)
    rows = 0
    for _ in range(BATCHES_MAX):
        deleted = await purge.delete_batch(BATCH_ROWS, clock.now())
        rows += deleted
        if deleted == 0:
            break
    return rows
