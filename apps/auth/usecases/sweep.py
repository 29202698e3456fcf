"""Sweep: remove sessions, refresh tokens and counts of attempts that are over."""

from apps.auth.domain.session import SessionPolicy
from apps.auth.ports import ExpiredRows
from shared.contracts.clock import Clock

BATCH_MAX = 1_000
BATCHES_MAX = 100


async def sweep(attic: ExpiredRows, policy: SessionPolicy, clock: Clock) -> int:
    """Remove what has been over for long enough; gives how many rows went.

    In batches, each a transaction, and a bounded number of them: the next sweep takes the rest. Tokens
    go before their session.
    """
    now = clock.now()
    over_before = now - policy.keep
    removed = 0
    for step, before in (
        (attic.remove_tokens, over_before),
        (attic.remove_sessions, over_before),
        (attic.remove_attempts, now),
    ):
        for _ in range(BATCHES_MAX):
            count = await step(before, BATCH_MAX)
            removed += count
            if count < BATCH_MAX:
                break
    return removed
