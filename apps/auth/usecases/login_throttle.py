"""Throttle of password guessing; the counters are in the database, shared by all replicas."""

from asyncio import CancelledError, shield
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from apps.auth.domain.attempts import AttemptPolicy, Counts, microseconds
from apps.auth.ports import UnitOfWork, UnitOfWorkFactory
from shared.contracts.clock import Clock
from shared.contracts.errors import CREDENTIALS_INVALID, IDEMPOTENCY_MISMATCH, RATE_LIMITED, ServiceError
from shared.contracts.gcra import whole_seconds

_NO_ACCOUNT = UUID(int=0)
_WRONG = (CREDENTIALS_INVALID, IDEMPOTENCY_MISMATCH)
"""A reused key with another password is a guess too: the mismatch reveals that the password differs."""


async def counts_of_sign_in(
    units: UnitOfWorkFactory, policy: AttemptPolicy, email: str, network: str | None
) -> Counts:
    """Return the limits of a sign-in. The same rows are read whether the e-mail has an account or not."""
    if not policy.on:
        return {}
    async with units.snapshot() as unit:
        account = await unit.accounts.by_email(email)
        is_familiar = await unit.sessions.opened_from(account.id if account else _NO_ACCOUNT, network or "")
    return policy.of_sign_in(email, network, is_familiar)


@asynccontextmanager
async def attempt(units: UnitOfWorkFactory, counts: Counts, clock: Clock) -> AsyncIterator[None]:
    """Run one attempt. Raises `rate.limited` after too many wrong passwords; then none is verified.

    The attempt is charged before the password is verified, so that a thousand concurrent attempts are charged
    like sequential ones. It is refunded if the password was correct, or if the verification did not finish:
    an interrupted caller learns nothing.
    """
    await _charge(units, counts, clock)
    try:
        yield
    except (Exception, CancelledError) as error:
        if not isinstance(error, ServiceError) or error.code not in _WRONG:
            with suppress(ServiceError):  # raise the first error, not this one
                await shield(_refund(units, counts, clock))
        raise
    await shield(_refund(units, counts, clock))


async def _charge(units: UnitOfWorkFactory, counts: Counts, clock: Clock) -> None:
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
            f"Too many wrong passwords; try again in {wait_s} s.",
            retry_after_s=wait_s,
        )


async def _refund(units: UnitOfWorkFactory, counts: Counts, clock: Clock) -> None:
    if not counts:
        return
    async with units.transaction() as unit:
        locked, now_us = await _lock(unit, counts, clock)
        tats = {key: locked[key] - rate.interval_us for key, rate in counts.items()}
        refunded = [key for key, tat_us in tats.items() if tat_us <= now_us]
        await unit.attempts.remove(refunded)
        await unit.attempts.save({key: tat_us for key, tat_us in tats.items() if key not in refunded})


async def _lock(unit: UnitOfWork, counts: Counts, clock: Clock) -> tuple[dict[bytes, int], int]:
    """Lock the counters. Return their theoretical arrival times and the current time, in microseconds.

    The times are clamped to one whole limit ahead: they are later only if another clock counted, that of
    another replica or one that was set back since.
    """
    stored = await unit.attempts.lock(counts)
    now_us = microseconds(clock.now())  # read after the lock, which may have waited
    tats = {key: min(stored[key], now_us + rate.span_us) for key, rate in counts.items()}
    # Stored even if the attempt is rejected; otherwise the limit would last until that clock's time has come.
    await unit.attempts.save({key: tat_us for key, tat_us in tats.items() if tat_us < stored[key]})
    return tats, now_us
