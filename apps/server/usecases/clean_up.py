"""What runs from time to time: take away the rows that nobody can see any longer."""

from apps.server.domain.servers import INVITE_MEMORY
from apps.server.ports import UnitOfWorkFactory
from shared.contracts.clock import Clock

ROWS_MAX = 500
"""Rows in one transaction."""
PIECES_MAX = 100
"""Transactions in one run."""


async def purge_deleted(units: UnitOfWorkFactory) -> int:
    """Take away rows of deleted servers, in pieces. Returns how many; what is left waits for the next run."""
    purged = 0
    for _ in range(PIECES_MAX):
        async with units.transaction() as unit:
            piece = await unit.servers.purge(ROWS_MAX)
        purged += piece
        if not piece:
            break
    return purged


async def sweep_invites(units: UnitOfWorkFactory, clock: Clock) -> int:
    """Forget invites that have not been good for 30 days, in pieces. Returns how many."""
    swept = 0
    for _ in range(PIECES_MAX):
        async with units.transaction() as unit:
            piece = await unit.invites.sweep(clock.now() - INVITE_MEMORY, ROWS_MAX)
        swept += piece
        if not piece:
            break
    return swept
