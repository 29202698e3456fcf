"""Periodic clean-up: delete the rows that nobody can see any more."""

from apps.server.domain.invites import INVITE_RETENTION
from apps.server.ports import UnitOfWorkFactory
from shared.contracts.clock import Clock

ROWS_MAX = 500
"""Rows deleted in one transaction."""
BATCHES_MAX = 100
"""Transactions in one run."""


async def purge_deleted(units: UnitOfWorkFactory) -> int:
    """Delete the rows of deleted servers in batches. Return their number; the next run deletes the rest."""
    purged = 0
    for _ in range(BATCHES_MAX):
        async with units.transaction() as unit:
            count = await unit.servers.purge(ROWS_MAX)
        purged += count
        if not count:
            break
    return purged


async def sweep_invites(units: UnitOfWorkFactory, clock: Clock) -> int:
    """Delete invites that have been invalid for 30 days, in batches. Return their number."""
    swept = 0
    for _ in range(BATCHES_MAX):
        async with units.transaction() as unit:
            count = await unit.invites.sweep(clock.now() - INVITE_RETENTION, ROWS_MAX)
        swept += count
        if not count:
            break
    return swept
