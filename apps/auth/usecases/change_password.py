"""user.changePassword"""

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

    * The current password must be correct at the moment of the change, and the session must be active.
    * Wrong passwords are counted as at a sign-in, but separately: `rate.limited`.
    * Hashing is done outside any transaction.
    * For 24 h the last change is identified by its `key` (the caller's Idempotency-Key, or the call id). A
      repetition with the same new password succeeds; with another one it is `idempotency.mismatch`, which
      counts as a wrong password because it reveals that the password is not that one. The new hash is the
      fingerprint, because a fast digest of a password must not be stored.
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
    raise MESH_BUSY.exception("The password of this account is being changed. Try again.")


async def _replay(request: ChangePassword, account: Account, passwords: Passwords) -> None:
    if not await passwords.verify(account.password_hash, request.new):
        raise IDEMPOTENCY_MISMATCH.exception("This Idempotency-Key was used for another new password.")


async def _change(
    request: ChangePassword, verified: Account, changed: Account, unit: UnitOfWork, clock: Clock
) -> bool:
    """Store the change; return False if the password is no longer the verified one."""
    now = clock.now()
    locked = await unit.accounts.lock(verified.id)
    if locked is None or locked.password_hash != verified.password_hash:
        return False
    active = await unit.sessions.active(locked.id, now)
    if request.session_id not in {session.id for session in active}:
        raise TOKEN_INVALID.exception("The session of this access token has ended.")
    account = replace(
        locked,
        password_hash=changed.password_hash,
        password_changed_by=changed.password_changed_by,
        password_changed_at=now,
    )
    others = [session for session in active if session.id != request.session_id]
    await end_sessions(unit, account, others, now)
    return True
