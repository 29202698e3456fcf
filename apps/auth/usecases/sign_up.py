"""user.signup"""

from datetime import datetime
from uuid import UUID

from apps.auth.domain.account import Account, clean_name, normal_email
from apps.auth.ports import Passwords, UnitOfWorkFactory
from apps.auth.usecases.token_issuing import Issuer, open_first_session, open_session, unwrap
from shared.contracts.account import SignedIn, SignUp
from shared.contracts.errors import EMAIL_TAKEN
from shared.contracts.event import PROFILE_UPDATED


async def sign_up(
    request: SignUp, call_id: str, units: UnitOfWorkFactory, passwords: Passwords, issuer: Issuer
) -> SignedIn:
    """Create an account and open its first session.

    * A normalised e-mail has at most one account; the database decides races: `email.taken`.
    * The password is hashed first, so that a taken e-mail takes as long as a free one.
    * Publishes `profile.updated`.
    * The same call delivered again signs in to the account that it created; the password proves its identity.
    """
    email = normal_email(request.email)
    password_hash = await passwords.hash(request.password)
    account = _new_account(request, email, password_hash, issuer.ids.new(), issuer.clock.now())
    async with units.transaction() as unit:
        is_new = await unit.accounts.add(account)
        if is_new:
            await unit.events.publish(PROFILE_UPDATED, account.id, account.revision, account.public())
            return await open_first_session(unit, account, call_id, request, issuer)
    return await _sign_in_again(request, email, call_id, units, passwords, issuer)


def _new_account(request: SignUp, email: str, password_hash: str, new_id: UUID, now: datetime) -> Account:
    return Account(
        id=new_id,
        name=clean_name(request.name),
        email=email,
        image_url=None,
        password_hash=password_hash,
        password_changed_at=now,
        password_changed_by=None,
        revision=1,
        created_at=now,
        updated_at=now,
    )


async def _sign_in_again(
    request: SignUp, email: str, call_id: str, units: UnitOfWorkFactory, passwords: Passwords, issuer: Issuer
) -> SignedIn:
    async with units.snapshot() as unit:
        account = await unit.accounts.by_email(email)
        session = await unit.sessions.opened_by(account.id, call_id) if account else None
    taken = EMAIL_TAKEN.exception("An account with this e-mail address exists already.")
    if account is None or session is None:
        raise taken
    if not await passwords.verify(account.password_hash, request.password):
        raise taken
    async with units.transaction() as unit:
        locked = await unit.accounts.lock(account.id)
        if locked is None or locked.password_hash != account.password_hash:
            raise taken
        outcome = await open_session(unit, locked, call_id, request, issuer)
    return unwrap(outcome)
