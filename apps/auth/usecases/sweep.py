"""Periodic sweep of expired sessions, refresh tokens and attempt counters."""

from apps.auth.domain.session import SessionPolicy
from apps.auth.ports import ExpiredRows
from shared.contracts.clock import Clock

BATCH_MAX = 1_000
BATCHES_MAX = 100


async def sweep(expired: ExpiredRows, policy: SessionPolicy, clock: Clock) -> int:
    """Delete rows whose retention is over; return their number.

    Each batch is a transaction; their number is bounded, and the next sweep deletes the rest. Tokens are
    deleted before their session.
    """
    now = clock.now()
    over_before = now - policy.keep
    removed = 0
    for remove, before in (
        (expired.remove_tokens, over_before),
        (expired.remove_sessions, over_before),
        (expired.remove_attempts, now),
    ):
        for _ in range(BATCHES_MAX):
            count = await remove(before, BATCH_MAX)
            removed += count
            if count < BATCH_MAX:
                break
    return removed
