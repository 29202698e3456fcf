"""Counting wrong passwords, in the database, so that all replicas have one count."""

from asyncio import CancelledError, shield
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from apps.auth.domain.attempts import AttemptPolicy, Counts, microseconds
from apps.auth.ports import UnitOfWork, UnitOfWorkFactory
from shared.contracts.clock import Clock
from shared.contracts.errors import CREDENTIALS_INVALID, IDEMPOTENCY_MISMATCH, RATE_LIMITED, ServiceError
from shared.contracts.gcra import whole_seconds

_NOBODY = UUID(int=0)
_WRONG = (CREDENTIALS_INVALID, IDEMPOTENCY_MISMATCH)
"""A key used again with another password says that it is another: also that is a guess."""


async def counts_of_sign_in(
    units: UnitOfWorkFactory, policy: AttemptPolicy, email: str, network: str | None
) -> Counts:
    """What a sign-in counts for. The same is read for an e-mail with an account and for one without."""
    if not policy.on:
        return {}
    async with units.snapshot() as unit:
        account = await unit.accounts.by_email(email)
        familiar = await unit.sessions.opened_from(account.id if account else _NOBODY, network or "")
    return policy.of_sign_in(email, network, familiar)


@asynccontextmanager
async def attempt(units: UnitOfWorkFactory, counts: Counts, clock: Clock) -> AsyncIterator[None]:
    """One attempt. Raises `rate.limited` when there were too many wrong ones; then nothing is verified.

    It is counted before the password is looked at, so that a thousand at once are no more than one after
    the other, and given back when the password was right or was not looked at to the end: whoever is cut
    off learns nothing of it.
    """
    await _take(units, counts, clock)
    try:
        yield
    except (Exception, CancelledError) as error:
        if not isinstance(error, ServiceError) or error.kind not in _WRONG:
            with suppress(ServiceError):  # what went wrong first is told
                await shield(_give_back(units, counts, clock))
        raise
    await shield(_give_back(units, counts, clock))


async def _take(units: UnitOfWorkFactory, counts: Counts, clock: Clock) -> None:
    if not counts:
        return
    async with units.transaction() as unit:
        tats, now_us = await _lock(unit, counts, clock)
        wait_us = max(rate.wait_us(tats[key], now_us) for key, rate in counts.items())
        if not wait_us:
            await unit.attempts.save({key: rate.after(tats[key], now_us) for key, rate in counts.items()})
    if wait_us:
        wait_s = whole_seconds(wait_us)
        raise RATE_LIMITED.exception(
            f"There were too many wrong passwords; the next attempt is looked at in {wait_s} s.",
            retry_after_s=wait_s,
        )


async def _give_back(units: UnitOfWorkFactory, counts: Counts, clock: Clock) -> None:
    if not counts:
        return
    async with units.transaction() as unit:
        locked, now_us = await _lock(unit, counts, clock)
        tats = {key: locked[key] - rate.interval_us for key, rate in counts.items()}
        paid_back = [key for key, tat_us in tats.items() if tat_us <= now_us]
        await unit.attempts.forget(paid_back)
        await unit.attempts.save({key: tat_us for key, tat_us in tats.items() if key not in paid_back})


async def _lock(unit: UnitOfWork, counts: Counts, clock: Clock) -> tuple[dict[bytes, int], int]:
    """When what was taken is paid back, at most a whole limit from now; and the moment that is now.

    Later it is only where another clock counted: one that was put back since, or another replica's.
    """
    found = await unit.attempts.lock(counts)
    now_us = microseconds(clock.now())  # not before: to lock is to wait
    tats = {key: min(found[key], now_us + rate.span_us) for key, rate in counts.items()}
    # Kept, also when the attempt is refused: else a whole limit would be ahead until that clock's time comes.
    await unit.attempts.save({key: tat_us for key, tat_us in tats.items() if tat_us < found[key]})
    return tats, now_us
