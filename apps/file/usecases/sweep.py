"""Take away what nobody needs any longer."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from apps.file.domain.keys import DanglingFile, file_key
from apps.file.ports import DanglingFiles, Storage
from shared.contracts.clock import Clock
from shared.contracts.errors import ServiceError

PIECE_ROWS = 200
PURGED_AT_ONCE = 50
"""Files whose bytes are deleted before that is written down: by one call of S3, and one for each that broke
off."""
PIECES_MAX = 20
"""At most so many pieces one after the other; then others have their turn until the job runs again."""
CLAIM_LIFE = timedelta(minutes=10)
"""Who claimed a piece and died leaves it to others so much later."""


async def sweep_uploads(leftovers: DanglingFiles, clock: Clock) -> int:
    """Bury files that were not completed in time, and those of deleted channels; gives how many rows went.

    Their room in the quotas is free as soon as their addresses take no more bytes.
    """
    rows = 0
    for _ in range(PIECES_MAX):
        now = clock.now()
        piece = await leftovers.overdue(now, PIECE_ROWS)
        piece += await leftovers.of_deleted_channels(now, PIECE_ROWS)
        piece += await leftovers.give_back(now, PIECE_ROWS)
        rows += piece
        if piece == 0:
            break
    return rows


async def purge_bytes(leftovers: DanglingFiles, storage: Storage, clock: Clock, writes_end: timedelta) -> int:
    """Delete the bytes of what was buried, and what was written to places for uploads; gives how many files.

    * Every key that may ever be written has a row, until all that was begun has ended: `writes_end` after the
      row was buried and its address expired. Then its keys are looked at for the last time.
    * Nothing is forgotten before its bytes are gone: while S3 is away the tombstones wait.
    * No transaction is open while S3 works; what is done is written down piece by piece.
    * One file of which S3 will not let go holds up no other.
    """
    files = 0
    for _ in range(PIECES_MAX):
        now = clock.now()
        claim = now + CLAIM_LIFE
        piece = await leftovers.claim(now, claim, PURGED_AT_ONCE)
        if not piece:
            break
        held: set[UUID] = set()
        try:
            removed = await _remove(piece, storage, held)
        except ServiceError:
            others = {leftover.file_id: now for leftover in piece if leftover.file_id not in held}
            await leftovers.settle(claim, (), others)
            raise
        await leftovers.settle(claim, *_outcome(removed, now, writes_end))
        files += len(removed)
    return files


async def _remove(piece: Sequence[DanglingFile], storage: Storage, held: set[UUID]) -> list[DanglingFile]:
    """Gives those that have nothing left; the others are claimed again later: nobody waits for them.

    When it raises, `held` has the file that it was at: only the claim's end lets that one be tried again.
    """
    for leftover in piece:
        if leftover.may_have_parts():
            held.add(leftover.file_id)
            await storage.drop_parts(file_key(leftover.file_id))
            held.clear()
    stuck = await storage.remove([key for leftover in piece for key in leftover.may_be_left()])
    return [leftover for leftover in piece if stuck.isdisjoint(leftover.may_be_left())]


def _outcome(
    removed: Sequence[DanglingFile], now: datetime, writes_end: timedelta
) -> tuple[list[UUID], dict[UUID, datetime]]:
    """What is done for good, and when the rest is looked at again."""
    closing = {leftover.file_id: leftover.closes_at(writes_end) for leftover in removed}
    done = [file_id for file_id, closes_at in closing.items() if closes_at <= now]
    return done, {file_id: closes_at for file_id, closes_at in closing.items() if closes_at > now}
