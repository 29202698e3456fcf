"""Delete files that nobody needs, and purge their bytes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from apps.file.domain.keys import DanglingFile, file_key
from apps.file.ports import DanglingFiles, Storage
from shared.contracts.clock import Clock
from shared.contracts.errors import ServiceError

BATCH_ROWS = 200
PURGE_BATCH_FILES = 50
"""Files whose bytes are deleted before that is stored: by one S3 call, and one for each failed upload."""
BATCHES_MAX = 20
"""The batches of one run; then other jobs have their turn until the next run."""
CLAIM_TTL = timedelta(minutes=10)
"""A claim of a process that died expires after this time."""


async def sweep_uploads(dangling: DanglingFiles, clock: Clock) -> int:
    """Delete files that were not completed in time, and those of deleted channels; return how many rows.

    Their quota is released as soon as their upload URLs have expired.
    """
    rows = 0
    for _ in range(BATCHES_MAX):
        now = clock.now()
        batch = await dangling.delete_overdue(now, BATCH_ROWS)
        batch += await dangling.delete_of_deleted_channels(now, BATCH_ROWS)
        batch += await dangling.release_quota(now, BATCH_ROWS)
        rows += batch
        if batch == 0:
            break
    return rows


async def purge_bytes(dangling: DanglingFiles, storage: Storage, clock: Clock, writes_end: timedelta) -> int:
    """Delete the objects of deleted files, and those left at upload keys; return how many files.

    * Every key that may ever be written has a row until all writes have ended: `writes_end` after the file
      was deleted and its upload URL expired. Then its keys are purged for the last time.
    * A row is deleted only after its bytes: while S3 does not answer the tombstones stay.
    * No transaction is open during an S3 call; progress is stored after each batch.
    * A file that S3 refuses to delete holds up no other.
    """
    files = 0
    for _ in range(BATCHES_MAX):
        now = clock.now()
        claim = now + CLAIM_TTL
        batch = await dangling.claim(now, claim, PURGE_BATCH_FILES)
        if not batch:
            break
        failing: set[UUID] = set()
        try:
            purged = await _purge(batch, storage, failing)
        except ServiceError:
            others = {file.file_id: now for file in batch if file.file_id not in failing}
            await dangling.settle(claim, (), others)
            raise
        await dangling.settle(claim, *_outcome(purged, now, writes_end))
        files += len(purged)
    return files


async def _purge(batch: Sequence[DanglingFile], storage: Storage, failing: set[UUID]) -> list[DanglingFile]:
    """Return the files without objects; the others are claimed again later.

    When it raises, `failing` has the file that S3 failed on: it is tried again only when the claim expires.
    """
    for file in batch:
        if file.may_have_parts():
            failing.add(file.file_id)
            await storage.abort_uploads(file_key(file.file_id))
            failing.clear()
    stuck = await storage.delete([key for file in batch for key in file.object_keys()])
    return [file for file in batch if stuck.isdisjoint(file.object_keys())]


def _outcome(
    purged: Sequence[DanglingFile], now: datetime, writes_end: timedelta
) -> tuple[list[UUID], dict[UUID, datetime]]:
    """Return the files that are done, and the time of the next purge of the others."""
    closing = {file.file_id: file.closes_at(writes_end) for file in purged}
    done = [file_id for file_id, closes_at in closing.items() if closes_at <= now]
    return done, {file_id: closes_at for file_id, closes_at in closing.items() if closes_at > now}
