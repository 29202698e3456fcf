"""Take away what nobody needs any longer."""

from apps.file.domain.places import all_keys, upload_key
from apps.file.ports import Leftovers, Storage
from shared.contracts.clock import Clock

PIECE_ROWS = 200
PURGED_AT_ONCE = 20
"""Files whose bytes are deleted within one transaction: its locks are held meanwhile."""
PIECES_MAX = 20
"""At most so many pieces one after the other; then others have their turn until the job runs again."""


async def sweep_uploads(leftovers: Leftovers, clock: Clock) -> int:
    """Bury files that were not completed in time, and those of deleted channels; gives how many rows went.

    Their room in the quotas is free at once.
    """
    rows = 0
    for _ in range(PIECES_MAX):
        now = clock.now()
        piece = await leftovers.overdue(now, PIECE_ROWS)
        piece += await leftovers.of_deleted_channels(now, PIECE_ROWS)
        rows += piece
        if piece == 0:
            break
    return rows


async def purge_bytes(leftovers: Leftovers, storage: Storage, clock: Clock) -> int:
    """Delete the bytes of what was buried, and what was written to places for uploads; gives how many files.

    * Nothing is forgotten before its bytes are gone: while S3 is away the tombstones wait.
    * A place for uploads is looked at again when nobody can write there any longer.
    """
    files = 0
    for _ in range(PIECES_MAX):
        async with leftovers.without_use(clock.now(), PURGED_AT_ONCE) as (buried, closed):
            keys = [key for file_id in buried for key in all_keys(file_id)]
            await storage.remove([*keys, *(upload_key(file_id) for file_id in closed)])
        files += len(buried) + len(closed)
        if not buried and not closed:
            break
    return files
