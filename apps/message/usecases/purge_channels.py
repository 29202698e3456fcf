"""Purge what deleted channels and servers leave behind."""

from datetime import timedelta

from apps.message.ports import Purge
from shared.contracts.clock import Clock

PIECE_ROWS = 1000
DELETED_FILES_LIFE = timedelta(hours=1)
"""No message is on its way for that long."""
PIECES_MAX = 20
"""At most so many pieces one after the other; then others have their turn until the job runs again."""


async def purge_channels(purge: Purge, clock: Clock) -> int:
    """Delete in small transactions, so that nobody waits long for a lock; gives how many rows are gone."""
    await purge.forget_deleted_files(clock.now() - DELETED_FILES_LIFE)
    rows = 0
    for _ in range(PIECES_MAX):
        piece = await purge.piece(PIECE_ROWS, clock.now())
        rows += piece
        if piece == 0:
            break
    return rows
