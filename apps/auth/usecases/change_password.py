"""Change the password."""

from dataclasses import replace

from apps.auth.domain.account import Account
from apps.auth.domain.attempts import AttemptPolicy
from apps.auth.ports import Passwords, UnitOfWork, UnitOfWorkFactory
from apps.auth.usecases.login_throttle import attempt
from apps.auth.usecases.token_issuing import end_sessions
from shared.contracts.account import ChangePassword
from shared.contracts.clock import Clock
from shared.contracts.errors import (
    CREDENTIALS_INVALID,
    IDEMPOTENCY_MISMATCH,
    MESH_BUSY,
    PROFILE_NOT_FOUND,
    TOKEN_INVALID,
)

_TRIES_MAX = 3


async def change_password(
    request: ChangePassword,
    key: str | None,
    units: UnitOfWorkFactory,
    passwords: Passwords,
    clock: Clock,
    policy: AttemptPolicy,
) -> None:
    """Set a new password and end all other sessions.

    * The current password must be right at the moment of the change, the session must be active.
    * Wrong ones are counted, as at a sign-in but apart from it: `rate.limited`.
    * Hashing is done outside any transaction.
    * The last change is known by its `key` (the caller's Idempotency-Key, or the call) for 24 h: the
      same again with the same new password is done already, with another one `idempotency.mismatch`,
      which counts like a wrong one: it tells that the password is not that.
      The new hash is the fingerprint, because a fast digest of a password must not be stored.
    """
    async with attempt(units, policy.of_change(request.profile_id), clock):
        await _change_verified(request, key, units, passwords, clock)


async def _change_verified(
    request: ChangePassword, key: str | None, units: UnitOfWorkFactory, passwords: Passwords, clock: Clock
) -> None:
    for _ in range(_TRIES_MAX):
        async with units.snapshot() as unit:
            account = await unit.accounts.by_id(request.profile_id)
        if account is None:
            raise PROFILE_NOT_FOUND.exception("The account does not exist.")
        if account.was_changed_by(key, clock.now()):
            return await _replay(request, account, passwords)
        if not await passwords.verify(account.password_hash, request.current):
            raise CREDENTIALS_INVALID.exception("The current password is wrong.")
        changed = replace(account, password_hash=await passwords.hash(request.new), password_changed_by=key)
        async with units.transaction() as unit:
            if await _change(request, account, changed, unit, clock):
                return None
    raise MESH_BUSY.exception("The password of this account is being changed.")


async def _replay(request: ChangePassword, account: Account, passwords: Passwords) -> None:
    if not await passwords.verify(account.password_hash, request.new):
        raise IDEMPOTENCY_MISMATCH.exception("This Idempotency-Key was used for another change of password.")


async def _change(
    request: ChangePassword, verified: Account, changed: Account, unit: UnitOfWork, clock: Clock
) -> bool:
    """Store the change; False when the password is no longer the one that was verified."""
    now = clock.now()
    locked = await unit.accounts.lock(verified.id)
    if locked is None or locked.password_hash != verified.password_hash:
        return False
    active = await unit.sessions.active(locked.id, now)
    if request.session_id not in {session.id for session in active}:
        raise TOKEN_INVALID.exception("This session has ended.")
    account = replace(
        locked,
        password_hash=changed.password_hash,
        password_changed_by=changed.password_changed_by,
        password_changed_at=now,
    )
    others = [session for session in active if session.id != request.session_id]
    await end_sessions(unit, account, others, now)
    return True
