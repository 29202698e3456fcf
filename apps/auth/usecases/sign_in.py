"""user.signin"""

from dataclasses import replace

from apps.auth.domain.account import normal_email
from apps.auth.domain.attempts import AttemptPolicy
from apps.auth.ports import Passwords, UnitOfWorkFactory
from apps.auth.usecases.login_throttle import attempt, counts_of_sign_in
from apps.auth.usecases.token_issuing import Issuer, open_session, unwrap
from shared.contracts.account import SignedIn, SignIn
from shared.contracts.errors import CREDENTIALS_INVALID, MESH_BUSY

_TRIES_MAX = 3


async def sign_in(
    request: SignIn,
    call_id: str,
    units: UnitOfWorkFactory,
    passwords: Passwords,
    issuer: Issuer,
    policy: AttemptPolicy,
) -> SignedIn:
    """Open a session.

    * Exactly one hash is verified, for known and unknown e-mails alike, outside any transaction.
    * Wrong passwords are counted, for known and unknown e-mails alike. After too many, no password is
      verified: `rate.limited`.
    * The password must be correct at the moment when the session opens: if it has been changed meanwhile, it
      is verified again.
    * A hash made with outdated parameters is replaced.
    * An account has a bounded number of sessions: the one used longest ago is ended.
    * The same call delivered again opens no second session.
    """
    email = normal_email(request.email)
    counts = await counts_of_sign_in(units, policy, email, request.network)
    async with attempt(units, counts, issuer.clock):
        return await _sign_in(request, email, call_id, units, passwords, issuer)


async def _sign_in(
    request: SignIn, email: str, call_id: str, units: UnitOfWorkFactory, passwords: Passwords, issuer: Issuer
) -> SignedIn:
    for _ in range(_TRIES_MAX):
        async with units.snapshot() as unit:
            account = await unit.accounts.by_email(email)
        is_correct = await passwords.verify(account.password_hash if account else None, request.password)
        if account is None or not is_correct:
            raise CREDENTIALS_INVALID.exception("The e-mail or the password is wrong.")
        is_outdated = passwords.outdated(account.password_hash)
        current_hash = await passwords.hash(request.password) if is_outdated else account.password_hash
        async with units.transaction() as unit:
            locked = await unit.accounts.lock(account.id)
            if locked is None or locked.password_hash != account.password_hash:
                continue
            locked = replace(locked, password_hash=current_hash)
            await unit.accounts.save(locked)
            outcome = await open_session(unit, locked, call_id, request, issuer)
        return unwrap(outcome)
    raise MESH_BUSY.exception("The password of this account is being changed. Try again.")
